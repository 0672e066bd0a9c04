"""What was measured here: every report below a folder, whichever task made it, its page and the trend over all."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbone.bench import document, figures, growth
from backbone.bench.page import page as bench_page
from backbone.errors import StackError
from backbone.failover import result
from backbone.failover.page import page as failover_page
from backbone.pages import checks
from backbone.pages.chart import Axis, Chart, Line, linear_axis
from backbone.pages.folder import PAGE, REPORT, write_page
from backbone.pages.model import Link, Page, Table
from backbone.pages.render import html
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from backbone.pages.model import State

    Report = Mapping[str, Any]

_MAX_BYTES = 1 << 32  # of a long run; what has no end is refused


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of report. field: only it has that. figure: what its trend shows. value: that of a report, if any."""

    field: str
    version: int
    page: Callable[[Report], Page]
    name: Callable[[Report], str]
    figure: str
    value: Callable[[Report], float | None]


def _worst_stall(report: Report) -> float | None:
    return max((kind["write_stall_ms"]["max"] for kind in report["kinds"]), default=None)


KINDS = (
    Kind(
        field="cells",
        version=document.VERSION,
        page=bench_page,
        name=lambda report: f"bench {report['mode']}",
        figure="upper bound of p95, ms",
        value=lambda report: report["verdict"]["worst_p95_upper_bound_ms"],
    ),
    Kind(
        field="runs",
        version=result.VERSION,
        page=failover_page,
        name=lambda report: " ".join(filter(None, ("failover", report["profile"], report["engine"]))),
        figure="longest time without writes, ms",
        value=_worst_stall,
    ),
    Kind(
        field="checks",
        version=checks.VERSION,
        page=checks.page,
        name=lambda report: str(report["title"]),
        figure="seconds of all checks",
        value=lambda report: float(sum(each["seconds"] for each in report["checks"])),
    ),
    Kind(
        field="curves",
        version=growth.VERSION,
        page=growth.page,
        name=lambda _: "growth",
        figure="costs that outgrow their work",
        value=lambda report: float(sum(growth.first_bend(each) != "nothing" for each in report["curves"])),
    ),
    Kind(
        field="figures",
        version=figures.VERSION,
        page=figures.page,
        name=lambda _: "figures",
        figure="figures worse than kept",
        value=lambda report: float(sum(each["outcome"] == "worse" for each in report["compared"])),
    ),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One report in its folder."""

    folder: Path
    report: Report
    kind: Kind

    @property
    def name(self) -> str:
        """What was run, in a word or two: reports of one name compare."""
        return self.kind.name(self.report)

    @property
    def started(self) -> str:
        """When, ISO 8601."""
        return str(self.report["started"])

    @property
    def when(self) -> str:
        """When, to the minute."""
        return self.started[:16].replace("T", " ")

    @property
    def value(self) -> float | None:
        """The figure of its kind."""
        return self.kind.value(self.report)

    @property
    def page(self) -> Page:
        """What people look at."""
        return self.kind.page(self.report)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form of the list's row."""
        page = self.page
        return {
            "started": self.started,
            "name": self.name,
            "state": page.state,
            "verdict": page.verdict,
            "figure": self.kind.figure,
            "value": self.value,
            "folder": str(self.folder),
        }


def found(root: Path) -> list[Kept]:
    """Return the reports below a folder, the newest first; what is no report of this version is left out."""
    kept = [one for path in root.rglob(REPORT) if not path.parent.is_symlink() and (one := _read(path))]
    return sorted(kept, key=lambda one: (one.started, one.folder.name), reverse=True)


def _read(path: Path) -> Kept | None:
    try:
        report = json.loads(reading.read_text(path, _MAX_BYTES))
    except (StackError, ValueError, RecursionError):
        return None
    if not isinstance(report, dict):
        return None
    kinds = (kind for kind in KINDS if kind.field in report and report.get("version") == kind.version)
    return next((Kept(path.parent, report, kind) for kind in kinds), None)


def write_pages(root: Path) -> Path:
    """Write the page of every report below a folder again, and an index of them with the trend; return the index."""
    kept = found(root)
    for one in kept:
        write_page(one.folder, one.page)
    path = root / PAGE
    path.write_text(html(index(kept, root)), encoding="utf-8")
    return path


def index(kept: Sequence[Kept], root: Path) -> Page:
    """Return the page over all reports (the newest first): the trend of each kind, then a row for each report."""
    pages = [(one, one.page) for one in kept]
    bad = [one for one, page in pages if page.state != "good"]
    rows = [
        (
            Link(one.when, (one.folder / PAGE).relative_to(root).as_posix()),
            *(one.name, "n/a" if one.value is None else one.value, one.kind.figure, page.verdict),
        )
        for one, page in pages
    ]
    table = Table("Reports, the newest first", ("measured", "what", "value", "of", "verdict"), rows)
    verdict = (
        f"{len(bad)} of {len(kept)} reports failed or prove nothing."
        if bad
        else f"All of {len(kept)} reports are good."
    )
    state: State = "unsure" if bad or not kept else "good"
    return Page("Results", state, verdict, {}, [*_trends(kept), *([table] if rows else [])])


def _trends(kept: Sequence[Kept]) -> Iterator[Chart]:
    """Yield, for each kind that was measured more than once, its figure from run to run, a line for each name."""
    for kind in KINDS:
        named: dict[str, list[Kept]] = defaultdict(list)
        for one in reversed(kept):
            if one.kind is kind and one.value is not None:
                named[one.name].append(one)
        runs = [one for name in named if len(named[name]) > 1 for one in named[name]]
        if not runs:
            continue
        runs.sort(key=lambda one: one.started)
        places = {one.folder: float(number) for number, one in enumerate(runs, 1)}
        lines = [
            Line(name, [(places[one.folder], one.value or 0.0) for one in found])
            for name, found in named.items()
            if len(found) > 1
        ]
        x = Axis("measured", [(places[one.folder], f"{dt.date.fromisoformat(one.started[:10]):%d %b}") for one in runs])
        y = linear_axis(kind.figure, [height for line in lines for _, height in line.points])
        text = f"From {runs[0].when} to {runs[-1].when}, {len(runs)} runs one after another."
        yield Chart(f"Trend: {kind.figure}", text, x, y, lines)
