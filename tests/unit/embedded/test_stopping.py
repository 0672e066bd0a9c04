from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from scripts.engine.embedded.stopping import Leaving, await_ends
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(120)"
)


class Children:
    """Real processes: one that does not hear SIGTERM, and some that have ended."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []

    def stubborn(self) -> psutil.Process:
        child = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
        self.started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        child.terminate()
        return psutil.Process(child.pid)

    def ended(self) -> psutil.Process:
        child = subprocess.Popen(["sleep", "120"])
        found = psutil.Process(child.pid)
        child.kill()
        child.wait()
        return found


@pytest.fixture
def children() -> Iterator[Children]:
    made = Children()
    yield made
    for child in made.started:
        child.kill()
        child.communicate()


def test_those_that_have_ended_take_no_time(children: Children) -> None:
    said: list[str] = []
    clock = FakeClock()
    await_ends([Leaving("a", children.ended(), 90), Leaving("b", children.ended(), 90)], said.append, clock)
    assert (said, clock.now()) == ([], 0)


def real_time_after_the_kill(found: psutil.Process, grace: float) -> FakeClock:
    """Return a clock whose pauses, once the grace is over, let a killed process end."""

    def pause(now: float) -> None:
        if now > grace:
            found.wait(30)

    return FakeClock(during=pause)


def test_one_that_does_not_stop_in_its_grace_is_killed_and_that_is_said(children: Children) -> None:
    said: list[str] = []
    found = children.stubborn()
    clock = real_time_after_the_kill(found, 10.1)
    await_ends([Leaving("kafka-1", found, 10)], said.append, clock)
    assert [text.partition(" did not stop in ")[0] for text in said] == ["kafka-1"]
    assert clock.now() == pytest.approx(10, abs=0.3)
    assert not found.is_running()


def test_one_whose_peers_have_all_ended_gets_only_the_time_of_the_lonely(children: Children) -> None:
    said: list[str] = []
    found = children.stubborn()
    clock = real_time_after_the_kill(found, 2.1)
    last = Leaving("kafka-3", found, 90, frozenset({"kafka-1"}), alone=2)
    await_ends([Leaving("kafka-1", children.ended(), 90), last], said.append, clock)
    assert len(said) == 1
    assert clock.now() == pytest.approx(2, abs=0.3)
