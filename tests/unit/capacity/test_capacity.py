"""The reckoning against figures made by hand, and the simulation against the closed form."""

from __future__ import annotations

import json
import math
import random
import statistics
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone.capacity import arithmetic, knee, output, simulation
from backbone.capacity.model import Capacity, Demand, Plan
from backbone.errors import StackError
from backbone.strimzi import layout
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TEN = Capacity(10e6, 2, "a test")
DAY = 86_400


def demand(**more: Any) -> Demand:
    return Demand(**{"rate": 1000, "size": 1000, "retention": DAY, **more})


def values(plan: Plan) -> dict[str, float]:
    return {each.name: each.value for each in plan.steps}


def test_each_line_is_what_a_hand_makes_of_it() -> None:
    plan = arithmetic.plan(demand(consumers=2, growth=2.0), TEN)
    found = values(plan)
    assert found["produced"] == 2e6
    assert found["written"] == 6e6
    assert found["read"] == 8e6  # two consumers, two followers
    assert found["load"] == 8e6  # 6 + 8 / 4
    assert plan.brokers == 3  # 8 MB/s at 50 % of 10 MB/s are two, and one may be away
    assert plan.partitions == 3
    assert found["kept"] == 2e6 * DAY
    assert found["open segments"] == 3 * 2**30
    assert plan.disk == (2e6 * DAY + 3 * 2**30) / 0.6
    assert found["network in"] == 2e6
    assert found["network out"] == pytest.approx(8e6 / 3)
    assert found["page cache"] == 60e6
    assert plan.utilisation == pytest.approx(8 / 30)
    assert found["highest rate"] == pytest.approx(30e6 / 4000)
    assert all(each.formula for each in plan.steps)


def test_more_is_asked_more_is_needed() -> None:
    sizes = [arithmetic.plan(demand(rate=rate), TEN).brokers for rate in (1e3, 1e4, 1e5, 1e6)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    assert arithmetic.plan(demand(replicas=5, bear=2), TEN).controllers == 5
    assert arithmetic.plan(demand(consumer_rate=10), TEN).partitions >= 100


@given(
    st.floats(1, 1e7), st.floats(1, 1e6), st.integers(1, 5), st.integers(0, 50), st.floats(1e5, 1e9), st.integers(0, 4)
)
def test_any_plan_bears_its_load_with_the_promised_ones_away(
    rate: float, size: float, replicas: int, consumers: int, bears: float, away: int
) -> None:
    if away >= replicas:
        with pytest.raises(StackError):
            demand(replicas=replicas, bear=away)
        return
    plan = arithmetic.plan(
        demand(rate=rate, size=size, replicas=replicas, consumers=consumers, bear=away), Capacity(bears, 2, "")
    )
    assert plan.brokers - away >= 1
    assert plan.brokers >= replicas
    assert plan.load <= (plan.brokers - away) * bears * arithmetic.TARGET * (1 + 1e-9)
    assert plan.partitions * replicas >= plan.brokers
    assert plan.disk >= rate * size * DAY * replicas / plan.brokers


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"size": -1}, {"retention": 0}, {"bear": 3}, {"consumers": -1}])
def test_what_no_cluster_can_be_sized_by_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(StackError) as caught:
        demand(**wrong)
    assert caught.value.reference == "bad-demand"


def test_a_hundred_brokers_on_paper() -> None:
    plan = arithmetic.plan(demand(rate=450_000, size=1024, partitions=10_000, consumers=3), Capacity(39.8e6, 2, ""))
    assert plan.brokers == 100
    assert values(plan)["copies on a broker"] == 300
    assert any(
        "vm.max_map_count" in each for each in arithmetic.plan(demand(rate=1e6, partitions=200_000), TEN).warnings
    )
    loss = simulation.lose(plan, 600, seed=7, runs=3)
    assert loss.caught_up == pytest.approx(loss.scene.expected, rel=0.1)


SCENES = {
    "the broker's own disk": simulation.Scene(backlog=1e9, new=2e6, own=20e6, leaders=3, spare=100e6),
    "nearly as much comes": simulation.Scene(backlog=1e9, new=14e6, own=20e6, leaders=3, spare=100e6),
    "the leaders": simulation.Scene(backlog=1e9, new=5e6, own=200e6, leaders=4, spare=5e6),
    "one leader": simulation.Scene(backlog=1e9, new=0.0, own=50e6, leaders=1, spare=10e6),
    "many leaders": simulation.Scene(backlog=8e9, new=14e6, own=40e6, leaders=99, spare=80e6),
}


@pytest.mark.parametrize("name", SCENES)
def test_the_simulation_is_the_closed_form_on_average(name: str) -> None:
    scene = SCENES[name]
    times = [simulation.run(scene, random.Random(seed)) for seed in range(12)]
    assert statistics.fmean(times) == pytest.approx(scene.expected, rel=0.05)


def test_a_broker_that_more_comes_to_than_it_copies_never_catches_up() -> None:
    scene = simulation.Scene(backlog=1e8, new=21e6, own=20e6, leaders=3, spare=100e6)
    assert scene.expected == math.inf
    assert simulation.run(scene, random.Random(1)) == math.inf
    assert simulation.run(simulation.Scene(1e8, 1e6, 20e6, 3, 0.0), random.Random(1)) == math.inf
    assert simulation.run(simulation.Scene(0.0, 1e6, 20e6, 3, 1e6), random.Random(1)) == 0.0


def test_a_seed_makes_it_repeatable() -> None:
    plan = arithmetic.plan(demand(rate=5000), TEN)
    assert simulation.lose(plan, 60, seed=3) == simulation.lose(plan, 60, seed=3)
    assert simulation.lose(plan, 60, seed=3).caught_up != simulation.lose(plan, 60, seed=4).caught_up


def test_the_limit_is_where_it_no_longer_catches_up() -> None:
    plan = arithmetic.plan(demand(rate=5000), TEN)
    loss = simulation.lose(plan, 60, seed=1, runs=1)
    assert math.isfinite(simulation.scene_of(plan, 60, loss.limit * 0.999).expected)
    assert simulation.scene_of(plan, 60, loss.limit * 1.002).expected == math.inf
    below, above = (simulation.scene_of(plan, 60, loss.limit * factor) for factor in (0.9, 1.1))
    assert math.isfinite(simulation.run(below, random.Random(1)))
    assert simulation.run(above, random.Random(1)) == math.inf
    # The others bear what the one that is away leaves them.
    assert loss.survivors == pytest.approx(plan.utilisation * plan.brokers / (plan.brokers - 1))


KEPT = ROOT / "results" / "kept" / "bench-sweep"


def sweep(folder: Path, **rates: float) -> Path:
    """Write a sweep's report: s100=5000 is 5000/s of 100 B that kept the limit when tried again, and others."""

    def once(high: float | None, failed: str) -> dict[str, Any]:
        gates = [{"name": name, "passed": name != failed, "inflates": name == "sender"} for name in ("sender", "lag")]
        return {"bounds": {"p95": [1.0, high]}, "gates": gates}

    def cell(size: int, rate: float, *tries: tuple[float | None, str]) -> dict[str, Any]:
        load = {"size": size, "rate": rate, "arrivals": "constant"}
        return {"load": load, "replicas": 3, "repeats": [once(*each) for each in tries]}

    cells = [
        each
        for name, rate in rates.items()
        for size in [int(name[1:])]
        for each in (
            cell(size, rate / 2, (9, "")),
            cell(size, rate, (101, ""), (99, "sender")),
            cell(size, rate * 2, (101, ""), (None, "")),
            cell(size, rate * 3, (9, "lag")),
        )
    ]
    report = {"version": 1, "started": "now", "brokers": ["a", "b", "c"], "machine": {"cpus": 6}, "cells": cells}
    folder.mkdir(exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


def test_what_a_broker_bears_is_read_from_a_sweep(tmp_path: Path) -> None:
    found = knee.measured(KEPT, 1024)
    # 3000/s × 1024 B, three copies and one reader: written 3, read 3 / 4, by three brokers.
    assert found.rate == pytest.approx(3000 * 1024 * 3.75 / 3)
    assert "3,000/s of 1024 B on 3 brokers" in found.source
    assert "far from yours" in knee.measured(KEPT, 3_000_000).source
    said = "bench now: 5,000/s of 100 B on 3 brokers and 6 cores"
    assert knee.measured(sweep(tmp_path, s100=5000), 100) == Capacity(5000 * 100 * 3.75 / 3, 2, said)


RECORD, BATCH = 50e-6, 3e-3
"""Seconds that a record and a batch cost a made-up machine."""


def bears(records_a_batch: int) -> float:
    return 1 / (RECORD + BATCH / records_a_batch)


def expected(folder: Path, size: int) -> float:
    return knee.measured(folder, size).rate * 3 / 3.75 / size


@pytest.mark.parametrize(("size", "records"), [(512, 31), (1536, 10), (2048, 7), (8192, 1), (10_240, 1), (128, 118)])
def test_a_record_costs_its_share_of_a_batch(tmp_path: Path, size: int, records: int) -> None:
    folder = sweep(tmp_path, s256=bears(61), s4096=bears(3))
    assert expected(folder, size) == pytest.approx(bears(records), rel=0.001)


def test_beyond_what_was_measured_a_larger_record_costs_no_less_and_a_smaller_one_no_more(tmp_path: Path) -> None:
    folder = sweep(tmp_path, s256=100, s4096=300, s10240=300, s12000=200)
    assert expected(folder, 128) == pytest.approx(100)
    assert expected(folder, 11_120) == pytest.approx(240)  # both fill a batch alone, so by their bytes
    assert expected(folder, 24_000) < 100
    odd = sweep(tmp_path, s1024=100, s4096=300)
    assert expected(odd, 8192) == pytest.approx(300)
    one = sweep(tmp_path, s1024=300)
    assert expected(one, 512) == pytest.approx(300)
    assert expected(one, 10_240) == pytest.approx(30)


def test_predictions_are_set_beside_what_was_measured(tmp_path: Path) -> None:
    one, other = sweep(tmp_path / "one", s100=8000, s10000=80), sweep(tmp_path / "other", s1000=1000, s100=8000)
    (hundred, thousand) = knee.against(one, other)
    assert (hundred.size, hundred.difference) == (100, 0.0)
    assert (thousand.size, thousand.measured) == (1000, 1000)
    assert thousand.difference == pytest.approx(thousand.predicted / 1000 - 1)
    assert knee.held(one) == {100: 8000, 10_000: 80}


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "no JSON",
        '{"version": 9}',
        '{"version": 1, "started": "", "brokers": [], "cells": [], "machine": {"cpus": 2}}',
    ],
)
def test_a_folder_without_a_sweep_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    with pytest.raises(StackError) as caught:
        knee.measured(tmp_path, 1024)
    assert caught.value.reference == "no-results"


def test_a_plan_is_told_and_feeds_an_export(tmp_path: Path) -> None:
    plan = arithmetic.plan(demand(rate=50_000), knee.published(2))
    loss = simulation.lose(plan, 600, seed=1, runs=2)
    told = "\n".join(output.words(plan, loss))
    assert f"{loss.caught_up:.0f} s" in told
    assert "closed form" in told
    assert json.loads(json.dumps(output.document(plan, loss)))["plan"]["brokers"] == plan.brokers
    path = tmp_path / "size.json"
    size = output.strimzi(plan)
    path.write_text(json.dumps({**{f: getattr(size, f) for f in size.__slots__}}), encoding="utf-8")
    assert layout.read_size(path) == size
    path.write_text('{"brokers": 3}', encoding="utf-8")
    with pytest.raises(StackError) as caught:
        layout.read_size(path)
    assert caught.value.reference == "bad-size"


def test_what_never_ends_is_told_as_such() -> None:
    plan = arithmetic.plan(demand(rate=5000), TEN)
    scene = simulation.Scene(1e9, 30e6, 10e6, 2, 1e6)
    loss = simulation.Loss(60, 0.9, scene, math.inf, math.inf, 0.5)
    assert any("never catches up" in each for each in output.words(plan, loss))
    assert output.document(plan, loss)["loss"]["caught_up"] is None


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(31.5e6, "B/s", "31.5 MB/s"), (3, "", "3"), (2e16, "B", "20 PB"), (5e3, "records/s", "5,000 records/s")],
)
def test_amounts_are_told_as_people_read_them(value: float, unit: str, words: str) -> None:
    assert output.amount(value, unit) == words
