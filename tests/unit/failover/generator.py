"""Random small histories: a sound run, then a few random damages of any kind, so that every rule is met often."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from backbone.failover.entries import (
    Acknowledged,
    Committed,
    Delivered,
    Ended,
    Event,
    Failed,
    FaultBegun,
    Fenced,
    Healed,
    Invoked,
    PassBegun,
    Promised,
    Proved,
    ReadBack,
    Recovered,
    SawOffsets,
    SawPartition,
    Unknown,
    Watched,
)
from backbone.failover.history import (
    Commit,
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
from backbone.failover.verdict import judge

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    Damage = Callable[[random.Random, dict[str, Any]], None]


def random_history(rng: random.Random) -> History:
    """Return a sound history of two partitions with zero to four damages."""
    parts = _sound(rng)
    for damage in rng.choices(_DAMAGES, k=rng.choice((0, 1, 1, 2, 2, 3, 4))):
        damage(rng, parts)
    return History(
        terms=parts.pop("terms"),
        **{key: tuple(value) if isinstance(value, list) else value for key, value in parts.items()},  # type: ignore[arg-type]
    )


def valid_run(rng: random.Random) -> History:
    """Return a sound history that is judged valid, of a run whose only fault took the quorum for all its time."""
    while True:
        parts = _sound(rng)
        healed = rng.randint(0, 3)
        whole = Fault(
            1, "all-down", "random", (1,), begun=0, proved=True, healed=healed, recovered=99, quorum_lost=True
        )
        history = History(**{**parts, "faults": [whole]})
        if judge(history).answer == "valid":
            return history


def entries(history: History) -> list[tuple[str, int, Event]]:
    """Return (journal, time, event) of everything that the processes of a run write down, in the order of time."""
    found: list[tuple[str, int, Event]] = [("run", 0, Promised(asdict(history.terms)))]
    for send in history.sends:
        name = "run" if send.record.writer == "f" else "producer-0.0"
        found.append((name, send.invoked, Invoked(*send.record, send.intended)))
        if send.completed is not None:
            answers: dict[str, Event] = {
                "ok": Acknowledged(*send.record, send.offset),
                "fail": Failed(*send.record, "refused"),
                "info": Unknown(*send.record, "timed out"),
            }
            found.append((name, send.completed, answers[send.outcome]))
    for one in history.deliveries:
        writer, n = (one.record.writer, one.record.n) if one.record else (None, None)
        found.append(("consumer-0.0", one.at, Delivered(one.session, one.partition, one.offset, writer, n)))
    found += [("consumer-0.0", one.at, Committed(one.group, one.partition, one.offset)) for one in history.commits]
    for view in history.partitions:
        saw = SawPartition(view.source, view.partition, view.leader, view.epoch, list(view.isr))
        found.append(("observer-0.0", view.at, saw))
    found += [
        ("observer-0.0", one.at, SawOffsets(one.partition, one.epoch, one.start, one.high_watermark))
        for one in history.offsets
    ]
    for fault in history.faults:
        found.append(("run", fault.begun, FaultBegun(fault.number, fault.kind, fault.target, [1], fault.quorum_lost)))
        found.append(("run", fault.begun, Proved(fault.number, fault.proved, fault.evidence)))
        found += [
            ("run", fault.healed or 0, Healed(fault.number)),
            ("run", fault.recovered or 0, Recovered(fault.number)),
        ]
    fenced = {send.record: send.completed or 0 for send in history.sends}
    found += [("run", fenced[record], Fenced(*record)) for record in history.fences.values()]
    for number, read in enumerate(history.passes):
        at = 200 + number
        found.append(("run", at, PassBegun(read.name, list(read.logs))))
        for partition, log in read.logs.items():
            kept = [(entry.offset, entry.record) for entry in log if entry.record is not None]
            found += [("run", at, ReadBack(read.name, partition, at_, one.writer, one.n)) for at_, one in kept]
    found += [("run", at, Watched(role)) for role, at in history.watched.items()]
    found += [(f"{role}-0.0", at, Ended()) for role, at in history.watched.items()]
    found.append(("run", 2_000, Ended()))
    return sorted(found, key=lambda one: one[1])


def _sound(rng: random.Random) -> dict[str, Any]:
    terms = Terms(partitions=2, idempotent=rng.random() < 0.8, recovery_deadline=rng.choice((20, 60)), metadata_slack=5)
    sends: list[Send] = []
    logs: dict[int, list[Entry]] = {0: [], 1: []}
    fences = {}
    now = 0
    for _ in range(rng.randint(2, 10)):
        _append(rng, Record(rng.choice("pppq"), rng.randrange(2), 0), now := now + rng.randint(0, 4), sends, logs)
    for partition in (0, 1):
        now += 5
        fences[partition] = Record("f", partition, 1)
        _append(rng, fences[partition], now, sends, logs, certain=True)
    passes = [Pass(name, {k: tuple(log) for k, log in logs.items()}) for name in ("one", "two")]
    deliveries = [Delivery(now + 1, "c.0", k, *entry) for k, log in logs.items() for entry in log]
    views = [PartitionView(at, "1", k, 1, 1, (1, 2, 3)) for at in range(0, now + 8, 4) for k in (0, 1)]
    offsets = [OffsetsView(at, 0, 1, 0, at) for at in (1, 4, 9)]
    fault = Fault(1, "kill", "leader", (1,), begun=0, proved=True, healed=rng.randint(0, 3))
    return {
        "terms": terms, "sends": sends, "deliveries": deliveries, "passes": passes, "fences": fences,
        "partitions": views, "offsets": offsets, "commits": [Commit(1, "g", 0, 1), Commit(2, "g", 0, 2)],
        "faults": [fault] if rng.random() < 0.5 else [],
        "watched": dict.fromkeys(("producer", "consumer", "observer"), now + 1_000),
    }  # fmt: skip


def _append(
    rng: random.Random,
    record: Record,
    at: int,
    sends: list[Send],
    logs: dict[int, list[Entry]],
    *,
    certain: bool = False,
) -> None:
    """Send the writer's next record and, unless the send fails, append it."""
    same = [s for s in sends if s.record[:2] == record[:2]]
    record = record._replace(n=len(same) + 1)
    outcome = "ok" if certain else rng.choice(("ok", "ok", "ok", "info", "fail"))
    written = outcome == "ok" or (outcome == "info" and rng.random() < 0.5)
    log = logs[record.partition]
    offset = log[-1].offset + rng.choice((1, 1, 2)) if log else 0
    if written:
        log.append(Entry(offset, record))
    answered = at + rng.randint(0, 3) if outcome != "info" or rng.random() < 0.5 else None
    known = offset if outcome == "ok" and rng.random() < 0.8 else None
    sends.append(Send(record, at, at, answered, outcome, known))  # type: ignore[arg-type]


def _change(items: list[Any], rng: random.Random, edit: Callable[[Any], Any]) -> None:
    if items:
        position = rng.randrange(len(items))
        items[position] = edit(items[position])


def _drop_from_log(rng: random.Random, parts: dict[str, Any]) -> None:
    _edit_log(rng, parts, lambda log: log.pop(rng.randrange(len(log))))


def _swap_in_log(rng: random.Random, parts: dict[str, Any]) -> None:
    def swap(log: list[Entry]) -> None:
        a, b = rng.randrange(len(log)), rng.randrange(len(log))
        log[a], log[b] = Entry(log[a].offset, log[b].record), Entry(log[b].offset, log[a].record)

    _edit_log(rng, parts, swap)


def _repeat_in_log(rng: random.Random, parts: dict[str, Any]) -> None:
    _edit_log(rng, parts, lambda log: log.append(Entry(log[-1].offset + 1, rng.choice(log).record)))


def _damage_in_log(rng: random.Random, parts: dict[str, Any]) -> None:
    _edit_log(
        rng,
        parts,
        lambda log: log.append(
            Entry(log[-1].offset + 1, rng.choice((None, Record(rng.choice("gp"), rng.randrange(2), 1))))
        ),
    )


def _edit_log(rng: random.Random, parts: dict[str, Any], edit: Callable[[list[Entry]], object]) -> None:
    """Edit one partition's log, in one pass or in all of them."""
    partition = rng.randrange(2)
    chosen = parts["passes"] if rng.random() < 0.6 else parts["passes"][:1]
    state = rng.getstate()
    for position, one in enumerate(parts["passes"]):
        log = list(one.logs[partition])
        if one in chosen and log:
            rng.setstate(state)
            edit(log)
            parts["passes"][position] = replace(one, logs={**one.logs, partition: tuple(log)})


def _edit_delivery(rng: random.Random, parts: dict[str, Any]) -> None:
    edits: tuple[Callable[[Delivery], Delivery], ...] = (
        lambda d: d._replace(session="c.1"),
        lambda d: d._replace(offset=d.offset + rng.choice((-1, 1))),
        lambda d: d._replace(record=None),
        lambda d: d._replace(record=Record("p", d.partition, rng.randint(1, 9))),
        lambda d: d._replace(at=d.at + 100),
    )
    _change(parts["deliveries"], rng, rng.choice(edits))


def _drop_delivery(rng: random.Random, parts: dict[str, Any]) -> None:
    if parts["deliveries"]:
        parts["deliveries"].pop(rng.randrange(len(parts["deliveries"])))


def _edit_send(rng: random.Random, parts: dict[str, Any]) -> None:
    edits: tuple[Callable[[Send], Send], ...] = (
        lambda s: s._replace(outcome=rng.choice(("ok", "fail", "info"))),
        lambda s: s._replace(offset=rng.randint(0, 5)),
        lambda s: s._replace(invoked=s.invoked + 9, completed=s.invoked + 9 + rng.randint(0, 4)),
        lambda s: s._replace(completed=s.invoked),
    )
    _change(parts["sends"], rng, rng.choice(edits))


def _edit_view(rng: random.Random, parts: dict[str, Any]) -> None:
    partition, shrunk = rng.randrange(2), (1,)
    if rng.random() < 0.5:
        parts["partitions"] = [v._replace(isr=shrunk) if v.partition == partition else v for v in parts["partitions"]]
    edits: tuple[Callable[[PartitionView], PartitionView], ...] = (
        lambda v: v._replace(leader=rng.choice((-1, 2))),
        lambda v: v._replace(epoch=2, leader=rng.choice((1, 2))),
        lambda v: v._replace(isr=shrunk),
        lambda v: v._replace(source="2", epoch=2),
    )
    _change(parts["partitions"], rng, rng.choice(edits))


def _edit_offsets(rng: random.Random, parts: dict[str, Any]) -> None:
    _change(parts["offsets"], rng, lambda v: v._replace(high_watermark=v.high_watermark + rng.choice((-3, 6))))
    _change(parts["offsets"], rng, lambda v: v._replace(start=rng.choice((0, 0, 1))))
    _change(parts["commits"], rng, lambda v: v._replace(offset=rng.choice((0, 1, 2, 3))))


def _fewer(rng: random.Random, parts: dict[str, Any]) -> None:
    """Take something out that the rules need: the fences, a pass, all deliveries."""
    key = rng.choice(("fences", "passes", "deliveries"))
    parts[key] = {1: parts["fences"].get(1, Record("f", 1, 1))} if key == "fences" else parts[key][: rng.randrange(2)]


def _end_early(rng: random.Random, parts: dict[str, Any]) -> None:
    """Let a role end at some time, or nobody know when, or its journal be cut off, or the machine sleep."""
    role = rng.choice(("producer", "consumer", "observer"))
    parts["watched"] = {**parts["watched"], role: rng.choice((-1, rng.randint(0, 100)))}
    if rng.random() < 0.3:
        parts["truncated"] = [f"{rng.choice((role, 'run'))}-0.0"]
    if rng.random() < 0.1:
        parts["slept"] = 9.0


_DAMAGES: tuple[Damage, ...] = (
    _drop_from_log, _drop_from_log, _swap_in_log, _repeat_in_log, _damage_in_log, _edit_delivery, _drop_delivery,
    _edit_send, _edit_send, _edit_view, _edit_view, _edit_offsets, _fewer,
    _end_early,
)  # fmt: skip
