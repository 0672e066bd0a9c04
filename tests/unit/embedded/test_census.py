"""Stacks of this machine, found by what their processes carry: which there are, and stopping those that are lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from backbone.stack.engine.embedded import census, process
from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def run() -> Iterator[Callable[[Path, str], subprocess.Popen[bytes]]]:
    """Start something that sleeps, as a service of the stack in a folder."""
    started = []

    def start(folder: Path, service: str) -> subprocess.Popen[bytes]:
        environ = {**os.environ, process.OWNER: f"{folder}::{service}"}
        argv = [sys.executable, "-Sc", "import time; time.sleep(60)"]
        started.append(subprocess.Popen(argv, env=environ, start_new_session=True))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


def mine(folder: Path) -> list[census.Found]:
    return [found for found in census.find() if found.folder.is_relative_to(folder)]


def test_every_stack_is_told_with_its_services_its_age_and_its_memory(
    tmp_path: Path, run: Callable[[Path, str], subprocess.Popen[bytes]]
) -> None:
    (tmp_path / "here").mkdir()
    run(tmp_path / "here", "kafka-2")
    oldest = psutil.Process(run(tmp_path / "here", "kafka-1").pid).create_time()
    lost = run(tmp_path / "a folder::with odd letters", "kafka-1")
    wait_until(lambda: len(mine(tmp_path)) == 2, what="two stacks", timeout=10)
    gone, here = mine(tmp_path)
    assert (gone.folder, gone.services, gone.pids, gone.gone) == (
        tmp_path / "a folder::with odd letters",
        ("kafka-1",),
        (lost.pid,),
        True,
    )
    assert (here.services, here.gone) == (("kafka-1", "kafka-2"), False)
    assert here.since <= oldest
    assert here.memory > 1 << 20


def test_the_lost_are_stopped_also_paused_ones_and_nobody_else(
    tmp_path: Path, run: Callable[[Path, str], subprocess.Popen[bytes]]
) -> None:
    (tmp_path / "here").mkdir()
    stays = run(tmp_path / "here", "kafka-1")
    one, two = (run(tmp_path / "gone", f"kafka-{number}") for number in (1, 2))
    two.send_signal(signal.SIGSTOP)
    wait_until(lambda: len(mine(tmp_path)) == 2, what="two stacks", timeout=10)
    assert set(census.stop(each for each in mine(tmp_path) if each.gone)) == {one.pid, two.pid}
    assert (one.wait(), two.wait()) == (-signal.SIGTERM, -signal.SIGTERM)
    assert stays.poll() is None


def test_a_number_that_is_another_process_by_now_is_left_alone(
    tmp_path: Path, run: Callable[[Path, str], subprocess.Popen[bytes]]
) -> None:
    other = run(tmp_path / "other", "kafka-1")
    assert census.stop([census.Found(tmp_path / "gone", ("kafka-1",), (other.pid,), 0.0, 0)]) == []
    assert other.poll() is None
