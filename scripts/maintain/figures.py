"""The short form of every figure, beside the kept ones: whether a change has made anything slower."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbone import console, resources
from backbone.bench import figures, machine
from backbone.errors import ExitCode, StackError
from backbone.pages.folder import REPORT, write
from backbone.stack.settings import Settings
from scripts.maintain import ROOT, costs, processes, program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

KEPT = Path("results", "kept", "figures")
_WORK = "h = 0\nfor n in range(600_000): h = (h * 31 + len(str(n))) & 0xFFFFFFFF"
_LINT_RUNS, _CHECKER_RUNS, _UNIT_RUNS, _ARCHIVE_RUNS = 3, 3, 2, 2
_RECORDS, _ROWS = 50_000, 3_000


class Taken:
    """Figures as they are taken, each value after a calibration of its own.

    calibrate: seconds of a fixed piece of work. A figure that can't be taken has its reason as its note, and the rest
    goes on.
    """

    def __init__(self, calibrate: Callable[[], float], say: Callable[[str], None]) -> None:
        self._calibrate, self._say = calibrate, say
        self.figures: list[dict[str, Any]] = []

    def take(self, name: str, unit: str, runs: int, measure: Callable[[], Mapping[str, float]]) -> None:
        """Take a figure so many times: the cost of this unit that `measure` returns."""
        found: dict[str, Any] = {"name": name, "unit": unit, "values": [], "calibration": [], "note": ""}
        self.figures.append(found)
        for _ in range(runs):
            calibration = self._calibrate()
            try:
                value = measure()[unit]
            except (StackError, LookupError, ValueError) as error:
                found["note"] = f"not measured: {error}"
                break
            found["values"].append(round(value, 4))
            found["calibration"].append(round(calibration, 4))
        self._say(f"{name}: {', '.join(f'{each:.3g}' for each in found['values'])} {unit} {found['note']}".rstrip())


def calibration() -> float:
    """Return the seconds that a fixed piece of interpreted work takes on every processor at once."""
    began = time.monotonic()
    with ExitStack() as running:
        for _ in range(os.cpu_count() or 1):
            running.enter_context(processes.started([sys.executable, "-S", "-c", _WORK]))
    return time.monotonic() - began


def take_all(taken: Taken) -> None:
    """Take every figure: those without a stack first, then those of one that is started for them."""
    taken.take("lint, this stack", "s", _LINT_RUNS, lambda: costs.lint(0))
    taken.take(f"failover checker, {_RECORDS:,} records", "s", _CHECKER_RUNS, lambda: costs.checker(_RECORDS))
    taken.take("unit tests, contracts", "s", _UNIT_RUNS, lambda: costs.unit(0))
    with costs.stack("messaging", "data") as environ:
        taken.take("start, new data", "s", 1, lambda: costs.up(environ))
        taken.take("latency at 1,000/s", "p50 ms", 1, lambda: costs.bench(environ))
        taken.take("contracts applied", "s", 1, lambda: costs.contracts(environ))
        taken.take(f"archive, {_ROWS:,} rows", "s", _ARCHIVE_RUNS, lambda: costs.archive(environ, _ROWS))


def kept(folder: Path) -> dict[str, Any] | None:
    """Return the report that this one is set beside, None if there is none."""
    path = folder / REPORT
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def main(argv: Sequence[str]) -> ExitCode:
    """Take the short form of every figure; say of each: better, worse or no difference. No figure makes it fail."""
    parser = argparse.ArgumentParser(prog="nox -s figures --", description=main.__doc__)
    parser.add_argument("--keep", action="store_true", help=f"also make them the kept ones, in {KEPT}")
    options = parser.parse_args(argv)
    now = datetime.now(UTC)
    taken = Taken(calibration, console.say)
    take_all(taken)
    report: dict[str, Any] = {
        "version": figures.VERSION,
        "started": now.isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "figures": taken.figures,
    }
    found = figures.compare(kept(ROOT / KEPT), report)
    report["compared"] = [dict(zip(figures.KEYS, row, strict=True)) for row in figures.rows(found)]
    schema = resources.schema("figures-report.schema.json")
    folders = [Settings().results_dir / "figures" / f"{now:%Y%m%dT%H%M%SZ}", *([ROOT / KEPT] if options.keep else [])]
    for folder in folders:
        page = write(folder, report, figures.page(report), schema)
    console.print_table(figures.COLUMNS, figures.rows(found))
    console.say(f"report: {page}")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
