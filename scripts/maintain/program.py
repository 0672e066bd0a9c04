"""What the modules that a maintainer runs have in common: `python -m scripts.maintain.NAME`, behind a nox session."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

from backbone import console
from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def run(main: Callable[[Sequence[str]], ExitCode], argv: Sequence[str]) -> ExitCode:
    """Call a module's `main` with its arguments; an error becomes words on stderr and its exit code.

    SIGTERM ends it like Ctrl-C, so that a stack that was started for a measurement is stopped.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return main(argv)
    except StackError as error:
        console.print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return ExitCode.INTERRUPTED
