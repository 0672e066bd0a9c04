"""What a benchmark report shows: the verdict, the pictures, then every figure."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from backbone.pages.chart import COLOURS, Chart, Line, linear_axis, log_axis, percentile_axis
from backbone.pages.facts import facts_of
from backbone.pages.model import Page, Section, Table, Words, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from backbone.pages.model import Block, State

    Document = Mapping[str, Any]

_QUANTILES = ("p50", "p90", "p95", "p99", "p99.9", "max")
_LATENCY = {
    "p95": "95 % of the records were at least as fast; the others alike",
    "bounds": "between these the true value lies with 95 % confidence",
    "n/a": "too few records for this percentile",
    "∞": "records that never arrived are among them",
}
_SPANS = {
    "end_to_end": "from when a record was due to its receipt: what MET-01 limits",
    "produce": "from the call of send to the acknowledgement",
    "service": "from the call of send to the receipt",
    "delay": "from when a record was due to the call of send: the sender's own lateness",
}
_FLOOR = {
    "sleep": "how late a sleep of 1 ms wakes",
    "echo": "a record there and back over loopback TCP",
    "fsync": "a record appended to a file and forced to disk",
}


def page(document: Document) -> Page:
    """Return the page of a report (a value of schemas/bench-report.schema.json)."""
    return Page(
        f"Benchmark: {document['mode']}", state(document), headline(document), _facts(document), list(_blocks(document))
    )


def state(document: Document) -> State:
    """Return whether MET-01 holds, fails, or is not judged."""
    verdict = document["verdict"]
    if not verdict["conclusive"] or not document["cells"]:
        return "unsure"
    return "good" if verdict["met_01"] else "bad"


def headline(document: Document) -> str:
    """Return the result in a sentence or two."""
    verdict = document["verdict"]
    if not verdict["conclusive"]:
        steady = all(cell["valid"] for cell in document["cells"])
        why = "the cluster never became steady" if steady else "at least one run cannot be believed, see the gates"
        return f"VOID: {why}."
    if not document["cells"]:
        return "Measured without MET-01: latency was not looked at."
    held = "holds" if verdict["met_01"] else "does NOT hold"
    worst, limit = words(verdict["worst_p95_upper_bound_ms"]), verdict["limit_ms"]
    slowed = "" if verdict["valid"] else " The machine was slowed by other things, see below: the figures are too high."
    return f"MET-01 {held}: worst upper bound of p95 is {worst} ms, limit {limit:g} ms.{slowed}"


def words(value: float | None) -> str:
    """Return a time for a table: three significant digits, ∞ for null."""
    return "∞" if value is None else shown(float(value))


def _facts(document: Document) -> dict[str, str]:
    brokers = f"{len(document['brokers'])} brokers, {document['engine']} engine"
    return facts_of(document["started"], document["machine"], cluster=brokers, mode=document["mode"])


def _blocks(document: Document) -> Iterator[Block]:
    cells = document["cells"]
    if document["mode"] == "sweep":
        yield _by_rate(cells, document["verdict"]["limit_ms"])
    elif cells:
        yield _curves(
            "How long records took, end to end",
            [(cell["label"], cell["curves"]["end_to_end"]) for cell in cells[:COLOURS]],
            document["verdict"]["limit_ms"],
        )
    if failed := _gate_rows(cells):
        yield Table(
            "Gates that failed",
            ("run", "gate", "found", "limit", "meaning"),
            failed,
            note="A gate is a condition of a valid measurement; what fails one does not count as measured. "
            "In a sweep the last rate of each size is meant to fail.",
        )
    for table in document.get("tables", ()):
        yield Table(table["title"], table["columns"], table["rows"])
    if cells:
        columns = ("load", "records", *(f"{name} ms" for name in _QUANTILES), "p95 bounds", "p99 bounds")
        yield Table("End to end", columns, [_cell_row(cell) for cell in cells], terms=_LATENCY)
    yield from (_cell(cell, document["verdict"]["limit_ms"], folded=len(cells) > 1) for cell in cells)
    yield Section("How it was measured", list(_conditions(document)))


def _cell(cell: Mapping[str, Any], limit: float, *, folded: bool) -> Section:
    """Return the details of one load."""
    spans = [(name, *_found(cell["spans"][name], *_QUANTILES)) for name in cell["spans"]]
    repeats = ("repeat", "p50 ms", "p95 ms", "p99 ms", "p95 bounds", "CPU", "stolen", "valid")
    blocks = (
        _curves("Where the time goes", list(cell["curves"].items()), limit),
        Table("Where the time goes, ms", ("part", *_QUANTILES), spans, terms=_SPANS),
        _seconds(cell["repeats"], limit),
        Table(
            "Repeats",
            repeats,
            [_repeat_row(each) for each in cell["repeats"]],
            terms={"CPU": "share of all processors that was busy", "stolen": "share that the hypervisor took away"},
        ),
    )
    return Section(cell["label"], blocks, folded=folded)


def _conditions(document: Document) -> Iterator[Block]:
    warm_up = document["warm_up"]
    steady = "steady" if warm_up["steady"] else "NOT steady"
    windows = ", ".join(map(words, warm_up["windows_p95_ms"]))
    warmed = f"p95 of each 5 s was {windows} ms, then {steady}" if windows else "none, the cluster was as it stood"
    yield Words([f"Warm-up: {warmed}. Seed {document['seed']}."])
    floor = [(name, words(figure["p50"]), words(figure["p99"])) for name, figure in document["floor"].items()]
    yield Table("What this machine does without Kafka, ms", ("operation", "p50", "p99"), floor, terms=_FLOOR)
    settings = [(key, str(value)) for key, value in {**document["machine"], **document["settings"]}.items()]
    addresses = ("brokers", ", ".join(document["brokers"]))
    yield Section("Settings", [Table("Settings", ("name", "value"), [addresses, *settings])], folded=True)


def _found(summary: Mapping[str, Any], *names: str) -> list[str]:
    return [words(summary[name]) if name in summary else "n/a" for name in names]


def _cell_row(cell: Mapping[str, Any]) -> list[str | float]:
    total = cell["spans"]["end_to_end"]
    bounds = (_bounds(cell, quantile) for quantile in ("p95", "p99"))
    return [cell["label"], total["count"], *_found(total, *_QUANTILES), *bounds]


def _bounds(part: Mapping[str, Any], q: str) -> str:
    return " - ".join(words(value) for value in part["bounds"][q])


def _repeat_row(each: Mapping[str, Any]) -> list[str | int]:
    busy = each["busy"]
    return [
        each["repeat"],
        *_found(each["spans"]["end_to_end"], "p50", "p95", "p99"),
        *(_bounds(each, "p95"), f"{busy['used']:.0%}", f"{busy['stolen']:.1%}", "yes" if each["valid"] else "NO"),
    ]


def _gate_rows(cells: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [
        [f"{cell['label']} #{each['repeat']}", gate["name"], gate["found"], gate["limit"], gate["meaning"]]
        for cell in cells
        for each in cell["repeats"]
        for gate in each["gates"]
        if not gate["passed"]
    ]


def _curves(title: str, named: Sequence[tuple[str, Sequence[Sequence[float | None]]]], limit: float) -> Chart:
    """Return the chart of percentile curves: for each share of the records, how long the slowest of it took."""
    lines = [Line(name, [(-math.log10(share or 1.0), _number(ms)) for share, ms in points]) for name, points in named]
    slowest = max((line for line in lines if line.points), key=lambda line: line.points[-1][1])
    text = (
        "Each line climbs from the fastest record to the slowest; below the limit at p95 is what MET-01 asks. "
        f"The slowest record of all: {words(_finite(slowest.points[-1][1]))} ms ({slowest.name})."
    )
    x = percentile_axis(min(share or 1.0 for _, points in named for share, _ in points))
    y = log_axis("ms", [*_heights(lines), limit])
    return Chart(title, text, x, y, lines, limit=(limit, f"MET-01: {limit:g} ms at p95"))


def _seconds(repeats: Sequence[Mapping[str, Any]], limit: float) -> Chart:
    lines = [
        Line(f"repeat {each['repeat']}", [(point["second"], _number(point["p95"])) for point in each["timeline"]])
        for each in repeats
    ]
    heights = _heights(lines)
    text = f"p95 of the records due in each second: {words(min(heights))} to {words(_finite(max(heights)))} ms."
    x = linear_axis("seconds since the measurement began", [at for line in lines for at, _ in line.points])
    y = log_axis("ms", [*heights, limit])
    return Chart("Second by second", text, x, y, lines, limit=(limit, f"MET-01: {limit:g} ms"))


def _by_rate(cells: Sequence[Mapping[str, Any]], limit: float) -> Chart:
    """Return the picture of a sweep: p95 over the rate, a line for each size of record and client."""
    found: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
    for cell in cells:
        p95 = cell["spans"]["end_to_end"].get("p95")
        found[cell["load"]["size"], cell.get("client", "")].append((cell["load"]["rate"], _number(p95)))
    several = len({client for _, client in found}) > 1
    lines = [
        Line(f"{size:,} B, {client}" if several else f"{size:,} B", sorted(points))
        for (size, client), points in sorted(found.items())
    ]
    x = log_axis("records a second", [rate for line in lines for rate, _ in line.points])
    text = "p95 end to end at each rate; where a line turns upwards, the cluster carries no more of these records."
    y = log_axis("ms", [*_heights(lines), limit])
    return Chart("How much it carries", text, x, y, lines, limit=(limit, f"MET-01: {limit:g} ms"))


def _heights(lines: Sequence[Line]) -> list[float]:
    return [b for line in lines for _, b in line.points]


def _number(value: float | None) -> float:
    return math.inf if value is None else value


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value
