"""Archives of the lock, unpacked once into the user's cache and looked at before every use."""

from __future__ import annotations

import shlex
import shutil
import tarfile
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.stack.engine.embedded import seals

if TYPE_CHECKING:
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
            tar.extractall(folder, filter="data")
    except (OSError, EOFError, tarfile.TarError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise StackError(
            "unpack-failed",
            f"cannot unpack {archive.name}",
            context=str(error),
            hint=f"df -h {shlex.quote(str(folder.parent))}",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
