"""The tables of docs/performance.md, from the kept results: a figure in the docs is one that a task has measured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from backbone.bench import growth
from backbone.bench.page import words
from backbone.bench.report import MET_01_SIZE
from backbone.pages.folder import REPORT
from scripts.maintain import capacity_benchmark, start_benchmark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PAGE = "performance.md"
_GATE, _COLD, _SWEEP, _CLIENTS, _THROUGHPUT, _START, _CAPACITY, _GROWTH = (
    "bench-met-01",
    "bench-first-minute",
    "bench-sweep",
    "bench-clients",
    "bench-throughput",
    "start",
    "capacity",
    "growth",
)


def tables(kept: Path) -> Iterator[str]:
    """Yield the lines of every table whose results are kept, from MET-01's load to what grows with the work."""
    yield ""
    yield from _latency(kept)
    yield from _named(kept, _SWEEP, "Sweep", "The highest rate that keeps a limit, from `./invoke bench --sweep`")
    yield from _named(
        kept, _CLIENTS, "Clients", "The clients beside each other, from `./invoke bench --sweep --client`"
    )
    yield from _named(kept, _THROUGHPUT, "Throughput", "Throughput, from `./invoke bench --throughput --reference`")
    if found := _read(kept, _START, start_benchmark.FILE):
        yield from _table(
            f"Starts of the messaging profile, kinds in turn, from `nox -s start-bench` {_link(_START)}:",
            start_benchmark.COLUMNS,
            start_benchmark.rows(found),
        )
    if found := _read(kept, _CAPACITY, capacity_benchmark.FILE):
        known = " and ".join(f"{rate:,.0f}/s of {size} B" for size, rate in found["known"].items())
        title = f"Rates that `capacity` predicts from {known}, and what `nox -s capacity-bench` measured"
        yield from _table(
            f"{title} {_link(_CAPACITY)}:", capacity_benchmark.COLUMNS, capacity_benchmark.rows(found["cases"])
        )
    if report := _read(kept, _GROWTH):
        yield from _table(
            f"Cost against work, from `nox -s growth` {_link(_GROWTH)}:", growth.COLUMNS, growth.rows(report["curves"])
        )


def _latency(kept: Path) -> Iterator[str]:
    rows = []
    if gate := _read(kept, _GATE):
        rows += [_load(cell, f"`./invoke bench` {_link(_GATE)}") for cell in gate["cells"]]
    if cold := _read(kept, _COLD):
        by = f"`./invoke bench --cold` {_link(_COLD)}"
        rows += [_load(cell, by, ", the first minute after a start") for cell in cold["cells"]]
    if swept := _read(kept, _SWEEP):
        # The gate measures MET-01's load better; of a sweep, what is void is no figure.
        known = {(cell["load"]["rate"], cell["load"]["size"]) for cell in gate["cells"]} if gate else set()
        rows += [
            _load(cell, f"`./invoke bench --sweep` {_link(_SWEEP)}")
            for cell in swept["cells"]
            if cell["load"]["size"] == MET_01_SIZE
            and cell["valid"]
            and (cell["load"]["rate"], MET_01_SIZE) not in known
        ]
    columns = ("load", "p50 ms", "p95 ms", "p99 ms", "worst bound of p95", "repeats", "measured by")
    yield from _table("End to end, in parentheses 95 % bounds over repeats and blocks:", columns, rows)


def _load(cell: dict[str, Any], by: str, when: str = "") -> tuple[str, ...]:
    load, found = cell["load"], cell["spans"]["end_to_end"]
    worst = max(bound for part in (cell, *cell["repeats"]) if (bound := part["bounds"]["p95"][1]) is not None)
    bounded = (
        f"{words(found[name])} ({' - '.join(words(each) for each in cell['bounds'][name])})" if name in found else "n/a"
        for name in ("p95", "p99")
    )
    return (
        f"{load['rate']:,.0f}/s x {load['size']:,} B{when}",
        *(words(found["p50"]), *bounded, words(worst), f"{len(cell['repeats'])} x {load['seconds']:g} s", by),
    )


def _named(kept: Path, folder: str, title: str, words_: str) -> Iterator[str]:
    """Yield the table of a kept report whose title begins so."""
    report = _read(kept, folder)
    for each in report.get("tables", ()) if report else ():
        if each["title"].startswith(title):
            at = each["title"].partition(", ")[2]
            yield from _table(f"{words_}{', ' + at if at else ''} {_link(folder)}:", each["columns"], each["rows"])


def _table(title: str, columns: Sequence[str], rows: Any) -> Iterator[str]:
    yield from (title, "", _row(columns), "|---" * len(columns) + "|", *map(_row, rows), "")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _link(folder: str) -> str:
    return f"([kept](../results/kept/{folder}))"


def _read(kept: Path, folder: str, file: str = REPORT) -> dict[str, Any] | None:
    path = kept / folder / file
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
