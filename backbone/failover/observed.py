"""What became of a cluster by itself, or by somebody else's hand: who left it, and how often anything moved."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from backbone.failover.history import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.failover.history import History


def observed(history: History) -> tuple[Fault, ...]:
    """Return a fault for each absence of a broker, in the order of their beginnings.

    One begins when another broker first leaves it out (its session has expired, or it has shut down), so the stall
    before that belongs to it too: a gap between acknowledgements counts with its beginning.
    """
    everybody = sorted({node for view in history.brokers for node in view.alive})
    absences = [(begun, ended, node) for node in everybody for begun, ended in _absences(history, node)]
    return tuple(
        Fault(
            number=number,
            kind="observed",
            target=f"broker {node}",
            nodes=(node,),
            begun=begun,
            proved=True,
            evidence="it left the metadata of the others" + (" and came back" if ended is not None else ""),
            healed=ended,
            recovered=ended,
        )
        for number, (begun, ended, node) in enumerate(sorted(absences, key=lambda one: one[0]), 1)
    )


def changes(history: History) -> dict[str, int]:
    """Return how often, while records were sent, there was a new controller, a leader moved, a replica left the ISR.

    A run without a fault should have none of them: a busy machine may make one (a false alarm of the cluster).
    """
    begun = min((send.invoked for send in history.sends), default=0)
    ended = max((send.invoked for send in history.sends), default=0)
    leaders: dict[int, dict[int, int]] = defaultdict(dict)
    replicas: dict[tuple[int, str], list[set[int]]] = defaultdict(list)
    for view in history.partitions:
        if begun <= view.at <= ended:
            leaders[view.partition][view.epoch] = view.leader
            replicas[view.partition, view.source].append(set(view.isr))
    shrinks: dict[int, int] = defaultdict(int)
    for (partition, _), seen in replicas.items():
        shrinks[partition] = max(shrinks[partition], sum(bool(old - new) for old, new in pairwise(seen)))
    epochs = {view.epoch for view in history.controllers if begun <= view.at <= ended}
    return {
        "controller_elections": max(0, len(epochs) - 1),
        "leader_moves": sum(
            old != new for found in leaders.values() for (_, old), (_, new) in pairwise(sorted(found.items()))
        ),
        "isr_shrinks": sum(shrinks.values()),
    }


def _absences(history: History, node: int) -> Iterator[tuple[int, int | None]]:
    """Yield (begun, ended) of each stretch in which the last word of some other broker was without this one."""
    begun: int | None = None
    without: set[str] = set()
    for view in history.brokers:
        teller = view.source.partition("#")[0]
        if teller == str(node):
            continue  # what a broker says of itself proves nothing
        if node in view.alive:
            without.discard(teller)
        else:
            without.add(teller)
        if without and begun is None:
            begun = view.at
        elif begun is not None and not without:
            yield begun, view.at
            begun = None
    if begun is not None:
        yield begun, None
