"""The schedule is fixed before the run and depends on nothing but its arguments."""

from __future__ import annotations

import itertools
import statistics

import pytest

from backbone.bench.schedule import offsets


def test_constant_arrivals_are_evenly_spaced() -> None:
    times = offsets(1000, 2.0, "constant", seed=1)
    assert len(times) == 2000
    assert {b - a for a, b in itertools.pairwise(times)} == {1_000_000}


def test_a_rate_that_does_not_divide_a_second_does_not_drift() -> None:
    times = offsets(300, 100.0, "constant", seed=1)
    assert times[-1] == int(29_999 * 1e9 / 300)


def test_poisson_arrivals_repeat_with_their_seed_only() -> None:
    assert offsets(1000, 5.0, "poisson", 7) == offsets(1000, 5.0, "poisson", 7)
    assert offsets(1000, 5.0, "poisson", 7) != offsets(1000, 5.0, "poisson", 8)


def test_poisson_gaps_are_exponential() -> None:
    times = offsets(1000, 60.0, "poisson", 3)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert statistics.fmean(gaps) == pytest.approx(1e6, rel=0.02)
    assert statistics.stdev(gaps) == pytest.approx(1e6, rel=0.03)
    assert times[-1] < 60e9


def test_a_burst_is_all_at_once() -> None:
    assert set(offsets(100, 1.0, "burst", 1)) == {0}


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (-1, 1), (1000, 0)])
def test_a_schedule_without_rate_or_length_is_refused(rate: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        offsets(rate, seconds, "constant", 1)
