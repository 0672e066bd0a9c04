"""What producer and consumer note of their library's answers: certainty only where there is some."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from kafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    LogTruncationError,
    NodeNotReadyError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)
from kafka.structs import OffsetAndMetadata, TopicPartition

from backbone import clients
from backbone.failover import payload
from backbone.failover.consumer import Reader, Sessions
from backbone.failover.history import Record
from backbone.failover.journal import Journal, load
from backbone.failover.producer import Writer, produce
from backbone.kafka_network import NetClient
from examples import event_service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kafka.net.compat import KafkaNetClient

    from backbone.failover.history import History

RUN = bytes(16)


class Metadata(NamedTuple):
    """What a future of kafka-python resolves to, as far as we look at it."""

    offset: int


class Message(NamedTuple):
    """What poll() of kafka-python returns, as far as we look at it."""

    partition: int
    offset: int
    value: bytes


class FakeFuture:
    """Answers at once, in the way it was made to."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def add_callback(self, note: Callable[[Any], None]) -> None:
        if not isinstance(self._answer, Exception | None):
            note(self._answer)

    def add_errback(self, note: Callable[[Any], None]) -> None:
        if isinstance(self._answer, Exception):
            note(self._answer)


class FakeProducer:
    """Gives the answers it was told to, one a send; an exception in a list is raised by send() itself."""

    def __init__(self, answers: list[Any]) -> None:
        self._answers = iter(answers)
        self.sent: list[tuple[int, bytes]] = []

    def send(self, _: str, value: bytes, *, partition: int) -> FakeFuture:
        answer = next(self._answers)
        if isinstance(answer, list):
            raise answer[0]
        self.sent.append((partition, value))
        return FakeFuture(answer)


def written(folder: Path, answers: list[Any], partitions: list[int]) -> tuple[History, FakeProducer]:
    producer, journal = FakeProducer(answers), Journal(folder / "producer.jsonl")
    writer = Writer(producer, journal, name="p", topic="t", run=RUN, size=100)
    for partition in partitions:
        writer.send(partition, 5)
    journal.close()
    return load(folder), producer


def test_outcomes(tmp_path: Path) -> None:
    answers = [Metadata(3), Metadata(-1), KafkaTimeoutError("expired"), [KafkaTimeoutError("no metadata")], None]
    history, _ = written(tmp_path, answers, [0] * 5)
    assert [(send.outcome, send.offset) for send in history.sends] == [
        ("ok", 3),
        ("ok", None),  # a recognised duplicate: written, at an offset that was not told
        ("info", None),
        ("fail", None),
        ("info", None),
    ]
    assert history.sends[2].error.startswith("KafkaTimeoutError")


def test_records_are_numbered_in_each_partition(tmp_path: Path) -> None:
    history, producer = written(tmp_path, [Metadata(n) for n in range(4)], [0, 1, 0, 1])
    assert [send.record for send in history.sends] == [Record("p", k, n) for n in (1, 2) for k in (0, 1)]
    told = [payload.decode(value, RUN) for _, value in producer.sent]
    assert [one and one.record for one in told] == [send.record for send in history.sends]


def test_the_call_is_noted_before_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):  # what the library should never raise
        written(tmp_path, [[ZeroDivisionError()]], [0])
    assert [(send.outcome, send.completed) for send in load(tmp_path).sends] == [("info", None)]


def test_the_schedule_does_not_wait_for_answers() -> None:
    stop, due = threading.Event(), list[int]()

    class Recorder:
        def send(self, _: int, intended: int) -> None:
            due.append(intended)
            if len(due) == 20:
                stop.set()

    produce(Recorder(), 3, 10_000.0, stop)  # type: ignore[arg-type]
    steps = {later - earlier for earlier, later in pairwise(due)}
    assert steps == {100_000}


class FakeConsumer:
    """Gives batches one after another; an exception among them is raised. seeks: where it was told to go."""

    def __init__(self, polls: list[Any]) -> None:
        self._polls = iter(polls)
        self.seeks: list[tuple[TopicPartition, Any]] = []
        self.commits: list[tuple[dict[Any, Any], Callable[[Any, Any], None]]] = []

    def poll(self, timeout_ms: int) -> dict[Any, list[Message]]:
        assert timeout_ms > 0
        answer = next(self._polls)
        if isinstance(answer, Exception):
            raise answer
        return {TopicPartition("t", message.partition): [message] for message in answer}

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("t", 0)}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.seeks.append((partition, offset))

    def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        self.seeks.extend((partition, "beginning") for partition in partitions)

    def commit_async(self, asked: dict[Any, Any], callback: Callable[[Any, Any], None]) -> None:
        self.commits.append((asked, callback))


def message(offset: int, *, partition: int = 0, home: int = 0) -> Message:
    value = payload.encode(payload.Payload(RUN, Record("p", home, offset + 1), 0), 0)
    return Message(partition, offset, value)


def reader(folder: Path, polls: list[Any]) -> tuple[Reader, FakeConsumer, Journal]:
    journal, consumer = Journal(folder / "consumer.jsonl"), FakeConsumer(polls)
    sessions = Sessions(journal, "c")
    sessions.on_partitions_assigned([TopicPartition("t", 0)])
    return Reader(consumer, journal, sessions, run=RUN, group="g"), consumer, journal


def test_deliveries_are_noted_with_their_session(tmp_path: Path) -> None:
    one, _, journal = reader(tmp_path, [[message(0)], [Message(0, 1, b"damaged")], [message(2, home=1)]])
    for _ in range(3):
        one.poll()
    journal.close()
    deliveries = load(tmp_path).deliveries
    assert [delivery.record for delivery in deliveries] == [Record("p", 0, 1), None, None]
    assert {delivery.session for delivery in deliveries} == {"c/1"}


def test_no_broker_at_all_is_not_the_end(tmp_path: Path) -> None:
    one, _, journal = reader(tmp_path, [KafkaConnectionError("refused"), [message(0)]])
    one.poll()
    one.poll()
    journal.close()
    assert len(load(tmp_path).deliveries) == 1


def test_what_cannot_get_better_is_raised(tmp_path: Path) -> None:
    one, _, _ = reader(tmp_path, [TopicAuthorizationFailedError("t")])
    with pytest.raises(TopicAuthorizationFailedError):
        one.poll()


def test_a_new_group_begins_at_the_beginning(tmp_path: Path) -> None:
    one, consumer, _ = reader(tmp_path, [NoOffsetForPartitionError({TopicPartition("t", 1)}), [message(0)]])
    one.poll()
    assert consumer.seeks == [(TopicPartition("t", 1), "beginning")]
    one.poll()


def test_a_deposed_leader_that_lags_behind_sends_nobody_back(tmp_path: Path) -> None:
    behind = OffsetOutOfRangeError({TopicPartition("t", 0): 1})
    one, consumer, journal = reader(tmp_path, [[message(0)], behind, [message(1)]])
    for _ in range(3):
        one.poll()
    journal.close()
    assert [delivery.offset for delivery in load(tmp_path).deliveries] == [0, 1]
    assert consumer.seeks == []
    assert "OffsetOutOfRangeError" in journal.path.read_text()


def test_a_log_that_was_cut_is_read_on_where_it_forks_if_that_is_known(tmp_path: Path) -> None:
    cut = LogTruncationError({TopicPartition("t", 0): OffsetAndMetadata(3, "", 1), TopicPartition("t", 1): None})
    one, consumer, _ = reader(tmp_path, [cut, [message(3)]])
    one.poll()
    assert consumer.seeks == [(TopicPartition("t", 0), 3)]
    one.poll()


def test_one_commit_at_a_time_and_only_confirmed_ones_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backbone.failover.consumer.COMMIT_INTERVAL_S", 0.0)
    one, consumer, journal = reader(tmp_path, [[message(n)] for n in range(4)])
    one.poll()
    one.poll()
    assert len(consumer.commits) == 1
    asked, confirm = consumer.commits[0]
    confirm(asked, KafkaTimeoutError("lost"))
    one.poll()
    asked, confirm = consumer.commits[1]
    confirm(asked, object())
    journal.close()
    assert [commit.offset for commit in load(tmp_path).commits] == [3]


@pytest.mark.parametrize("network", [NetClient, event_service.Network])
def test_a_leader_that_the_metadata_does_not_list_is_not_ready_yet(network: type[KafkaNetClient]) -> None:
    client = network(bootstrap_servers="127.0.0.1:1")
    try:
        client.maybe_connect(7)
        assert isinstance(client.send(7, object()).exception, NodeNotReadyError)
    finally:
        client.close()


def test_our_clients_keep_to_the_rules_they_preach() -> None:
    assert clients.FAILOVER_PRODUCER["acks"] == "all"
    assert clients.FAILOVER_PRODUCER["enable_idempotence"]
    assert not clients.FAILOVER_CONSUMER["enable_auto_commit"]
    assert clients.FAILOVER_CONSUMER["auto_offset_reset"] == "none"
    assert clients.FAILOVER_CONSUMER["fetch_max_wait_ms"] < clients.FAILOVER_CONSUMER["request_timeout_ms"]
    assert clients.FAILOVER_PRODUCER["delivery_timeout_ms"] > 10 * clients.FAILOVER_PRODUCER["request_timeout_ms"]
