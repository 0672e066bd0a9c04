"""docs/verdicts.md holds every gate and check, and the tests it names are there."""

from __future__ import annotations

import re

import pytest

from backbone.bench.validity import gates
from tests import ROOT
from tests.unit import test_smoke_run
from tests.unit.archive import test_run
from tests.unit.bench.builders import TOPOLOGY, run, samples

PAGE = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")


def rows(section: str) -> list[list[str]]:
    """Return the cells of a section's table, without its head."""
    (text,) = re.findall(rf"^## {section}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in re.findall(r"^\|.*\|$", text, re.MULTILINE)[2:]
    ]


def named(checks: list[str]) -> list[str]:
    """Return check names as the page has them: what differs from run to run is a letter or dots there."""
    return [
        re.sub(r"^20 events", "N events", re.sub(r"restarts of .* under", "restarts of … under", n)) for n in checks
    ]


@pytest.mark.parametrize(
    ("section", "checks"),
    [
        (
            "bench",
            [*(f"`{gate.name}`" for gate in gates(run(), samples(), TOPOLOGY, TOPOLOGY)), "`steady`", "`MET-01`"],
        ),
        ("smoke", named(test_smoke_run.CHECKS)),
        ("archive", named(test_run.CHECKS)),
    ],
)
def test_each_check_has_its_row(section: str, checks: list[str]) -> None:
    assert [row[0] for row in rows(section)] == checks


def test_each_row_names_tests_that_are_there() -> None:
    there = set(
        re.findall(
            r"^def (test_\w+)", "\n".join(each.read_text() for each in ROOT.glob("tests/unit/**/*.py")), re.MULTILINE
        )
    )
    for section in ("bench", "smoke", "archive"):
        for row in rows(section):
            assert len(row) == 5, row
            assert {row[2].strip("`"), row[4].strip("`")} <= there, row
