"""A report keeps its schema, says ∞ and n/a where it must, and is judged by its worst bound."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from backbone.bench import document, report, results
from backbone.bench.baseline import Figure, Floor
from backbone.bench.page import page
from backbone.bench.session import Cell, WarmUp
from backbone.bench.statistics import RatePoint
from backbone.bench.worker import Load
from backbone.errors import StackError
from backbone.pages.chart import Chart
from backbone.pages.render import html, markdown
from tests import ROOT
from tests.unit.bench.builders import constantly, measurement, samples, without

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.bench.session import Measurement

SCHEMA = ROOT / "schemas" / "bench-report.schema.json"
FLOOR = Floor(*(Figure(50_000.0, 100_000.0) for _ in range(3)))


def session(*, steady: bool = True) -> report.Session:
    began = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    warmed = WarmUp([40.0, 9.0, 8.5, 8.7], steady=steady)
    return report.Session("gate", began, "embedded", ["127.0.0.1:9092"], 1, FLOOR, warmed)


def made(*latencies: float, steady: bool = True) -> dict[str, Any]:
    """Return the report of one cell with a repeat for each constant latency (ms)."""
    repeats = [measurement(samples(10_000, latency=constantly(ms)), number) for number, ms in enumerate(latencies, 1)]
    return report.build(session(steady=steady), [repeats])


def test_a_report_keeps_its_schema() -> None:
    jsonschema.validate(made(5.0, 6.0), json.loads(SCHEMA.read_text()))


def test_the_schema_refuses_what_it_does_not_know() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**made(5.0), "surprise": 1}, json.loads(SCHEMA.read_text()))


def test_met_01_is_judged_by_the_worst_repeat() -> None:
    assert made(5.0, 6.0)["verdict"]["met_01"]
    verdict = made(5.0, 5.0, 5.0, 101.0)["verdict"]
    assert not verdict["met_01"]
    assert verdict["worst_p95_upper_bound_ms"] == 101.0
    assert verdict["valid"]


def test_never_steady_is_void_whatever_the_figures() -> None:
    assert not made(5.0, steady=False)["verdict"]["valid"]


def judged(*repeats: Measurement, steady: bool = True) -> tuple[bool, bool, bool]:
    """Return (valid, conclusive, MET-01 holds) of a session of these repeats."""
    verdict = report.build(session(steady=steady), [repeats])["verdict"]
    return verdict["valid"], verdict["conclusive"], verdict["met_01"]


def test_met_01_held_in_spite_of_what_only_slows_is_proved_though_the_figures_are_not() -> None:
    assert judged(measurement(samples(10_000)), steady=False) == (False, True, True)
    assert judged(measurement(samples(10_000, delay_ms=3.0))) == (False, True, True)


def test_a_miss_under_a_handicap_proves_nothing() -> None:
    slow = measurement(samples(10_000, latency=constantly(150.0), delay_ms=20.0))
    assert judged(slow) == (False, False, False)
    assert judged(measurement(samples(10_000, latency=constantly(150.0)))) == (True, True, False)


def test_nothing_is_proved_with_a_record_lost() -> None:
    assert judged(measurement(without(samples(10_000), "received", 5)))[:2] == (False, False)


def test_a_sweep_is_judged_by_met_01s_load_and_not_by_the_rates_that_are_meant_to_fail() -> None:
    good = measurement(samples(10_000), cell=Cell(Load(1000, 1024, 10)))
    beyond = measurement(samples(10_000, delay_ms=4.0), cell=Cell(Load(10_000, 1024, 10)))
    verdict = report.build(replace(session(), mode="sweep"), [[good], [beyond]])["verdict"]
    assert (verdict["valid"], verdict["met_01"]) == (True, True)
    assert not report.build(session(), [[good], [beyond]])["verdict"]["valid"]


def test_a_lost_record_voids_the_session_and_shows_as_infinite() -> None:
    lost = without(samples(10_000), "received", *range(9_000, 10_000))
    built = report.build(session(), [[measurement(lost)]])
    assert not built["verdict"]["valid"]
    assert not built["verdict"]["met_01"]
    assert built["cells"][0]["spans"]["end_to_end"]["p99"] is None
    assert "∞" in markdown(page(built))
    jsonschema.validate(built, json.loads(SCHEMA.read_text()))


def test_quantiles_without_enough_records_are_left_out() -> None:
    summary = document.summary([1e6] * 9_999)
    assert "p99" not in summary
    assert summary["p95"] == 1.0
    assert "p99" in document.summary([1e6] * 10_000)
    assert "n/a" in markdown(page(made(5.0)))


def test_repeats_are_joined_not_averaged() -> None:
    whole = made(5.0, 5.0, 50.0)["cells"][0]["spans"]["end_to_end"]
    assert whole["p50"] == 5.0
    assert whole["p95"] == 50.0
    assert whole["count"] == 30_000


def test_a_curve_ends_at_the_maximum() -> None:
    made_curve = document.curve(samples(1000, latency=lambda index: float(index + 1)), "end_to_end")
    assert made_curve[-1][1] == 1000.0
    assert made_curve[0][1] == 1.0


def test_the_page_stands_alone() -> None:
    text = html(page(made(5.0, 6.0)))
    assert not re.search(r"<script|<link|src=|https?://(?!www\.w3\.org)", text)
    assert "MET-01 holds" in text


def test_the_limit_is_named_in_the_legend_of_every_picture() -> None:
    blocks = page(made(5.0, 6.0)).blocks
    charts = [block for each in blocks for block in getattr(each, "blocks", [each]) if isinstance(block, Chart)]
    assert len(charts) == 3
    for chart in charts:
        assert any("MET-01: 100 ms" in name for _, name in chart.legend())


def test_a_sweep_shows_a_line_for_each_size() -> None:
    cells = [
        measurement(samples(10_000), cell=Cell(Load(rate, size, 10))) for size in (100, 1024) for rate in (500, 1000)
    ]
    built = report.build(replace(session(), mode="sweep"), [[each] for each in cells])
    chart = next(block for block in page(built).blocks if isinstance(block, Chart))
    assert [(line.name, len(line.points)) for line in chart.lines] == [("100 B", 2), ("1,024 B", 2)]


def test_words_from_outside_are_escaped() -> None:
    built = {**made(5.0), "engine": "<b>&"}
    assert "&lt;b&gt;&amp;" in html(page(built))


def test_failed_gates_are_shown_with_their_meaning() -> None:
    built = report.build(session(), [[measurement(samples(10_000, delay_ms=2.5))]])
    text = markdown(page(built))
    assert "the figures are too high" in text
    assert "the client was saturated" in text


def test_a_saved_session_is_read_back(tmp_path: Path) -> None:
    repeats = [measurement(samples(10_000), 1), measurement(samples(10_000, latency=constantly(7.0)), 2)]
    built = report.build(session(), [repeats])
    results.save(tmp_path / "one", built, [repeats], SCHEMA)
    saved = results.load(tmp_path / "latest")
    assert saved.report == json.loads(json.dumps(built))
    assert [len(each) for each in saved.cells[repeats[0].cell.label]] == [10_000, 10_000]
    assert {path.name for path in (tmp_path / "one").iterdir()} == {
        "report.json",
        "report.md",
        "index.html",
        *(f"cell-01-repeat-0{number}.{kind}" for number in (1, 2) for kind in ("samples", "hlog")),
    }


def test_latest_moves_on(tmp_path: Path) -> None:
    built = report.build(session(), [[measurement(samples(10_000))]])
    for name in ("one", "two"):
        results.save(tmp_path / name, built, [], SCHEMA)
    assert (tmp_path / "latest").resolve() == tmp_path / "two"


def test_a_folder_without_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no-results"):
        results.load(tmp_path)
    (tmp_path / "report.json").write_text('{"version": 99}')
    with pytest.raises(StackError, match="bad-results"):
        results.load(tmp_path)


def test_cells_are_told_apart_by_what_differs() -> None:
    plain = Cell(Load(1000, 1024, 60))
    labels = {
        plain.label,
        replace(plain, spread="turns").label,
        replace(plain, producer={"linger_ms": 0}).label,
    }
    assert len(labels) == 3


def test_a_sweep_names_the_highest_rates_and_the_knee() -> None:
    points = [
        RatePoint(100, 100, p95_high=8.0, p99=10.0),
        RatePoint(300, 300, p95_high=30.0, p99=40.0),
        RatePoint(1000, 800, p95_high=300.0, p99=400.0),
    ]
    assert report.sweep_table({report.Column(1000, "java"): points})["rows"] == [
        ["1000 B", "java", "300/s = 0.3 MB/s", "100/s = 0.1 MB/s", "1000/s"]
    ]
    missed = [RatePoint(100, 100, p95_high=300.0, p99=400.0)]
    assert report.sweep_table({report.Column(1000, "java"): missed})["rows"] == [
        ["1000 B", "java", "none", "none", "below 100/s"]
    ]
