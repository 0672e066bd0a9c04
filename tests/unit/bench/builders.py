"""Runs and samples made by hand: a simulated system with known latencies, no clock and no process."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from backbone.bench.clock import OffsetBounds
from backbone.bench.machine import Busy
from backbone.bench.run import Run
from backbone.bench.samples import NEVER, Samples
from backbone.bench.session import Cell, Measurement
from backbone.bench.validity import PartitionState, gates
from backbone.bench.worker import Load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MS = 1_000_000
TOPOLOGY = {0: PartitionState(leader=1, epoch=4, replicas=3, in_sync=3)}
CLOCKS = {"producer": OffsetBounds(-9_000, 9_000), "consumer": OffsetBounds(-8_000, 11_000)}


def constantly(ms: float) -> Callable[[int], float]:
    """Every record takes that long."""
    return lambda _: ms


_FIVE = constantly(5.0)


def samples(
    count: int = 1000,
    gap_ms: float = 1.0,
    *,
    latency: Callable[[int], float] = _FIVE,
    delay_ms: float = 0.05,
) -> Samples:
    """Return records every `gap_ms`, sent `delay_ms` late, received after `latency` ms."""
    start = 10**12
    intended = [start + int(index * gap_ms * MS) for index in range(count)]
    actual = [at + int(delay_ms * MS) for at in intended]
    received = [at + int(latency(index) * MS) for index, at in enumerate(intended)]
    acked = [(sent + got) // 2 for sent, got in zip(actual, received, strict=True)]
    return Samples(*(array("q", column) for column in (intended, actual, acked, received)))


def without(made: Samples, column: str, *indexes: int) -> Samples:
    """Return the samples with some times of a column never come."""
    columns = {name: array("q", getattr(made, name)) for name in ("intended", "actual", "acked", "received")}
    for index in indexes:
        columns[column][index] = NEVER
    return Samples(**columns)


def run(
    made: Samples | None = None,
    *,
    clocks: Mapping[str, OffsetBounds] = CLOCKS,
    duplicates: int = 0,
    damaged: int = 0,
) -> Run:
    """Return a run without fault around some samples."""
    return Run(
        samples=made or samples(),
        started=1_700_000_000.0,
        clocks=clocks,
        errors={},
        duplicates=duplicates,
        damaged=damaged,
        mismatched=0,
        cpu={"producer": 1.0, "consumer": 0.5},
    )


def measurement(made: Samples, repeat: int = 1, *, cell: Cell | None = None) -> Measurement:
    """Return a judged repeat."""
    whole = run(made)
    judged = gates(whole, made, TOPOLOGY, TOPOLOGY)
    return Measurement(cell or Cell(Load(1000, 1024, 1)), repeat, whole, made, judged, Busy(0.5, 0.0, 1.0))
