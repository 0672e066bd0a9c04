"""What a user's own Python settings, locale and terminal must not change."""

from __future__ import annotations

import io
import locale
import os
import sys


def settle() -> None:
    """Let every file be named and every character be printed, and run with docstrings: the help of tasks and rules.

    Where the locale knows no UTF-8 (LC_ALL=C, ISO-8859-1), neither folders with other names nor the output of programs
    could be read; PYTHONOPTIMIZE=2 takes docstrings away. Then the same command line begins again, without that. A
    character that the terminal, LC_ALL or PYTHONIOENCODING do not know is printed as an escape.
    """
    given = os.environ.pop("PYTHONOPTIMIZE", "")
    plain = sys.getfilesystemencoding() == "utf-8"
    if not plain or (given and sys.flags.optimize > 1):
        os.environ["PYTHONUTF8"] = "1"  # for what this one starts
        argv = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
        os.execv(sys.executable, argv)  # noqa: S606 - no shell is the point
    chosen = not sys.flags.utf8_mode or os.environ.get("PYTHONIOENCODING")
    known = None if chosen else locale.getencoding()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=known, errors="backslashreplace")
