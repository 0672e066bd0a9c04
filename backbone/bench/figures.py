"""Figures against the kept ones: better, worse or no difference, as ratios to what this machine can do.

Two machines are not compared by seconds. Before each value a fixed piece of work is timed on all processors; the value
counts as so many times that. A difference counts when the ranges of both sides lie apart by more than TOLERANCE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from backbone.pages.facts import facts_of
from backbone.pages.model import Page, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Report = Mapping[str, Any]

Outcome = Literal["better", "worse", "no difference", "new", "not measured"]

VERSION = 1
"""Of the report's format, schemas/figures-report.schema.json."""

TOLERANCE = 0.15
"""What one and the same code differs by from run to run on a busy machine, calibrated: less is no difference."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure in both reports: its values, and bounds of the ratio now / kept, each value over its calibration."""

    name: str
    unit: str
    kept: Sequence[float]
    now: Sequence[float]
    ratio: tuple[float, float] | None
    outcome: Outcome


def compare(kept: Report | None, now: Report) -> list[Comparison]:
    """Return how each figure of a report stands to the kept one; for all of them less is better."""
    before = {each["name"]: each for each in kept["figures"]} if kept else {}
    return [_compared(each, before.get(each["name"])) for each in now["figures"]]


def _compared(now: Mapping[str, Any], kept: Mapping[str, Any] | None) -> Comparison:
    values, old = now["values"], kept["values"] if kept else []
    if not values or not old or kept is None:
        outcome: Outcome = "new" if values else "not measured"
        return Comparison(now["name"], now["unit"], old, values, None, outcome)
    low, high = _range(now)
    old_low, old_high = _range(kept)
    ratio = (low / old_high, high / old_low)
    outcome = "worse" if ratio[0] > 1 + TOLERANCE else "better" if ratio[1] < 1 - TOLERANCE else "no difference"
    return Comparison(now["name"], now["unit"], old, values, ratio, outcome)


def _range(figure: Mapping[str, Any]) -> tuple[float, float]:
    relative = [value / unit for value, unit in zip(figure["values"], figure["calibration"], strict=True)]
    return min(relative), max(relative)


def rows(found: Iterable[Comparison]) -> list[tuple[str, ...]]:
    """Return a table's rows: name, unit, values before and now, bounds of the ratio, outcome."""
    return [
        (
            *(each.name, each.unit, _values(each.kept), _values(each.now)),
            f"{each.ratio[0]:.2f} - {each.ratio[1]:.2f}" if each.ratio else "",
            each.outcome,
        )
        for each in found
    ]


KEYS = ("name", "unit", "kept", "now", "ratio", "outcome")
"""A row's cells in the report."""

COLUMNS = ("figure", "unit", "kept", "now", "ratio, calibrated", "is")


def _values(values: Sequence[float]) -> str:
    return ", ".join(f"{each:.3g}" for each in values)


def page(report: Report) -> Page:
    """Return the page of a report (a value of schemas/figures-report.schema.json)."""
    shown = [(each["name"], each["unit"], _values(each["values"]), each["note"]) for each in report["figures"]]
    compared = report["compared"]
    worse = [each["name"] for each in compared if each["outcome"] == "worse"]
    verdict = f"Worse than kept: {', '.join(worse)}." if worse else "Nothing is worse than what is kept."
    blocks = [Table("Figures", ("figure", "unit", "values", "note"), shown)]
    if compared:
        cells = [tuple(each[key] for key in KEYS) for each in compared]
        blocks.insert(0, Table("Beside the kept ones", COLUMNS, cells))
    facts = facts_of(report["started"], report["machine"])
    return Page("Figures", "unsure" if worse else "good", verdict, facts, blocks)
