"""How fast the stack starts: with and without the JVM's start-up cache, side by side in one run."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from backbone import console
from backbone.errors import ExitCode, StackError
from backbone.stack import lifecycle
from backbone.stack.engine import open_stack
from backbone.stack.settings import Settings
from backbone.wait import wait_until
from scripts.maintain import program

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from backbone.stack.engine.base import Progress, Stack

_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class Start:
    """One measured start. seconds: from the call to a whole cluster. memory: bytes of each broker at rest."""

    cached: bool
    new_data: bool
    seconds: float
    memory: tuple[int, ...]


def measure(open_on: Callable[[Path], Stack], rounds: int, progress: Progress) -> tuple[Start, ...]:
    """Start and stop a stack `rounds` times: on new data, on that data again, and on it without the cache.

    open_on gives a stack for a data folder; the folders are scratch ones. The checkout's own stack must be stopped.
    """
    starts = []
    with TemporaryDirectory() as scratch:
        _record(open_on(Path(scratch, "first")), progress)
        for number in range(rounds):
            stack = open_on(Path(scratch, f"round-{number}"))
            for cached, new_data in ((True, True), (True, False), (False, False)):
                starts.append(_start(stack, cached=cached, new_data=new_data))
                progress(f"round {number + 1}: {_name(starts[-1])} {starts[-1].seconds:.2f} s")
    return tuple(starts)


def _record(stack: Stack, progress: Progress) -> None:
    """See to it that the start-up cache is there: one start records it, and its JVM writes it after the stop."""
    progress("one start that does not count, to have the start-up cache")
    _start(stack, cached=True, new_data=True)
    folder = stack.settings.cache_dir / "aot"
    wait_until(lambda: not list(folder.glob("*.config")), what="the start-up cache to be written", timeout=_TIMEOUT_S)


def _start(stack: Stack, *, cached: bool, new_data: bool) -> Start:
    engine = replace(stack.engine, use_cache=cached)  # type: ignore[type-var]  # the embedded engine is a dataclass
    stack = replace(stack, engine=engine)
    began = time.monotonic()
    lifecycle.up(stack, timeout=_TIMEOUT_S, progress=lambda _: None, watch=lambda _: None)
    seconds = time.monotonic() - began
    memory = tuple(state.memory or 0 for state in stack.engine.states(list(stack.brokers)))
    lifecycle.down(stack, lambda _: None)
    return Start(cached, new_data, seconds, memory)


def _name(start: Start) -> str:
    return f"{'new' if start.new_data else 'existing'} data, {'with' if start.cached else 'without'} the cache"


def summary(starts: Sequence[Start]) -> dict[str, object]:
    """Return the times by kind, the ratio of the paired starts and the largest broker at rest (MiB)."""
    by_kind: dict[str, list[float]] = {}
    for start in starts:
        by_kind.setdefault(_name(start), []).append(round(start.seconds, 2))
    cached = [start.seconds for start in starts if start.cached and not start.new_data]
    plain = [start.seconds for start in starts if not start.cached]
    ratios = [fast / slow for fast, slow in zip(cached, plain, strict=True)]
    return {
        "method": "from the call to a whole cluster of the chosen profiles, kinds in turn within each round",
        "seconds": by_kind,
        "median_seconds": {name: statistics.median(values) for name, values in by_kind.items()},
        "median_ratio_with_to_without": round(statistics.median(ratios), 3),
        "largest_broker_mib": max(max(start.memory) for start in starts) >> 20,
    }


def main(argv: Sequence[str]) -> ExitCode:
    """Measure starts of the embedded engine with and without the JVM's start-up cache, while no other stack runs."""
    parser = argparse.ArgumentParser(prog="nox -s start-bench --", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="starts of each kind, in turn (default 3)")
    parser.add_argument("--profile", action="append", help="what to start (default: messaging; repeatable)")
    options = parser.parse_args(argv)
    profiles = options.profile or ["messaging"]
    own = open_stack(Settings(), profiles, "embedded", console.download)
    if any(state.pid for state in own.engine.states()):
        raise StackError("stack-runs", "the stack runs; its start can't be measured", hint="./invoke down")

    def on(data: Path) -> Stack:
        settings = Settings(environ={**os.environ, "DEFAULT_MESSAGE_BROKER_DIR": str(data)})
        return open_stack(settings, profiles, "embedded", console.download)

    result = summary(measure(on, options.rounds, console.say))
    kept = own.settings.results_dir / time.strftime("start-bench-%Y%m%d-%H%M%S.json")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    console.print_table(("FIGURE", "VALUE"), result.items())
    console.say(f"kept in {kept}")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
