"""When each record should be sent, fixed before the run: the heart of an open-loop measurement.

A sender that waits for answers sends less while the system is slow and so hides the slowness ("coordinated
omission"). Ours measures from these times whatever happens, and never skips or moves one.
"""

from __future__ import annotations

import random
from array import array
from typing import Literal

Arrivals = Literal["constant", "poisson", "burst"]

NS = 1_000_000_000


def offsets(rate: float, seconds: float, arrivals: Arrivals, seed: int) -> array[int]:
    """Return the intended send times in ns after the start: `rate` records a second on average, ascending.

    constant: evenly spaced. poisson: exponential gaps from `seed`, which break any phase lock with a linger
    or a timer; the count varies as 1/sqrt(n). burst: all at once, for throughput.
    """
    if rate <= 0 or seconds <= 0:
        raise ValueError(f"a schedule needs a rate and a length above zero: {rate=} {seconds=}")
    if arrivals == "constant":
        return array("q", (int(i * NS / rate) for i in range(round(rate * seconds))))
    if arrivals == "burst":
        return array("q", bytes(8 * round(rate * seconds)))
    return _poisson(rate, seconds, random.Random(seed))  # noqa: S311 - a repeatable workload, no secret


def _poisson(rate: float, seconds: float, source: random.Random) -> array[int]:
    times: array[int] = array("q")
    at = source.expovariate(rate)
    while at < seconds:
        times.append(int(at * NS))
        at += source.expovariate(rate)
    return times
