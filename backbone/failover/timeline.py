"""When, after a fault, each thing happened that brings the cluster back: ms from its beginning, None if it did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from backbone.failover.history import History, PartitionView
    from backbone.failover.stalls import Window


@dataclass(frozen=True, slots=True)
class Timeline:
    """One fault's way back, ms from its beginning.

    fenced: a broker that was hit is out of the others' metadata. controller: a new one is elected (only where the
    active one was hit). leader: the last of the partitions that lost theirs has a new one. first_ack, first_delivery:
    of a record sent after the beginning, for the slowest partition. healed: restart or continue was issued. unfenced:
    all brokers are back in the metadata. isr_full: every partition that missed one has all replicas in sync.
    """

    fenced: float | None
    controller: float | None
    leader: float | None
    first_ack: float | None
    first_delivery: float | None
    healed: float | None
    unfenced: float | None
    isr_full: float | None


def timeline(history: History, window: Window) -> Timeline:
    """Return the timeline of one window."""
    fault = window.fault
    healed = fault.healed

    def since(at: int | None) -> float | None:
        return None if at is None else round((at - fault.begun) / 1e6, 1)

    return Timeline(
        fenced=since(_fenced(history, window)),
        controller=since(_controller(history, window)),
        leader=since(_leaders(history, window)),
        first_ack=since(_first_acks(history, window)),
        first_delivery=since(_first_deliveries(history, window)),
        healed=since(healed),
        unfenced=since(_unfenced(history, window)),
        isr_full=since(_isr_full(history, window)),
    )


def _outside(window: Window, source: str) -> bool:
    """Tell whether a view comes from a broker that was not hit."""
    return int(source.partition("#")[0]) not in window.fault.nodes


def _fenced(history: History, window: Window) -> int | None:
    fault = window.fault
    return min(
        (
            view.at
            for view in history.brokers
            if fault.begun <= view.at < window.end
            and _outside(window, view.source)
            and set(fault.nodes) - set(view.alive)
        ),
        default=None,
    )


def active_controller(history: History, window: Window) -> int | None:
    """Return the active controller just before a fault, None if nobody said."""
    before = [view for view in history.controllers if view.at <= window.fault.begun]
    return max(before, key=lambda view: (view.epoch, view.at)).leader if before else None


def _controller(history: History, window: Window) -> int | None:
    begun = window.fault.begun
    if active_controller(history, window) not in window.fault.nodes:
        return None
    epoch = max(view.epoch for view in history.controllers if view.at <= begun)
    later = (view for view in history.controllers if begun <= view.at < window.end)
    return min((view.at for view in later if view.epoch > epoch and view.leader >= 0), default=None)


def _before(history: History, window: Window) -> dict[int, PartitionView]:
    """Return the last view of each partition before the fault."""
    latest: dict[int, PartitionView] = {}
    for view in history.partitions:
        known = latest.get(view.partition)
        if view.at <= window.fault.begun and (known is None or view.epoch >= known.epoch):
            latest[view.partition] = view
    return latest


def _slowest(firsts: Iterable[int | None]) -> int | None:
    """Return the last of some times; None if there is none, or one never came."""
    times = list(firsts)
    known = [time for time in times if time is not None]
    return max(known) if known and len(known) == len(times) else None


def _leaders(history: History, window: Window) -> int | None:
    before = _before(history, window)
    lost = [view for view in before.values() if view.leader in window.fault.nodes]
    return _slowest(
        min(
            (
                view.at
                for view in history.partitions
                if view.partition == one.partition
                and window.fault.begun <= view.at < window.end
                and view.epoch > one.epoch
                and view.leader >= 0
            ),
            default=None,
        )
        for one in lost
    )


def _first_acks(history: History, window: Window) -> int | None:
    firsts: dict[int, int | None] = dict.fromkeys(range(history.terms.partitions))
    for send in history.sends:
        if send.outcome == "ok" and send.completed is not None and window.fault.begun <= send.invoked < window.end:
            known = firsts[send.record.partition]
            firsts[send.record.partition] = send.completed if known is None else min(known, send.completed)
    return _slowest(firsts.values())


def _first_deliveries(history: History, window: Window) -> int | None:
    invoked = {send.record: send.invoked for send in history.sends}
    firsts: dict[int, int | None] = dict.fromkeys(range(history.terms.partitions))
    for delivery in history.deliveries:
        sent = invoked.get(delivery.record) if delivery.record is not None else None
        if sent is not None and window.fault.begun <= sent < window.end and firsts[delivery.partition] is None:
            firsts[delivery.partition] = delivery.at
    return _slowest(firsts.values())


def _back(views: Iterable[tuple[int, bool]], window: Window) -> tuple[bool, int | None]:
    """Return whether something was ever missing in a window, and when it was there again and stayed.

    views: (time, is everything there?) in the order of time, those after the window included.
    """
    missed, since = False, None
    for at, whole in views:
        if window.fault.begun <= at < window.end and not whole:
            missed, since = True, None
        elif missed and whole and since is None:
            since = at
    return missed, since


def _unfenced(history: History, window: Window) -> int | None:
    everybody = {node for view in history.brokers for node in view.alive}
    seen = [view for view in history.brokers if _outside(window, view.source)]
    return _back(((view.at, set(view.alive) >= everybody) for view in seen), window)[1]


def _isr_full(history: History, window: Window) -> int | None:
    wanted = history.terms.replication_factor
    returns = [
        _back(
            ((view.at, len(view.isr) >= wanted) for view in history.partitions if view.partition == partition), window
        )
        for partition in range(history.terms.partitions)
    ]
    return _slowest(at for missed, at in returns if missed)
