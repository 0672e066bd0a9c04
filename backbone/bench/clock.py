"""The one clock of a run, and the proof that all its processes read the same one.

CLOCK_MONOTONIC counts from boot and is shared by every process and container of one kernel, so a time taken
in the producer may be subtracted from one taken in the consumer with no clock synchronisation between them.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

OFFSET_LIMIT_NS = 50_000
"""A run whose clocks cannot be shown to agree within this is void."""

_SPIN_NS = 50_000


class Clock(Protocol):
    """A monotonic clock in nanoseconds."""

    def __call__(self) -> int:
        """Return the time now, in ns."""


@dataclass(frozen=True, slots=True)
class SkewedClock:
    """The machine's clock, off by a planted number of ns so that a self-test sees the error noticed."""

    skew: int = 0

    def __call__(self) -> int:
        """Return the monotonic time plus the skew."""
        return time.monotonic_ns() + self.skew


@dataclass(frozen=True, slots=True)
class OffsetBounds:
    """Another process's clock minus ours, in ns, lies between these."""

    low: int
    high: int

    @property
    def worst(self) -> int:
        """The largest offset that the exchange does not exclude, in ns."""
        return max(abs(self.low), abs(self.high))


def offset_bounds(pings: Iterable[tuple[int, int, int]]) -> OffsetBounds:
    """Return what exchanges of (our send, their answer, our receipt) times prove about the offset.

    Their reading happened between our two, so each exchange bounds the offset on both sides; the intersection
    of all is the answer. It needs no assumption that the way there takes as long as the way back.
    """
    low, high = -math.inf, math.inf
    for sent, theirs, received in pings:
        low, high = max(low, theirs - received), min(high, theirs - sent)
    if math.isinf(low):
        raise ValueError("no pings, no bounds")
    return OffsetBounds(int(low), int(high))


def wait_until(deadline: int, clock: Clock, sleep: Callable[[float], None] = time.sleep) -> None:
    """Return at `deadline` (ns) or at once if it has passed; sleeps, then spins through the last 50 us.

    The spin is short because the GIL it holds is also what the client's network thread needs.
    """
    while (left := deadline - clock()) > _SPIN_NS:
        sleep((left - _SPIN_NS) / 1e9)
    while clock() < deadline:
        pass
