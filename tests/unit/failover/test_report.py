"""The report says the worst, keeps to its schema, and shows what it is given without letting it become markup."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from backbone.bench import machine
from backbone.failover import report
from backbone.failover.history import Identity
from backbone.failover.page import headline, page
from backbone.failover.picture import latency, whole_run
from backbone.failover.result import Origin, combine, summarize
from backbone.pages.model import Table
from backbone.pages.render import html
from tests.unit.failover.samples import BREAKS, FAULT, RECOVERED, SOUND
from tests.unit.failover.test_stalls import outage

if TYPE_CHECKING:
    from backbone.failover.history import History

SCHEMA = Path(__file__).parents[3] / "schemas" / "failover-report.schema.json"


def made(*histories: History) -> dict[str, Any]:
    runs = [summarize(f"run-{n}", history, {"seed": n}) for n, history in enumerate(histories, 1)]
    origin = Origin("2026-01-02T03:04:05+00:00", "embedded", "fast", {"min.insync.replicas": "2"}, machine.describe())
    return combine(runs, origin, ["isolate of leader"])


@pytest.mark.parametrize(
    "histories",
    [(), (SOUND,), (RECOVERED, RECOVERED), (outage(),), *((sample[0],) for sample in BREAKS.values())],
)
def test_every_report_keeps_to_its_schema(tmp_path: Path, histories: tuple[History, ...]) -> None:
    html = report.write(made(*histories), tmp_path, SCHEMA)
    jsonschema.validate(json.loads((tmp_path / "report.json").read_text()), json.loads(SCHEMA.read_text()))
    assert html.read_text().startswith("<!doctype html>")


def test_the_worst_run_decides() -> None:
    unknown = replace(SOUND, passes=())
    assert made(RECOVERED, RECOVERED)["verdict"] == "valid"
    assert made(RECOVERED, unknown)["verdict"] == "unknown"
    assert made(RECOVERED, unknown, BREAKS["L1"][0])["verdict"] == "invalid"
    assert made()["verdict"] == "unknown"


def test_the_bound_counts_proved_faults_only() -> None:
    unproved = replace(RECOVERED, faults=(replace(FAULT, proved=False),))
    assert made(RECOVERED, RECOVERED, unproved)["loss_bound"] == 1.5
    assert made(unproved)["loss_bound"] is None


def test_figures_of_a_kind_come_from_all_runs() -> None:
    (kind,) = made(outage(), outage(silent_to=800))["kinds"]
    assert (kind["kind"], kind["hit"], kind["faults"]) == ("kill", "controller", 2)
    assert kind["write_stall_ms"]["p50"] == pytest.approx(499, abs=2)
    assert kind["write_stall_ms"]["max"] == pytest.approx(699, abs=2)
    assert kind["by_partition_role_ms"]["leader"]["n"] == 2


def test_junit_fails_what_is_broken_and_only_that() -> None:
    cases = list(report.cases(made(replace(BREAKS["L1"][0], faults=(replace(FAULT, proved=False),)))))
    failed = {case.name for case in cases if case.outcome}
    assert {"L1 lost write", "1 kill of leader", "no doubt is left"} <= failed
    assert "O2 duplicate in the log" not in failed
    assert len(cases) > len(failed)
    assert not any(case.outcome for case in report.cases(made(RECOVERED)))


def test_the_page_shows_text_as_text() -> None:
    hostile = replace(RECOVERED, faults=(replace(FAULT, evidence="<script>alert(1)</script>"),))
    text = html(page(made(hostile)))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_the_chart_marks_what_happened_and_not_what_did_not() -> None:
    (fault,) = made(outage())["runs"][0]["faults"]

    def named() -> str:
        return " ".join(name for chart in latency(fault) for _, name in chart.legend())

    assert all(words in named() for words in ("fault", "left out by", "new leader", "acknowledged again after"))
    fault["timeline_ms"]["fenced"] = None
    assert "left out by" not in named()


def test_the_headline_counts() -> None:
    assert "1 of 1 faults of 1 kinds proved" in headline(made(RECOVERED))
    assert "1 lost" in headline(made(BREAKS["L1"][0]))


def test_a_bound_is_told_when_it_says_something() -> None:
    assert "confidence" not in headline(made(RECOVERED, RECOVERED))
    assert "fewer than 10.0% of such faults" in headline(made(*[RECOVERED] * 30))


def test_the_page_says_when_where_and_with_what() -> None:
    facts = page(made(RECOVERED)).facts
    assert facts["measured"] == "2 January 2026, 03:04 UTC"
    assert facts["profile"].startswith("fast: ")
    assert "kafka-python" in facts["versions"]


def test_the_whole_run_is_one_picture() -> None:
    run = made(outage())["runs"][0]
    chart = whole_run(run)
    assert [lane.name for lane in chart.lanes][:2] == ["faults", "controller"]
    assert {"no writes", "no reads"} <= {lane.name for lane in chart.lanes}
    assert [line.name for line in chart.lines] == ["acknowledged", "delivered"]
    assert chart.words.startswith("1 faults in 1 s.")


def test_the_picture_of_a_run_without_its_course_lays_its_faults_end_to_end() -> None:
    run = {**made(outage())["runs"][0], "course": None}
    chart = whole_run(run)
    (faults,) = chart.lanes
    assert [(span.begin, span.end, span.words) for span in faults.spans] == [(0.1, 0.7, "1")]
    assert max(at for at, _ in chart.lines[0].points) == pytest.approx(0.9, abs=0.11)


def test_the_worst_of_one_fault_is_not_told_twice() -> None:
    def columns(*histories: History) -> list[str]:
        (table,) = (block for block in page(made(*histories)).blocks if getattr(block, "title", "").startswith("How"))
        assert isinstance(table, Table)
        assert all(len(row) == len(table.columns) for row in table.rows)
        return [name for name in table.columns if name.startswith(("no ", "worst"))]

    assert columns(outage()) == ["no writes", "no reads"]
    assert columns(outage(), outage()) == ["no writes, median", "worst", "no reads, median", "worst"]


def test_figures_of_two_profiles_are_told_as_void_and_left_out_of_the_table() -> None:
    told = [
        Identity(at, f"broker {at}", (("broker.session.timeout.ms", value),))
        for at, value in ((1, "1500"), (2, "9000"))
    ]
    mixed = replace(RECOVERED, identities=told)
    report = made(mixed, RECOVERED)
    assert report["verdict"] == "valid"
    assert report["runs"][0]["void"] == ["broker.session.timeout.ms is 1500 (broker 1) and 9000 (broker 2)"]
    assert report["runs"][1]["void"] == []
    assert sum(kind["faults"] for kind in report["kinds"]) == 1
    assert "9000 (broker 2)" in html(page(report))
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    assert made(mixed)["kinds"] == []
    assert html(page(made(mixed)))
