"""What `invoke bench` does in each mode, from a reachable cluster to a saved report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from backbone.bench import baseline, cells, document, peer, report, results, session, throughput
from backbone.bench.statistics import knee

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from backbone.bench.cells import Options, Plan
    from backbone.bench.reference import Java
    from backbone.bench.report import Session
    from backbone.bench.samples import Samples
    from backbone.bench.session import Cell, Measurement
    from backbone.bench.statistics import RatePoint
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

    def once(self, cell: Cell, repeat: int, seed: int) -> Measurement:
        """Measure one repeat of a cell."""
        return session.measure(self.cluster, cell, repeat, seed)

    def load(self, cell: Cell) -> Samples:
        """Run a cell once without settling time: a round of the warm-up."""
        return session.measure(self.cluster, cell, 0, self.seed, settle=0.0).measured


@dataclass(frozen=True, slots=True)
class Done:
    """A saved session: its folder and its report."""

    folder: Path
    report: dict[str, Any]


def run_plan(bench: Bench, plan_: Plan) -> Done:
    """Measure a plan's cells and save the report: the modes `gate` and `quick`."""
    begun = _begin(bench, plan_)
    measured = session.repeated(bench.once, plan_.cells, plan_.repeats, seed=bench.seed, say=bench.say)
    return _save(bench, begun, report.grouped(measured))


def sweep(bench: Bench, options: Options) -> Done:
    """Raise the rate for each record size until its knee, and say what the cluster can carry."""
    short = replace(options, seconds=min(options.seconds, _SWEEP_S), repeats=1)
    begun = _begin(bench, replace(cells.quick(short), mode="sweep", warm_up=_SWEEP_WARM_UP))
    groups: list[list[Measurement]] = []
    columns: list[tuple[int, list[RatePoint]]] = []
    for size in options.sizes:
        points: list[RatePoint] = []
        for cell in cells.sweep_column(short, size):
            measurement = bench.once(cell, 1, bench.seed)
            bench.say(session.sentence(measurement))
            groups.append([measurement])
            points.append(report.rate_point(cell, document.cell(cell, [measurement])))
            if knee(points):
                break
        columns.append((size, points))
    return _save(bench, begun, groups, tables=[report.sweep_table(columns)])


def against_java(bench: Bench, options: Options, java: Java, *, records: int = _LOOP_RECORDS) -> Done:
    """Set our clients beside Kafka's own tools on the same cluster."""
    plan_ = replace(cells.quick(options), mode="reference", repeats=1)
    begun = _begin(bench, plan_)
    measured = session.repeated(bench.once, plan_.cells, 1, seed=bench.seed, say=bench.say)
    setting = peer.Setting(bench.cluster, java, records, options.sizes[0], bench.say)
    found = peer.document(peer.compare(setting, rounds=_LOOPS, rates=options.rates))
    return _save(bench, begun, report.grouped(measured), reference=found, tables=peer.tables(found))


def bursts(bench: Bench, options: Options) -> Done:
    """Measure how much goes through when latency does not matter."""
    begun = _begin(bench, replace(cells.quick(options), mode="throughput"))
    done = []
    for _ in range(_BURSTS):
        done.append(
            throughput.burst(bench.cluster, megabytes=_BURST_MB, size=options.sizes[0], partitions=options.partitions)
        )
        bench.say(f"throughput: {done[-1].produced:g} MB/s acknowledged, {done[-1].consumed:g} MB/s received")
    return _save(bench, begun, [], tables=throughput.tables(done))


def _begin(bench: Bench, plan_: Plan) -> Session:
    """Measure the floor, then warm the cluster up with the plan's first cell."""
    began = report.now()
    brokers = bench.cluster.brokers()
    measured = baseline.measure(bench.results, plan_.cells[0].load.size)
    least, most = plan_.warm_up
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
