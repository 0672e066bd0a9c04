"""Each gate closes on its own fault and on nothing near it."""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hdrh.histogram import HdrHistogram

from backbone.bench.clock import OffsetBounds
from backbone.bench.samples import Samples
from backbone.bench.statistics import slope
from backbone.bench.validity import LAG_SECONDS, Topology, backlog, failed, gates
from tests.unit.bench.builders import CLOCKS, MS, TOPOLOGY, constantly, run, samples, without

if TYPE_CHECKING:
    from backbone.bench.run import Run


def closed(
    made: Run, *, measured: Samples | None = None, before: Topology = TOPOLOGY, after: Topology = TOPOLOGY
) -> list[str]:
    return [gate.name for gate in failed(gates(made, measured or made.samples, before, after))]


def test_a_clean_run_is_valid() -> None:
    assert closed(run()) == []


def test_a_clock_that_cannot_be_bounded_voids_the_run() -> None:
    assert closed(run(clocks={**CLOCKS, "consumer": OffsetBounds(-60_000, 10_000)})) == ["clock"]
    assert closed(run(clocks={})) == ["clock"]


def test_a_record_received_before_it_was_sent_voids_the_run() -> None:
    made = samples(1000, latency=lambda index: -1.0 if index == 10 else 5.0)
    assert "clock" in closed(run(made))


@pytest.mark.parametrize("column", ["received", "acked"])
def test_one_record_missing_voids_the_run(column: str) -> None:
    assert closed(run(without(samples(), column, 500))) == ["complete"]


def test_duplicates_and_damage_void_the_run() -> None:
    assert closed(run(duplicates=1)) == ["complete"]
    assert closed(run(damaged=1)) == ["complete"]
    assert closed(replace(run(), errors={"client-full": 3})) == ["complete"]


def test_a_sender_that_falls_behind_is_named() -> None:
    slow = samples(1000, latency=lambda index: 5.0 + index * 1.0)
    late = Samples(
        slow.intended,
        type(slow.actual)("q", (at + index * 900_000 for index, at in enumerate(slow.intended))),
        slow.acked,
        slow.received,
    )
    assert set(closed(run(late))) >= {"achieved", "sender"}


@pytest.mark.parametrize(("latency", "delay", "expected"), [(50, 4.9, []), (50, 5.1, ["sender"])])
def test_the_sender_may_have_a_tenth_of_the_latency(latency: float, delay: float, expected: list[str]) -> None:
    assert closed(run(samples(latency=constantly(latency), delay_ms=delay))) == expected


@pytest.mark.parametrize(("delay", "expected"), [(1.9, []), (2.1, ["sender"])])
def test_a_fast_system_does_not_make_the_scheduler_a_fault(delay: float, expected: list[str]) -> None:
    assert closed(run(samples(latency=constantly(5.0), delay_ms=delay))) == expected


def test_a_sender_that_stood_still_in_the_end_is_not_called_saturated() -> None:
    stood = samples(20_000, latency=lambda index: 1_100.0 if index >= 19_000 else 5.0)
    stood.actual[19_000:] = array("q", [at + 1_000 * MS for at in stood.actual[19_000:]])
    assert closed(run(stood)) == ["sender"]


def test_a_sender_that_never_sent_is_no_valid_sender() -> None:
    never = without(without(samples(), "actual", *range(1000)), "received", *range(1000))
    assert "sender" in closed(run(never))


def test_a_growing_backlog_is_named() -> None:
    made = samples(20_000, latency=lambda index: 5.0 + index * 0.05)
    assert closed(run(made)) == ["lag"]


def test_a_backlog_that_only_swings_is_not() -> None:
    made = samples(20_000, latency=lambda index: 40.0 if index // 1000 % 2 else 5.0)
    assert closed(run(made)) == []


def test_a_backlog_that_may_grow_or_shrink_for_all_we_know_is_not() -> None:
    """Only the slope's lower bound counts: its upper bound alone would void every noisy run."""
    made = samples(6_000, latency=lambda index: 900.0 if index // 1000 % 2 else 5.0)
    bounds = slope(backlog(made))
    assert bounds.low < 0 < LAG_SECONDS < bounds.high * made.duration() / 1000
    assert closed(run(made)) == []


def test_the_backlog_counts_what_is_on_its_way() -> None:
    assert backlog(samples(3001, latency=constantly(100.5)))[0] == (1.0, 100.0)


def test_a_moved_leader_or_missing_replica_voids_the_run() -> None:
    moved = {0: replace(TOPOLOGY[0], leader=2, epoch=5)}
    assert closed(run(), after=moved) == ["topology"]
    shrunk = {0: replace(TOPOLOGY[0], in_sync=2)}
    assert closed(run(), before=shrunk, after=shrunk) == ["topology"]


def test_a_recorder_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    right = HdrHistogram.record_value
    monkeypatch.setattr(HdrHistogram, "record_value", lambda self, value: right(self, int(value * 1.02)))
    assert closed(run()) == ["histogram"]


@pytest.mark.parametrize(("stolen", "passed"), [(0.04, True), (0.06, False)])
def test_a_machine_that_was_taken_away_can_only_have_made_it_slower(stolen: float, *, passed: bool) -> None:
    gate = gates(run(), samples(), TOPOLOGY, TOPOLOGY, stolen=stolen)[-1]
    assert (gate.name, gate.passed, gate.inflates) == ("machine", passed, True)


def test_every_gate_says_what_a_failure_means() -> None:
    assert all(gate.meaning and gate.found and gate.limit for gate in gates(run(), samples(), TOPOLOGY, TOPOLOGY))
