"""The modes of a benchmark: which cells, how long, how often."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backbone.bench.drivers.base import KAFKA_PYTHON
from backbone.bench.session import Cell
from backbone.bench.worker import Load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backbone.bench.drivers.base import Driver
    from backbone.bench.drivers.kafka_python import Spread
    from backbone.bench.schedule import Arrivals

SWEEP_SIZES = (100, 1024, 10_240, 102_400)
"""Bytes of a record, where a sweep is told no sizes."""

SWEEP_RATES = (100, 300, 1000, 3000, 10_000, 30_000)
"""Records/s, ascending, up to the first that is too high; the search goes on between that and the one before."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a session does. warm_up: at least and at most so many seconds; none: the first record counts as well."""

    mode: str
    cells: Sequence[Cell]
    repeats: int
    warm_up: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may say about a load; the defaults are those of MET-01. most: bytes/s that a sweep stays below."""

    rates: Sequence[float] = (1000.0,)
    sizes: Sequence[int] = (1024,)
    seconds: float = 60.0
    repeats: int = 5
    partitions: int = 3
    arrivals: Arrivals = "constant"
    spread: Spread = "client"
    group: bool = False
    drivers: Sequence[Driver] = (KAFKA_PYTHON,)
    most: float = math.inf


def gate(options: Options) -> Plan:
    """Return the plan of the MET-01 gate: about seven minutes with the defaults."""
    return Plan("gate", _cells(options), options.repeats, (30.0, 120.0))


def quick(options: Options) -> Plan:
    """Return a plan that ends within 90 s a client and still has 10 000 records a repeat, as a p99 needs."""
    first = replace(options, rates=options.rates[:1], sizes=options.sizes[:1], seconds=12.0)
    return Plan("quick", _cells(first), min(options.repeats, 3), (15.0, 30.0))


def cold(options: Options) -> Plan:
    """Return a plan of one repeat on the cluster as it stands: right after a start, its first minute."""
    first = replace(options, rates=options.rates[:1], sizes=options.sizes[:1])
    return Plan("cold", _cells(first), 1, (0.0, 0.0))


def sweep_cell(options: Options, size: int, rate: float, driver: Driver) -> Cell:
    """Return the cell of one record size at one rate by one client."""
    (cell,) = _cells(replace(options, rates=(rate,), sizes=(size,), drivers=(driver,)))
    return cell


def _cells(options: Options) -> list[Cell]:
    return [
        Cell(
            Load(rate, size, options.seconds, options.arrivals),
            partitions=options.partitions,
            spread=options.spread,
            group=options.group,
            driver=driver,
        )
        for rate in options.rates
        for size in options.sizes
        for driver in options.drivers
    ]
