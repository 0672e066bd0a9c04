"""A home: the folder that holds a stack's plain files (Compose files, `.env`, topics, contracts, connectors).

The checkout of this project is one; `backbone init DIR` makes another.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from backbone import resources
from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARKS = (Path("docker-compose.yml"), Path("infra", "artifacts.lock.json"))
"""What only a home has side by side: any project can have the first."""


def here() -> Path:
    """Return the home of whoever runs this process: `find` from the working directory."""
    try:
        folder = Path.cwd()
    except FileNotFoundError as error:
        raise StackError(
            "no-folder", "the folder you stand in is gone", hint="cd", exit_code=ExitCode.ENVIRONMENT
        ) from error
    return find(folder, os.environ)


def find(start: Path, environ: Mapping[str, str]) -> Path:
    """Return BACKBONE_HOME, else the nearest home from `start` upwards, else the checkout this library runs from.

    Raises StackError("no-home") if there is none.
    """
    if given := environ.get("BACKBONE_HOME"):
        folder = (start / given).resolve()
        if is_home(folder):
            return folder
        raise _missing(f"BACKBONE_HOME is {given}, which holds no stack")
    folder = start.resolve()
    for each in (folder, *folder.parents):
        if is_home(each):
            return each
    if own := resources.checkout():
        return own
    raise _missing(f"neither {folder} nor a folder above it holds a stack")


def is_home(folder: Path) -> bool:
    """Tell whether a folder holds a stack's plain files."""
    return all((folder / mark).is_file() for mark in _MARKS)


def _missing(message: str) -> StackError:
    return StackError(
        "no-home", message, hint="./invoke init .   # writes the stack's plain files here", exit_code=ExitCode.NOTHING
    )
