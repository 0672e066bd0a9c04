"""Cost against work: the exponent of each cost, where it bends, and the page that shows it.

A cost that is proportional to the work has exponent 1, one that does not depend on it 0. The exponent is the slope in
logarithms (cost = c * work^e), over all sizes with its 95 % bounds, and over the last two sizes alone: what is fixed at
small sizes hides what the work costs, and the last step shows it first.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from backbone.bench.statistics import slope
from backbone.pages.chart import Chart, Line, log_axis
from backbone.pages.facts import facts_of
from backbone.pages.model import Page, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Report = Mapping[str, Any]
    Points = Sequence[tuple[float, float]]

VERSION = 1
"""Of the report's format, schemas/growth-report.schema.json."""

BENT = 1.2
"""A step with an exponent above this costs more than its share."""


def exponents(points: Points) -> list[float]:
    """Return the exponent of each step from one size to the next; sizes ascend, costs are above zero."""
    return [math.log(b / a) / math.log(y / x) for (x, a), (y, b) in itertools.pairwise(points)]


def bends_at(points: Points) -> float | None:
    """Return the size whose step is the first to cost more than its share, None if none does."""
    return next((size for (size, _), e in zip(points[1:], exponents(points), strict=True) if e > BENT), None)


def curve(name: str, work: str, costs: Sequence[tuple[int, Mapping[str, float]]], ended: str = "") -> dict[str, Any]:
    """Return a curve as the report holds it. ended: why no larger size was measured, where it was not meant so."""
    units = list(dict.fromkeys(unit for _, cost in costs for unit in cost))
    return {"name": name, "work": work, "ended": ended, "measures": [_measure(unit, costs) for unit in units]}


def _measure(unit: str, costs: Sequence[tuple[int, Mapping[str, float]]]) -> dict[str, Any]:
    points = [(float(size), cost[unit]) for size, cost in costs if 0 < cost.get(unit, 0) < math.inf]
    steps = exponents(points)
    bounds = slope([(math.log(size), math.log(cost)) for size, cost in points])
    finite = math.isfinite(bounds.low)
    return {
        "unit": unit,
        "points": [list(point) for point in points],
        "exponent": [round(bounds.low, 3), round(bounds.high, 3)] if finite else None,
        "last_exponent": round(steps[-1], 3) if steps else None,
        "bends_at": bends_at(points),
    }


def first_bend(found: Mapping[str, Any]) -> str:
    """Say of a curve what bends first: the measure whose cost outgrows the work at the smallest size."""
    bent = [(each["bends_at"], each["unit"]) for each in found["measures"] if each["bends_at"] is not None]
    if found["ended"]:
        return str(found["ended"])
    return f"{min(bent)[1]} at {min(bent)[0]:,.0f}" if bent else "nothing"


def page(report: Report) -> Page:
    """Return the page of a report (a value of schemas/growth-report.schema.json)."""
    curves = report["curves"]
    bent = [each["name"] for each in curves if first_bend(each) != "nothing"]
    verdict = f"{', '.join(bent)}: more than in proportion to the work." if bent else "No cost outgrows its work."
    table = Table("Growth", COLUMNS, list(rows(curves)), terms=_TERMS)
    blocks: list[Table | Chart] = [table, *map(_chart, curves)]
    return Page("Growth", "unsure" if bent else "good", verdict, facts_of(report["started"], report["machine"]), blocks)


COLUMNS = ("what", "work", "cost", "smallest", "largest", "exponent", "at the end", "bends first")
_TERMS = {
    "exponent": "1: in proportion to the work; 0: the same whatever the work (95 % bounds)",
    "at the end": "the exponent of the last step alone",
    "bends first": "the first size whose step costs more than its share",
}


def rows(curves: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield a table's row for each measure of each curve."""
    for each in curves:
        for found in each["measures"]:
            ends = [f"{cost:.3g} at {size:,.0f}" for size, cost in (found["points"][:1] + found["points"][-1:])]
            bounds = found["exponent"]
            yield (
                *(each["name"], each["work"], found["unit"], *(ends or ["n/a", "n/a"])),
                f"{bounds[0]:.2f} - {bounds[1]:.2f}" if bounds else "n/a",
                "n/a" if found["last_exponent"] is None else f"{found['last_exponent']:.2f}",
                first_bend(each),
            )


def _chart(found: Mapping[str, Any]) -> Chart:
    lines = [Line(each["unit"], [(size, cost) for size, cost in each["points"]]) for each in found["measures"]]
    x = log_axis(found["work"], [size for line in lines for size, _ in line.points])
    y = log_axis("cost", [cost for line in lines for _, cost in line.points])
    return Chart(found["name"], f"What bends first: {first_bend(found)}.", x, y, lines)
