"""Where a cost bends, and whether a figure differs from the kept one."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema
import pytest

from backbone.bench import figures, growth
from backbone.pages.render import html, markdown
from tests import ROOT

SIZES = (10, 100, 1000, 10_000)
MACHINE = {"cpus": 2, "memory_bytes": 1, "processor": "x"}


def curve(cost: Any, ended: str = "") -> dict[str, Any]:
    return growth.curve("lint", "services", [(size, {"s": cost(size), "MiB": 50.0}) for size in SIZES], ended)


def report(*curves: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": growth.VERSION,
        "started": "2026-01-02T03:04:05+00:00",
        "machine": MACHINE,
        "curves": list(curves),
    }


@pytest.mark.parametrize(("power", "bends"), [(0.0, None), (1.0, None), (2.0, 100.0)])
def test_the_exponent_is_the_power_of_the_work(power: float, bends: float | None) -> None:
    seconds, memory = curve(lambda size: 0.5 * size**power)["measures"]
    assert seconds["exponent"] == pytest.approx([power, power], abs=1e-3)
    assert (seconds["last_exponent"], seconds["bends_at"]) == (pytest.approx(power), bends)
    assert (memory["last_exponent"], memory["bends_at"]) == (0.0, None)


def test_a_fixed_cost_does_not_hide_where_it_bends() -> None:
    found = curve(lambda size: 1.0 + (size / 1000) ** 2)
    assert found["measures"][0]["bends_at"] == 10_000
    assert growth.first_bend(found) == "s at 10,000"


def test_two_sizes_have_a_step_and_no_bounds() -> None:
    made = growth.curve("a", "rows", [(10, {"s": 1.0}), (100, {"s": 10.0})])
    assert (made["measures"][0]["exponent"], made["measures"][0]["last_exponent"]) == (None, 1.0)


def test_what_never_arrived_is_no_point() -> None:
    made = growth.curve("a", "rows", [(10, {"ms": 1.0}), (100, {"ms": math.inf})])
    assert made["measures"][0]["points"] == [[10.0, 1.0]]


def test_a_curve_that_was_cut_short_says_why() -> None:
    assert growth.first_bend(curve(float, "up ended with 4 at 3,000")) == "up ended with 4 at 3,000"


def test_growth_has_a_page_and_keeps_its_schema() -> None:
    made = report(curve(float), curve(lambda size: size**1.5))
    jsonschema.validate(made, json.loads((ROOT / "schemas/growth-report.schema.json").read_text()))
    page = growth.page(made)
    assert "s at 100" in markdown(page)
    assert page.state == "unsure"
    assert "No cost outgrows its work" in html(growth.page(report(curve(float))))


def taken(*values: float, calibration: float = 1.0, name: str = "lint", note: str = "") -> dict[str, Any]:
    figure = {
        "name": name,
        "unit": "s",
        "values": list(values),
        "calibration": [calibration] * len(values),
        "note": note,
    }
    return {
        "version": figures.VERSION,
        "started": "2026-01-02T03:04:05+00:00",
        "machine": MACHINE,
        "figures": [figure],
        "compared": [],
    }


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        (taken(1.5, 1.6), "worse"),
        (taken(0.5, 0.6), "better"),
        (taken(1.1, 1.2), "no difference"),
        (taken(0.9, 1.6), "no difference"),  # one slow run is not a slower program
        (taken(2.0, 2.2, calibration=2.0), "no difference"),  # a machine half as fast
        (taken(1.0, 1.1, calibration=2.0), "better"),
        (taken(1.0, name="new"), "new"),
        (taken(note="not measured: no stack"), "not measured"),
    ],
)
def test_a_figure_differs_when_its_calibrated_ranges_lie_apart(now: dict[str, Any], outcome: str) -> None:
    (found,) = figures.compare(taken(1.0, 1.1), now)
    assert found.outcome == outcome


def test_without_kept_figures_all_are_new() -> None:
    assert [each.outcome for each in figures.compare(None, taken(1.0))] == ["new"]


def test_figures_have_a_page_that_names_what_is_worse_and_keep_their_schema() -> None:
    now = taken(1.5, 1.6)
    rows = figures.rows(figures.compare(taken(1.0, 1.1), now))
    now["compared"] = [dict(zip(figures.KEYS, row, strict=True)) for row in rows]
    jsonschema.validate(now, json.loads((ROOT / "schemas/figures-report.schema.json").read_text()))
    assert "Worse than kept: lint." in markdown(figures.page(now))
    assert "1.36 - 1.60" in html(figures.page(now))
