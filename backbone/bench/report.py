"""From a session's values to its report: the envelope that every mode fills."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from backbone.bench import document, machine
from backbone.bench.statistics import RatePoint, highest_rate, knee
from backbone.clients import CONSUMER, PRODUCER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backbone.bench.baseline import Floor
    from backbone.bench.session import Cell, Measurement, WarmUp

MET_01_SIZE = 1024
MET_01_LOAD = 1000 * MET_01_SIZE
"""MET-01 is asked at 1,000 records/s of 1 KiB (bytes/s)."""

SWEEP_LIMITS_MS = (document.MET_01_MS, 20.0)
"""The sweep says up to which rate p95 stays under each of these."""

HIGHEST = tuple(f"highest rate, p95 < {limit:g} ms" for limit in SWEEP_LIMITS_MS)
"""What the columns of these rates are called."""


class Column(NamedTuple):
    """One line of a sweep: the record's bytes and the client."""

    size: int
    client: str


@dataclass(frozen=True, slots=True)
class Session:
    """What every mode knows: when it began (UTC), where, on what, after which warm-up."""

    mode: str
    began: dt.datetime
    engine: str
    brokers: Sequence[str]
    seed: int
    floor: Floor
    warm_up: WarmUp


def grouped(measurements: Sequence[Measurement]) -> list[list[Measurement]]:
    """Return the repeats of each cell in their order, cells by first appearance."""
    cells: dict[str, list[Measurement]] = {}
    for measurement in sorted(measurements, key=lambda each: each.repeat):
        cells.setdefault(measurement.cell.label, []).append(measurement)
    return list(cells.values())


def build(session: Session, groups: Sequence[Sequence[Measurement]], **parts: Any) -> dict[str, Any]:
    """Return the report of a session; `parts` are what its mode adds (`tables`, `reference`, …)."""
    cells = [document.cell(group[0].cell, group) for group in groups]
    return {
        "version": document.VERSION,
        "mode": session.mode,
        "started": session.began.isoformat(timespec="seconds"),
        "engine": session.engine,
        "brokers": list(session.brokers),
        "seed": session.seed,
        "machine": machine.describe(),
        "settings": {
            **{f"producer {name}": value for name, value in PRODUCER.items()},
            **{f"consumer {name}": value for name, value in CONSUMER.items()},
        },
        "floor": document.floor(session.floor),
        "warm_up": document.warm_up(session.warm_up),
        "cells": cells,
        "verdict": document.verdict(
            [cell for cell in cells if session.mode != "sweep" or is_met_01(cell)],
            steady=session.warm_up.steady,
        ),
        **parts,
    }


def is_met_01(described: Mapping[str, Any]) -> bool:
    """Return whether a cell is MET-01's load: the one that judges a sweep, whose last rates are meant to fail."""
    load = described["load"]
    return bool(load["size"] == MET_01_SIZE and load["rate"] * load["size"] == MET_01_LOAD)


def rate_point(cell: Cell, repeat: Mapping[str, Any]) -> RatePoint:
    """Return a described repeat of a sweep's cell as a point of its curve; an infinite latency as a very large one."""
    lag = any(gate["name"] == "lag" and not gate["passed"] for gate in repeat["gates"])
    high, p99 = (
        repeat["bounds"]["p95"][1],
        repeat["spans"]["end_to_end"].get("p99", repeat["bounds"]["p99"][1]),
    )
    endless = float("inf")
    return RatePoint(
        rate=cell.load.rate,
        achieved=repeat["sent_per_second"],
        p95_high=endless if high is None else high,
        p99=endless if p99 is None else p99,
        lag_grows=lag,
    )


def sweep_table(columns: Mapping[Column, Sequence[RatePoint]]) -> dict[str, Any]:
    """Return, for each record size and client, the knee and the highest rates under the limits."""
    rows = []
    for (size, client), points in columns.items():
        found = knee(points)
        borne = highest_rate(points, SWEEP_LIMITS_MS[0]) is not None
        end = f"{found.rate:g}/s" if found else f"{'beyond' if borne else 'below'} {points[-1].rate:g}/s"
        rows.append([f"{size} B", client, *highest_rates(points, size), end])
    return {"title": "Sweep", "columns": ["record", "client", *HIGHEST, "knee"], "rows": rows}


def highest_rates(points: Sequence[RatePoint], size: int) -> list[str]:
    """Return the highest rate under each limit of a sweep, in words."""
    rates = [highest_rate(points, limit) for limit in SWEEP_LIMITS_MS]
    return [f"{rate:g}/s = {rate * size / 1e6:.3g} MB/s" if rate else "none" for rate in rates]


def now() -> dt.datetime:
    """Return the time in UTC: the name of a session."""
    return dt.datetime.now(dt.UTC)
