from __future__ import annotations

import signal
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.stack import lifecycle
from backbone.stack.engine.base import ServiceState
from backbone.stack.lifecycle import Snapshot
from backbone.stack.settings import Settings
from tests.fakes import PLAIN, FakeClock, FakeEngine, model, stack

if TYPE_CHECKING:
    from pathlib import Path

TWO = model(a=PLAIN, b=PLAIN)
MIXED = model(a=PLAIN, docker={"image": "x"})


@dataclass
class Seen:
    """Keeps what was shown and said."""

    shown: list[Snapshot] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def watch(self, snapshot: Snapshot) -> None:
        self.shown.append(snapshot)


@pytest.fixture
def seen() -> Seen:
    return Seen()


def up(root: Path, engine: FakeEngine, seen: Seen, *, wait: bool = True) -> Snapshot:
    return lifecycle.up(
        stack(root, engine), timeout=60, progress=seen.said.append, watch=seen.watch, wait=wait, clock=FakeClock()
    )


def test_starts_all_and_waits_until_all_are_healthy(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO)
    snapshot = up(tmp_path, engine, seen)
    assert engine.done == ["start a", "start b"]
    assert snapshot.ready
    assert [one.ready for one in seen.shown] == [False, False, True]
    assert snapshot.waited == pytest.approx(0.2)


def test_a_stack_that_runs_costs_one_look(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9, "b": 9})
    assert up(tmp_path, engine, seen).waited == 0
    assert engine.done == []
    assert len(seen.shown) == 1


def test_an_address_that_nobody_reaches_is_waited_for(tmp_path: Path, seen: Seen) -> None:
    assert up(tmp_path, FakeEngine(TWO, needs=0, cut=["a"]), seen).ready
    assert [one.missing for one in seen.shown] == ["a", ""]


def test_completes_a_stack_that_runs_by_half(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9})
    assert up(tmp_path, engine, seen).ready
    assert engine.done == ["start b"]


def test_returns_once_started_when_nobody_waits(tmp_path: Path, seen: Seen) -> None:
    snapshot = up(tmp_path, FakeEngine(TWO), seen, wait=False)
    assert not snapshot.ready
    assert seen.shown == []


def test_a_service_that_this_engine_cannot_run_keeps_nobody_waiting(tmp_path: Path, seen: Seen) -> None:
    assert up(tmp_path, FakeEngine(MIXED), seen).ready


def test_nothing_to_start_is_told(tmp_path: Path, seen: Seen) -> None:
    with pytest.raises(StackError) as caught:
        up(tmp_path, FakeEngine(model()), seen)
    assert (caught.value.reference, caught.value.exit_code) == ("nothing-to-start", ExitCode.NOTHING)


def test_nothing_is_started_when_the_checks_before_it_fail(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, refuses=StackError("port-in-use", "9092"))
    with pytest.raises(StackError, match="port-in-use"):
        up(tmp_path, engine, seen)
    assert engine.done == []


def test_fails_as_soon_as_a_service_ends_and_shows_its_log(tmp_path: Path, seen: Seen) -> None:
    with pytest.raises(StackError) as caught:
        up(tmp_path, FakeEngine(TWO, dying=frozenset("b")), seen)
    error = caught.value
    assert (error.reference, error.exit_code) == ("service-died", ExitCode.ENVIRONMENT)
    assert error.message == "b ended while the stack was starting (exit code 3)"
    assert error.context == "b: ERROR the disk is on fire"
    assert error.hint == "./invoke logs b --tail 200"
    assert len(seen.shown) == 2


def test_gives_up_in_time_and_says_what_each_service_does(tmp_path: Path, seen: Seen) -> None:
    with pytest.raises(StackError) as caught:
        up(tmp_path, FakeEngine(TWO, needs=10**9), seen)
    error = caught.value
    assert (error.reference, error.exit_code) == ("not-ready", ExitCode.TIMEOUT)
    assert "60 s" in error.message
    assert [line.split()[:2] for line in str(error.context).splitlines()] == [["a:", "starting"], ["b:", "starting"]]
    assert "--timeout" in str(error.hint)
    assert seen.shown[-1].waited >= 60


def test_an_interrupt_stops_what_was_started_and_nothing_else(tmp_path: Path, seen: Seen) -> None:
    def interrupt(snapshot: Snapshot) -> None:
        raise KeyboardInterrupt

    engine = FakeEngine(TWO, looks={"a": 9})
    with pytest.raises(KeyboardInterrupt):
        lifecycle.up(stack(tmp_path, engine), timeout=9, progress=seen.said.append, watch=interrupt)
    assert engine.done == ["start b", "stop b"]
    assert set(engine.looks) == {"a"}


def test_an_interrupt_leaves_alone_what_somebody_had_paused(tmp_path: Path, seen: Seen) -> None:
    def interrupt(snapshot: Snapshot) -> None:
        raise KeyboardInterrupt

    engine = FakeEngine(TWO, looks={"a": 9})
    engine.signal("a", signal.SIGSTOP)
    with pytest.raises(KeyboardInterrupt):
        lifecycle.up(stack(tmp_path, engine), timeout=9, progress=seen.said.append, watch=interrupt)
    assert set(engine.looks) == {"a"}


def test_down_stops_and_keeps_the_data(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9, "b": 9}, data={"a", "b"})
    lifecycle.down(stack(tmp_path, engine), seen.said.append)
    assert engine.done == ["stop a", "stop b"]
    assert engine.data == {"a", "b"}


def test_nuke_stops_before_it_removes(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9}, data={"a", "b"})
    lifecycle.nuke(stack(tmp_path, engine), seen.said.append)
    assert (engine.looks, engine.data) == ({}, set())
    assert seen.said == ["stopping a", "removing"]


def test_restart_touches_one_service_and_waits_for_all(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9, "b": 9})
    snapshot = lifecycle.restart(
        stack(tmp_path, engine), "b", timeout=9, progress=seen.said.append, watch=seen.watch, clock=FakeClock()
    )
    assert engine.done == ["stop b", "start b"]
    assert snapshot.ready
    assert snapshot.waited > 0


def test_restart_of_an_unknown_service_stops_nothing(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9})
    with pytest.raises(StackError, match="unknown-service"):
        lifecycle.restart(stack(tmp_path, engine), "c", timeout=9, progress=seen.said.append, watch=seen.watch)
    assert engine.done == []


def test_a_second_task_says_that_it_waits_and_then_goes_on(tmp_path: Path) -> None:
    settings = Settings(tmp_path, {})
    waits = threading.Event()
    order: list[str] = []

    def told(text: str) -> None:
        order.append(text)
        waits.set()

    def second() -> None:
        with lifecycle.exclusive(settings, told):
            order.append("second")

    with lifecycle.exclusive(settings, order.append):
        other = threading.Thread(target=second)
        other.start()
        assert waits.wait(30)
        order.append("first")
    other.join(30)
    assert order == [
        "another task is starting or stopping this stack; waiting for it",
        "first",
        "second",
    ]


def test_the_lock_is_given_back_after_a_failure(tmp_path: Path) -> None:
    settings = Settings(tmp_path, {})
    said: list[str] = []
    with pytest.raises(StackError), lifecycle.exclusive(settings, said.append):
        raise StackError("service-died", "gone")
    with lifecycle.exclusive(settings, said.append):
        assert said == []


def test_a_snapshot_is_ready_when_nothing_is_missing() -> None:
    healthy = ServiceState("a", "running", health="healthy")
    starting = ServiceState("b", "starting", health="starting")
    absent = ServiceState("c", "unavailable")
    assert Snapshot((healthy, absent), "", 0).ready
    assert not Snapshot((healthy, starting), "", 0).ready
    assert not Snapshot((healthy,), "no active controller", 0).ready


def test_what_an_up_of_fewer_profiles_leaves_running_is_named(tmp_path: Path) -> None:
    engine = FakeEngine(model(a=PLAIN, b=PLAIN, c=PLAIN), looks={"a": 9, "b": 9})
    assert lifecycle.beside(stack(tmp_path, engine)) == []
    assert lifecycle.beside(replace(stack(tmp_path, engine), model=engine.model.only({"a"}))) == ["b"]
