"""Quantiles are exact, bounds cover what they promise, and knees are found where they are."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone.bench.statistics import (
    Interval,
    RatePoint,
    best_tries,
    bootstrap,
    bootstrap_difference,
    enough,
    highest_rate,
    knee,
    next_rate,
    no_longer_falling,
    quantile,
    slope,
    steady,
)


def within(interval: Interval, value: float) -> bool:
    return interval.low <= value <= interval.high


@given(st.lists(st.integers(0, 1000), min_size=1), st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_quantile_is_the_least_value_not_exceeded_by_its_share(values: list[int], q: float) -> None:
    found = quantile(sorted(values), q)
    assert sum(value <= found for value in values) >= q * len(values) - 1e-6
    assert sum(value < found for value in values) < q * len(values)


@pytest.mark.parametrize(("q", "value"), [(0.5, 5), (0.95, 10), (1.0, 10), (0.1, 1), (0.11, 2)])
def test_quantiles_are_values_that_occurred(q: float, value: int) -> None:
    assert quantile(range(1, 11), q) == value


def test_no_values_have_no_quantile() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def _blocks(source: random.Random, blocks: int, size: int = 100) -> list[list[float]]:
    """Return blocks that share a level each: neighbours are alike, as after a pause."""
    return [
        [level + source.expovariate(1.0) for _ in range(size)]
        for level in (source.uniform(0, 5) for _ in range(blocks))
    ]


def test_bounds_cover_the_true_quantile_about_as_often_as_promised() -> None:
    source = random.Random(5)
    truth = quantile(sorted(value for block in _blocks(source, 3000) for value in block), 0.95)
    covered = sum(
        within(bootstrap([_blocks(source, 20)], 0.95, seed=trial, resamples=200), truth) for trial in range(60)
    )
    assert covered >= 48


def test_treating_records_as_independent_would_promise_too_much() -> None:
    source = random.Random(5)
    blocks = _blocks(source, 20)
    whole = bootstrap([blocks], 0.95, resamples=200)
    values = [value for block in blocks for value in block]
    single = bootstrap([[[value] for value in values[:400]]], 0.95, resamples=200)
    wider = bootstrap([blocks[:4]], 0.95, resamples=200)
    assert whole.high - whole.low > 0
    assert single.high - single.low < wider.high - wider.low


def test_one_bad_repeat_widens_the_bounds_of_all() -> None:
    good = [[1.0] * 100 for _ in range(10)]
    bad = [[50.0] * 100 for _ in range(10)]
    assert bootstrap([good] * 5, 0.95).high == 1.0
    assert bootstrap([good] * 4 + [bad], 0.95).high == 50.0


def test_repeats_are_drawn_anew_too_so_that_one_bad_repeat_may_be_missing() -> None:
    """A third of all draws of five repeats miss the bad one: (4/5)^5 = 0.33."""
    good = [[1.0] * 100 for _ in range(10)]
    bad = [[50.0] * 100 for _ in range(10)]
    assert bootstrap([good] * 4 + [bad], 0.95).low == 1.0


def test_the_bounds_are_those_of_95_percent() -> None:
    """So many draws miss every block with a one: (1/3)^3 = 3.7 %, more than the lower tail of 2.5 %; (2/5)^5 = 1 %."""
    draws = 20_000
    assert bootstrap([[[0.0], [1.0], [1.0]]], 1.0, resamples=draws) == Interval(0.0, 1.0)
    assert bootstrap([[[0.0], [0.0], [1.0], [1.0], [1.0]]], 1.0, resamples=draws) == Interval(1.0, 1.0)


def test_a_lost_record_in_the_tail_makes_the_upper_bound_infinite() -> None:
    blocks = [[1.0] * 90 + [math.inf] * 10 for _ in range(10)]
    assert bootstrap([blocks], 0.95).high == math.inf


def test_a_difference_is_seen_with_its_sign() -> None:
    source = random.Random(2)
    slow = [[value + 10 for value in block] for block in _blocks(source, 20)]
    fast = _blocks(source, 20)
    assert bootstrap_difference([fast], [slow], 0.95, resamples=200).low > 0
    assert bootstrap_difference([slow], [fast], 0.95, resamples=200).high < 0
    assert within(bootstrap_difference([fast], [_blocks(source, 20)], 0.95, resamples=200), 0)


def test_two_systems_that_both_lose_the_tail_differ_by_nothing_there() -> None:
    lossy = [[1.0] * 90 + [math.inf] * 10 for _ in range(10)]
    assert bootstrap_difference([lossy], [lossy], 0.95, resamples=200) == Interval(0.0, 0.0)


def test_the_bounds_of_a_slope_are_those_of_the_textbook() -> None:
    """Slope 0.8; squared residuals 1.8 over n - 2 = 2 degrees of freedom; spread 5; 1.96 standard errors each way."""
    found = slope([(0.0, 0.0), (1.0, 2.0), (2.0, 1.0), (3.0, 3.0)])
    assert (found.low, found.high) == pytest.approx((0.8 - 1.96 * math.sqrt(0.18), 0.8 + 1.96 * math.sqrt(0.18)))


def test_three_points_are_enough_for_a_slope_and_two_are_not() -> None:
    assert slope([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) == Interval(2.0, 2.0)
    assert slope([(0.0, 1.0), (1.0, 3.0)]) == Interval(-math.inf, math.inf)


def test_slopes() -> None:
    source = random.Random(1)
    flat = [(float(x), source.gauss(10, 2)) for x in range(60)]
    rising = [(x, y + 0.5 * x) for x, y in flat]
    assert within(slope(flat), 0.0)
    assert slope(rising).low > 0
    assert slope([(0.0, 1.0), (1.0, 2.0)]).low == -math.inf


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([70.0, 20.0, 10.0, 10.5, 10.8], True),
        ([70.0, 20.0, 10.0, 13.0, 10.0], False),
        ([5.0, 5.9, 5.2], True),
        ([5.0, 5.0], False),
        ([5.0, math.inf, 5.0], False),
    ],
)
def test_steady_means_three_windows_alike(windows: list[float], expected: bool) -> None:
    assert steady(windows, relative=0.1, absolute=1.0) is expected


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([90, 80, 85, 40, 45, 50, 20, 25, 22], False),
        ([30, 12, 20, 14, 33, 18, 25, 13, 19], True),
        ([30, 12, 20, 14, 33, 18, 25, 13], False),
        ([99, 99, 99, 20, 20, 20, 20, 21, 19], False),
        ([99, 99, 99, 20, 20, 20, 20, 21, 19, 20, 20, 20], True),
    ],
)
def test_a_noisy_machine_is_warm_when_its_medians_fall_no_more(windows: list[float], expected: bool) -> None:
    assert no_longer_falling(windows, relative=0.1) is expected


def _points(*figures: tuple[float, float, float]) -> list[RatePoint]:
    return [RatePoint(rate, achieved, p95_high=p99 / 2, p99=p99) for rate, achieved, p99 in figures]


def test_the_knee_is_where_the_tail_explodes() -> None:
    points = _points((100, 100, 10), (300, 300, 12), (1000, 1000, 51))
    found = knee(points)
    assert found is not None
    assert found.rate == 1000


def test_the_knee_is_where_the_rate_is_not_reached() -> None:
    points = _points((100, 100, 10), (300, 296, 12), (1000, 1000, 12))
    found = knee(points)
    assert found is not None
    assert found.rate == 300


def test_growing_lag_is_a_knee_and_none_is_none() -> None:
    growing = RatePoint(300, 300, 5, 10, lag_grows=True)
    assert knee([RatePoint(100, 100, 5, 10), growing]) == growing
    assert knee(_points((100, 100, 10), (300, 300, 10))) is None


def test_the_highest_rate_stops_at_the_first_failure() -> None:
    points = _points((100, 100, 10), (300, 300, 50), (1000, 1000, 20))
    assert highest_rate(points, 20.0) == 100
    assert highest_rate(points, 100.0) == 1000
    assert highest_rate(points, 1.0) is None


LADDER = (100, 1000, 10_000)


@pytest.mark.parametrize(
    ("bears", "found"), [(50, None), (100, 100), (99_999, 10_000), (2_345, 2_200), (980, 930), (1000, 1000)]
)
def test_the_search_ends_within_a_tenth_below_what_is_borne(bears: float, found: float | None) -> None:
    points: list[RatePoint] = []
    while (rate := next_rate(points, LADDER, 100)) is not None:
        points.append(RatePoint(rate, rate, p95_high=5 if rate <= bears else 500, p99=600))
        assert len(points) < 30
    assert highest_rate(best_tries(points), 100) == found


def test_one_miss_is_not_believed_and_falling_behind_is() -> None:
    kept, missed = RatePoint(100, 100, 5, 10), RatePoint(1000, 1000, 101, 300)
    assert next_rate([kept, missed], LADDER, 100) == 1000
    assert next_rate([kept, missed, RatePoint(1000, 1000, 99, 300)], LADDER, 100) == 10_000
    assert next_rate([kept, missed, missed], LADDER, 100) == 320
    assert next_rate([kept, RatePoint(1000, 900, 5, 10)], LADDER, 100) == 320
    assert best_tries([missed, kept, RatePoint(1000, 1000, 99, 300)])[1].p95_high == 99


def test_a_tail_needs_a_hundred_records_beyond_it() -> None:
    assert enough(10, 0.95)
    assert not enough(9_999, 0.99)
    assert enough(10_000, 0.99)
    assert not enough(99_999, 0.999)
