"""The kept reports that docs/ rests on: the task that makes each, on a stack started for it, and where it is kept."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backbone import console, results
from backbone.errors import ExitCode, StackError
from backbone.pages.folder import PAGE, REPORT
from backbone.stack.settings import Settings
from scripts.maintain import ROOT, costs, pages, processes, program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

KEPT = ROOT / "results" / "kept"
FILES = (REPORT, PAGE, "report.md")
"""What is kept of a report's folder: neither samples nor journals."""

_HOURS_S = 4 * 3600.0
_BOOTSTRAP = "BOOTSTRAP"  # stands for the addresses of the stack


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a kept report is made: a task, about so many minutes of it, and settings of the stack that it runs on."""

    task: Sequence[str]
    minutes: int
    settings: Mapping[str, str] = field(default_factory=dict)


def _faults(profile: str, seed: int, count: int, minutes: int) -> Recipe:
    words = ("failover", "--plan", str(seed), "--faults", str(count))
    return Recipe(words, minutes, {"KAFKA_FAILOVER_PROFILE": profile})


def _load(profile: str) -> Recipe:
    words = ("failover", "--bootstrap", _BOOTSTRAP, "--busy", "--seconds", "1860")
    return Recipe(words, 34, {"KAFKA_FAILOVER_PROFILE": profile})


_CLIENTS = ("--client", "kafka-python,confluent-kafka,java")

RECIPES: Mapping[str, Recipe] = {
    "bench-met-01": Recipe(("bench",), 8),
    "bench-first-minute": Recipe(("bench", "--cold"), 2),
    "bench-sweep": Recipe(("bench", "--sweep"), 11),
    "bench-clients": Recipe(("bench", "--sweep", "--size", "1024", *_CLIENTS), 10),
    "bench-throughput": Recipe(("bench", "--throughput", "--reference", *_CLIENTS), 4),
    "failover-default-profile": _faults("default", 2611, 20, 9),
    "failover-balanced": _faults("balanced", 2612, 40, 11),
    "failover-fast": _faults("fast", 2613, 40, 10),
    "failover-load-balanced": _load("balanced"),
}
"""Folder below results/kept → how it is made."""


def make(name: str, say: Callable[[str], None]) -> Path:
    """Make one report and keep it; StackError("task-failed") for one that proves nothing, and the old one stays."""
    recipe = RECIPES[name]
    say(f"{name}: about {recipe.minutes} min")
    with costs.stack("messaging") as place:
        environ = {**place, **recipe.settings}
        costs.up(environ)
        told = json.loads(processes.task("endpoints", "--json", timeout=_HOURS_S, environ=environ).output)
        words = [told["KAFKA_BOOTSTRAP_SERVERS"] if word == _BOOTSTRAP else word for word in recipe.task]
        processes.task(*words, timeout=_HOURS_S, environ=environ)
    return keep(results.found(Settings().results_dir)[0].folder, KEPT / name)


def keep(made: Path, into: Path) -> Path:
    """Copy what is kept of a report's folder; return where to."""
    into.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(made / name, into / name)
    return into


def main(argv: Sequence[str]) -> ExitCode:
    """Make reports and keep them in the place of the old ones; write their pages and the tables of docs/ again.

    The checkout's own stack must not run, nor anything else that takes the processors.
    """
    parser = argparse.ArgumentParser(prog="nox -s keep --", description=main.__doc__)
    parser.add_argument("name", nargs="+", choices=list(RECIPES), help="which, in this order")
    failed = []
    for name in parser.parse_args(argv).name:
        try:
            console.say(f"kept: {make(name, console.say)}")
            results.write_pages(KEPT)
        except StackError as error:  # the others are worth their time all the same
            console.print_error(error)
            failed.append(error)
    pages.main([])
    return failed[0].exit_code if failed else ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
