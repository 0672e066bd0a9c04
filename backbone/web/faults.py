"""The fault of the moment, while `failover` breaks this stack: read from the journal of its run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.failover.entries import Ended, FaultBegun, Healed, Recovered, from_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from backbone.failover.entries import Event

_SILENT_S = 20.0
"""A run's observer writes several lines a second: a run that wrote nothing for so long was killed."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A fault that goes on, or from which the cluster recovers. seconds: since it began."""

    number: int
    words: str
    seconds: float
    healed: bool


def moment(results: Path, now_ns: int, wall: float) -> Moment | None:
    """Return the fault of the newest run, None if none goes on.

    results: the folder of all results. now_ns: of the monotonic clock, as journals count; wall: seconds since 1970.
    """
    try:
        newest = max(results.glob("failover/*/run-*/run.jsonl"), key=lambda path: path.stat().st_mtime, default=None)
        if newest is None or wall - max(each.stat().st_mtime for each in newest.parent.glob("*.jsonl")) > _SILENT_S:
            return None
        events = list(_events(newest))
    except OSError:  # a run that has ended takes its journals away
        return None
    begun: tuple[int, FaultBegun] | None = None
    healed = False
    for at, event in events:
        match event:
            case FaultBegun():
                begun, healed = (at, event), False
            case Healed():
                healed = True
            case Recovered() | Ended():
                begun = None
    if begun is None:
        return None
    at, fault = begun
    return Moment(fault.number, f"{fault.fault} of {fault.target}", (now_ns - at) / 1e9, healed)


def of_stack(results: Path) -> Moment | None:
    """Return the fault of this moment, by this machine's clocks."""
    return moment(results, time.monotonic_ns(), time.time())


def _events(path: Path) -> Iterator[tuple[int, Event]]:
    """Yield the events that are whole; the last line may be half written."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield from_line(line)
        except (LookupError, TypeError, ValueError):
            continue
