"""Exact quantiles and how far to trust them: block bootstrap, slopes, steadiness, the knee of a sweep.

Latencies of neighbouring records are alike (one pause delays hundreds), so resampling single records would
promise far too narrow bounds. Whole blocks of some seconds are resampled instead (Künsch 1989), and when
there are several repeats, first the repeats and then the blocks within each.
"""

from __future__ import annotations

import itertools
import math
import random
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Blocks = Sequence[Sequence[float]]
    """The blocks of one repeat."""

QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
_CONFIDENCE = 0.95
_RESAMPLES = 1000
_REACHED = 0.99
_TRIES, _NEAR = 2, 1.1
_SAMPLES_NEEDED = {0.99: 10_000, 0.999: 100_000}


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided 95 % confidence interval; either end may be infinite."""

    low: float
    high: float


def quantile(ordered: Sequence[float], q: float) -> float:
    """Return the nearest-rank quantile of ascending values: the smallest that q of all do not exceed."""
    if not ordered:
        raise ValueError("no values, no quantile")
    return ordered[max(0, math.ceil(q * len(ordered) - 1e-9) - 1)]


def enough(count: int, q: float) -> bool:
    """Return whether `count` values say anything about this quantile: a hundred must lie beyond it."""
    return count >= _SAMPLES_NEEDED.get(q, 0)


def bootstrap(repeats: Sequence[Blocks], q: float, *, seed: int = 1, resamples: int = _RESAMPLES) -> Interval:
    """Return the 95 % confidence interval of a quantile over repeats of blocks (percentile bootstrap)."""
    return _interval(_resampled(repeats, q, random.Random(seed), resamples))  # noqa: S311 - statistics


def bootstrap_difference(
    a: Sequence[Blocks], b: Sequence[Blocks], q: float, *, seed: int = 1, resamples: int = _RESAMPLES
) -> Interval:
    """Return the 95 % confidence interval of quantile(b) - quantile(a); infinity minus infinity is zero."""
    source = random.Random(seed)  # noqa: S311 - statistics
    of_a, of_b = (_resampled(side, q, source, resamples) for side in (a, b))
    return _interval([0.0 if math.isinf(x) and math.isinf(y) else y - x for x, y in zip(of_a, of_b, strict=True)])


def _resampled(repeats: Sequence[Blocks], q: float, source: random.Random, resamples: int) -> list[float]:
    blocks = [sorted(block) for repeat in repeats for block in repeat]
    pooled = sorted(set().union(*blocks))
    return [_weighted_quantile(blocks, _draw(repeats, source), pooled, q) for _ in range(resamples)]


def _draw(repeats: Sequence[Blocks], source: random.Random) -> Counter[int]:
    """Return how often each block (numbered through all repeats) is drawn."""
    starts = [sum(len(repeat) for repeat in repeats[:index]) for index in range(len(repeats))]
    drawn: Counter[int] = Counter()
    for chosen in source.choices(range(len(repeats)), k=len(repeats)):
        first, count = starts[chosen], len(repeats[chosen])
        drawn.update(source.choices(range(first, first + count), k=count))
    return drawn


def _weighted_quantile(
    blocks: Sequence[Sequence[float]], weights: Counter[int], pooled: Sequence[float], q: float
) -> float:
    """Return the smallest pooled value not exceeded by q of the weighted blocks, by bisection."""
    drawn = [(blocks[index], weight) for index, weight in weights.items()]
    wanted = math.ceil(q * sum(len(block) * weight for block, weight in drawn) - 1e-9)
    low, high = 0, len(pooled) - 1
    while low < high:
        middle = (low + high) // 2
        if sum(bisect_right(block, pooled[middle]) * weight for block, weight in drawn) >= wanted:
            high = middle
        else:
            low = middle + 1
    return pooled[low]


def _interval(values: Iterable[float]) -> Interval:
    ordered = sorted(values)
    tail = (1 - _CONFIDENCE) / 2
    return Interval(quantile(ordered, tail), quantile(ordered, 1 - tail))


def slope(points: Sequence[tuple[float, float]]) -> Interval:
    """Return the 95 % confidence interval of the least-squares slope through (x, y) points (normal).

    Fewer than three points prove nothing: the interval is unbounded.
    """
    if len(points) < 3:  # noqa: PLR2004 - two points leave no residual
        return Interval(-math.inf, math.inf)
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    estimate = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    residual = sum((y - mean_y - estimate * (x - mean_x)) ** 2 for x, y in points) / (len(points) - 2)
    margin = 1.96 * math.sqrt(residual / spread)
    return Interval(estimate - margin, estimate + margin)


def steady(windows: Sequence[float], *, relative: float, absolute: float, successive: int = 3) -> bool:
    """Return whether the last `successive` figures lie within a relative or absolute distance."""
    last = windows[-successive:]
    if len(last) < successive or any(map(math.isinf, last)):
        return False
    return max(last) - min(last) <= max(relative * min(last), absolute)


def no_longer_falling(windows: Sequence[float], *, relative: float, successive: int = 3) -> bool:
    """Return whether the medians of the last three groups of `successive` figures do not fall from one to the next.

    The test for a machine whose noise is wider than the spread that `steady` asks for.
    """
    if len(windows) < 3 * successive:
        return False
    ends = range(len(windows) - 2 * successive, len(windows) + 1, successive)
    medians = [quantile(sorted(windows[end - successive : end]), 0.5) for end in ends]
    return all(later >= (1 - relative) * earlier for earlier, later in itertools.pairwise(medians))


@dataclass(frozen=True, slots=True)
class RatePoint:
    """One rate of a sweep: records/s asked for and reached, p95 upper bound and p99 in ms, growing lag."""

    rate: float
    achieved: float
    p95_high: float
    p99: float
    lag_grows: bool = False

    @property
    def falls_behind(self) -> bool:
        """Whether the rate was not reached, or the backlog grew: no latency of such a run is one of this rate."""
        return self.achieved < _REACHED * self.rate or self.lag_grows

    def keeps(self, limit: float) -> bool:
        """Return whether the rate was reached with the upper bound of p95 under a limit (ms)."""
        return self.p95_high < limit and not self.falls_behind


def knee(points: Sequence[RatePoint]) -> RatePoint | None:
    """Return the first point (rates ascending) at which the system no longer keeps up, None if there is none.

    Past the knee: under 99 % of the rate reached, p99 over five times that of the lowest rate, or growing
    lag.
    """
    for point in points:
        if point.falls_behind or point.p99 > 5 * points[0].p99:
            return point
    return None


def highest_rate(points: Sequence[RatePoint], limit: float) -> float | None:
    """Return the highest rate up to which each p95 upper bound is under `limit` ms and the rate reached."""
    kept = itertools.takewhile(lambda point: point.keeps(limit), points)
    return max((point.rate for point in kept), default=None)


def best_tries(points: Sequence[RatePoint]) -> list[RatePoint]:
    """Return one point for each rate, ascending: of several tries the fastest, for what disturbs only makes slower."""
    ordered = sorted(points, key=lambda point: (point.rate, point.falls_behind, point.p95_high))
    return [next(tries) for _, tries in itertools.groupby(ordered, key=lambda point: point.rate)]


def next_rate(points: Sequence[RatePoint], ladder: Sequence[float], limit: float) -> float | None:
    """Return the rate to measure next in search of the highest that keeps a limit (ms), None once it is found.

    First up the ladder to a rate that is too high, then half-way (of the ratio) between the two, until a tenth lies
    between them. A rate is too high once it fell behind, or missed the limit twice: one miss may be the machine's.
    """
    kept = max((point.rate for point in points if point.keeps(limit)), default=0.0)
    missed = [point for point in points if point.rate > kept]
    if not missed:
        return next((rate for rate in ladder if rate > kept), None)
    lowest = min(point.rate for point in missed)
    tries = [point for point in missed if point.rate == lowest]
    if len(tries) < _TRIES and not tries[0].falls_behind:
        return lowest
    if not kept or lowest <= kept * _NEAR:
        return None
    return float(f"{math.sqrt(kept * lowest):.2g}")
