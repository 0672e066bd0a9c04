"""Does `capacity` predict? One sweep is all it is told; what it lets expect for other record sizes is then measured."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from backbone import console
from backbone.bench import machine
from backbone.capacity import knee
from backbone.errors import ExitCode, StackError
from backbone.stack.settings import Settings
from scripts.maintain import costs, processes, program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from backbone.capacity.knee import Case

FILE = "capacity.json"
KNOWN = "256,4096"
"""What the model is fed: bytes of a record."""

CASES = "512,1536,8192"
"""What it predicts: two sizes between those, and one beyond."""

COLUMNS = ("record", "predicted", "measured", "difference")
_HOURS_S = 4 * 3600.0


def sweep(environ: Mapping[str, str], sizes: str, seconds: int) -> Path:
    """Measure the highest rate of each size and return the folder of the report."""
    words = ("bench", "--sweep", "--size", sizes, "--seconds", str(seconds), "--engine", "embedded", "--json")
    ran = processes.task(*words, timeout=_HOURS_S, environ=environ, codes=(0, 1, 3))
    started = datetime.fromisoformat(json.loads(ran.output)["started"])
    return Settings().results_dir / f"{started:%Y%m%dT%H%M%SZ}"


def rows(cases: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return a line for each case."""
    return [
        [f"{x['size']} B", f"{x['predicted']:,.0f}/s", f"{x['measured']:,.0f}/s", f"{x['difference']:+.0%}"]
        for x in cases
    ]


def keep(folder: Path, known: Mapping[int, float], cases: Sequence[Case]) -> Mapping[str, Any]:
    """Write what was fed, predicted and measured into a folder, and return it."""
    body = {
        "method": "highest rate with the upper bound of p95 < 100 ms (bench --sweep); one sweep predicts the other",
        "machine": machine.describe(),
        "known": known,
        "cases": [asdict(each) | {"difference": each.difference} for each in cases],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    return body


def main(argv: Sequence[str]) -> ExitCode:
    """Sweep some record sizes, predict others from these alone, sweep those, and keep both: about 15 minutes.

    Exits 1 if a prediction is more than a quarter off. The checkout's own stack must not run.
    """
    parser = argparse.ArgumentParser(prog="nox -s capacity-bench --", description=main.__doc__)
    parser.add_argument("--known", default=KNOWN, help=f"bytes of the records that are measured first ({KNOWN})")
    parser.add_argument("--cases", default=CASES, help=f"bytes of the records that are predicted ({CASES})")
    parser.add_argument("--seconds", type=int, default=10, help="of each run (10 at most); fewer prove less")
    options = parser.parse_args(argv)
    began = datetime.now(UTC)
    with costs.running("messaging") as environ:
        console.say(f"sweep of {options.known} B: what the model is told")
        one = sweep(environ, options.known, options.seconds)
        console.say(f"sweep of {options.cases} B: what it has to predict")
        other = sweep(environ, options.cases, options.seconds)
    cases = knee.against(one, other)
    if lacking := {int(each) for each in options.cases.split(",")} - {each.size for each in cases}:
        raise StackError("no-results", f"no rate at all kept the limit for {lacking} B", context=str(other))
    folder = Settings().results_dir / "capacity" / f"{began:%Y%m%dT%H%M%SZ}"
    body = keep(folder, knee.held(one), cases)
    console.print_table([each.upper() for each in COLUMNS], rows(body["cases"]))
    console.say(f"kept in {folder / FILE}, from {one} and {other}")
    return ExitCode.FINDINGS if any(abs(each.difference) > knee.CLOSE for each in cases) else ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
