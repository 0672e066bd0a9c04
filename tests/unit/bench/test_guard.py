"""What is sent to a cluster of somebody else's is limited, and asked for."""

from __future__ import annotations

import pytest

from backbone.bench import cells, guard
from backbone.bench.drivers.base import KAFKA_PYTHON, Driver
from backbone.errors import StackError


def refused(options: cells.Options, seconds: float = 60, *, lowest: bool = False) -> str:
    with pytest.raises(StackError) as caught:
        guard.demand(options, seconds, lowest=lowest)
    assert caught.value.reference == "too-much-for-theirs"
    return caught.value.message + (caught.value.hint or "")


def test_the_gate_and_a_sweep_of_the_default_sizes_are_within_the_limits() -> None:
    options = cells.Options(most=guard.MOST_MB * 1e6)
    guard.demand(options, guard.plan_seconds(cells.gate(options)), lowest=False)
    swept = cells.Options(sizes=cells.SWEEP_SIZES, most=20e6)
    guard.demand(swept, guard.sweep_seconds(swept), lowest=True)


def test_more_than_that_is_refused_and_says_what_would_do() -> None:
    fast = cells.Options(rates=(100.0, 20_000.0), most=10e6)
    assert "20.48 MB/s are more than the 10" in refused(fast)
    assert "--most 21" in refused(fast)
    assert "60 minutes" in refused(cells.Options(), 3600)
    assert "--most 11" in refused(cells.Options(sizes=(102_401,), most=10e6), lowest=True)


def test_the_time_is_that_of_every_repeat_and_client() -> None:
    options = cells.Options(seconds=10, repeats=2)
    assert guard.plan_seconds(cells.gate(options)) == 120 + 2 * 13
    one = guard.sweep_seconds(cells.Options(seconds=10))
    assert guard.sweep_seconds(cells.Options(sizes=(100, 200), drivers=(KAFKA_PYTHON, Driver("java", "4")))) == 4 * one


def test_a_person_reads_how_much_goes_where() -> None:
    options = cells.Options(most=10e6)
    assert guard.question(("a:1", "b:2"), options, 420, sweep=False) == (
        "send up to 1.02 MB/s for some 7 minutes to topics of its own on a:1, b:2?"
    )
    assert "up to 10 MB/s" in guard.question(("a:1",), options, 420, sweep=True)
