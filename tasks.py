"""The tasks: `./invoke --list`. Each lives in scripts/tasks, a module a theme.

./invoke runs this file, isolated from the user's Python; Invoke's own program loads it, and hands over.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from scripts import environment  # noqa: E402 - found by the line above

environment.heal(ROOT)
try:
    from scripts.tasks import program, verify
    from scripts.tasks.collection import collect
except (ImportError, SyntaxError) as error:
    if not environment.is_damaged(ROOT, error):
        raise
    environment.make_again(ROOT, error)

ns = collect(verify)
if __name__ == "__main__" or program.is_invoke(sys.argv[0]):
    program.run(ns)
