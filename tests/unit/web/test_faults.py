"""The fault of the moment, as the journal of a run tells it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from backbone.failover.entries import FaultBegun, Healed, Proved, Recovered
from backbone.failover.journal import Journal
from backbone.web.faults import Moment, moment

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.failover.entries import Event

S = 10**9
KILL = FaultBegun(3, "kill", "leader (broker 2)", [2], quorum_lost=False)
PAUSE = FaultBegun(2, "pause", "follower", [1], quorum_lost=False)
WORDS = "kill of leader (broker 2)"


def journal(results: Path, *events: Event, name: str = "20260131-120000", end: bool = False) -> Path:
    """Write a run's journal, an event a second from second 0 on."""
    folder = results / "failover" / name / "run-1"
    folder.mkdir(parents=True)
    written = Journal(folder / "run.jsonl")
    for second, event in enumerate(events):
        written.write(event, second * S)
    if end:
        written.close()
    os.utime(folder / "run.jsonl", (1000, 1000))
    return folder


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ((), None),
        ((KILL,), Moment(3, WORDS, 5.0, healed=False)),
        ((KILL, Proved(3, holds=True, evidence="gone")), Moment(3, WORDS, 5.0, healed=False)),
        ((KILL, Proved(3, holds=True, evidence="gone"), Healed(3)), Moment(3, WORDS, 5.0, healed=True)),
        ((KILL, Healed(3), Recovered(3)), None),
        (
            (FaultBegun(2, "pause", "follower", [1], quorum_lost=False), Healed(2), KILL),
            Moment(3, WORDS, 3.0, healed=False),
        ),
    ],
)
def test_the_fault_that_goes_on_is_the_last_one_begun(
    tmp_path: Path, events: tuple[Event, ...], found: Moment | None
) -> None:
    journal(tmp_path, *events)
    assert moment(tmp_path, 5 * S, 1001) == found


def test_no_run_no_fault(tmp_path: Path) -> None:
    assert moment(tmp_path, 5 * S, 1001) is None


def test_a_run_that_ended_or_was_killed_has_no_fault(tmp_path: Path) -> None:
    journal(tmp_path / "ended", KILL, end=True)
    journal(tmp_path / "killed", KILL)
    assert moment(tmp_path / "ended", 5 * S, 1001) is None
    assert moment(tmp_path / "killed", 5 * S, 1021) is None
    assert moment(tmp_path / "killed", 5 * S, 1019) is not None


def test_a_run_whose_observer_still_writes_goes_on(tmp_path: Path) -> None:
    folder = journal(tmp_path, KILL)
    (folder / "observer.jsonl").write_text("", encoding="utf-8")
    os.utime(folder / "observer.jsonl", (1100, 1100))
    assert moment(tmp_path, 5 * S, 1101) is not None


def test_a_line_that_is_half_written_is_no_event(tmp_path: Path) -> None:
    folder = journal(tmp_path, KILL)
    with (folder / "run.jsonl").open("a") as file:
        file.write('["heal", 3')
    os.utime(folder / "run.jsonl", (1000, 1000))
    found = moment(tmp_path, 5 * S, 1001)
    assert found is not None
    assert not found.healed
