"""How costs grow with the work: lint, checker, archive, latency, console, start and memory, over several sizes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbone import console, resources
from backbone.bench import growth, machine
from backbone.errors import ExitCode, StackError
from backbone.pages.folder import REPORT, write
from backbone.stack.settings import Settings
from scripts.maintain import ROOT, console_costs, costs, program

if TYPE_CHECKING:
    from collections.abc import Sequence

Environ = Mapping[str, str]
Costs = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """One cost over its sizes. stack: the profiles that it needs; the measure is given that stack's environment."""

    work: str
    sizes: Sequence[int]
    measure: Callable[[Environ, int], Costs]
    stack: Sequence[str] = ()


def _alone(measure: Callable[[int], Costs]) -> Callable[[Environ, int], Costs]:
    return lambda _, size: measure(size)


def _by_partitions(client: str) -> Curve:
    def bench(environ: Environ, partitions: int) -> Costs:
        return costs.bench(environ, partitions=partitions, client=client)

    return Curve("partitions", (3, 30, 300, 1000), bench, ("messaging",))


CURVES: Mapping[str, Curve] = {
    "lint": Curve("services", (60, 250, 1000, 5000), _alone(costs.lint)),
    "checker": Curve("records", (10_000, 100_000, 1_000_000, 10_000_000), _alone(costs.checker)),
    "start": Curve("partitions", (30, 100, 300, 1000, 3000), costs.start, ("messaging",)),
    "latency by partitions": _by_partitions("kafka-python"),
    "latency by partitions, librdkafka": _by_partitions("confluent-kafka"),
    "latency by size": Curve(
        "bytes a record",
        (100, 1024, 10_240, 102_400),
        lambda environ, size: costs.bench(environ, rate=100, size=size),
        ("messaging",),
    ),
    "console": Curve("topics", (50, 500), console_costs.console, ("messaging",)),
    "console under load": Curve("records a second", (1000, 10_000), console_costs.busy, ("messaging",)),
    "archive": Curve("rows", (10_000, 100_000, 1_000_000, 10_000_000), costs.archive, ("messaging", "data")),
}
_RUNS_ITS_OWN = "start"
KEPT = Path("results", "kept", "growth")


def measure(name: str, curve: Curve, most: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure one curve up to a size; one that cannot be measured ends it, and the reason is kept."""
    sizes = [size for size in curve.sizes if size <= most]
    found: list[tuple[int, Costs]] = []
    ended = ""
    with _stack(name, curve) as environ:
        for size in sizes:
            try:
                found.append((size, curve.measure(environ, size)))
            except StackError as error:
                ended = f"{error.message} at {size:,}"
                say(f"{name}: {ended}: {error.context}")
                break
            say(f"{name}: {size:,} {curve.work}: " + ", ".join(f"{v:.4g} {unit}" for unit, v in found[-1][1].items()))
    return growth.curve(name, curve.work, found, ended)


def _stack(name: str, curve: Curve) -> AbstractContextManager[Environ]:
    """Return a running stack for a curve that needs one, an environment to start one in, or nothing."""
    if not curve.stack:
        return nullcontext({})
    return costs.stack(*curve.stack) if name == _RUNS_ITS_OWN else costs.running(*curve.stack)


def kept(folder: Path, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report with the kept curves that it has not measured again, if they are of the same machine."""
    path = folder / REPORT
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"machine": None, "curves": []}
    same = before["machine"] and before["machine"].get("processor") == report["machine"].get("processor")
    curves = {each["name"]: each for each in (*(before["curves"] if same else ()), *report["curves"])}
    return {**report, "curves": [curves[name] for name in CURVES if name in curves]}


def main(argv: Sequence[str]) -> ExitCode:
    """Measure how costs grow with the work, and keep figures and page below results/growth."""
    parser = argparse.ArgumentParser(prog="nox -s growth --", description=main.__doc__)
    parser.add_argument("--only", action="append", choices=list(CURVES), help="one curve (default: all; repeatable)")
    parser.add_argument("--most", type=int, default=sys.maxsize, help="no larger size than this")
    parser.add_argument("--keep", action="store_true", help=f"also put them in the place of the kept ones, in {KEPT}")
    options = parser.parse_args(argv)
    now = datetime.now(UTC)
    names = options.only or list(CURVES)
    curves = [measure(name, CURVES[name], options.most, console.say) for name in names]
    report = {
        "version": growth.VERSION,
        "started": now.isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "curves": curves,
    }
    folder = Settings().results_dir / "growth" / f"{now:%Y%m%dT%H%M%SZ}"
    schema = resources.schema("growth-report.schema.json")
    page = write(folder, report, growth.page(report), schema)
    if options.keep:
        whole = kept(ROOT / KEPT, report)
        write(ROOT / KEPT, whole, growth.page(whole), schema)
    console.print_table(growth.COLUMNS, growth.rows(curves))
    console.say(f"report: {page}")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
