"""Modes measure what they say, long enough for the quantiles they report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from invoke import Collection, Context, Exit
from invoke.parser import Parser

from backbone.bench import cells, report, results
from backbone.bench.drivers.base import KAFKA_PYTHON
from backbone.bench.statistics import enough
from scripts.tasks.bench import bench
from tests.unit.bench.builders import measurement, samples
from tests.unit.bench.test_report import SCHEMA, session

if TYPE_CHECKING:
    from pathlib import Path


def test_the_gate_is_met_01s_load() -> None:
    made = cells.gate(cells.Options())
    (cell,) = made.cells
    assert (cell.load.rate, cell.load.size, cell.load.seconds, made.repeats) == (1000, 1024, 60, 5)
    assert (cell.partitions, cell.replicas) == (3, 3)


def test_every_rate_is_a_cell() -> None:
    made = cells.gate(cells.Options(rates=(1000.0, 2000.0)))
    assert [cell.load.rate for cell in made.cells] == [1000, 2000]


def test_quick_ends_in_time_and_still_has_a_p99() -> None:
    made = cells.quick(cells.Options(rates=(1000.0, 2000.0)))
    (cell,) = made.cells
    assert enough(int(cell.load.rate * cell.load.seconds), 0.99)
    overhead_s = 5
    assert made.warm_up[1] + made.repeats * (cell.load.seconds + overhead_s) <= 90


def test_a_sweep_raises_the_rate() -> None:
    assert list(cells.SWEEP_RATES) == sorted(set(cells.SWEEP_RATES))
    cell = cells.sweep_cell(cells.Options(), 100, 300, KAFKA_PYTHON)
    assert (cell.load.rate, cell.load.size) == (300, 100)


@pytest.mark.parametrize(
    "flags",
    [
        {"rate": "fast"},
        {"rate": "0"},
        {"rate": "1000,-1"},
        {"size": "10"},
        {"size": "x"},
        {"repeats": 0},
        {"partitions": 0},
    ],
)
def test_a_load_that_cannot_be_measured_is_a_usage_error(
    flags: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        run(**flags)
    assert exited.value.code == 2
    assert "bad-load" in capsys.readouterr().err


def test_compare_needs_two_folders(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(compare="a")
    assert "two folders" in capsys.readouterr().err


def test_compare_takes_its_second_folder_from_the_command_line() -> None:
    parser = Parser(contexts=Collection(bench).to_contexts())
    (with_two,) = parser.parse_argv(["bench", "--compare", "a", "b"])
    assert (with_two.args["compare"].value, with_two.args["other"].value) == ("a", "b")
    (without,) = parser.parse_argv(["bench", "--quick"])
    assert without.args["quick"].value is True


def run(**flags: object) -> None:
    """Call the task as Invoke would, an exit code becoming SystemExit."""
    try:
        bench(Context(), **flags)
    except Exit as exit_:
        raise SystemExit(exit_.code) from exit_


def test_rates_and_sizes_are_crossed() -> None:
    made = cells.gate(cells.Options(rates=(100.0, 200.0), sizes=(100, 1024)))
    assert [(cell.load.rate, cell.load.size) for cell in made.cells] == [
        (100, 100),
        (100, 1024),
        (200, 100),
        (200, 1024),
    ]


def test_two_sessions_are_compared_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        repeats = [measurement(samples(10_000), number) for number in (1, 2)]
        results.save(tmp_path / name, report.build(session(), [repeats]), [repeats], SCHEMA)
    bench(Context(), compare=str(tmp_path / "a"), other=str(tmp_path / "b"), json=True)
    found = json.loads(capsys.readouterr().out)
    assert {(each["quantile"], each["outcome"]) for each in found} == {
        (q, "no difference") for q in ("p50", "p95", "p99")
    }
