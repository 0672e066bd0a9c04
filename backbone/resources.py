"""The files that a version of this library brings along: a stack's plain files, and its own schemas and data.

The wheel has them beside the package, in `backbone/home`; a checkout has them at the repository's root. Nothing else
knows which of the two this is.
"""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_PACKAGED = _PACKAGE / "home"

IMPORT_ROOT = _PACKAGE.parent
"""The folder that a child process has to find the package in."""


def checkout() -> Path | None:
    """Return the repository's root if this library runs from a checkout, None if it was installed."""
    return None if _PACKAGED.is_dir() else IMPORT_ROOT


def version() -> str:
    """Return this library's version."""
    if root := checkout():
        return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("messaging-backbone")


def files() -> Path:
    """Return the folder that holds the plain files of a stack as this version has them."""
    return checkout() or _PACKAGED


def schema(name: str) -> Path:
    """Return a JSON Schema, or another data file of the library, by its file name."""
    return files() / "schemas" / name
