"""A session: warm-up until steady, then cells repeated in random order on fresh topics, each judged."""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from backbone.bench import machine, validity
from backbone.bench.drivers.base import KAFKA_PYTHON
from backbone.bench.run import execute
from backbone.bench.statistics import no_longer_falling, quantile, steady
from backbone.bench.worker import GRACE_S, Job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from backbone.bench.drivers.base import Driver
    from backbone.bench.drivers.kafka_python import Spread
    from backbone.bench.machine import Busy
    from backbone.bench.run import Run
    from backbone.bench.samples import Samples
    from backbone.bench.topics import Cluster
    from backbone.bench.validity import Gate
    from backbone.bench.worker import Load

SETTLE_S = 3.0
"""The start of every run that is not counted: connections, fetch sessions and producer ids come to be."""

WINDOW_S = 5.0
"""Length of the stretches compared to tell whether warm-up is over, and of the bootstrap's blocks."""

STEADY_RELATIVE, STEADY_ABSOLUTE_MS = 0.10, 1.0
"""Three successive windows must have p95 within 10 %, or within 1 ms where 10 % is less than that."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing to measure: a load on a topic, with changes to the shipped client settings."""

    load: Load
    partitions: int = 3
    replicas: int = 3
    spread: Spread = "client"
    group: bool = False
    producer: Mapping[str, Any] = field(default_factory=dict)
    consumer: Mapping[str, Any] = field(default_factory=dict)
    driver: Driver = KAFKA_PYTHON

    @property
    def label(self) -> str:
        """Rate, size and what differs from the shipped settings."""
        changes = {**self.producer, **self.consumer}
        words = [f"{self.load.rate:g}/s x {self.load.size} B", f"{self.partitions} partitions"]
        words += [self.driver.name] if self.driver is not KAFKA_PYTHON else []
        words += ["keyed"] if self.spread == "turns" else []
        words += ["consumer group"] if self.group else []
        words += [self.load.arrivals] if self.load.arrivals != "constant" else []
        return ", ".join(words + [f"{name}={value}" for name, value in changes.items()])


@dataclass(frozen=True, slots=True)
class Measurement:
    """One repeat of a cell: what was seen, the part that counts, and whether it may be believed."""

    cell: Cell
    repeat: int
    run: Run
    measured: Samples
    gates: Sequence[Gate]
    busy: Busy

    @property
    def valid(self) -> bool:
        """Whether every gate passed."""
        return not validity.failed(self.gates)


@dataclass(frozen=True, slots=True)
class WarmUp:
    """p95 of each window of warming up, in ms, and whether the last three agreed."""

    windows: Sequence[float]
    steady: bool


NO_WARM_UP = WarmUp((), steady=True)
"""Nothing that was to become steady."""


def measure(cluster: Cluster, cell: Cell, repeat: int, seed: int, *, settle: float = SETTLE_S) -> Measurement:
    """Run one repeat on a fresh topic; `settle` seconds come on top of the load's own."""
    whole = replace(cell.load, seconds=cell.load.seconds + settle, seed=seed)
    with cluster.topic(cell.partitions, cell.replicas) as topic:
        target = cell.driver.target(
            cluster.bootstrap,
            topic,
            cell.partitions,
            cell.spread,
            cell.producer,
            cell.consumer,
            group=topic if cell.group else "",
        )
        before, at = cluster.topology(topic), machine.mark()
        run = execute(Job(target, whole, run=secrets.randbits(63), grace=GRACE_S), start=cell.driver.start)
        busy, after = machine.since(at), cluster.topology(topic)
    measured = run.samples.after(settle)
    judged = validity.gates(run, measured, before, after, replicas=cell.replicas, stolen=busy.stolen)
    return Measurement(cell, repeat, run, measured, judged, busy)


def warm_up(
    load_once: Callable[[Cell], Samples], cell: Cell, *, least: float, most: float, say: Callable[[str], None]
) -> WarmUp:
    """Load the cluster in rounds of fixed schedules until it is steady, at least and at most so many seconds.

    A broker compiles its code as it is used, so the first half minute of a cold one is no figure of anything.
    `load_once` runs a cell once, without settling time, and returns what was seen.
    """
    windows: list[float] = []
    spent, length = 0.0, least
    while spent < most:
        seen = load_once(replace(cell, load=replace(cell.load, seconds=length)))
        windows += [quantile(sorted(block), 0.95) / 1e6 for block in seen.blocks("end_to_end", WINDOW_S)]
        say(f"warm-up: p95 {', '.join(f'{window:.1f}' for window in windows)} ms in windows of {WINDOW_S:g} s")
        if is_warm(windows):
            return WarmUp(windows, steady=True)
        spent, length = spent + length, 3 * WINDOW_S
    return WarmUp(windows, steady=False)


def is_warm(windows: Sequence[float]) -> bool:
    """Return whether the p95 of successive windows (ms) is steady, or at least no longer falling."""
    return steady(windows, relative=STEADY_RELATIVE, absolute=STEADY_ABSOLUTE_MS) or no_longer_falling(
        windows, relative=STEADY_RELATIVE
    )


def repeated(
    once: Callable[[Cell, int, int], Measurement],
    cells: Sequence[Cell],
    repeats: int,
    *,
    seed: int,
    say: Callable[[str], None],
) -> list[Measurement]:
    """Measure every cell `repeats` times, each round in a new random order so that drift hits all alike.

    `once` measures (cell, repeat, seed of its arrivals).
    """
    source = random.Random(seed)  # noqa: S311 - a repeatable order
    done: list[Measurement] = []
    for repeat in range(1, repeats + 1):
        for cell in source.sample(cells, len(cells)):
            done.append(once(cell, repeat, source.randrange(2**31)))
            say(sentence(done[-1]))
    return done


def sentence(measurement: Measurement) -> str:
    """Return one repeat in a line, for whoever is waiting."""
    values = sorted(measurement.measured.span("end_to_end"))
    p50, p95, p99 = (f"{quantile(values, q) / 1e6:.1f}" for q in (0.5, 0.95, 0.99))
    wrong = validity.failed(measurement.gates)
    state = "valid" if not wrong else "VOID: " + "; ".join(f"{gate.name} ({gate.found})" for gate in wrong)
    return f"{measurement.cell.label}, repeat {measurement.repeat}: p50 {p50}, p95 {p95}, p99 {p99} ms, {state}"
