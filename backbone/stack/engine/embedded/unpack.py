"""Archives of the lock, unpacked once into the user's cache."""

from __future__ import annotations

import shutil
import tarfile
from typing import TYPE_CHECKING

from filelock import FileLock

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from pathlib import Path


def unpack(archive: Path, cache: Path) -> Path:
    """Return the folder with an archive's files, unpacked by whoever comes first: complete, or not there.

    The archive was compared with its locked sha256 before; its name holds its version.
    """
    folder = cache / "unpacked" / archive.name.removesuffix(".tar.gz")
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(folder.name + ".lock")):
        if not folder.exists():
            partial = folder.with_name(folder.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            _extract(archive, partial)
            partial.rename(folder)
    return folder


def _extract(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (OSError, tarfile.TarError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise StackError(
            "unpack-failed",
            f"cannot unpack {archive.name}",
            context=str(error),
            hint=f"is there room below {folder.parent}?",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
