"""The modes of a benchmark: which cells, how long, how often."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backbone.bench.session import Cell
from backbone.bench.worker import Load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backbone.bench.kafka_target import Spread
    from backbone.bench.schedule import Arrivals

SWEEP_SIZES = (100, 1024, 10_240, 102_400)
"""Bytes of a record, where a sweep is told no sizes."""

SWEEP_RATES = (100, 300, 1000, 2000, 3000, 5000, 7500, 10_000)
"""Records/s, ascending; a size stops at its knee."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a session does. warm_up: at least and at most so many seconds."""

    mode: str
    cells: Sequence[Cell]
    repeats: int
    warm_up: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may say about a load; the defaults are those of MET-01."""

    rates: Sequence[float] = (1000.0,)
    sizes: Sequence[int] = (1024,)
    seconds: float = 60.0
    repeats: int = 5
    partitions: int = 3
    arrivals: Arrivals = "constant"
    spread: Spread = "client"
    group: bool = False


def gate(options: Options) -> Plan:
    """Return the plan of the MET-01 gate: about seven minutes with the defaults."""
    return Plan("gate", _cells(options), options.repeats, (30.0, 120.0))


def quick(options: Options) -> Plan:
    """Return a plan that ends within 90 s and still has 10 000 records a repeat, as a p99 needs."""
    short = replace(options, seconds=12.0, repeats=min(options.repeats, 3))
    return Plan("quick", _cells(short)[:1], short.repeats, (15.0, 30.0))


def sweep_column(options: Options, size: int) -> list[Cell]:
    """Return the cells of one record size, rates ascending."""
    return [_cell(options, float(rate), size) for rate in SWEEP_RATES]


def _cells(options: Options) -> list[Cell]:
    return [_cell(options, rate, size) for rate in options.rates for size in options.sizes]


def _cell(options: Options, rate: float, size: int) -> Cell:
    load = Load(rate, size, options.seconds, options.arrivals)
    return Cell(load, partitions=options.partitions, spread=options.spread, group=options.group)
