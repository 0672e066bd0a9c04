"""The history on disk: one append-only file a process, a JSON array a line, `[kind, time, …]`.

A line is one write() to a file opened with O_APPEND: what was written survives the SIGKILL of the process that wrote
it, and threads do not tear each other's lines. Only the last line of a killed process may be incomplete.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError
from backbone.failover.history import (
    BrokersView,
    Commit,
    ControllerView,
    Delivery,
    Entry,
    Fault,
    History,
    OffsetsView,
    PartitionView,
    Pass,
    Record,
    Send,
    Terms,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Line = list[Any]


class Journal:
    """An append-only file of events. Close it to say that the process ended as it should."""

    def __init__(self, path: Path, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.path = path
        self._clock = clock
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)

    def write(self, kind: str, *fields: object, at: int | None = None) -> int:
        """Append one event, by default of now; return its time in ns."""
        at = self._clock() if at is None else at
        os.write(self._file, json.dumps([kind, at, *fields], separators=(",", ":")).encode() + b"\n")
        return at

    def close(self) -> None:
        """Append the end and close the file."""
        self.write("end")
        os.close(self._file)


def load(folder: Path) -> History:
    """Return the history that the journals of a folder tell, each kind of event in the order of time.

    Raises StackError("no-history") without a single journal, "bad-history" at a line that is none.
    """
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise StackError("no-history", f"there is no journal in {folder}", exit_code=ExitCode.NOTHING)
    lines: dict[str, list[Line]] = defaultdict(list)
    truncated = []
    for path in paths:
        kind = ""
        for kind, line in _lines(path):
            lines[kind].append(line)
        if kind != "end":
            truncated.append(path.stem)
    excused = {str(line[2]) for line in lines["killed"]}
    history = _history(lines)
    return replace(history, truncated=tuple(name for name in truncated if name not in excused))


def _lines(path: Path) -> Iterator[tuple[str, Line]]:
    text = path.read_text(encoding="utf-8")
    complete, _, _ = text.rpartition("\n")
    for number, line in enumerate(complete.splitlines(), 1):
        try:
            event = json.loads(line)
            yield str(event[0]), event
        except (ValueError, LookupError, TypeError) as error:
            raise StackError(
                "bad-history", f"line {number} of {path.name} is no event", context=f"{path}:{number}: {line[:200]}"
            ) from error


def _history(lines: dict[str, list[Line]]) -> History:
    for events in lines.values():
        events.sort(key=lambda event: event[1])  # stable: events of one process keep their order
    terms = [event[2] for event in lines["terms"]]
    return History(
        terms=Terms(**terms[0]) if terms else Terms(partitions=0),
        sends=_sends(lines),
        deliveries=[Delivery(e[1], e[2], e[3], e[4], _record(e[3], e[5], e[6])) for e in lines["deliver"]],
        passes=_passes(lines),
        fences={event[3]: Record(event[2], event[3], event[4]) for event in lines["fence"]},
        partitions=[PartitionView(e[1], e[2], e[3], e[4], e[5], tuple(e[6])) for e in lines["partition"]],
        offsets=[OffsetsView(*event[1:6]) for event in lines["offsets"]],
        commits=[Commit(*event[1:5]) for event in lines["commit"]],
        brokers=[BrokersView(e[1], e[2], tuple(e[3])) for e in lines["brokers"]],
        controllers=[ControllerView(*event[1:5]) for event in lines["controller"]],
        faults=_faults(lines),
    )


def _record(partition: int, writer: str | None, n: int | None) -> Record | None:
    return None if writer is None or n is None else Record(writer, partition, n)


def _sends(lines: dict[str, list[Line]]) -> list[Send]:
    answers: dict[Record, tuple[int, str, int | None, str]] = {}
    for outcome in ("info", "fail", "ok"):
        for _, at, writer, partition, n, detail in lines[outcome]:
            offset = detail if outcome == "ok" else None
            answers[Record(writer, partition, n)] = (at, outcome, offset, "" if outcome == "ok" else detail)
    sends = []
    for _, at, writer, partition, n, intended in lines["invoke"]:
        record = Record(writer, partition, n)
        completed, outcome, offset, error = answers.get(record, (None, "info", None, "no answer"))
        sends.append(Send(record, intended, at, completed, outcome, offset, error))  # type: ignore[arg-type]
    return sends


def _passes(lines: dict[str, list[Line]]) -> list[Pass]:
    """Return the final passes in the order of their beginnings; a pass with no record at all counts too."""
    logs: dict[str, dict[int, list[Entry]]] = {
        name: {partition: [] for partition in partitions} for _, _, name, partitions in lines["pass"]
    }
    for _, _, name, partition, offset, writer, n in lines["final"]:
        logs[name][partition].append(Entry(offset, _record(partition, writer, n)))
    return [Pass(name, log) for name, log in logs.items()]


def _faults(lines: dict[str, list[Line]]) -> list[Fault]:
    proofs = {event[2]: (bool(event[3]), str(event[4])) for event in lines["proof"]}
    healed = {event[2]: event[1] for event in lines["heal"]}
    recovered = {event[2]: event[1] for event in lines["recovered"]}
    faults = []
    for _, at, number, kind, target, nodes, quorum_lost in lines["fault"]:
        proved, evidence = proofs.get(number, (False, "nothing shows that it happened"))
        faults.append(
            Fault(
                *(number, kind, target, tuple(nodes), at, proved, evidence),
                healed=healed.get(number),
                recovered=recovered.get(number),
                quorum_lost=bool(quorum_lost),
            )
        )
    return faults
