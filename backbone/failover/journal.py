"""The history on disk: one append-only file a process, a JSON array a line, `[kind, time, …]`.

A line is one write() to a file opened with O_APPEND: what was written survives the SIGKILL of the process that wrote
it, and threads do not tear each other's lines. Only the last line of a killed process may be incomplete.
"""

from __future__ import annotations

import errno
import os
import time
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError
from backbone.failover.entries import (
    Acknowledged,
    Committed,
    Delivered,
    Described,
    Ended,
    Event,
    Failed,
    FaultBegun,
    Fenced,
    Healed,
    Invoked,
    Killed,
    PassBegun,
    Promised,
    Proved,
    ReadBack,
    Recovered,
    SawBrokers,
    SawController,
    SawOffsets,
    SawPartition,
    Slept,
    Stopped,
    Unknown,
    Watched,
    from_line,
)
from backbone.failover.history import (
    BrokersView,
    Commit,
    ControllerView,
    Delivery,
    Entry,
    Fault,
    History,
    Identity,
    OffsetsView,
    Outcome,
    PartitionView,
    Pass,
    Record,
    Send,
    Terms,
)
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Events = dict[type[Event], list[tuple[int, Any]]]
    """Kind of event → (time in ns, event of that kind)."""

_MAX_BYTES = 1 << 32  # of a long run; what has no end is refused
ROLES = ("producer", "consumer", "observer")
"""Whom a run starts, each a process of its own with a journal."""

_NO_TERMS = Terms(partitions=0, min_insync=0, idempotent=False)
"""Of a journal that ends before it says what the run promises: nothing is."""


class Journal:
    """An append-only file of events. Close it to say that the process ended as it should.

    After a write that failed or came only in part (a full disk) every further one raises OSError: a journal has an
    end that may be missing, never a hole.
    """

    def __init__(self, path: Path, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.path = path
        self._clock = clock
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._broken = False

    def write(self, event: Event, at: int | None = None) -> int:
        """Append one event, by default of now; return its time in ns. Raises OSError if it cannot be written."""
        at = self._clock() if at is None else at
        line = event.line(at).encode() + b"\n"
        if self._broken or not self._append(line):
            self._broken = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        return at

    def _append(self, line: bytes) -> bool:
        try:
            return os.write(self._file, line) == len(line)
        except OSError:
            self._broken = True
            raise

    def close(self) -> None:
        """Append the end and close the file. Raises OSError if the end cannot be written."""
        try:
            self.write(Ended())
        finally:
            os.close(self._file)


def load(folder: Path) -> History:
    """Return the history that the journals of a folder tell, each kind of event in the order of time.

    Raises StackError("no-history") without a single journal, "bad-history" at a line that is none.
    """
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise StackError("no-history", f"there is no journal in {folder}", exit_code=ExitCode.NOTHING)
    events: Events = defaultdict(list)
    truncated = []
    for path in paths:
        last: Event | None = None
        for at, last in _events(path):
            events[type(last)].append((at, last))
        if not isinstance(last, Ended):
            truncated.append(path.stem)
    excused = {killed.process for _, killed in events[Killed]}
    return replace(_history(events), truncated=tuple(name for name in truncated if name not in excused))


def _events(path: Path) -> Iterator[tuple[int, Event]]:
    text = reading.read_bytes(path, _MAX_BYTES).decode("utf-8", "replace")  # a torn write is no event below
    complete, _, _ = text.rpartition("\n")
    for number, line in enumerate(complete.splitlines(), 1):
        try:
            yield from_line(line)
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise StackError(
                "bad-history", f"line {number} of {path.name} is no event", context=f"{path}:{number}: {line[:200]}"
            ) from error


def _history(events: Events) -> History:
    for found in events.values():
        found.sort(key=lambda event: event[0])  # stable: events of one process keep their order
    terms = [promised.terms for _, promised in events[Promised]]
    return History(
        terms=Terms(**terms[0]) if terms else _NO_TERMS,
        sends=_sends(events),
        deliveries=[
            Delivery(at, e.session, e.partition, e.offset, _record(e.partition, e.writer, e.n))
            for at, e in events[Delivered]
        ],
        passes=_passes(events),
        fences={e.partition: Record(e.writer, e.partition, e.n) for _, e in events[Fenced]},
        partitions=[
            PartitionView(at, e.source, e.partition, e.leader, e.epoch, tuple(e.isr)) for at, e in events[SawPartition]
        ],
        offsets=[OffsetsView(at, e.partition, e.epoch, e.start, e.high_watermark) for at, e in events[SawOffsets]],
        commits=[Commit(at, e.group, e.partition, e.offset) for at, e in events[Committed]],
        brokers=[BrokersView(at, e.source, tuple(e.alive)) for at, e in events[SawBrokers]],
        controllers=[ControllerView(at, e.source, e.leader, e.epoch) for at, e in events[SawController]],
        faults=_faults(events),
        identities=[Identity(at, e.teller, tuple(e.values.items())) for at, e in events[Described]],
        watched=_watched(events),
        stopped=next((stopped.reason for _, stopped in events[Stopped]), ""),
        slept=sum(slept.seconds for _, slept in events[Slept]),
    )


def _watched(events: Events) -> dict[str, int]:
    """Return role → until when it was let work: its own end, else that of a run that stopped early."""
    stopped = {role: at for at, _ in events[Stopped][:1] for role in ROLES}
    return stopped | {watched.role: at for at, watched in events[Watched]}


def _record(partition: int, writer: str | None, n: int | None) -> Record | None:
    return None if writer is None or n is None else Record(writer, partition, n)


def _sends(events: Events) -> list[Send]:
    answers: dict[Record, tuple[int, Outcome, int | None, str]] = {}
    outcomes: tuple[tuple[type[Event], Outcome], ...] = ((Unknown, "info"), (Failed, "fail"), (Acknowledged, "ok"))
    for kind, outcome in outcomes:
        for at, e in events[kind]:
            record = Record(e.writer, e.partition, e.n)
            answers[record] = (at, outcome, getattr(e, "offset", None), getattr(e, "error", ""))
    sends = []
    for at, e in events[Invoked]:
        record = Record(e.writer, e.partition, e.n)
        completed, outcome, offset, error = answers.get(record, (None, "info", None, "no answer"))
        sends.append(Send(record, e.intended, at, completed, outcome, offset, error))
    return sends


def _passes(events: Events) -> list[Pass]:
    """Return the final passes in the order of their beginnings; a pass with no record at all counts too."""
    logs: dict[str, dict[int, list[Entry]]] = {
        begun.name: {partition: [] for partition in begun.partitions} for _, begun in events[PassBegun]
    }
    for _, e in events[ReadBack]:
        logs[e.name][e.partition].append(Entry(e.offset, _record(e.partition, e.writer, e.n)))
    return [Pass(name, log) for name, log in logs.items()]


def _faults(events: Events) -> list[Fault]:
    proofs = {proof.number: (bool(proof.holds), proof.evidence) for _, proof in events[Proved]}
    healed = {e.number: at for at, e in events[Healed]}
    recovered = {e.number: at for at, e in events[Recovered]}
    faults = []
    for at, e in events[FaultBegun]:
        proved, evidence = proofs.get(e.number, (False, "nothing shows that it happened"))
        faults.append(
            Fault(
                number=e.number,
                kind=e.fault,
                target=e.target,
                nodes=tuple(e.nodes),
                begun=at,
                proved=proved,
                evidence=evidence,
                healed=healed.get(e.number),
                recovered=recovered.get(e.number),
                quorum_lost=bool(e.quorum_lost),
            )
        )
    return faults
