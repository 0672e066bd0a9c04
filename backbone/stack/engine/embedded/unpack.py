"""Archives of the lock, unpacked once into the user's cache and looked at before every use."""

from __future__ import annotations

import shlex
import shutil
import tarfile
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.stack.engine.embedded import seals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def unpack(archive: Path, cache: Path) -> Path:
    """Return the folder with an archive's files: complete and unaltered, else unpacked again (seals.py).

    The archive was compared with its locked sha256 before; its name holds its version.
    """
    name = archive.name.removesuffix(".tar.gz")
    return seals.sealed(cache / "unpacked" / name, lambda folder: _extract(archive, folder))


def _extract(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(folder, filter="data")
            else:  # Python before 3.11.4, Debian 12's own among them
                tar.extractall(folder, members=_within(tar, folder))  # noqa: S202 - each is looked at
    except (OSError, EOFError, tarfile.TarError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise StackError(
            "unpack-failed",
            f"cannot unpack {archive.name}",
            context=str(error),
            hint=f"df -h {shlex.quote(str(folder.parent))}",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error


def _within(tar: tarfile.TarFile, folder: Path) -> Iterator[tarfile.TarInfo]:
    """Yield files and folders; tarfile.TarError for any other member, and for one whose place is outside."""
    for member in tar:
        inside = (folder / member.name).resolve().is_relative_to(folder.resolve())
        if not inside or not (member.isreg() or member.isdir()):
            raise tarfile.TarError(f"{member.name!r} is outside, or neither a file nor a folder")
        yield member
