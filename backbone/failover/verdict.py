"""Valid, invalid or unknown: what a history proves. Unknown is never a pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from backbone.failover.checker import check
from backbone.failover.rules import brokers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.failover.checker import Violation
    from backbone.failover.history import Fault, History, Send

Answer = Literal["valid", "invalid", "unknown"]

INFO_SHARE = 0.01
"""Largest share of sends without a certain outcome outside faults that took the quorum: more could hide losses."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, every violation, and each reason why a history without violations would still prove nothing."""

    answer: Answer
    violations: tuple[Violation, ...]
    doubts: tuple[str, ...]


def judge(history: History) -> Verdict:
    """Return the verdict on a history. A violation makes it invalid whatever the doubts are."""
    violations = check(history)
    doubts = tuple(_doubts(history))
    answer: Answer = "invalid" if violations else "unknown" if doubts else "valid"
    return Verdict(answer, violations, doubts)


def _doubts(history: History) -> Iterator[str]:
    yield from _ended_early(history)
    yield from _reading(history)
    for fault in history.faults:
        yield from _fault(history, fault)
    yield from _recovery(history)
    yield from _uncertain(history)


def _ended_early(history: History) -> Iterator[str]:
    """Doubt a run that did not come to its end: first, because most other doubts follow from that."""
    if history.slept:
        yield (
            f"the machine was asleep for {history.slept:.0f} s during the run: clients, sessions and waits were cut; "
            "keep it awake and run it again"
        )
    if history.stopped:
        yield f"the run stopped early: {history.stopped}"
    for name in history.truncated:
        if name != "run":
            yield f"the journal of {name} has no end: the process died; its last words are in {name}.log"
        elif not history.stopped:
            yield "the run was cut off (killed, or the power failed): its journal has no end; run it again"
    if not history.terms.partitions:
        yield "the history does not say what the run promised"


def _reading(history: History) -> Iterator[str]:
    """Doubt what was not read to its end."""
    if not any(send.outcome == "ok" for send in history.sends):
        yield "nothing was acknowledged in the whole run"
    if not history.deliveries:
        yield "nothing was delivered to a consumer"
    if not history.passes:
        yield "the topic was never read back"
    delivered = {delivery.record for delivery in history.deliveries}
    for partition in range(history.terms.partitions):
        fence = history.fences.get(partition)
        if fence is None:
            yield f"partition {partition} has no fence: its end is not known"
            continue
        if history.deliveries and fence not in delivered:
            yield f"the group did not come to the fence of partition {partition}"
        for one in history.passes:
            if all(entry.record != fence for entry in one.logs.get(partition, ())):
                yield f"pass {one.name} did not reach the fence of partition {partition}"


def _fault(history: History, fault: Fault) -> Iterator[str]:
    """Doubt a fault that did nothing, or that nothing was written through."""
    name = f"fault {fault.number} ({fault.kind} of {fault.target})"
    if not fault.proved:
        yield f"{name} is not proved: {fault.evidence}"
    if fault.healed is None:
        yield f"{name} was never healed"
        return
    if not fault.nodes:
        return  # the client itself was hit: it cannot write through that
    end = fault.healed
    through = (send for send in history.sends if fault.begun <= send.invoked <= end)
    if not any(send.outcome == "ok" for send in through):
        yield f"{name}: no record sent during it was ever acknowledged"


def _recovery(history: History) -> Iterator[str]:
    """Doubt what did not come back while nobody looked long enough for rule A1."""
    open_questions = {
        what
        for _, what, deadline in brokers.unrecovered(history)
        if not history.worked_until(brokers.WITNESSES[what], deadline)
    }
    words = {"isr": "every replica in sync", "write": "a new write", "read": "a new read"}
    for what in (what for what in words if what in open_questions):
        seconds = history.terms.recovery_deadline / 1e9
        yield f"{words[what]} was not seen after the last heal, and nobody looked for the whole {seconds:g} s"


def _uncertain(history: History) -> Iterator[str]:
    lost = [(fault.begun, fault.recovered) for fault in history.faults if fault.quorum_lost]

    def excused(send: Send) -> bool:
        return any(begun <= send.invoked and (end is None or send.invoked <= end) for begun, end in lost)

    sends = [send for send in history.sends if not excused(send)]
    uncertain = sum(send.outcome == "info" for send in sends)
    if uncertain > INFO_SHARE * len(sends):
        yield f"{uncertain} of {len(sends)} sends have no certain outcome, more than {INFO_SHARE:.0%}"
