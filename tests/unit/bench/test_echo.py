"""The real processes over the echo stub: every record arrives once, and what was planted is found."""

from __future__ import annotations

from backbone.bench import echo
from backbone.bench.clock import OFFSET_LIMIT_NS, SkewedClock
from backbone.bench.run import execute
from backbone.bench.validity import failed, repeat_gates
from backbone.bench.worker import Job, Load


def test_every_record_arrives_once_and_planted_delays_are_found() -> None:
    with echo.serving(echo.Faults(every=20, held=0.05)) as stub:
        run = execute(Job(echo.EchoTarget(stub.port), Load(500, 256, 0.4), run=3, grace=5.0))
    held = [run.samples.span("end_to_end")[index] for index in range(0, 200, 20)]
    assert len(run.samples) == 200
    assert (run.samples.failed, run.samples.lost, run.duplicates, run.damaged, run.mismatched) == (0, 0, 0, 0, 0)
    assert min(held) >= 50e6


def test_a_skewed_clock_is_noticed_by_the_processes_themselves() -> None:
    with echo.serving() as stub:
        job = Job(
            echo.EchoTarget(stub.port), Load(100, 64, 0.1), run=1, consumer_clock=SkewedClock(-20_000_000), grace=5.0
        )
        run = execute(job)
    assert run.clocks["consumer"].worst > OFFSET_LIMIT_NS
    assert "clock" in [gate.name for gate in failed(repeat_gates(run, run.samples))]
