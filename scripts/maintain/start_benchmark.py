"""How fast the stack starts: with and without cache and overlap, whole, brokers alone, lite, restored; in one run."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psutil

from backbone import console
from backbone.bench import machine
from backbone.errors import ExitCode, StackError
from backbone.snapshots import operations
from backbone.stack import lifecycle
from backbone.stack.engine import open_stack
from backbone.stack.engine.embedded import aot
from backbone.stack.settings import Settings
from backbone.wait import wait_until
from scripts.maintain import ROOT, processes, program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from backbone.stack.engine.base import Progress, Stack

FILE = "start.json"
COLUMNS = ("start", "median s", "fastest to slowest s", "processor s", "its stop, median s")
_TIMEOUT_S = 600.0
_SNAPSHOT = "start-bench"
_UNCOUNTED = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of start.

    new: on an empty folder. cached, overlap: see EmbeddedEngine. brokers: of these alone. restored: the running stack
    is stopped, gets the data of a snapshot, and is started.
    """

    name: str
    new: bool = False
    cached: bool = True
    overlap: bool = True
    brokers: bool = False
    lite: bool = False
    restored: bool = False


FIRST = Kind("new data, recording the cache", new=True)
"""The one start without a cache that is there; its stop is the long one."""

EXISTING = Kind("existing data")
IN_TURN = Kind("existing data, one after another", overlap=False)
RESTORED = Kind("existing data, restored", restored=True)
UNCACHED = Kind("existing data, without the cache", cached=False)
KINDS = (
    Kind("new data", new=True),
    EXISTING,
    RESTORED,
    IN_TURN,
    UNCACHED,
    Kind("existing data, brokers alone", brokers=True),
    Kind("lite, new data", new=True, lite=True),
    Kind("lite, existing data", lite=True),
)
"""What each round starts, in this order: a start on existing data is on that of the one before it."""


@dataclass(frozen=True, slots=True)
class Start:
    """One measured start. seconds: from the call to a whole cluster; down: of its stop. memory: each broker at rest.

    processor: what all of this machine's processors worked in that time, in seconds: over their number, no start can be
    faster. Of a restore the seconds are those of check, copy, stop, swap and start.
    """

    kind: Kind
    seconds: float
    down: float
    memory: tuple[int, ...]
    processor: float


def measure(open_on: Callable[[Path, bool], Stack], rounds: int, progress: Progress) -> tuple[Start, ...]:
    """Start and stop a stack of each kind, `rounds` times; brokers alone only where there are some.

    open_on gives a stack for a data folder, lite or not; the folders are scratch ones. The checkout's own stack must be
    stopped.
    """
    starts = []
    with TemporaryDirectory() as scratch:
        starts.append(_record(open_on(Path(scratch, "first"), False), progress))  # noqa: FBT003 - not lite
        for number in range(rounds):
            stacks = {lite: open_on(Path(scratch, f"round-{number}"), lite) for lite in (False, True)}
            for kind in KINDS:
                if (kind.brokers or kind.restored) and not stacks[kind.lite].brokers:
                    continue
                starts.append(_start(stacks[kind.lite], kind))
                progress(f"round {number + 1}: {kind.name} {starts[-1].seconds:.2f} s")
    return tuple(starts)


def _record(stack: Stack, progress: Progress) -> Start:
    """Start once to have the start-up caches, which the JVMs write after the stop; wait for these."""
    first = _start(stack, FIRST)
    progress(f"{FIRST.name} {first.seconds:.2f} s, its stop {first.down:.2f} s")
    folder = stack.settings.cache_dir / aot.FOLDER
    written = "the start-up cache to be written"
    wait_until(lambda: not any(folder.glob("*.aot.*")), what=written, timeout=_TIMEOUT_S)
    return first


def _start(stack: Stack, kind: Kind) -> Start:
    engine = replace(stack.engine, use_cache=kind.cached, overlap=kind.overlap)  # type: ignore[type-var]  # a dataclass
    model = stack.model.only(stack.brokers) if kind.brokers else stack.model
    stack = replace(stack, engine=engine, model=model)
    try:
        seconds, processor = _restored(stack) if kind.restored else _timed(partial(lifecycle.up, stack))
    except BaseException:
        lifecycle.down(stack, lambda _: None)  # its data is a scratch folder's
        raise
    memory = tuple(state.memory or 0 for state in stack.engine.states(list(stack.brokers)))
    began = time.monotonic()
    lifecycle.down(stack, lambda _: None)
    return Start(kind, seconds, time.monotonic() - began, memory, processor)


def _timed(task: Callable[..., object]) -> tuple[float, float]:
    """Return how many seconds a task takes that is watched by nobody, and the processor seconds of this machine."""
    began, worked = time.monotonic(), _worked()
    task(timeout=_TIMEOUT_S, progress=lambda _: None, watch=lambda _: None)
    return time.monotonic() - began, _worked() - worked


def _worked() -> float:
    """Return the seconds that this machine's processors have worked since it was started."""
    spent = psutil.cpu_times()
    return float(sum(spent) - spent.idle - getattr(spent, "iowait", 0.0))


def _restored(stack: Stack) -> tuple[float, float]:
    """Start a stack, save it, and return what its restore takes (see _timed)."""
    store = operations.of(stack.settings)
    if _SNAPSHOT in store.names():  # of a run that was killed
        store.remove(_SNAPSHOT)
    _timed(partial(lifecycle.up, stack))
    _timed(partial(operations.save, stack, _SNAPSHOT))
    try:
        return _timed(partial(operations.restore, stack, _SNAPSHOT))
    finally:
        store.remove(_SNAPSHOT)


def summary(starts: Sequence[Start]) -> dict[str, object]:
    """Return the times by kind, the ratios of paired starts and the largest broker at rest (MiB)."""
    by_kind = _by_kind(starts, lambda start: start.seconds)
    return {
        "method": "from the call to a whole cluster of the chosen profiles, kinds in turn within each round",
        "seconds": {name: [round(each, 2) for each in values] for name, values in by_kind.items()},
        "median_seconds": _medians(by_kind),
        "median_down_seconds": _medians(_by_kind(starts, lambda start: start.down)),
        "median_processor_seconds": _medians(_by_kind(starts, lambda start: start.processor)),
        "median_ratio_with_to_without": _ratio(by_kind[EXISTING.name], by_kind[UNCACHED.name]),
        "median_ratio_overlapped_to_one_after_another": _ratio(by_kind[EXISTING.name], by_kind[IN_TURN.name]),
        "median_seconds_of_a_restore_beyond_a_start": _beyond(by_kind, RESTORED, EXISTING),
        "largest_broker_mib": max(max(start.memory) for start in starts) >> 20,
    }


def _by_kind(starts: Sequence[Start], cost: Callable[[Start], float]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for start in starts:
        found.setdefault(start.kind.name, []).append(cost(start))
    return found


def _medians(costs: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: round(statistics.median(values), 2) for name, values in costs.items()}


def rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return a line for each kind of start of a summary."""
    columns = [found[f"median_{name}"] for name in ("seconds", "processor_seconds", "down_seconds")]
    lines = []
    for kind, took in found["seconds"].items():
        median, processor, down = (f"{column[kind]:.1f}" for column in columns)
        lines.append([kind, median, f"{min(took):.1f} - {max(took):.1f}", processor, down])
    return lines


def _beyond(by_kind: Mapping[str, Sequence[float]], one: Kind, other: Kind) -> float | None:
    pairs = zip(by_kind.get(one.name, ()), by_kind[other.name], strict=False)
    return round(statistics.median(found), 2) if (found := [slow - fast for slow, fast in pairs]) else None


def _ratio(fast: Sequence[float], slow: Sequence[float]) -> float:
    return round(statistics.median(one / other for one, other in zip(fast, slow, strict=True)), 3)


def beside(checkouts: Mapping[str, Path], rounds: int, progress: Progress) -> dict[str, list[float]]:
    """Return the seconds of `./invoke up` in checkouts (one of an older commit), on existing data, in turns.

    The first two starts of each make its data and its start-up caches, and are not counted.
    """
    took: dict[str, list[float]] = {name: [] for name in checkouts}
    with TemporaryDirectory() as scratch:
        for number in range(-_UNCOUNTED, rounds):
            for name, folder in checkouts.items():
                environ = {"STACK_ENGINE": "embedded", "DEFAULT_MESSAGE_BROKER_DIR": str(Path(scratch, name))}
                up, down = (
                    processes.task_of(folder, word, timeout=_TIMEOUT_S, environ=environ).seconds
                    for word in ("up", "down")
                )
                progress(f"./invoke up {name} {up:.2f} s, its stop {down:.2f} s")
                if number >= 0:
                    took[name].append(up)
    return took


def without_caches(real: Path, folder: Path) -> None:
    """Make a folder of downloads that is another one but for the start-up caches, of which it has none yet."""
    folder.mkdir()
    for each in real.iterdir():
        if each.name != aot.FOLDER:
            (folder / each.name).symlink_to(each)


def main(argv: Sequence[str]) -> ExitCode:
    """Measure starts of the embedded engine: on new and existing data, without what makes them sooner, alone and lite.

    No other stack should run.
    """
    parser = argparse.ArgumentParser(prog="nox -s start-bench --", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="starts of each kind, in turn (default 3)")
    parser.add_argument("--profile", action="append", help="what to start (default: messaging; repeatable)")
    parser.add_argument("--than", type=Path, metavar="CHECKOUT", help="also `./invoke up` beside another commit's")
    options = parser.parse_args(argv)
    profiles = options.profile or ["messaging"]
    own = open_stack(Settings(), profiles, "embedded", console.download)
    if any(state.pid for state in own.engine.states()):
        raise StackError("stack-runs", "the stack runs; its start can't be measured", hint="./invoke down")

    with TemporaryDirectory() as scratch:
        without_caches(own.settings.cache_dir, Path(scratch, own.settings.cache_dir.name))

        def on(data: Path, lite: bool) -> Stack:
            environ = {"DEFAULT_MESSAGE_BROKER_DIR": str(data), "STACK_SIZE": "lite" if lite else "three"}
            settings = Settings(environ={**os.environ, "XDG_CACHE_HOME": scratch, **environ})
            return open_stack(settings, profiles, "embedded", console.download)

        result = {"machine": machine.describe(), **summary(measure(on, options.rounds, console.say))}
    if options.than:
        took = beside({"here": ROOT, "there": options.than.resolve()}, options.rounds, console.say)
        ratio = _ratio(took["here"], took["there"])
        result |= {"seconds_of_invoke_up": took, "median_ratio_to_the_other_checkout": ratio}
    kept = own.settings.results_dir / "start" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}" / FILE
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    console.print_table(("FIGURE", "VALUE"), result.items())
    console.say(f"kept in {kept}")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
