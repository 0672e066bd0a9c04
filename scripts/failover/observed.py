"""Faults that somebody else made, as far as they show: a broker leaves the metadata of the others and returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.failover.history import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.failover.history import History


def observed(history: History) -> tuple[Fault, ...]:
    """Return a fault for each absence of a broker, in the order of their beginnings.

    One begins when another broker first leaves it out (its session has expired, or it has shut down), so the stall
    before that belongs to it too: a gap between acknowledgements counts with its beginning.
    """
    everybody = sorted({node for view in history.brokers for node in view.alive})
    absences = [(begun, ended, node) for node in everybody for begun, ended in _absences(history, node)]
    return tuple(
        Fault(
            *(number, "observed", f"broker {node}", (node,), begun, True),
            evidence="it left the metadata of the others" + (" and came back" if ended is not None else ""),
            healed=ended,
            recovered=ended,
        )
        for number, (begun, ended, node) in enumerate(sorted(absences, key=lambda one: one[0]), 1)
    )


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
