"""What a broker bears: measured by `bench --sweep` on a machine of yours, or as published where nothing is measured."""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbone.bench.document import MET_01_MS, VERSION
from backbone.capacity.arithmetic import equivalent
from backbone.capacity.model import Capacity
from backbone.errors import ExitCode, StackError
from backbone.pages.folder import REPORT
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_PER_CORE = 20e6
_NEAR = 2.0
CLOSE = 0.25
"""How far a prediction may be off, as a share of what was measured."""

_BATCH = 16_384
"""Bytes of a batch: batch.size, the default of every client that `bench` drives."""

_HEADER, _RECORD = 61, 10
"""Bytes of a batch's header, and of a record beside its value (Kafka's message format v2)."""


def published(cpus: float) -> Capacity:
    """Return what a broker of so many cores bears where nothing is measured."""
    return Capacity(
        _PER_CORE * cpus, cpus, "Google, Managed Kafka: 20 MB/s of write-equivalent a core, batches of 10 KB"
    )


@dataclass(frozen=True, slots=True)
class Case:
    """One record size: the rate that one benchmark lets expect, and the one that another held. difference: a share."""

    size: int
    predicted: float
    measured: float

    @property
    def difference(self) -> float:
        """How far the prediction is off, as a share of what was measured."""
        return self.predicted / self.measured - 1


@dataclass(frozen=True, slots=True)
class _Sweep:
    """What a benchmark held: record size → highest rate with p95 < 100 ms. cpus: of the machine."""

    held: Mapping[int, float]
    replicas: int
    brokers: int
    cpus: float
    started: str


def measured(folder: Path, size: float) -> Capacity:
    """Return what a broker bore in a benchmark, with records of a size: the highest rate with p95 < 100 ms.

    Brokers and clients of a benchmark share one machine, so a broker of its own bears more. Raises
    StackError("no-results") for a folder without a sweep.
    """
    sweep = _read(folder)
    rate = _expected(sweep, size)
    near = min(sweep.held, key=lambda each: abs(math.log(each / size)))
    far = "" if 1 / _NEAR <= near / size <= _NEAR else f"; measured are {near} B, far from yours: measure those"
    source = (
        f"bench {sweep.started}: {rate:,.0f}/s of {size:g} B on {sweep.brokers} brokers and {sweep.cpus:g} cores{far}"
    )
    load = equivalent(rate * size, sweep.replicas, 1)
    return Capacity(load / sweep.brokers, sweep.cpus / sweep.brokers, source)


def against(one: Path, other: Path) -> tuple[Case, ...]:
    """Return each record size of another benchmark, with the rate that the first one lets expect for it."""
    sweep = _read(one)
    return tuple(Case(size, _expected(sweep, size), rate) for size, rate in _read(other).held.items())


def held(folder: Path) -> Mapping[int, float]:
    """Return record size → highest rate of a benchmark; raises as `measured`."""
    return _read(folder).held


def _expected(sweep: _Sweep, size: float) -> float:
    """Return the rate for a size: the cost of a record is a line through the two nearest sizes that were measured.

    Cost is a part for each record and a part for each batch, of which a record fills a share (ADR 0164). Beyond the
    sizes that were measured a larger record costs no less, a smaller one no more and not less than its bytes.
    """
    costs = {each: 1 / rate for each, rate in sweep.held.items()}
    if size in costs:
        return sweep.held[int(size)]
    near = min(costs, key=lambda each: abs(math.log(each / size)))
    if len(costs) == 1:
        return 1 / (costs[near] * max(1.0, size / near))
    ordered = sorted(costs)
    upper = min(max(bisect_left(ordered, size), 1), len(ordered) - 1)
    one, two = ordered[upper - 1], ordered[upper]
    of = _batches if _batches(one) < _batches(two) else float
    cost = costs[one] + (costs[two] - costs[one]) * (of(size) - of(one)) / (of(two) - of(one))
    if size > two:
        cost = max(cost, costs[two])
    elif size < one:
        cost = min(max(cost, costs[one] * size / one), costs[one])
    return 1 / cost


def _batches(size: float) -> float:
    """Return how many batches a record fills: one of as many as go into a batch; a larger one by its bytes."""
    return max(1 / max(1, (_BATCH - _HEADER) // (size + _RECORD)), size / _BATCH)


def _read(folder: Path) -> _Sweep:
    path = folder / REPORT
    try:
        report = json.loads(reading.read_text(path))
        cells = list(_cells(report))
        brokers, cpus = len(report["brokers"]), float(report["machine"]["cpus"])
        started = str(report["started"])
    except (StackError, *reading.NONSENSE) as error:
        raise _none(path, getattr(error, "context", None) or f"{type(error).__name__}: {error}") from error
    if not cells or not brokers:
        raise _none(path, "no run has a p95 below 100 ms")
    held: dict[int, float] = {}
    for size, rate, _ in sorted(cells):
        held[size] = max(rate, held.get(size, 0.0))
    return _Sweep(held, cells[0][2], brokers, cpus, started)


def _cells(report: Mapping[str, Any]) -> Iterator[tuple[int, float, int]]:
    """Yield (size, rate, replicas) of each cell that kept the limit."""
    if report.get("version") != VERSION:
        raise ValueError(f"version {report.get('version')}, this program reads {VERSION}")
    for cell in report["cells"]:
        if cell["load"]["arrivals"] != "burst" and any(map(_kept, cell["repeats"])):
            size, rate = int(cell["load"]["size"]), float(cell["load"]["rate"])
            if size <= 0 or not 0 < rate < math.inf:
                raise ValueError(f"a cell of {size} bytes and {rate} records/s")
            yield size, rate, int(cell["replicas"])


def _kept(repeat: Mapping[str, Any]) -> bool:
    """Return whether a repeat kept the limit, and nothing went wrong but what could only make it slower."""
    sound = all(gate["passed"] or gate.get("inflates", False) for gate in repeat["gates"])
    high = repeat["bounds"]["p95"][1]
    return sound and high is not None and high < MET_01_MS


def _none(path: Path, why: str) -> StackError:
    return StackError(
        "no-results",
        f"{path} holds no benchmark to reckon from",
        context=why,
        hint="./invoke bench --sweep",
        exit_code=ExitCode.USAGE,
    )
