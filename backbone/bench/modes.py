"""What `./invoke bench` does in each mode, from a reachable cluster to a saved report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from backbone.bench import baseline, cells, document, peer, report, results, session, side_by_side, throughput
from backbone.bench.report import Column
from backbone.bench.statistics import best_tries, next_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from backbone.bench.cells import Options, Plan
    from backbone.bench.reference import Java
    from backbone.bench.report import Session
    from backbone.bench.samples import Samples
    from backbone.bench.session import Cell, Measurement
    from backbone.bench.statistics import RatePoint
    from backbone.bench.throughput import Burst
    from backbone.bench.topics import Cluster

_SWEEP_S, _SWEEP_WARM_UP = 10.0, (20.0, 60.0)
_BURSTS, _BURST_MB = 3, 40
_LOOPS, _LOOP_RECORDS = 2, 10_000


@dataclass(frozen=True, slots=True)
class Bench:
    """What every mode is given: cluster, name of its engine, results folder, schema file, whom to tell."""

    cluster: Cluster
    engine: str
    results: Path
    schema: Path
    seed: int
    say: Callable[[str], None]

    def once(self, cell: Cell, repeat: int, seed: int, *, settle: float = session.SETTLE_S) -> Measurement:
        """Measure one repeat of a cell."""
        return session.measure(self.cluster, cell, repeat, seed, settle=settle)

    def load(self, cell: Cell) -> Samples:
        """Run a cell once without settling time: a round of the warm-up."""
        return session.measure(self.cluster, cell, 0, self.seed, settle=0.0).measured


@dataclass(frozen=True, slots=True)
class Done:
    """A saved session: its folder and its report."""

    folder: Path
    report: dict[str, Any]


def run_plan(bench: Bench, plan_: Plan) -> Done:
    """Measure a plan's cells and save the report: the modes `gate`, `quick` and `cold`."""
    begun = _begin(bench, plan_)
    once = bench.once if any(plan_.warm_up) else partial(bench.once, settle=0.0)
    measured = session.repeated(once, plan_.cells, plan_.repeats, seed=bench.seed, say=bench.say)
    groups = report.grouped(measured)
    return _save(bench, begun, groups, tables=side_by_side.tables(groups))


def sweep(bench: Bench, options: Options) -> Done:
    """Find the highest rate that keeps MET-01's limit for each record size and client; clients take turns."""
    short = replace(options, seconds=min(options.seconds, _SWEEP_S), repeats=1)
    begun = _begin(bench, replace(cells.quick(short), mode="sweep", warm_up=_SWEEP_WARM_UP))
    measured: list[Measurement] = []
    columns: dict[Column, list[RatePoint]] = {}
    for size in options.sizes:
        ladder = [rate for rate in cells.SWEEP_RATES if rate * size <= options.most]
        searching = list(options.drivers)
        while searching:
            for driver in tuple(searching):
                points = columns.setdefault(Column(size, driver.name), [])
                rate = next_rate(points, ladder, document.MET_01_MS)
                if rate is None:
                    searching.remove(driver)
                    continue
                cell, tried = cells.sweep_cell(short, size, rate, driver), [each.rate for each in points].count(rate)
                measured.append(bench.once(cell, tried + 1, bench.seed))
                bench.say(session.sentence(measured[-1]))
                points.append(report.rate_point(cell, document.repeat(measured[-1])))
    groups, best = report.grouped(measured), {column: best_tries(points) for column, points in columns.items()}
    return _save(bench, begun, groups, tables=[report.sweep_table(best), *side_by_side.tables(groups, best)])


def against_java(bench: Bench, options: Options, java: Java, *, records: int = _LOOP_RECORDS) -> Done:
    """Set our clients beside Kafka's own tools on the same cluster."""
    plan_ = replace(cells.quick(options), mode="reference", repeats=1)
    begun = _begin(bench, plan_)
    measured = session.repeated(bench.once, plan_.cells, 1, seed=bench.seed, say=bench.say)
    setting = peer.Setting(bench.cluster, java, records, options.sizes[0], bench.say)
    found = peer.document(peer.compare(setting, rounds=_LOOPS, rates=options.rates))
    return _save(bench, begun, report.grouped(measured), reference=found, tables=peer.tables(found))


def bursts(bench: Bench, options: Options, java: Java | None = None, *, megabytes: int = _BURST_MB) -> Done:
    """Measure how much goes through when latency does not matter; with `java`, Kafka's own tools in turns with ours."""
    begun = _begin(bench, replace(cells.quick(options), mode="throughput"))
    volume = throughput.Volume(megabytes, options.sizes[0], options.partitions)
    takers: list[Callable[[], Burst]] = [
        partial(throughput.burst, bench.cluster, volume, driver) for driver in options.drivers
    ]
    if java is not None:
        takers.append(partial(throughput.of_kafkas_tools, bench.cluster, volume, java))
    done = []
    for turn in range(_BURSTS):
        for take in takers[:: -1 if turn % 2 else 1]:
            done.append(take())
            bench.say(f"{done[-1].client}: {done[-1].produced:g} MB/s acknowledged, {done[-1].consumed:g} MB/s read")
    return _save(bench, begun, [], tables=throughput.tables(done))


def _begin(bench: Bench, plan_: Plan) -> Session:
    """Measure the floor, then warm the cluster up with the plan's first cell, if it says so."""
    began = report.now()
    brokers = bench.cluster.brokers()
    measured = baseline.measure(bench.results, plan_.cells[0].load.size)
    least, most = plan_.warm_up
    warmed = session.NO_WARM_UP
    if most:
        warmed = session.warm_up(bench.load, plan_.cells[0], least=least, most=most, say=bench.say)
    return report.Session(plan_.mode, began, bench.engine, brokers, bench.seed, measured, warmed)


def _save(
    bench: Bench,
    begun: Session,
    groups: Sequence[Sequence[Measurement]],
    **parts: Any,
) -> Done:
    folder = bench.results / begun.began.strftime("%Y%m%dT%H%M%SZ")
    made = report.build(begun, groups, **parts)
    results.save(folder, made, groups, bench.schema)
    return Done(folder, made)
