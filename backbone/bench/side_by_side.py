"""Several clients in one session: latency, CPU and highest rates in one table, and whether they differ at all."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from backbone.bench.compare import difference
from backbone.bench.document import summary
from backbone.bench.drivers.base import NAMES
from backbone.bench.page import words
from backbone.bench.report import HIGHEST, MET_01_LOAD, MET_01_SIZE, Column, highest_rates
from backbone.bench.samples import joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backbone.bench.session import Measurement
    from backbone.bench.statistics import RatePoint
    from backbone.bench.worker import Load

_QUANTILES = ("p50", "p95", "p99")


def tables(
    groups: Sequence[Sequence[Measurement]], swept: Mapping[Column, Sequence[RatePoint]] | None = None
) -> list[dict[str, Any]]:
    """Return the table of the clients, a row each, or nothing for a session with one client.

    groups: the repeats of each cell. The latencies are those at one load that all clients were measured at: MET-01's if
    it is among them, else the first. swept: the points of a sweep, for the highest rates.
    """
    shared = _shared(groups)
    if len(shared) < 2:  # noqa: PLR2004 - nothing stands beside one client
        return []
    load = next(iter(shared.values()))[0].cell.load
    rates = HIGHEST if swept else ()
    first = next(iter(shared))
    return [
        {
            "title": f"Clients, at {load.rate:g}/s x {load.size} B",
            "columns": [
                *("client", *(f"{name} ms" for name in _QUANTILES)),
                *("CPU of producer, us/record", "of consumer", f"p95 beside {first}", *rates, "valid"),
            ],
            "rows": [_row(name, repeats, shared[first], swept) for name, repeats in shared.items()],
        }
    ]


def _shared(groups: Sequence[Sequence[Measurement]]) -> dict[str, Sequence[Measurement]]:
    """Return each client's repeats at the load that is compared."""
    by_load: dict[tuple[float, int], dict[str, Sequence[Measurement]]] = {}
    for group in groups:
        cell = group[0].cell
        by_load.setdefault((cell.load.rate, cell.load.size), {})[cell.driver.name] = group
    clients = {name for found in by_load.values() for name in found}
    complete = [found for found in by_load.values() if len(found) == len(clients)]
    met_01 = (found for found in complete if _is_met_01(next(iter(found.values()))[0].cell.load))
    chosen = next(met_01, complete[0] if complete else {})
    return dict(sorted(chosen.items(), key=lambda item: NAMES.index(item[0])))


def _is_met_01(load: Load) -> bool:
    return load.size == MET_01_SIZE and load.rate * load.size == MET_01_LOAD


def _row(
    name: str,
    repeats: Sequence[Measurement],
    first: Sequence[Measurement],
    swept: Mapping[Column, Sequence[RatePoint]] | None,
) -> list[str]:
    cell = repeats[0].cell
    found = summary(joined([each.measured for each in repeats]).span("end_to_end"))
    cpu = [statistics.median(each.run.cpu[end] * 1e6 / len(each.run.samples) for each in repeats) for end in _ENDS]
    beside = "" if repeats is first else _beside(cell.label, first, repeats)
    rates = highest_rates(swept[Column(cell.load.size, name)], cell.load.size) if swept else []
    return [
        f"{name} {cell.driver.version}",
        *(words(found[each]) if each in found else "n/a" for each in _QUANTILES),
        *(f"{each:.0f}" for each in cpu),
        beside,
        *rates,
        "yes" if all(each.valid for each in repeats) else "NO",
    ]


_ENDS = ("producer", "consumer")


def _beside(label: str, a: Sequence[Measurement], b: Sequence[Measurement]) -> str:
    """Return whether the second client's p95 differs from the first's, with the 95 % bounds of the difference."""
    found = difference(label, [each.measured for each in a], [each.measured for each in b], 0.95)
    low, high = map(words, found.bounds)
    return f"{found.outcome} ({low} … {high} ms)"
