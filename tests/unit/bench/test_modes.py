"""What each mode measures, saves and stops at, on a simulated cluster with a known capacity."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from backbone.bench import cells, modes
from backbone.bench.drivers.base import KAFKA_PYTHON, Driver
from backbone.bench.session import SETTLE_S
from backbone.bench.topics import Cluster
from tests.unit.bench.builders import constantly, measurement, samples
from tests.unit.bench.test_report import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.bench.samples import Samples
    from backbone.bench.session import Cell, Measurement

JAVA = Driver("java", "4.3.1")
CAPACITY = 1000.0
"""Records/s up to which the simulated cluster answers in 5 ms; beyond, a record takes 400 ms."""


class Known(Cluster):
    """A cluster that knows its brokers without being asked."""

    def brokers(self) -> list[str]:
        return ["127.0.0.1:9092"]


@dataclass(frozen=True, slots=True)
class Simulated(modes.Bench):
    """Measures by arithmetic."""

    def once(self, cell: Cell, repeat: int, seed: int, *, settle: float = SETTLE_S) -> Measurement:
        self.say(f"{settle:g} s left out")
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


def test_what_is_cold_is_not_warmed_up_and_its_first_record_counts(bench: Simulated) -> None:
    said: list[str] = []
    done = modes.run_plan(replace(bench, say=said.append), cells.cold(cells.Options(rates=(500.0, 1000.0))))
    assert (done.report["mode"], done.report["warm_up"]) == ("cold", {"windows_p95_ms": [], "steady": True})
    (cell,) = done.report["cells"]
    assert (cell["load"]["rate"], len(cell["repeats"])) == (500, 1)
    assert "0 s left out" in said
    assert not any(text.startswith("warm-up") for text in said)
    assert done.report["verdict"]["conclusive"]
    assert "the cluster was as it stood" in (done.folder / "report.md").read_text(encoding="utf-8")


def test_clients_stand_side_by_side_at_one_load(bench: Simulated) -> None:
    done = modes.run_plan(bench, cells.quick(cells.Options(repeats=2, drivers=(JAVA, KAFKA_PYTHON))))
    assert [cell["client"] for cell in done.report["cells"]].count("java") == 1
    (table,) = done.report["tables"]
    assert table["title"] == "Clients, at 1000/s x 1024 B"
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    assert [row["client"].split()[0] for row in rows] == ["kafka-python", "java"]
    assert [row["p95 ms"] for row in rows] == ["5", "5"]
    assert rows[1]["p95 beside kafka-python"].startswith("no difference")
    assert rows[0]["CPU of producer, us/record"] == "500"


def test_one_client_stands_beside_nobody(bench: Simulated) -> None:
    assert modes.run_plan(bench, cells.quick(cells.Options(repeats=1))).report["tables"] == []


def test_a_sweep_of_clients_has_the_rates_of_each_beside_its_latency(bench: Simulated) -> None:
    done = modes.sweep(bench, cells.Options(sizes=(1024,), drivers=(KAFKA_PYTHON, JAVA)))
    _, clients = done.report["tables"]
    assert clients["title"] == "Clients, at 1000/s x 1024 B"
    assert [row[-3:-1] for row in clients["rows"]] == [["1000/s = 1.02 MB/s"] * 2] * 2


def test_a_sweep_narrows_down_the_highest_rate_of_each_size_and_asks_twice_what_it_refuses(bench: Simulated) -> None:
    done = modes.sweep(bench, cells.Options(sizes=(100, 1024)))
    tried = [(cell["load"]["rate"], len(cell["repeats"])) for cell in done.report["cells"]]
    # 3000, 1700, 1300 and 1100 are too much for it; nothing lies between 1000 and 1100 that is worth a run.
    assert tried == [(100, 1), (300, 1), (1000, 1), (3000, 2), (1700, 2), (1300, 2), (1100, 2)] * 2
    (table,) = done.report["tables"]
    assert [row[2] for row in table["rows"]] == ["1000/s = 0.1 MB/s", "1000/s = 1.02 MB/s"]


def test_a_sweep_of_another_cluster_stays_below_its_limit(bench: Simulated) -> None:
    done = modes.sweep(bench, cells.Options(sizes=(100,), most=30_000))
    assert [cell["load"]["rate"] for cell in done.report["cells"]] == [100, 300]
    assert done.report["tables"][0]["rows"][0][-1] == "beyond 300/s"
