"""What each mode measures, saves and stops at, on a simulated cluster with a known capacity."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from backbone.bench import cells, modes
from backbone.bench.topics import Cluster
from tests.unit.bench.builders import constantly, measurement, samples
from tests.unit.bench.test_report import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.bench.samples import Samples
    from backbone.bench.session import Cell, Measurement

CAPACITY = 1000.0
"""Records/s up to which the simulated cluster answers in 5 ms; beyond, a record takes 400 ms."""


class Known(Cluster):
    """A cluster that knows its brokers without being asked."""

    def brokers(self) -> list[str]:
        return ["127.0.0.1:9092"]


@dataclass(frozen=True, slots=True)
class Simulated(modes.Bench):
    """Measures by arithmetic."""

    def once(self, cell: Cell, repeat: int, seed: int) -> Measurement:
        seeded = replace(cell, load=replace(cell.load, seed=seed))
        return measurement(self.load(seeded), repeat, cell=cell)

    def load(self, cell: Cell) -> Samples:
        ms = 5.0 if cell.load.rate <= CAPACITY else 400.0
        return samples(2_000, 1000 / cell.load.rate, latency=constantly(ms), delay_ms=0.01)


@pytest.fixture
def bench(tmp_path: Path) -> Simulated:
    return Simulated(Known(("127.0.0.1:9092",)), "embedded", tmp_path, SCHEMA, 1, lambda _: None)


def test_a_plan_measures_each_cell_as_often_as_it_says_and_keeps_the_report(bench: Simulated) -> None:
    plan = cells.quick(cells.Options(repeats=2))
    done = modes.run_plan(bench, plan)
    assert done.report["mode"] == "quick"
    (cell,) = done.report["cells"]
    assert len(cell["repeats"]) == 2
    assert json.loads((done.folder / "report.json").read_text(encoding="utf-8")) == done.report


def test_a_sweep_ends_each_size_at_its_knee(bench: Simulated) -> None:
    done = modes.sweep(bench, cells.Options(sizes=(100, 1024)))
    swept = [rate for rate in cells.SWEEP_RATES if rate <= CAPACITY]
    knee = next(rate for rate in cells.SWEEP_RATES if rate > CAPACITY)
    assert [cell["load"]["rate"] for cell in done.report["cells"]] == [*swept, knee] * 2
