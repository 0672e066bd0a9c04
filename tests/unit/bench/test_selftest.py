"""The formula behind the planted stalls, checked against a simulated stall and against what hides it."""

from __future__ import annotations

import pytest

from backbone.bench.selftest import expected_quantile
from backbone.bench.statistics import quantile
from tests.unit.bench.builders import MS, samples

STALL_MS, RUN_MS = 2000.0, 20_000.0


def stalled(index: int) -> float:
    """Return the ms of a system that stands still from 5 s to 7 s, one record being intended every ms."""
    return max(1.0, 7000.0 - index) if index >= 5000 else 1.0


@pytest.mark.parametrize("q", [0.95, 0.99])
def test_the_formula_is_what_a_stall_does_to_an_open_loop(q: float) -> None:
    made = samples(20_000, latency=stalled)
    found = quantile(sorted(made.span("end_to_end")), q) / MS
    assert found == pytest.approx(expected_quantile(STALL_MS, RUN_MS, q), rel=0.01)


def test_a_sender_that_waits_for_answers_would_have_hidden_it() -> None:
    closed_loop = [1.0] * 18_000 + [STALL_MS]
    assert quantile(sorted(closed_loop), 0.99) < expected_quantile(STALL_MS, RUN_MS, 0.99) / 100


def test_a_stall_too_short_for_the_quantile_does_not_show() -> None:
    assert expected_quantile(0.5, 20.0, 0.95) == 0.0
