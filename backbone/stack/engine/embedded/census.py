"""All embedded stacks of this user on this machine, found by what their processes carry, and stopping lost ones."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from backbone.errors import StackError
from backbone.stack.engine.embedded import process
from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

_GRACE_S = 30.0


@dataclass(frozen=True, slots=True)
class Found:
    """One stack that runs. since: seconds since 1970, of its oldest process. memory in bytes, shared pages in each."""

    folder: Path
    services: tuple[str, ...]
    pids: tuple[int, ...]
    since: float
    memory: int

    @property
    def gone(self) -> bool:
        """Whether its folder is not there any more, so that no task can reach it."""
        return not self.folder.is_dir()


def find() -> list[Found]:
    """Return every stack of this user of which a process runs, by folder."""
    by_folder: dict[str, list[tuple[str, process.Identity]]] = {}
    for owner, identity in process.orphans(""):
        folder, service = process.split_owner(owner)
        if folder:
            by_folder.setdefault(folder, []).append((service, identity))
    return [_found(Path(folder), members) for folder, members in sorted(by_folder.items())]


def stop(stacks: Iterable[Found], grace: float = _GRACE_S) -> list[int]:
    """Stop the processes of some stacks, kill what has not ended after some seconds; return those that ran."""
    running = [found for each in stacks for pid in each.pids if (found := _process(pid, each.folder))]
    for found in running:
        for number in (signal.SIGCONT, signal.SIGTERM):  # one that is paused could not hear
            process.send(found, number)
    with suppress(StackError):
        wait_until(lambda: all(map(process.has_ended, running)), what="the end of lost services", timeout=grace)
    for found in running:
        if not process.has_ended(found):
            process.send(found, signal.SIGKILL)
    return [found.pid for found in running]


def _found(folder: Path, members: list[tuple[str, process.Identity]]) -> Found:
    memory, started = 0, []
    for _, identity in members:
        with suppress(psutil.Error):
            running = psutil.Process(identity.pid)
            memory += running.memory_info().rss
            started.append(running.create_time())
    return Found(
        folder,
        tuple(sorted(service for service, _ in members)),
        tuple(identity.pid for _, identity in members),
        min(started, default=time.time()),
        memory,
    )


def _process(pid: int, folder: Path) -> psutil.Process | None:
    """Return a process if it still is one of that stack."""
    with suppress(psutil.Error):
        found = psutil.Process(pid)
        if found.environ().get(process.OWNER, "").startswith(f"{folder}::"):
            return found
    return None
