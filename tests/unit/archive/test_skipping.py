"""Skipping a record by hand: it is copied first, the sink goes on behind it, and nothing else is passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.errors import StackError
from backbone.events import skipping
from backbone.events.connectors.files import Connector
from backbone.events.connectors.worker import Worker
from backbone.events.dead_letters import Place
from tests.servers.connect import SINK, FakeWorker
from tests.servers.http import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTOR = Connector("archive", "", optional=False, config={"connector.class": SINK, "topics": "t"})
STUCK = skipping.Stuck(Place("t", 0, 42), "SQLError: no")


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def fake() -> FakeWorker:
    made = FakeWorker()
    made.configs["archive"] = dict(CONNECTOR.config)
    made.poison = ("t", 0, 42)
    made.committed = {("t", 0): 17, ("t", 1): 5}
    return made


@pytest.fixture
def worker(fake: FakeWorker) -> Iterator[Worker]:
    with serve(fake) as url:
        yield Worker(url, clock=Clock())


def behind_marks(offset: int) -> int:
    """Return where the next record lies: at 41 there is a transaction's mark."""
    return 42 if offset == 41 else offset


def skip(worker: Worker, fake: FakeWorker, log: list[dict[tuple[str, int], int]]) -> bool:
    return skipping.skip(
        CONNECTOR, STUCK, worker, lambda: log.append(dict(fake.committed)), behind_marks, timeout=60, clock=Clock()
    )


def test_where_it_is_stuck_is_found_in_its_trace_or_given(worker: Worker) -> None:
    assert skipping.find("archive", worker) == STUCK
    assert skipping.find("archive", worker, "t-0@7").place == Place("t", 0, 7)
    with pytest.raises(StackError, match="bad-place"):
        skipping.find("archive", worker, "seven")


def test_one_that_runs_has_nothing_to_skip(worker: Worker, fake: FakeWorker) -> None:
    fake.poison = None
    with pytest.raises(StackError, match="nothing-to-skip"):
        skipping.find("archive", worker)
    fake.committed["t", 0] = 43
    assert not skip(worker, fake, [])
    assert fake.configs["archive"] == CONNECTOR.config


def test_the_copy_is_made_at_the_very_offset_and_the_sink_goes_on_behind_it(worker: Worker, fake: FakeWorker) -> None:
    log: list[dict[tuple[str, int], int]] = []
    assert skip(worker, fake, log)
    assert log == [{("t", 0): 42, ("t", 1): 5}]
    assert fake.committed == {("t", 0): 43, ("t", 1): 5}
    assert fake.configs["archive"] == CONNECTOR.config
    assert fake.stopped == set()


def test_a_mark_of_a_transaction_before_the_record_is_no_other_record(worker: Worker, fake: FakeWorker) -> None:
    fake.committed["t", 0] = 41
    assert skip(worker, fake, [])
    assert fake.committed["t", 0] == 43


def test_a_sink_that_stands_elsewhere_is_not_moved(worker: Worker, fake: FakeWorker) -> None:
    fake.stopped.add("archive")
    with pytest.raises(StackError, match="not-there"):
        skip(worker, fake, [])
    assert fake.committed["t", 0] == 17


def test_nothing_moves_when_the_copy_fails_and_a_second_try_goes_on(worker: Worker, fake: FakeWorker) -> None:
    def refused() -> None:
        raise StackError("not-sent", "no broker")

    with pytest.raises(StackError, match="not-sent"):
        skipping.skip(CONNECTOR, STUCK, worker, refused, behind_marks, timeout=60, clock=Clock())
    assert fake.committed["t", 0] == 42
    assert skip(worker, fake, [])
    assert fake.committed["t", 0] == 43


def test_one_that_was_killed_while_the_sink_was_stopped_goes_on(worker: Worker, fake: FakeWorker) -> None:
    fake.stopped.add("archive")
    fake.committed["t", 0] = 42
    assert skipping.find("archive", worker, "t-0@42").place == Place("t", 0, 42)
    assert skip(worker, fake, [])
    assert fake.stopped == set()
