"""The rules once more, as slow and as literal as their definitions: what the fast checker is compared with."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.failover.history import Entry, History, Record

    Found = Iterator[tuple[str, int, object]]


def violations(history: History) -> set[tuple[str, int, object]]:
    """Return (rule, partition, subject) of every violation."""
    rules = (_log_rules, _read_rules, _offset_holders, _views, _sequences, _recovery)
    return {found for rule in rules for found in rule(history)}


def _passes(history: History, partition: int) -> list[tuple[str, list[Entry]]]:
    fence = history.fences.get(partition)
    found = [(one.name, list(one.logs[partition])) for one in history.passes if partition in one.logs]
    return [(name, entries) for name, entries in found if fence is not None and fence in [e.record for e in entries]]


def _where(history: History, record: Record) -> list[int] | None:
    """Offsets of a record in F(k); None where no pass is complete."""
    passes = _passes(history, record.partition)
    return [entry.offset for entry in passes[-1][1] if entry.record == record] if passes else None


def _everything_read(history: History) -> list[tuple[int, int, Record | None]]:
    delivered = [(d.partition, d.offset, d.record) for d in history.deliveries]
    return delivered + [(k, e.offset, e.record) for one in history.passes for k, log in one.logs.items() for e in log]


def _log_rules(history: History) -> Found:  # noqa: C901, PLR0912 - the definitions, one after another
    known = {send.record for send in history.sends}
    everything = known | {record for _, _, record in _everything_read(history) if record is not None}
    acked = {send.record: send for send in history.sends if send.outcome == "ok"}
    held = {record: where for record in everything if (where := _where(history, record))}
    for record, send in acked.items():
        where = _where(history, record)
        if where is None:
            continue
        if not where:
            yield "L1", record.partition, record
            kin = [r.n for r in held if (r.writer, r.partition) == (record.writer, record.partition)]
            if any(n < record.n for n in kin) and any(n > record.n for n in kin):
                yield "L4", record.partition, record
        elif send.offset is not None and send.offset not in where:
            yield "O4", record.partition, record
        if where and _let_read(history, record.partition) and record not in [d.record for d in history.deliveries]:
            yield "L3", record.partition, record
    for record, where in held.items():
        if len(where) > 1 and history.terms.idempotent:
            yield "O2", record.partition, record
    for one in held:
        for other in held:
            same = (one.writer, one.partition) == (other.writer, other.partition)
            if same and one.n < other.n and held[one][0] > held[other][0]:
                yield "O3", other.partition, other
    for partition in range(history.terms.partitions):
        passes = _passes(history, partition)
        for name, entries in passes[:-1]:
            if entries != passes[-1][1]:
                yield "O10", partition, name


def _read_rules(history: History) -> Found:  # noqa: C901 - the definitions, one after another
    sends = {send.record: send for send in history.sends}
    for delivery in history.deliveries:
        ours = delivery.record is not None and delivery.record.partition == delivery.partition
        if ours and _passes(history, delivery.partition):
            log = _passes(history, delivery.partition)[-1][1]
            if delivery.record not in [entry.record for entry in log]:
                yield "L2", delivery.partition, delivery.record
    for partition, offset, record in _everything_read(history):
        unknown = record not in sends and not [n for n in history.truncated if n.startswith(("producer", "run"))]
        if record is None or unknown or record.partition != partition:
            yield "O6", partition, offset
        if record in sends and sends[record].outcome == "fail":
            yield "O7", partition, record
    sessions = defaultdict(list)
    for delivery in history.deliveries:
        sessions[delivery.session, delivery.partition].append(delivery.offset)
    for (session, partition), offsets in sessions.items():
        passes = _passes(history, partition)
        for before, after in pairwise(offsets):
            if passes:
                later = [entry.offset for entry in passes[-1][1] if entry.offset > before]
                if not later or after != min(later):
                    yield "O5", partition, f"{session}@{after}"


def _offset_holders(history: History) -> Found:
    claims = _everything_read(history)
    claims += [
        (s.record.partition, s.offset, s.record) for s in history.sends if s.outcome == "ok" and s.offset is not None
    ]
    for one, other in combinations(claims, 2):
        if one[:2] == other[:2] and one[2] != other[2] and None not in (one[2], other[2]):
            yield "O1", one[0], one[1]


def _sequences(history: History) -> Found:
    placed = [(s, where[0]) for s in history.sends if (where := _where(history, s.record))]
    for first, low in placed:
        for second, high in placed:
            answered = first.outcome == "ok" and first.completed is not None and first.completed < second.invoked
            if answered and first.record.partition == second.record.partition and low > high:
                yield "O8", second.record.partition, second.record
    for earlier, later in combinations(history.offsets, 2):
        if earlier.partition == later.partition and later.high_watermark < earlier.high_watermark:
            yield "O9", later.partition, "high watermark"
        if earlier.partition == later.partition and later.start != earlier.start:
            yield "O9", later.partition, "log start"
    for before, after in combinations(history.commits, 2):
        if (before.group, before.partition) == (after.group, after.partition) and after.offset < before.offset:
            yield "O9", after.partition, f"commit of {after.group}"


def _views(history: History) -> Found:
    for earlier, later in combinations(history.partitions, 2):
        if earlier.partition != later.partition:
            continue
        if earlier.source == later.source and later.epoch < earlier.epoch:
            yield "E1", later.partition, later.epoch
        both = earlier.leader >= 0 and later.leader >= 0
        if both and earlier.epoch == later.epoch and earlier.leader != later.leader:
            yield "E1", later.partition, later.epoch
    slack = history.terms.metadata_slack
    for send in history.sends:
        if send.outcome != "ok" or send.completed is None:
            continue
        begin, end = send.invoked - slack, send.completed + slack
        views = [v for v in history.partitions if v.partition == send.record.partition and begin <= v.at <= end]
        around = any(v.at <= send.invoked for v in views) and any(v.at >= send.completed for v in views)
        if around and all(len(v.isr) < history.terms.min_insync for v in views):
            yield "S1", send.record.partition, send.record


def _let_read(history: History, partition: int) -> bool:
    """Tell whether the group was given the fence, or had the time to come to it."""
    if not history.deliveries or [name for name in history.truncated if name.startswith("consumer")]:
        return False
    fence = history.fences.get(partition)
    if fence is not None and fence in [d.record for d in history.deliveries]:
        return True
    (answered,) = [s.completed for s in history.sends if s.record == fence] or [None]
    ended = history.watched.get("consumer")
    return None not in (answered, ended) and not history.slept and ended - answered >= history.terms.recovery_deadline  # type: ignore[operator]


def _looked(history: History, role: str, end: int) -> bool:
    cut = [name for name in history.truncated if name.startswith(role)]
    return not cut and not history.slept and role in history.watched and history.watched[role] >= end


def _recovery(history: History) -> Found:
    healed = max((f.healed for f in history.faults if f.healed is not None), default=None)
    if healed is None:
        return
    end = healed + history.terms.recovery_deadline
    fresh = [s for s in history.sends if s.invoked >= healed]
    for k in range(history.terms.partitions):
        views = [v for v in history.partitions if v.partition == k and healed <= v.at <= end and v.leader >= 0]
        whole = [v for v in views if len(v.isr) >= history.terms.replication_factor]
        if not whole and _looked(history, "observer", end):
            yield "A1", k, "isr"
        written = [s for s in fresh if s.record.partition == k and s.outcome == "ok" and (s.completed or 0) <= end]
        if not written and _looked(history, "producer", end):
            yield "A1", k, "write"
        records = [s.record for s in fresh]
        seen = [d for d in history.deliveries if d.partition == k and d.at <= end and d.record in records]
        if not seen and _looked(history, "consumer", end):
            yield "A1", k, "read"
