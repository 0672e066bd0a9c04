"""What somebody else did to a cluster, seen in the metadata."""

from __future__ import annotations

from dataclasses import replace

from backbone.failover.history import BrokersView, ControllerView, PartitionView
from backbone.failover.observed import changes, observed
from backbone.failover.result import summarize
from tests.unit.failover.samples import SOUND
from tests.unit.failover.test_stalls import MS, outage


def test_an_absence_is_a_fault() -> None:
    (fault,) = observed(outage())
    assert (fault.nodes, fault.begun, fault.healed) == ((1,), 500 * MS, 800 * MS)


def test_what_a_broker_says_of_itself_is_not_counted() -> None:
    views = [BrokersView(1, "2#1", (1, 2, 3)), BrokersView(2, "1#1", (2, 3)), BrokersView(3, "2#1", (1, 2, 3))]
    assert observed(replace(SOUND, brokers=views)) == ()


def test_two_absences_and_one_without_an_end() -> None:
    views = [BrokersView(at, "3#1", alive) for at, alive in enumerate([(1, 2, 3), (2, 3), (1, 2, 3), (1, 3), (3,)])]
    found = [
        (fault.number, fault.nodes, fault.begun, fault.healed) for fault in observed(replace(SOUND, brokers=views))
    ]
    assert found == [(1, (1,), 1, 2), (2, (2,), 3, None), (3, (1,), 4, None)]


def test_brokers_that_hear_of_it_one_after_another_make_one_absence() -> None:
    told = [
        ("1#1", (1, 2, 3)),
        ("1#1", (1, 2)),
        ("2#1", (1, 2, 3)),
        ("2#1", (1, 2)),
        ("1#1", (1, 2, 3)),
        ("2#2", (1, 2, 3)),
    ]
    views = [BrokersView(at, source, alive) for at, (source, alive) in enumerate(told)]
    assert [(fault.begun, fault.healed) for fault in observed(replace(SOUND, brokers=views))] == [(1, 5)]


def test_one_that_did_not_come_back_leaves_a_doubt() -> None:
    views = [BrokersView(1, "2#1", (1, 2, 3)), BrokersView(2, "2#1", (2, 3))]
    history = replace(SOUND, brokers=views)
    report = summarize("watch", replace(history, faults=observed(history)), {})
    assert report["verdict"] == "unknown"
    assert "never healed" in report["doubts"][0]


def test_changes_are_counted_while_records_are_sent() -> None:
    def seen(at: int, leader: int, epoch: int, *isr: int, source: str = "1#1") -> PartitionView:
        return PartitionView(at * MS, source, 0, leader, epoch, isr)

    moved = replace(
        SOUND,
        controllers=[ControllerView(at * MS, "1#1", at % 3, at) for at in (1, 2, 3, 500)],
        partitions=[
            *(seen(1, 1, 4, 1, 2, 3), seen(2, 1, 4, 1, 2), seen(3, 2, 5, 1, 2), seen(4, 2, 6, 1, 2, 3)),
            *(seen(2, 1, 4, 1, 2, 3, source="2#1"), seen(5, 2, 6, 1, 2, 3, source="2#1"), seen(500, 3, 7, 3)),
        ],
    )
    assert changes(moved) == {"controller_elections": 2, "leader_moves": 1, "isr_shrinks": 1}
    assert set(changes(SOUND).values()) == {0}
