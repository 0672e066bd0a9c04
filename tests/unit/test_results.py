"""Reports of every kind are found, drawn anew and set side by side; what is none is left out."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import jsonschema
import pytest

from backbone import results
from backbone.pages import checks, folder
from backbone.pages.chart import Chart
from backbone.pages.model import Link, Table
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

KEPT = ROOT / "results" / "kept"
SCHEMA = ROOT / "schemas" / "checks-report.schema.json"


def smoke(started: str = "2026-01-02T03:04:05+00:00", *, ok: bool = True) -> dict[str, object]:
    check = {"name": "records are read back", "ok": ok, "detail": "300 of 300", "seconds": 1.5}
    origin = {"version": 1, "started": started, "engine": "embedded", "machine": {}}
    return {**origin, "title": "smoke", "ok": ok, "checks": [check], "figures": {"rows_per_s": 12.0}}


def save(root: Path, name: str, report: dict[str, object]) -> Path:
    return folder.write(root / name, report, checks.page(report), SCHEMA)


def test_a_report_of_checks_keeps_its_schema_and_says_what_failed(tmp_path: Path) -> None:
    page = save(tmp_path, "one", smoke(ok=False)).read_text()
    assert "0 of 1 checks hold, 1.5 s. FAILED: records are read back." in page
    with pytest.raises(ValueError, match="surprise"):
        save(tmp_path, "two", {**smoke(), "surprise": 1})


def test_the_newest_is_first_and_what_is_no_report_of_this_version_is_left_out(tmp_path: Path) -> None:
    save(tmp_path, "smoke/one", smoke("2026-01-02T03:04:05+00:00"))
    save(tmp_path, "smoke/two", smoke("2026-01-03T03:04:05+00:00", ok=False))
    (tmp_path / "latest").symlink_to("smoke/two")
    for name, text in {"a": "no JSON", "b": "[]", "c": "{}", "d": json.dumps({**smoke(), "version": 0})}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(text)
    rows = [one.as_dict() for one in results.found(tmp_path)]
    assert [(row["name"], row["state"], row["value"]) for row in rows] == [
        ("smoke", "bad", 1.5),
        ("smoke", "good", 1.5),
    ]


# What a task has measured; `nox -s figures` has a report of its own form.
REPORTS = sorted(path for path in KEPT.glob("*/report.json") if path.parent.name != "figures")


SCHEMAS = {"cells": "bench-report", "checks": "checks-report", "curves": "growth-report"}


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.parent.name)
def test_every_kept_report_keeps_its_schema_and_its_page_is_what_its_values_give(path: Path, tmp_path: Path) -> None:
    report = json.loads(path.read_text())
    schema = next((name for field, name in SCHEMAS.items() if field in report), "failover-report")
    jsonschema.validate(report, json.loads((ROOT / "schemas" / f"{schema}.schema.json").read_text()))
    shutil.copytree(path.parent, tmp_path / "copy")
    results.write_pages(tmp_path)
    for name in ("index.html", "report.md"):
        hint = "./invoke results index --folder results/kept"
        assert (tmp_path / "copy" / name).read_text() == (path.parent / name).read_text(), hint


def test_the_index_leads_to_every_report() -> None:
    index = results.index(results.found(KEPT), KEPT)
    (table,) = (block for block in index.blocks if isinstance(block, Table))
    links = [row[0].href for row in table.rows if isinstance(row[0], Link)]
    assert len(links) == len(list(KEPT.glob("*/report.json")))
    assert all((KEPT / link).is_file() for link in links)


def test_the_trend_sets_runs_of_one_name_side_by_side(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        save(tmp_path, f"smoke/{day}", smoke(f"2026-01-0{day}T03:04:05+00:00"))
    index = results.index(results.found(tmp_path), tmp_path)
    (chart,) = (block for block in index.blocks if isinstance(block, Chart))
    assert [(line.name, list(line.points)) for line in chart.lines] == [("smoke", [(1.0, 1.5), (2.0, 1.5), (3.0, 1.5)])]
    assert results.write_pages(tmp_path).read_text().count('href="smoke/') == 3


def test_a_single_run_has_no_trend(tmp_path: Path) -> None:
    save(tmp_path, "smoke/1", smoke())
    index = results.index(results.found(tmp_path), tmp_path)
    assert not [block for block in index.blocks if isinstance(block, Chart)]
