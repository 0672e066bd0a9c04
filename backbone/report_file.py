"""A report in a file that the user named, relative to where he stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, text: str) -> None:
    """Write a text, making the folders above it. Raises StackError("cannot-write") where the disk does not let it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StackError(
            "cannot-write", f"cannot write {path}", context=error.strerror, exit_code=ExitCode.USAGE
        ) from error
