"""The library behind the tasks: layers from errors up to the command line (docs/architecture.md)."""

import os
import sys

# Invoke turns it off for all that it loads; compiling the library again costs every task 0.1 s.
sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
