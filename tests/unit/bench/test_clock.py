"""Clock offsets are bounded by what an exchange proves, and waiting ends at the deadline."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone.bench.clock import OFFSET_LIMIT_NS, offset_bounds, wait_until


class FakeClock:
    """Time that passes only by sleeping, and a little by each look."""

    def __init__(self, look: int = 1_000) -> None:
        self.now = 0
        self.slept: list[float] = []
        self._look = look

    def __call__(self) -> int:
        self.now += self._look
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += int(seconds * 1e9)


@given(
    offset=st.integers(-(10**12), 10**12),
    legs=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=20),
)
def test_the_true_offset_is_always_within_the_bounds(offset: int, legs: list[tuple[int, int]]) -> None:
    pings = [(100, 100 + there + offset, 100 + there + back) for there, back in legs]
    bounds = offset_bounds(pings)
    assert bounds.low <= offset <= bounds.high
    assert bounds.high - bounds.low <= min(there + back for there, back in legs)


def test_a_skew_beyond_the_limit_cannot_hide_behind_slow_answers() -> None:
    skew = 20_000_000
    assert offset_bounds([(0, 10_000 + skew, 20_000)]).worst > OFFSET_LIMIT_NS


def test_no_exchange_proves_nothing() -> None:
    with pytest.raises(ValueError, match="no pings"):
        offset_bounds([])


def test_waiting_sleeps_most_of_the_time_and_is_never_early() -> None:
    clock = FakeClock()
    wait_until(5_000_000, clock, clock.sleep)
    assert clock.now >= 5_000_000
    assert sum(clock.slept) == pytest.approx(0.00495, abs=1e-5)


def test_a_deadline_that_has_passed_costs_no_sleep() -> None:
    clock = FakeClock()
    clock.now = 10_000_000
    wait_until(5_000_000, clock, clock.sleep)
    assert clock.slept == []
