"""The report as one JSON document (schemas/bench-report.schema.json); pages and comparisons are made from it.

Times are milliseconds. JSON has no infinity: null stands for it. A quantile for which there are too few
records is absent.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from backbone.bench.samples import SPANS, joined
from backbone.bench.statistics import QUANTILES, bootstrap, enough, quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from backbone.bench.baseline import Floor
    from backbone.bench.samples import Samples, Span
    from backbone.bench.session import Cell, Measurement, WarmUp
    from backbone.bench.statistics import Interval

MET_01_MS = 100.0
"""MET-01: the p95 from intended send to receipt stays under this."""

VERSION = 1
BOUNDED = (0.95, 0.99)
_CURVE_POINTS = 60
_BLOCKS = 10
_BLOCK_S = 5.0


def milliseconds(ns: float) -> float | None:
    """Return ms rounded to a microsecond, None for infinity."""
    return None if math.isinf(ns) else round(ns / 1e6, 3)


def name(q: float) -> str:
    """Return how a quantile is called: 0.95 → p95."""
    return f"p{q * 100:g}"


def summary(values: Iterable[float]) -> dict[str, float | None]:
    """Return count, quantiles and maximum of one span."""
    ordered = sorted(values)
    found = {name(q): milliseconds(quantile(ordered, q)) for q in QUANTILES if enough(len(ordered), q)}
    return {"count": len(ordered), **found, "max": milliseconds(ordered[-1])} if ordered else {"count": 0}


def block_seconds(samples: Samples) -> float:
    """Return the length of bootstrap blocks: 5 s, or a tenth of a run too short for ten of them."""
    return min(_BLOCK_S, max(samples.duration() / _BLOCKS, 0.1))


def bounds(repeats: Sequence[Samples]) -> dict[str, list[float | None]]:
    """Return the 95 % confidence interval of end-to-end p95 and p99 over some repeats."""
    blocks = [samples.blocks("end_to_end", block_seconds(samples)) for samples in repeats]
    return {name(q): _pair(bootstrap(blocks, q)) for q in BOUNDED}


def _pair(interval: Interval) -> list[float | None]:
    return [milliseconds(interval.low), milliseconds(interval.high)]


def repeat(measurement: Measurement) -> dict[str, Any]:
    """Return one repeat: its spans, bounds, gates and how the latency went second by second."""
    measured = measurement.measured
    return {
        "repeat": measurement.repeat,
        "started": measurement.run.started,
        "valid": measurement.valid,
        "gates": [asdict(gate) for gate in measurement.gates],
        "spans": {span: summary(measured.span(span)) for span in SPANS},
        "bounds": bounds([measured]),
        "sent_per_second": round(measured.sent_rate(), 3),
        "busy": {key: round(value, 4) for key, value in asdict(measurement.busy).items()},
        "cpu": {key: round(value * 1e6 / len(measurement.run.samples), 1) for key, value in _cpu(measurement)},
        "timeline": timeline(measured),
    }


def _cpu(measurement: Measurement) -> Iterable[tuple[str, float]]:
    return measurement.run.cpu.items()


def timeline(samples: Samples) -> list[dict[str, float | None]]:
    """Return p50, p95, maximum and count of the records intended in each second."""
    return [
        {
            "second": second,
            "count": len(block),
            "p50": milliseconds(quantile(ordered, 0.5)),
            "p95": milliseconds(quantile(ordered, 0.95)),
            "max": milliseconds(ordered[-1]),
        }
        for second, block in enumerate(samples.blocks("end_to_end", 1.0))
        if (ordered := sorted(block))
    ]


def curve(samples: Samples, span: Span) -> list[list[float | None]]:
    """Return [share beyond, ms] points of a percentile curve, evenly spaced on a log scale of the share."""
    ordered = sorted(samples.span(span))
    least = 1 / max(len(ordered), 2)
    shares = [least ** (step / (_CURVE_POINTS - 1)) for step in range(_CURVE_POINTS)]
    points = [[share, milliseconds(quantile(ordered, 1 - share))] for share in shares[:-1]] if ordered else []
    return [*points, [least, milliseconds(ordered[-1])]] if ordered else []


def cell(described: Cell, measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Return one cell: every repeat, and all repeats as one (joined, never averaged)."""
    repeats = [measurement.measured for measurement in measurements]
    whole = joined(repeats)
    return {
        "label": described.label,
        "load": asdict(described.load),
        "partitions": described.partitions,
        "replicas": described.replicas,
        "spread": described.spread,
        "group": described.group,
        "client": described.driver.name,
        "client_version": described.driver.version,
        "producer": dict(described.producer),
        "consumer": dict(described.consumer),
        "valid": all(measurement.valid for measurement in measurements),
        "spans": {span: summary(whole.span(span)) for span in SPANS},
        "bounds": bounds(repeats),
        "curves": {span: curve(whole, span) for span in SPANS},
        "repeats": [repeat(measurement) for measurement in measurements],
    }


def verdict(cells: Sequence[Mapping[str, Any]], *, steady: bool) -> dict[str, Any]:
    """Return whether the figures may be believed, whether MET-01 holds in every cell, and whether that is proved.

    MET-01 is judged by the worst upper confidence bound of p95: over all repeats together and of each one alone.
    valid: every gate passed and the cluster was steady. conclusive: valid, or MET-01 holds though what went wrong
    could only make it slower (a cluster still compiling, a sender that waited for a CPU); a miss under such a
    handicap proves nothing.
    """
    highs = [part["bounds"]["p95"][1] for each in cells for part in (each, *each["repeats"])]
    worst = None if None in highs or not highs else max(highs)
    holds = worst is not None and worst < MET_01_MS
    valid = steady and all(each["valid"] for each in cells)
    return {
        "valid": valid,
        "conclusive": valid or (_only_slowed(cells) and (holds or not cells)),
        "steady": steady,
        "met_01": holds,
        "limit_ms": MET_01_MS,
        "worst_p95_upper_bound_ms": worst,
    }


def _only_slowed(cells: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether every gate that failed can only have made the figures worse."""
    repeats = (each for described in cells for each in described["repeats"])
    return all(gate["passed"] or gate["inflates"] for each in repeats for gate in each["gates"])


def floor(measured: Floor) -> dict[str, dict[str, float | None]]:
    """Return the machine's floor."""
    return {
        key: {"p50": milliseconds(figure["p50"]), "p99": milliseconds(figure["p99"])}
        for key, figure in asdict(measured).items()
    }


def warm_up(measured: WarmUp) -> dict[str, Any]:
    """Return the warm-up's windows."""
    return {
        "windows_p95_ms": [milliseconds(window * 1e6) for window in measured.windows],
        "steady": measured.steady,
    }
