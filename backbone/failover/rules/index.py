"""Lookups that several rules need, made once for a history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from backbone.failover.history import Entry, History, Record, Send

    Rule = Callable[["Index"], Iterator["Violation"]]


class Violation(NamedTuple):
    """One broken rule. subject: the record, offset, pass or property it is about; detail: in words, for a person."""

    rule: str
    partition: int
    subject: Record | int | str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """F(k): one partition as the reference pass read it.

    where: record → its offsets, ascending. A record that belongs to another partition is not in it: O6 reports it.
    """

    entries: Sequence[Entry]
    offsets: Sequence[int]
    where: Mapping[Record, Sequence[int]]

    def __contains__(self, record: Record) -> bool:
        return record in self.where

    def first(self, record: Record) -> int:
        """Return the lowest offset of a record that is in the log."""
        return self.where[record][0]


@dataclass(frozen=True, slots=True)
class Index:
    """A history with its sends by record and its logs by partition.

    logs: F(k), the last pass that read partition k up to its fence; a partition without one is not in it, and no rule
    about the log's content speaks of it. complete: for each k the names and entries of every such pass.
    readings: what passes read, without those that read the same as another one (most of the data, most of the time).
    """

    history: History
    sends: Mapping[Record, Send]
    logs: Mapping[int, Log]
    complete: Mapping[int, Sequence[tuple[str, Sequence[Entry]]]]
    readings: Sequence[tuple[int, Sequence[Entry]]]

    def acknowledged(self) -> Iterator[tuple[Send, Log]]:
        """Yield each acknowledged send with its partition's log, where that is known."""
        for send in self.history.sends:
            if send.outcome == "ok" and (log := self.logs.get(send.record.partition)) is not None:
                yield send, log


def index(history: History) -> Index:
    """Return the lookups of a history."""
    complete: dict[int, list[tuple[str, Sequence[Entry]]]] = {}
    for read in history.passes:
        for partition, entries in read.logs.items():
            fence = history.fences.get(partition)
            if fence is not None and any(entry.record == fence for entry in reversed(entries)):
                complete.setdefault(partition, []).append((read.name, entries))
    return Index(
        history=history,
        sends={send.record: send for send in history.sends},
        logs={partition: _log(partition, passes[-1][1]) for partition, passes in complete.items()},
        complete=complete,
        readings=_distinct((k, entries) for read in history.passes for k, entries in read.logs.items()),
    )


def _distinct(readings: Iterable[tuple[int, Sequence[Entry]]]) -> list[tuple[int, Sequence[Entry]]]:
    kept: list[tuple[int, Sequence[Entry]]] = []
    for reading in readings:
        if reading not in kept:
            kept.append(reading)
    return kept


def _log(partition: int, entries: Sequence[Entry]) -> Log:
    where: dict[Record, list[int]] = {}
    for offset, record in entries:
        if record is not None and record.partition == partition:
            where.setdefault(record, []).append(offset)
    return Log(entries=entries, offsets=[entry.offset for entry in entries], where=where)


def unique(violations: Iterable[Violation]) -> Iterator[Violation]:
    """Yield the first violation for each rule, partition and subject."""
    seen = set()
    for violation in violations:
        if (key := violation[:3]) not in seen:
            seen.add(key)
            yield violation
