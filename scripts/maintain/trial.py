"""Does a setting help? Two variants of the stack's settings in the order A B B A, each time on a new start.

What drifts (a machine that warms up, a disk that fills) hits both sides alike in that order; whether it drifted at all
is said by the two runs of one side. Each lead of a search for latency or shorter stalls is one such trial, and its
report is kept whatever came out.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from backbone import console
from backbone.bench import results
from backbone.bench.compare import difference
from backbone.bench.page import words
from backbone.errors import ExitCode, StackError
from backbone.stack.settings import Settings
from scripts.maintain import costs, processes, program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from backbone.bench.samples import Samples

    Variant = Mapping[str, str]

ORDER = ("A", "B", "B", "A")
_QUANTILES = (0.5, 0.95, 0.99)
_HOURS_S = 4 * 3600.0
_MEASURES = ("bench", "failover")


def run(
    variants: Mapping[str, Variant],
    rounds: int,
    measure: Callable[[Variant], dict[str, Any]],
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Measure the variants in turns and return each turn's side and report. A turn that fails ends the trial."""
    turns = []
    for number, side in enumerate(ORDER * rounds, 1):
        say(f"turn {number} of {len(ORDER) * rounds}: {side} {_told(variants[side])}")
        turns.append({"side": side, "report": measure(variants[side])})
    return turns


def _told(variant: Variant) -> str:
    return " ".join(f"{name}={value}" for name, value in variant.items()) or "as shipped"


def parse(pairs: Sequence[str]) -> Variant:
    """Return NAME=VALUE pairs as a variant; StackError("bad-variant") for anything else."""
    found = dict(pair.partition("=")[::2] for pair in pairs)
    if bad := [pair for pair in pairs if not pair.partition("=")[0].isidentifier() or "=" not in pair]:
        raise StackError("bad-variant", f"{bad[0]!r} is not NAME=VALUE", exit_code=ExitCode.USAGE)
    return found


def taken(measure: str, words_: Sequence[str]) -> Callable[[Variant], dict[str, Any]]:
    """Return what measures one turn: a start with the variant's settings, the task, a stop."""

    def once(variant: Variant) -> dict[str, Any]:
        with costs.stack("messaging") as place:
            environ = {**place, **variant}
            start = costs.up(environ)
            ran = processes.task(measure, *words_, "--json", timeout=_HOURS_S, environ=environ, codes=(0, 1, 3))
        found: dict[str, Any] = json.loads(ran.output)
        return {**found, "start": start}

    return once


def latency(
    turns: Sequence[Mapping[str, Any]], samples: Callable[[Mapping[str, Any]], Sequence[Samples]]
) -> list[list[str]]:
    """Return a row for each quantile: both sides, the bounds of B - A, and whether one side differs from itself.

    samples: the raw times of a turn's report.
    """
    by_turn = [(turn["side"], samples(turn["report"])) for turn in turns]
    sides = {side: [each for name, found in by_turn if name == side for each in found] for side in ("A", "B")}
    rows = []
    for q in _QUANTILES:
        both = difference("A B", sides["A"], sides["B"], q)
        drifted = [side for side in sides if _drifted([found for name, found in by_turn if name == side], q)]
        bounds = " … ".join(map(words, both.bounds))
        doubt = f"; {' and '.join(drifted)} differ from turn to turn: repeat it" if drifted else ""
        rows.append([f"end to end {both.quantile} ms", words(both.a), words(both.b), bounds, both.outcome + doubt])
    return rows


def _drifted(turns: Sequence[Sequence[Samples]], q: float) -> bool:
    return difference("first last", turns[0], turns[-1], q).outcome != "no difference"


def stalls(turns: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return a row for each kind of fault: the longest time without writes in each turn of both sides, in ms."""
    kinds: dict[str, dict[str, list[str]]] = {}
    for turn in turns:
        for kind in turn["report"]["kinds"]:
            name = " ".join(filter(None, (kind["kind"], kind["hit"])))
            sides = kinds.setdefault(name, {"A": [], "B": []})
            sides[turn["side"]].append(words(kind["write_stall_ms"]["max"]))
    return [[f"{name} stall ms", ", ".join(sides["A"]), ", ".join(sides["B"]), "", ""] for name, sides in kinds.items()]


def starts(turns: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return what the start on new data cost in each turn of both sides; the first of a side may record its cache."""
    cost = {"s": "start, new data, s", "MiB": "largest broker then, MiB"}
    sides = {side: [turn["report"]["start"] for turn in turns if turn["side"] == side] for side in ("A", "B")}
    return [
        [title, *(", ".join(words(float(each[unit])) for each in found) for found in sides.values()), "", ""]
        for unit, title in cost.items()
    ]


COLUMNS = ("what", "A", "B", "B - A, 95 %", "B is")
FILE = "trial.json"
OF_KAFKA, OF_SECURE = "trial-kafka-", "trial-secure"
"""How the folders of results/kept begin that compare two versions of Kafka, and the secure profile with plaintext."""


def _samples(report: Mapping[str, Any]) -> Sequence[Samples]:
    """Return the raw times that `bench` kept of a session."""
    started = datetime.fromisoformat(report["started"])
    saved = results.load(Settings().results_dir / f"{started:%Y%m%dT%H%M%SZ}")
    return [each for found in saved.cells.values() for each in found]


def keep(
    folder: Path, asked: Sequence[str], variants: Mapping[str, Variant], turns: Sequence[Mapping[str, Any]], rows: Any
) -> Path:
    """Write a trial's report into its folder and return the file. asked: the words of the command."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    body = {"asked": list(asked), "variants": variants, "columns": COLUMNS, "rows": rows, "turns": turns}
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    return path


def kept_tables(kept: Path, named: str) -> Iterator[str]:
    """Yield the lines of a page's tables: each kept trial whose name begins so."""
    for file in sorted(kept.glob(f"{named}*/{FILE}")):
        found = json.loads(file.read_text(encoding="utf-8"))
        what, _, _, *rest = found["columns"]
        columns = (what, *(_told(found["variants"][side]) for side in ("A", "B")), *rest)
        link = f"([kept](../results/kept/{file.parent.name}))"
        yield from ("", f"`nox -s trial -- {shlex.join(found['asked'])}` {link}:", "")
        yield from (f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *found["rows"]))
    yield ""


def main(argv: Sequence[str]) -> ExitCode:
    """Measure two variants of the settings A B B A and keep what came out below results/trials."""
    parser = argparse.ArgumentParser(prog="nox -s trial --", description=main.__doc__)
    parser.add_argument(
        "-a", action="append", default=[], metavar="NAME=VALUE", help="a setting of A (default: as shipped)"
    )
    parser.add_argument("-b", action="append", default=[], metavar="NAME=VALUE", help="a setting of B; repeatable")
    parser.add_argument("--measure", choices=_MEASURES, default="bench", help="the task that measures (default bench)")
    parser.add_argument("--rounds", type=int, default=1, help="how often A B B A (default 1)")
    parser.add_argument("--keep", metavar="NAME", help="write results/kept/NAME, and then `nox -s pages`")
    parser.add_argument("rest", nargs="*", help="what the task is told, after --: --quick")
    options = parser.parse_args(argv)
    variants = {"A": parse(options.a), "B": parse(options.b)}
    began = datetime.now(UTC)
    turns = run(variants, options.rounds, taken(options.measure, options.rest), console.say)
    rows = [*starts(turns), *(latency(turns, _samples) if options.measure == "bench" else stalls(turns))]
    results_dir = Settings().results_dir
    folder = results_dir / "kept" / options.keep if options.keep else results_dir / "trials" / f"{began:%Y%m%dT%H%M%SZ}"
    path = keep(folder, argv, variants, turns, rows)
    console.print_table(COLUMNS, rows)
    console.say(f"kept in {path}")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
