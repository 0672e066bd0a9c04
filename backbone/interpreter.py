"""What a user's own Python settings and terminal must not change."""

from __future__ import annotations

import io
import os
import sys


def settle() -> None:
    """Let every character be printed, and run with docstrings, which are the help of tasks and rules.

    Where the terminal, LC_ALL or PYTHONIOENCODING know ASCII only, any other character is printed as an escape.
    PYTHONOPTIMIZE=2 takes docstrings away: then the same command line begins again without it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    given = os.environ.pop("PYTHONOPTIMIZE", "")
    if given and sys.flags.optimize > 1:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - no shell is the point
