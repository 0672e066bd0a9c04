"""Waiting for processes that were asked to stop, and ending those that do not."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.errors import StackError
from backbone.stack.engine.embedded import process
from backbone.stack.engine.embedded.aot import Cache
from backbone.wait import CLOCK, Clock, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import psutil

    from backbone.stack.engine.base import Progress

_POLL_S = 0.02
_KILL_WAIT_S = 5.0
_SAVES_S = 120.0
_RECORDS = "-XX:AOTCacheOutput="
_AGENT_PORT = re.compile(
    r"-javaagent:[^=]+=(?:[^:]*:)?(\d+):"
)  # the metrics agent's, which it holds as long as the JVM lives


@dataclass(frozen=True, slots=True)
class Leaving:
    """A service that was asked to stop. Times in seconds: grace from now, alone from when its last peer has ended.

    peers: the services of its kind that it stops together with. alone: None if it may take the time it needs.
    """

    name: str
    found: psutil.Process
    grace: float
    peers: frozenset[str] = frozenset()
    alone: float | None = None


def dependents_first(depends_on: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return names in the order to stop them: together what nothing that is left depends on (Compose's own order)."""
    left = {name: set(needed) for name, needed in depends_on.items()}
    found = []
    while left:
        needed = set().union(*left.values())
        wave = [name for name in left if name not in needed] or list(left)
        found.append(wave)
        for name in wave:
            del left[name]
    return found


def await_ends(leaving: Sequence[Leaving], progress: Progress, clock: Clock = CLOCK) -> None:
    """Return when all have ended; one whose time is up is killed, and that is said."""
    started = clock.now()
    deadlines = {item.name: started + item.grace for item in leaving}
    pending = {item.name: item for item in leaving}
    while pending:
        for name, item in list(pending.items()):
            if _has_ended(item, progress):
                del pending[name]
            elif clock.now() > deadlines[name]:
                took = clock.now() - started
                progress(f"{name} did not stop in {took:.0f} s and is killed; the next start recovers its log")
                process.send(item.found, signal.SIGKILL)
                deadlines[name] = clock.now() + _KILL_WAIT_S
            elif item.alone is not None and not item.peers & pending.keys():
                deadlines[name] = min(deadlines[name], clock.now() + item.alone)
                pending[name] = Leaving(name, item.found, item.grace)
        clock.sleep(_POLL_S if pending else 0)


def records(found: psutil.Process) -> Cache | None:
    """Return the start-up cache that a JVM was told to write at its end, None for any other process."""
    flag = next((arg for arg in process.arguments(found) if arg.startswith(_RECORDS)), None)
    return Cache(Path(flag.removeprefix(_RECORDS))) if flag else None


def saves_cache(found: psutil.Process) -> bool:
    """Tell a JVM whose service has ended, and which only goes on to write the start-up cache it recorded.

    An agent in it may listen until it has: the next start waits for that.
    """
    cache = records(found)
    return bool(cache and cache.recording.exists() and _only_agents_listen(found))


def has_served(found: psutil.Process) -> bool:
    """Tell a JVM that saves a start-up cache, or that has saved it and is about to end."""
    cache = records(found)
    return bool(cache and (cache.recording.exists() or cache.path.exists()) and _only_agents_listen(found))


def await_savers(addresses: Iterable[tuple[str, int]], progress: Progress) -> None:
    """Wait until no JVM holds one of these (host, port) only for the agent in it, while it saves a start-up cache.

    It may be another checkout's, and its cache may be whole a moment before it has ended.
    """
    holders = (process.listens_on(port, host) for host, port in addresses)
    for found in {holder for holder in holders if holder and records(holder)}:
        if not _only_agents_listen(found):
            continue
        _, name = process.split_owner(process.owner(found))
        progress(f"the JVM of the {name} that has stopped saves a start-up cache; waiting for the port it holds")
        _await_saver(name, partial(_is_no_saver, found))


def await_saved(saving: Iterable[tuple[str, psutil.Process]], progress: Progress) -> None:
    """Wait until JVMs of services that have stopped have saved their start-up caches, for they need their folders."""
    for name, found in saving:
        progress(f"the JVM of {name}, which has stopped, saves a start-up cache; waiting for it")
        with suppress(StackError):  # it hangs, and what it saves is worth no more waiting
            _await_saver(name, partial(process.has_ended, found))


def _await_saver(name: str, is_over: Callable[[], bool]) -> None:
    wait_until(is_over, what=f"the start-up cache of {name}", timeout=_SAVES_S, interval=_POLL_S)


def _is_no_saver(found: psutil.Process) -> bool:
    return process.has_ended(found) or not _only_agents_listen(found)


def _only_agents_listen(found: psutil.Process) -> bool:
    agents = {int(match[1]) for arg in process.arguments(found) if (match := _AGENT_PORT.match(arg))}
    return {port for _, port in process.listeners(found)} <= agents


def _has_ended(item: Leaving, progress: Progress) -> bool:
    """Tell whether a service has ended; its JVM may go on alone to write the start-up cache it recorded."""
    process.reap(item.found.pid)
    if saves_cache(item.found):
        progress(f"{item.name} has stopped; its JVM saves a start-up cache in the background (once, about 10 s)")
        return True
    return process.has_ended(item.found)
