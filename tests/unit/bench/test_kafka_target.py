"""How the benchmark's own clients are used: which partition, what is reported, where reading begins."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from backbone import clients
from backbone.bench.kafka_target import KafkaTarget

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = KafkaTarget(("127.0.0.1:1",), "t", 3)


class Value(NamedTuple):
    """A record as poll() of kafka-python returns it, as far as it is looked at."""

    value: bytes


@dataclass
class FakeClient:
    """Producer and consumer of one topic. slow: nothing is acknowledged in time; refused: too large to be sent."""

    slow: bool = False
    refused: bytes = b""
    settings: dict[str, Any] = field(default_factory=dict)
    sent: list[tuple[int | None, bytes]] = field(default_factory=list)
    at: dict[TopicPartition, str] = field(default_factory=dict)
    answers: dict[str, Callable[[object], object]] = field(default_factory=dict)
    closed: bool = False

    def partitions_for(self, topic: str) -> set[int]:
        assert topic == TARGET.topic
        return set(range(TARGET.partitions))

    def send(self, _: str, *, value: bytes, partition: int | None) -> FakeClient:
        self.sent.append((partition, value))
        return self

    def add_callback(self, tell: Callable[[object], object]) -> None:
        if self.sent[-1][1] != self.refused:
            tell(None)

    def add_errback(self, tell: Callable[[BaseException], object]) -> None:
        if self.sent[-1][1] == self.refused:
            tell(MessageSizeTooLargeError())

    def flush(self, timeout: float) -> None:
        if self.slow:
            raise KafkaTimeoutError(f"not within {timeout} s")

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.at = dict.fromkeys(partitions, "")

    def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        self.at.update(dict.fromkeys(partitions, "beginning"))

    def seek_to_end(self, *partitions: TopicPartition) -> None:
        self.at.update(dict.fromkeys(partitions, "end"))

    def position(self, partition: TopicPartition) -> int:
        assert self.at[partition]
        return 0

    def poll(self, timeout_ms: float) -> dict[TopicPartition, list[Value]]:
        found: dict[TopicPartition, list[Value]] = defaultdict(list)
        if timeout_ms:
            for partition, value in self.sent:
                found[TopicPartition(TARGET.topic, partition or 0)].append(Value(value))
        return found

    def close(self, timeout: float | None = None) -> None:
        self.closed = True
        if self.slow:
            raise KafkaTimeoutError(f"not within {timeout} s")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    made = FakeClient()

    def opened(_: object, **settings: Any) -> FakeClient:
        made.settings |= settings
        return made

    monkeypatch.setattr(clients, "producer", opened)
    monkeypatch.setattr(clients, "consumer", opened)
    return made


@pytest.mark.parametrize(("spread", "partitions"), [("turns", [0, 1, 2, 0]), ("client", [None] * 4)])
def test_partitions_are_taken_in_turn_or_left_to_the_client(client: FakeClient, spread: Any, partitions: Any) -> None:
    sink = KafkaTarget(TARGET.bootstrap, TARGET.topic, TARGET.partitions, spread=spread).sink(print, print)
    for sequence in range(4):
        sink.send(sequence, b"x")
    assert [partition for partition, _ in client.sent] == partitions


def test_each_record_is_reported_to_one_of_two_callbacks(client: FakeClient) -> None:
    good, bad = list[int](), list[tuple[int, str]]()
    client.refused = b"large"
    sink = TARGET.sink(good.append, lambda sequence, why: bad.append((sequence, why)))
    sink.send(0, b"small")
    sink.send(1, b"large")
    assert (good, bad) == ([0], [(1, "MessageSizeTooLargeError")])


def test_what_is_not_acknowledged_in_time_stays_so_and_the_run_goes_on(client: FakeClient) -> None:
    client.slow = True
    sink = TARGET.sink(print, print)
    sink.flush(0.1)
    sink.close()
    assert client.closed


@pytest.mark.parametrize("start", ["beginning", "end"])
def test_the_source_stands_in_every_partition_before_the_first_record(client: FakeClient, start: Any) -> None:
    source = KafkaTarget(TARGET.bootstrap, TARGET.topic, TARGET.partitions, start=start).source()
    assert client.at == {TopicPartition("t", number): start for number in range(3)}
    client.sent = [(0, b"a"), (2, b"b")]
    assert list(source.poll(0.1)) == [b"a", b"b"]
    source.close()
    assert client.closed


def test_changes_to_the_client_settings_reach_the_client(client: FakeClient) -> None:
    target = KafkaTarget(TARGET.bootstrap, "t", 3, producer={"linger_ms": 7}, consumer={"fetch_max_wait_ms": 9})
    target.sink(print, print)
    target.source()
    assert (client.settings["linger_ms"], client.settings["fetch_max_wait_ms"]) == (7, 9)
