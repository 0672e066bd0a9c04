"""The course of histories whose time lines can be drawn on paper."""

from __future__ import annotations

from dataclasses import replace

from backbone.failover.course import course
from backbone.failover.history import ControllerView
from tests.unit.failover.samples import MS, SOUND, view
from tests.unit.failover.test_stalls import outage


def test_a_history_without_a_record_has_none() -> None:
    assert course(replace(SOUND, sends=())) is None


def test_an_outage_is_a_standstill_of_writes_and_of_reads() -> None:
    found = course(outage(silent_from=200, silent_to=800))
    assert found is not None
    assert found["no_writes"] == [[191, 800]]
    assert found["no_reads"] == [[193, 802]]
    assert found["faults"] == [[100, 700, 1]]
    assert found["acknowledged"] == [100]


def test_a_pause_shorter_than_a_standstill_is_none() -> None:
    found = course(outage(silent_from=200, silent_to=600))
    assert found is not None
    assert found["no_writes"] == found["no_reads"] == []


def test_a_partition_that_never_took_a_record_stood_still_all_the_time() -> None:
    history = outage()
    found = course(replace(history, terms=replace(history.terms, partitions=2)))
    assert found is not None
    assert found["no_writes"] == [[0, found["ms"]]]


def test_leaders_follow_the_newest_epoch_and_not_a_broker_that_lags() -> None:
    views = (
        view(0, 1, 2, 3, leader=1, epoch=1, source="1#1"),
        view(300, 2, 3, leader=2, epoch=2, source="2#1"),
        view(310, 1, 2, 3, leader=1, epoch=1, source="3#1"),  # it has not heard yet
        view(600, 1, 2, 3, leader=2, epoch=2, source="2#1"),
    )
    found = course(replace(outage(), partitions=views))
    assert found is not None
    assert found["leaders"] == [[[0, 300, 1], [300, found["ms"], 2]]]
    assert found["in_sync"] == [[[0, 300, 3], [300, 600, 2], [600, found["ms"], 3]]]


def test_what_held_before_the_first_record_holds_at_the_beginning_and_nothing_after_the_last_counts() -> None:
    controllers = [ControllerView(at * MS, "1#1", leader, leader) for at, leader in ((-500, 1), (-400, 2), (5000, 3))]
    found = course(replace(outage(), controllers=controllers))
    assert found is not None
    assert found["controllers"] == [[0, found["ms"], 2]]


def test_the_fence_is_no_part_of_it() -> None:
    found = course(SOUND)
    assert found is not None
    assert found["ms"] == 21
    assert found["acknowledged"] == [3]
