"""Files that the product reads back: after a power cut there is the old content or the new one, never a part."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def replace(path: Path, text: str | bytes, mode: int = 0o644) -> None:
    """Write a file aside, flush it to the disk and rename it; mode as for `open(2)`, the umask applies.

    Raises OSError, and leaves the old file as it was.
    """
    body = text.encode() if isinstance(text, str) else text
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)  # of a task that was killed, perhaps with another mode
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise
    flush_folder(path.parent)


def rewrite(path: Path, text: str | bytes) -> None:
    """Give a file of the user's another content: who may read it stays, and a link goes on to lead to it.

    Raises OSError, and leaves the old content.
    """
    place = path.resolve()
    mode = stat.S_IMODE(place.stat().st_mode) if place.exists() else 0o644
    replace(place, text, mode)


def flush_folder(folder: Path) -> None:
    """Flush a folder, so that a rename in it holds; what no file system offers (some network ones) is left out."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
