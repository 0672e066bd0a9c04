"""What docs/ rest on is made by commands that there are, and replaces what was kept file by file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from scripts.maintain import growth, keep, kept_figures, kept_stalls
from tests import ROOT
from tests.unit.failover.test_model import lasting
from tests.unit.failover.test_report import made
from tests.validate.test_hints import refused

if TYPE_CHECKING:
    from pathlib import Path

PROFILES = ROOT / "infra" / "05-messaging" / "kafka" / "failover"


@pytest.mark.parametrize("name", keep.RECIPES)
def test_a_recipe_is_a_task_with_its_flags_on_a_profile_that_there_is(name: str) -> None:
    recipe = keep.RECIPES[name]
    assert not refused(*recipe.task)
    assert (PROFILES / f"{recipe.settings.get('KAFKA_FAILOVER_PROFILE', 'default')}.env").is_file()
    assert recipe.minutes > 0


def test_samples_and_journals_are_left_out(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    for name in ("report.json", "index.html", "report.md", "cell-01-repeat-01.samples"):
        (made / name).write_text(name)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "report.json").write_text("old")
    into = keep.keep(made, tmp_path / "kept")
    assert {path.name: path.read_text() for path in into.iterdir()} == {name: name for name in keep.FILES}


def curve(name: str, cost: float) -> dict[str, Any]:
    return {"name": name, "work": "services", "ended": "", "measures": [cost]}


@pytest.mark.parametrize(("processor", "there"), [("x", ["lint", "start"]), ("y", ["start"])])
def test_a_kept_curve_stays_until_it_is_measured_again_on_the_same_machine(
    tmp_path: Path, processor: str, there: list[str]
) -> None:
    old = {"machine": {"processor": "x"}, "curves": [curve("lint", 1), curve("start", 1)]}
    (tmp_path / "report.json").write_text(json.dumps(old))
    new = {"machine": {"processor": processor}, "curves": [curve("start", 2)]}
    found = growth.kept(tmp_path, new)["curves"]
    assert [each["name"] for each in found] == there
    assert found[-1]["measures"] == [2]
    assert growth.kept(tmp_path / "none", new)["curves"] == new["curves"]


def test_the_first_minute_has_a_row_of_its_own(tmp_path: Path) -> None:
    gate = json.loads((ROOT / "results/kept/bench-met-01/report.json").read_text(encoding="utf-8"))
    (tmp_path / "bench-first-minute").mkdir()
    (tmp_path / "bench-first-minute" / "report.json").write_text(json.dumps(gate))
    rows = [line for line in kept_figures.tables(tmp_path) if "the first minute after a start" in line]
    assert len(rows) == 1
    assert "`./invoke bench --cold`" in rows[0]


def test_a_stall_is_told_beside_what_the_settings_allow(tmp_path: Path) -> None:
    assert not any("`kill`" in line for line in kept_stalls.table(tmp_path))
    for profile, histories in {"fast": [lasting(500)], "balanced": [lasting(500), lasting(600)]}.items():
        folder = tmp_path / kept_stalls.FOLDERS[profile]
        folder.mkdir()
        (folder / "report.json").write_text(json.dumps(made(*histories)))
    (tmp_path / kept_stalls.IN_CONTAINERS["fast"]).mkdir()
    (tmp_path / kept_stalls.IN_CONTAINERS["fast"] / "report.json").write_text(json.dumps(made(lasting(9_000))))
    lines = list(kept_stalls.table(tmp_path))
    assert "| ms without an acknowledgement | balanced | fast |" in lines
    (row,) = (line for line in lines if line.startswith("| `kill`"))
    assert row.endswith("| 499 / 599 ≤ 638 (2) | 499 ≤ 638 (1) |")
    assert any(line.startswith("- [fast](../results/kept/failover-fast/report.md)") for line in lines)
    assert any(line.startswith("- [fast, in containers](../results/kept/failover-docker/report.md)") for line in lines)
