"""What is measured for the figures and the growth curves, and what becomes of what can't be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from backbone.errors import StackError
from backbone.failover import checker
from scripts.maintain import costs, growth, kept_figures, sound_history
from scripts.maintain.figures import Taken, calibration
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def test_each_value_has_a_calibration_taken_just_before_it() -> None:
    order: list[str] = []
    seconds = iter((0.5, 0.6))

    def calibrate() -> float:
        order.append("calibration")
        return next(seconds)

    def measure() -> Mapping[str, float]:
        order.append("value")
        return {"s": 2.0, "MiB": 50.0}

    taken = Taken(calibrate, lambda _: None)
    taken.take("lint", "s", 2, measure)
    (figure,) = taken.figures
    assert order == ["calibration", "value"] * 2
    assert (figure["values"], figure["calibration"], figure["note"]) == ([2.0, 2.0], [0.5, 0.6], "")


def test_a_figure_that_cannot_be_taken_has_its_reason_and_the_next_is_taken() -> None:
    def fails() -> Mapping[str, float]:
        raise StackError("task-failed", "invoke up ended with 4")

    taken = Taken(lambda: 1.0, lambda _: None)
    taken.take("start", "s", 1, fails)
    taken.take("lint", "s", 1, lambda: {"s": 1.0})
    start, lint = taken.figures
    assert (start["values"], start["note"]) == ([], "not measured: task-failed: invoke up ended with 4")
    assert lint["values"] == [1.0]


def test_calibration_is_work_that_takes_time() -> None:
    assert calibration() > 0.05


def test_a_sound_history_of_any_length_breaks_no_rule() -> None:
    for records in (1, 2, 7, 3000):
        history = sound_history.make(records)
        assert len(history.sends) == records
        assert checker.check(history) == ()


def test_the_checker_is_measured_in_a_process_of_its_own() -> None:
    found = costs.checker(300)
    assert found["s"] >= 0
    assert found["MiB"] > 1


def test_a_curve_is_measured_up_to_a_size_and_ends_at_what_cannot_be_measured() -> None:
    def measure(_: object, size: int) -> Mapping[str, float]:
        if size > 100:
            raise StackError("task-failed", "invoke lint ended with 5", "it timed out")
        return {"s": float(size)}

    curve = growth.Curve("services", (10, 100, 1000, 5000), measure)
    cut = growth.measure("lint", curve, 3000, lambda _: None)
    assert cut["ended"] == "invoke lint ended with 5 at 1,000"
    whole = growth.measure("lint", curve, 100, lambda _: None)
    assert whole["ended"] == ""
    assert [each["points"] for each in whole["measures"]] == [[[10.0, 10.0], [100.0, 100.0]]]


def test_the_tables_of_the_docs_are_of_kept_results_only(tmp_path: Path) -> None:
    assert [line for line in kept_figures.tables(tmp_path) if "|" in line and "---" not in line] == [
        "| load | p50 ms | p95 ms | p99 ms | worst bound of p95 | repeats | measured by |"
    ]
    lines = list(kept_figures.tables(ROOT / "results" / "kept"))
    report = json.loads((ROOT / "results/kept/bench-met-01/report.json").read_text(encoding="utf-8"))
    worst = report["verdict"]["worst_p95_upper_bound_ms"]
    assert any(line.startswith("| 1,000/s x 1,024 B | ") and f"| {worst:.3g} |" in line for line in lines)
