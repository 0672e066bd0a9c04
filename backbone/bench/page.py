"""The report for people: one self-contained HTML page, and the same in Markdown."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from backbone.bench.chart import Line, chart, linear_axis, log_axis, percentile_axis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Document = Mapping[str, Any]
    Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]
    """A title, the names of the columns, and the rows."""

_QUANTILES = ("p50", "p90", "p95", "p99", "p99.9", "max")
_STYLE = """
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem
auto;padding:0 1rem} table{border-collapse:collapse;margin:.5rem 0 1.5rem}th,td{padding:.2rem
.7rem;text-align:right;border-bottom:1px solid #8884}
th:first-child,td:first-child{text-align:left}figure{margin:1rem 0}figcaption
span{margin-right:1rem;font-size:.85em} figcaption
i{display:inline-block;width:.8em;height:.8em;margin-right:.3em}svg line{stroke:#8883}svg
.limit{stroke:#dc2626; stroke-dasharray:6 4}svg polyline{fill:none;stroke-width:1.6}svg
text{font-size:11px;fill:currentColor}.mid{text-anchor:middle}
.end{text-anchor:end}.good{color:#059669}.bad{color:#dc2626}pre{overflow:auto}
"""


def html(document: Document) -> str:
    """Return the page."""
    good = document["verdict"]["conclusive"] and document["verdict"]["met_01"]
    body = [f'<p class="{"good" if good else "bad"}"><strong>{escape(_headline(document))}</strong></p>']
    for title, columns, rows in _tables(document):
        body.append(f"<h2>{escape(title)}</h2>{_html_table(columns, rows)}")
        if title == "End to end":
            body.append(_charts(document))
    title = escape(f"Benchmark {document['started']}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1>{''.join(body)}</html>\n"
    )


def markdown(document: Document) -> str:
    """Return the same words and tables as Markdown, without the charts."""
    parts = [f"# Benchmark {document['started']}", f"**{_headline(document)}**"]
    for title, columns, rows in _tables(document):
        lines = [columns, ["---"] * len(columns), *rows]
        parts.append(f"## {title}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines))
    return "\n\n".join(parts) + "\n"


def _headline(document: Document) -> str:
    verdict = document["verdict"]
    if not verdict["conclusive"]:
        steady = all(cell["valid"] for cell in document["cells"])
        why = "the cluster never became steady" if steady else "at least one run cannot be believed, see the gates"
        return f"VOID: {why}."
    if not document["cells"]:
        return f"Mode {document['mode']}."
    held = "holds" if verdict["met_01"] else "does NOT hold"
    worst, limit = words(verdict["worst_p95_upper_bound_ms"]), verdict["limit_ms"]
    slowed = "" if verdict["valid"] else " The machine was slowed by other things, see below: the figures are too high."
    return f"MET-01 {held}: worst upper bound of p95 is {worst} ms, limit {limit:g} ms.{slowed}"


def words(value: float | None) -> str:
    """Return a time for a table: three significant digits, ∞ for null."""
    return "∞" if value is None else f"{value:.3g}" if value < 1000 else f"{value:.0f}"  # noqa: PLR2004 - no exponent


def _found(summary: Mapping[str, Any], *names: str) -> list[str]:
    return [words(summary[name]) if name in summary else "n/a" for name in names]


def _tables(document: Document) -> list[Table]:
    cells = document["cells"]
    made: list[Table] = [
        (
            "End to end",
            ["ms", "records", *_QUANTILES, "p95 bounds", "p99 bounds"],
            [_cell_row(cell) for cell in cells],
        ),
        ("Where the time goes", ["ms", *_QUANTILES], [row for cell in cells for row in _span_rows(cell)]),
        (
            "Repeats",
            ["repeat", "p50", "p95", "p99", "p95 bounds", "CPU", "stolen", "valid"],
            _repeat_rows(cells),
        ),
        ("Gates that failed", ["run", "gate", "found", "limit", "meaning"], _gate_rows(cells)),
        ("Floor of this machine", ["ms", "p50", "p99"], _floor_rows(document["floor"])),
    ]
    made += [(table["title"], table["columns"], table["rows"]) for table in document.get("tables", ())]
    made.append(("Configuration", ["name", "value"], _configuration(document)))
    return [table for table in made if table[2]]


def _cell_row(cell: Mapping[str, Any]) -> list[str]:
    total = cell["spans"]["end_to_end"]
    return [
        cell["label"],
        str(total["count"]),
        *_found(total, *_QUANTILES),
        *(_bounds(cell, q) for q in ("p95", "p99")),
    ]


def _bounds(part: Mapping[str, Any], q: str) -> str:
    return " - ".join(words(value) for value in part["bounds"][q])


def _span_rows(cell: Mapping[str, Any]) -> list[list[str]]:
    return [[f"{cell['label']}: {span}", *_found(cell["spans"][span], *_QUANTILES)] for span in cell["spans"]]


def _repeat_rows(cells: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [
        [
            f"{cell['label']} #{each['repeat']}",
            *_found(each["spans"]["end_to_end"], "p50", "p95", "p99"),
            _bounds(each, "p95"),
            f"{each['busy']['used']:.0%}",
            f"{each['busy']['stolen']:.1%}",
            "yes" if each["valid"] else "NO",
        ]
        for cell in cells
        for each in cell["repeats"]
    ]


def _gate_rows(cells: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [
        [f"{cell['label']} #{each['repeat']}", gate["name"], gate["found"], gate["limit"], gate["meaning"]]
        for cell in cells
        for each in cell["repeats"]
        for gate in each["gates"]
        if not gate["passed"]
    ]


def _floor_rows(floor: Mapping[str, Any]) -> list[list[str]]:
    return [[name, words(figure["p50"]), words(figure["p99"])] for name, figure in floor.items()]


def _configuration(document: Document) -> list[list[str]]:
    warm_up = document["warm_up"]
    parts = {
        "mode": document["mode"],
        "seed": document["seed"],
        "engine": document["engine"],
        "brokers": ", ".join(document["brokers"]),
        "warm-up": ", ".join(map(words, warm_up["windows_p95_ms"])) + " ms, p95 of 5 s each",
        "steady": "yes" if warm_up["steady"] else "NO",
        **document["machine"],
        **document["settings"],
    }
    return [[str(key), str(value)] for key, value in parts.items()]


def _html_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _charts(document: Document) -> str:
    cells, limit = document["cells"], document["verdict"]["limit_ms"]
    seconds = [
        Line(
            f"{cell['label']} #{each['repeat']} p95",
            [(point["second"], _number(point["p95"])) for point in each["timeline"]],
        )
        for cell in cells
        for each in cell["repeats"]
    ]
    rates = [
        Line(
            f"{cell['label']} #{each['repeat']}",
            [(point["second"], float(point["count"])) for point in each["timeline"]],
        )
        for cell in cells
        for each in cell["repeats"]
    ]
    parts = [
        "<h3>Percentiles, end to end</h3>",
        _curves([(c["label"], c["curves"]["end_to_end"]) for c in cells], limit),
    ]
    parts += [
        f"<h3>Where the time goes: {escape(cell['label'])}</h3>" + _curves(list(cell["curves"].items()), limit)
        for cell in cells[:3]
    ]
    parts += ["<h3>p95 second by second</h3>", _timeline(seconds, "ms", limit)]
    parts += ["<h3>Records intended a second</h3>", _timeline(rates, "records", None)]
    return "".join(parts)


def _curves(named: Sequence[tuple[str, Sequence[Sequence[float | None]]]], limit: float) -> str:
    lines = [Line(name, [(-math.log10(share or 1.0), _number(ms)) for share, ms in points]) for name, points in named]
    return chart(lines, percentile_axis(), log_axis("ms", _heights(lines)), limit=limit)


def _timeline(lines: Sequence[Line], unit: str, limit: float | None) -> str:
    across = [a for line in lines for a, _ in line.points]
    return chart(lines, linear_axis("s", across), linear_axis(unit, _heights(lines)), limit=limit)


def _heights(lines: Sequence[Line]) -> list[float]:
    return [b for line in lines for _, b in line.points]


def _number(value: float | None) -> float:
    return math.inf if value is None else value
