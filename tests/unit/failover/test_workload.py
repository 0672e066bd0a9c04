"""Processes of a run: ended by the end of their input, excused when they were killed, missed when they died."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.errors import StackError
from backbone.failover.journal import Journal, load
from backbone.failover.workload import Workload
from backbone.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    """Return one whose observer has nobody to observe: a real process that ends when its input does."""
    journal = Journal(tmp_path / "run.jsonl")
    return Workload(tmp_path, journal, "00" * 16, "t", "g", ("127.0.0.1:1",), {}, 3, 300.0, 100)


def wait_for_journal(workload: Workload) -> None:
    """Wait until the observer has begun to write down what it does."""
    wait_until((workload.folder / f"{workload.processes['observer'].name}.jsonl").exists, what="journal", timeout=60)


def test_a_process_ends_with_its_input_and_a_whole_journal(workload: Workload) -> None:
    workload.start("observer")
    wait_for_journal(workload)
    workload.end("observer")
    workload.journal.close()
    assert load(workload.folder).truncated == ()


def test_a_killed_one_is_excused_and_its_successor_has_a_new_name(workload: Workload) -> None:
    workload.start("observer")
    wait_for_journal(workload)
    assert workload.kill("observer") == -9
    workload.start("observer")
    wait_for_journal(workload)
    workload.end("observer")
    workload.journal.close()
    assert load(workload.folder).truncated == ()
    assert {path.stem for path in workload.folder.glob("observer*.jsonl")} == {"observer-0.0", "observer-0.1"}


def test_one_that_dies_is_missed_with_its_last_words(workload: Workload) -> None:
    workload.start("observer")
    wait_for_journal(workload)
    workload.require_alive()
    (workload.folder / "observer-0.0.log").write_text("out of memory")
    workload.processes["observer"].popen.kill()
    workload.processes["observer"].popen.wait()
    with pytest.raises(StackError, match="ended with status -9") as caught:
        workload.require_alive()
    assert caught.value.context == "out of memory"
    with pytest.raises(StackError, match="ended with status -9"):
        workload.end("observer")
    assert workload.processes == {}


def test_one_that_does_not_come_to_its_point_is_quoted(workload: Workload) -> None:
    workload.start("observer")
    wait_for_journal(workload)
    (workload.folder / "observer-0.0.jsonl").write_text('["begin"]\n["assign",[]]\n')
    with pytest.raises(StackError, match="waited 0 s for 1 × deliver") as caught:
        workload.wait_for("observer", "deliver", timeout=0.0)
    assert '["assign",[]]' in str(caught.value.context)
    workload.abandon()


def test_nothing_is_left_behind(workload: Workload) -> None:
    workload.start("observer")
    process = workload.processes["observer"].popen
    workload.abandon()
    assert process.poll() is not None
    assert workload.processes == {}


def test_what_we_ended_did_not_die(workload: Workload) -> None:
    workload.start("observer")
    wait_for_journal(workload)
    workload.abandon()
    workload.journal.close()
    assert load(workload.folder).truncated == ()


def test_what_had_died_before_we_came_to_end_it_is_not_excused(workload: Workload) -> None:
    workload.start("observer")
    wait_for_journal(workload)
    workload.processes["observer"].popen.terminate()
    workload.processes["observer"].popen.wait()
    workload.abandon()
    workload.journal.close()
    assert load(workload.folder).truncated == ("observer-0.0",)


def test_until_when_one_worked_is_written_down_when_it_has_ended(workload: Workload) -> None:
    workload.start("observer")
    wait_for_journal(workload)
    assert load(workload.folder).watched == {}
    workload.end("observer")
    assert set(load(workload.folder).watched) == {"observer"}
