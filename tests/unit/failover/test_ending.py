"""Whatever ends a run early: it is written down with its remedy, and the history is judged as what it is."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, cast

import pytest

from backbone.errors import StackError
from backbone.failover.campaign import attempt
from backbone.failover.journal import Journal, load
from backbone.failover.run import Run, Settings, guarded
from backbone.failover.verdict import judge
from backbone.wait import asleep
from tests.unit.failover.fakes import NODES, SESSION, FakeClock, FakeEngine, FakeWorkload, target

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.failover.workload import Workload

ENDS = {
    "the keyboard": (KeyboardInterrupt(), "interrupted by Ctrl-C; run it again"),
    "a pipeline that gives up": (KeyboardInterrupt("SIGTERM"), "interrupted by SIGTERM; run it again"),
    "a full disk": (OSError(28, "No space left on device", "/data/run.jsonl"), "/data/run.jsonl could not be written"),
    "a worker that died": (
        StackError("workload-failed", "producer-0.0 ended with status 1", context="Traceback\nMemoryError"),
        "workload-failed: producer-0.0 ended with status 1 (MemoryError); look with ./invoke status",
    ),
    "a request": (
        StackError("no-broker", "no broker answers at a:1", hint="./invoke status\n./invoke up"),
        "no-broker: no broker answers at a:1; look with ./invoke status and ./invoke up, then run it again",
    ),
    "a mistake of ours": (KeyError(0), "an error of the verifier itself (KeyError: 0); report it"),
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    engine = FakeEngine(FakeClock(), tmp_path)
    folder = tmp_path / "history"
    folder.mkdir()
    settings = Settings(folder, dict.fromkeys(NODES, ""), SESSION)
    journal = Journal(folder / "run.jsonl")
    workload = cast("Workload", FakeWorkload())
    return Run(settings, target(engine), workload, journal, lambda _: None, engine.clock, slept=lambda: 0.0)


def ended(run: Run, error: BaseException) -> BaseException | None:
    """Let an error end a run."""

    def work() -> None:
        with guarded(run):
            raise error

    return attempt(run, work)


@pytest.mark.parametrize("name", ENDS)
def test_it_is_unknown_and_the_reason_comes_first(run: Run, name: str) -> None:
    error, words = ENDS[name]
    engine = cast("FakeEngine", run.target.engine_stack.engine)
    engine.phases |= {"kafka-1": "paused", "kafka-2": "exited"}
    assert ended(run, error) is error
    assert set(engine.phases.values()) == {"running"}
    assert run.workload.processes == {}
    verdict = judge(load(run.settings.folder))
    assert verdict.answer == "unknown"
    assert verdict.doubts[0].startswith("the run stopped early: ")
    assert words in verdict.doubts[0]
    assert not any("died" in doubt or "no end" in doubt for doubt in verdict.doubts)


def test_where_a_mistake_of_ours_was_made_is_kept(run: Run) -> None:
    ended(run, KeyError(0))
    assert "KeyError: 0" in (run.settings.folder / "error.txt").read_text()


def test_a_disk_that_takes_no_more_does_not_hinder_the_clearing_up(run: Run) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, run.journal._file)  # noqa: SLF001 - the only way to a disk that is full now
    os.close(full)
    assert ended(run, KeyboardInterrupt()) is not None
    assert run.workload.processes == {}
    assert load(run.settings.folder).truncated == ("run",)


def test_a_machine_that_slept_says_so_first(run: Run) -> None:
    readings = iter((10.0, 322.4))
    run.slept = lambda: next(readings)
    assert isinstance(ended(run, StackError("timed-out", "waited 60 s")), StackError)
    doubts = judge(load(run.settings.folder)).doubts
    assert doubts[0].startswith("the machine was asleep for 312 s")
    assert doubts[1].startswith("the run stopped early: timed-out: waited 60 s")


def test_a_run_that_came_to_its_end_did_not_stop(run: Run) -> None:
    def work() -> None:
        with guarded(run):
            pass

    assert attempt(run, work) is None
    history = load(run.settings.folder)
    assert (history.stopped, history.slept, history.truncated) == ("", 0.0, ())


def test_a_machine_that_is_awake_does_not_fall_asleep_meanwhile() -> None:
    before = asleep()
    time.monotonic()
    assert asleep() - before == pytest.approx(0, abs=0.5)
