from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import ProducerFencedError

from backbone.stack.health import ClusterHealth, PartitionState
from backbone.stack.smoke import Readback, Record, compare, first_offsets, last_offsets, replica_report, take_back
from backbone.verdict import Line


def records(*places: tuple[int, int], tag: str = "v") -> list[Record]:
    return [Record(partition, offset, b"k%d" % index, tag.encode()) for index, (partition, offset) in enumerate(places)]


SENT = records((0, 5), (1, 2), (0, 6), (1, 3), (0, 7))


def back(read: list[Record], *, first: int = 0, position: int = 100, end: int = 100) -> Readback:
    """What a reader has that got to `position` in each partition of a log from `first` to `end`."""
    partitions = range(3)
    return Readback(read, *(dict.fromkeys(partitions, place) for place in (first, position, end)))


def failures(sent: list[Record], read: list[Record]) -> list[str]:
    return [line.text for line in compare(sent, back(read)) if not line.ok]


def test_what_comes_back_as_it_was_sent_is_good() -> None:
    by_partition = [SENT[0], SENT[2], SENT[4], SENT[1], SENT[3]]
    assert list(compare(SENT, back(by_partition))) == [
        Line("5 sent, 5 read, 0 lost, 0 altered, 0 reordered, 0 duplicated")
    ]


def test_what_is_read_back_is_all_between_the_first_and_the_last_record_of_each_partition() -> None:
    assert first_offsets(SENT) == {0: 5, 1: 2}
    assert last_offsets(SENT) == {0: 7, 1: 3}


def test_records_of_others_in_between_are_allowed() -> None:
    assert failures(SENT, [*records((0, 3), (0, 4), tag="other"), *SENT, *records((0, 8), tag="other")]) == []


@pytest.mark.parametrize(
    ("read", "words"),
    [
        ([], ["5 lost: 0@5, 1@2, 0@6 …"]),
        (SENT[1:], ["1 lost: 0@5"]),
        ([*SENT[:4], Record(0, 7, b"k4", b"other")], ["1 altered: 0@7"]),
        ([*SENT[:4], Record(0, 7, b"other", b"v")], ["1 altered: 0@7"]),
        ([SENT[2], SENT[0], SENT[4], SENT[1], SENT[3]], ["1 out of order: 0@5"]),
        ([*SENT, SENT[4]], ["1 out of order: 0@7"]),
    ],
    ids=["all lost", "one lost", "value altered", "key altered", "reordered", "twice"],
)
def test_tells_each_kind_of_difference(read: list[Record], words: list[str]) -> None:
    assert failures(SENT, read) == words


def test_tells_records_that_were_stored_in_another_order_than_they_were_sent() -> None:
    sent = [SENT[2], SENT[0], SENT[4]]
    assert failures(sent, [SENT[0], SENT[2], SENT[4]]) == ["1 not stored in the order they were sent: 0@5"]


def test_a_record_stored_twice_is_told() -> None:
    again = Record(0, 8, SENT[4].key, SENT[4].value)
    assert failures(SENT, [*SENT, again]) == ["1 stored twice: 0@8"]


def test_what_was_not_reached_is_not_called_lost() -> None:
    lines = list(compare(SENT, back(SENT[:3], position=6)))
    assert [(line.text, line.ok) for line in lines[:-1]] == [
        ("1 lost: 1@3", False),
        ("1 not reached in 30 s: 0@7", None),
    ]


def test_what_the_log_ends_before_is_lost_however_far_was_read() -> None:
    lines = list(compare(SENT, back(SENT[:4], position=7, end=7)))
    assert [(line.text, line.ok) for line in lines[:-1]] == [("1 lost: 0@7", False)]


def test_what_retention_took_is_not_called_lost() -> None:
    lines = list(compare(SENT, back(SENT[2:], first=6)))
    words = "2 removed by the retention of the topic before they were read: 0@5, 1@2"
    assert [(line.text, line.ok) for line in lines[:-1]] == [(words, None)]


@given(st.sets(st.tuples(st.integers(0, 2), st.integers(0, 20)), min_size=1), st.data())
def test_any_loss_is_found(places: set[tuple[int, int]], data: st.DataObject) -> None:
    sent = records(*sorted(places))
    kept = data.draw(st.lists(st.sampled_from(sent), unique=True).map(lambda found: sorted(found, key=sent.index)))
    lost = len(sent) - len(kept)
    told = failures(sent, kept)
    assert bool(told) == bool(lost)
    if lost:
        assert told[0].startswith(f"{lost} lost: ")


def cluster(*partitions: PartitionState, brokers: tuple[int, ...] = (1, 2, 3)) -> ClusterHealth:
    return ClusterHealth("id", 1, brokers, partitions)


def partition(number: int, replicas: tuple[int, ...], isr: tuple[int, ...], topic: str = "t") -> PartitionState:
    return PartitionState(topic, number, 1, replicas, isr, 2)


def test_full_replica_sets_are_good() -> None:
    seen = cluster(partition(0, (1, 2, 3), (3, 2, 1)), partition(1, (2, 3, 1), (1, 2, 3)))
    assert list(replica_report(seen, seen, "t")) == [Line("2 partitions × 3 replicas, all in sync")]


def test_a_single_broker_can_hold_one_replica() -> None:
    seen = cluster(partition(0, (1,), (1,)), brokers=(1,))
    assert list(replica_report(seen, seen, "t")) == [Line("1 partitions × 1 replicas, all in sync")]


@pytest.mark.parametrize(
    ("replicas", "isr"), [((1, 2), (1, 2)), ((1, 2, 3), (1, 2)), ((1, 1, 2), (1, 2))], ids=["few", "lag", "twice"]
)
def test_a_replica_too_few_or_out_of_sync_is_told(replicas: tuple[int, ...], isr: tuple[int, ...]) -> None:
    seen = cluster(partition(4, replicas, isr))
    told = list(replica_report(seen, seen, "t"))
    assert told[0].text.startswith("partition 4: replicas")
    assert not told[0].ok


def test_a_topic_that_is_not_there_proves_nothing() -> None:
    seen = cluster(partition(0, (1, 2, 3), (1, 2, 3), topic="other"))
    assert next(replica_report(seen, seen, "t")).ok is False


def test_a_broker_that_came_meanwhile_makes_no_replica_missing() -> None:
    before = cluster(brokers=(1, 2))
    seen = cluster(partition(0, (1, 2), (1, 2)))
    assert [line.ok for line in replica_report(before, seen, "t")] == [None]


class Transaction:
    """A producer in a transaction, which the brokers may have ended before it does."""

    def __init__(self, *, fenced: bool) -> None:
        self.fenced = fenced

    def abort_transaction(self) -> None:
        if self.fenced:
            raise ProducerFencedError


@pytest.mark.parametrize(("fenced", "words"), [(False, "aborted"), (True, "brokers have aborted")])
def test_records_are_taken_back_by_us_or_by_the_brokers(fenced: bool, words: str) -> None:
    assert words in take_back(Transaction(fenced=fenced))
