"""A cluster in memory behind the clients of backbone.clients: what is sent is kept, unless it is told to misbehave."""

from __future__ import annotations

import itertools
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka.errors import ProducerFencedError, UnknownTopicOrPartitionError

from backbone import clients
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pytest
    from kafka import TopicPartition


class Message(NamedTuple):
    """A record as kafka-python gives it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Sequence[tuple[str, bytes]] = ()


def as_it_is(message: Message) -> Message | None:
    """Keep a record."""
    return message


@dataclass
class FakeKafka:
    """Topics, and what goes wrong.

    stores: what the log holds in place of a record (None: it is acknowledged and lost). rejects: what a send is
    answered with. reached: how far a reader gets in each partition (None: to the end). insync: brokers in each ISR.
    """

    brokers: list[int] = field(default_factory=lambda: [1, 2, 3])
    insync: list[int] | None = None
    logs: dict[str, dict[int, list[Message]]] = field(default_factory=lambda: defaultdict(dict))
    ends: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    first: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    stores: Callable[[Message], Message | None] = as_it_is
    rejects: Callable[[str, bytes | None], BaseException | None] = lambda *_: None
    reads: Callable[[Message], Message | None] = as_it_is
    reached: int | None = None
    lags: int = 0
    """How many looks at a new topic find its replicas behind."""
    fenced: bool = False
    looked: Callable[[], object] = lambda: None
    clock: FakeClock = field(default_factory=FakeClock)
    now: int = 1_000
    keeps_topics: BaseException | None = None

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
        """Put this cluster in place of the one that the clients would connect to."""
        monkeypatch.setattr(clients, "admin", self.admin)
        monkeypatch.setattr(clients, "producer", lambda _, **__: FakeProducer(self))
        monkeypatch.setattr(clients, "consumer", lambda _, **__: FakeConsumer(self))
        return self

    def make(self, topic: str, partitions: int = 3) -> None:
        self.logs[topic] = {number: [] for number in range(partitions)}

    def append(self, topic: str, key: bytes | None, value: bytes | None, **more: Any) -> Message:
        partition = sum(key or b"") % len(self.logs[topic])
        offset = self.ends[topic, partition]
        self.ends[topic, partition] += 1
        message = Message(topic, partition, offset, key, value, self.now, **more)
        if (kept := self.stores(message)) is not None:
            self.logs[topic][partition].append(kept)
        return message

    def messages(self, topic: str) -> Iterator[Message]:
        return itertools.chain.from_iterable(self.logs[topic].values())

    @contextmanager
    def admin(self, _: object, **__: object) -> Iterator[FakeKafka]:
        self.looked()
        yield self

    # What the admin client is asked, in the words of kafka-python.

    def describe_cluster(self) -> dict[str, Any]:
        return {"cluster_id": "fake", "brokers": [{"broker_id": number} for number in self.brokers]}

    def describe_metadata_quorum(self) -> dict[str, Any]:
        return {"topics": [{"partitions": [{"leader_id": self.brokers[0]}]}]}

    def describe_topics(self, _: object = None) -> list[dict[str, Any]]:
        behind = self.lags > 0
        self.lags -= 1
        isr = self.brokers[:1] if behind else self.insync or self.brokers
        return [
            {
                "name": name,
                "partitions": [
                    {
                        "partition_index": number,
                        "leader_id": self.brokers[number % len(self.brokers)],
                        "replica_nodes": self.brokers[:3],
                        "isr_nodes": isr[:3],
                    }
                    for number in log
                ],
            }
            for name, log in self.logs.items()
        ]

    def describe_configs(self, asked: Iterable[Any], **_: object) -> dict[str, Any]:
        return {"topic": {each.name: {"min.insync.replicas": {"value": "2", "config_source": "D"}} for each in asked}}

    def list_topics(self) -> list[str]:
        return list(self.logs)

    def create_topics(self, wanted: dict[str, dict[str, Any]], **_: object) -> None:
        for name, spec in wanted.items():
            self.make(name, spec["num_partitions"])

    def delete_topics(self, names: Iterable[str]) -> None:
        if self.keeps_topics:
            raise self.keeps_topics
        for name in names:
            del self.logs[name]

    def elect_leaders(self, *_: object) -> None:
        """Leaders are where they should be."""


@dataclass
class FakeProducer:
    """A producer; in a transaction its records are in the log at once, and taken out by an abort."""

    cluster: FakeKafka
    sent: list[Message] = field(default_factory=list)

    def init_transactions(self) -> None:
        """Nobody else has this id."""

    def begin_transaction(self) -> None:
        self.sent.clear()

    def send(self, topic: str, *, key: bytes | None = None, value: bytes | None = None, **more: Any) -> FakeFuture:
        if not all(isinstance(value, bytes) for _, value in more.get("headers", ())):
            raise TypeError("All headers items must be (str, bytes) tuples")
        if key is None and value is None:
            raise ValueError("Need at least one: key or value")
        if topic not in self.cluster.logs:
            return FakeFuture(error=UnknownTopicOrPartitionError())
        if error := self.cluster.rejects(topic, value):
            return FakeFuture(error=error)
        self.sent.append(self.cluster.append(topic, key, value, **more))
        return FakeFuture(self.sent[-1])

    def flush(self, timeout: float | None = None) -> None:
        assert timeout is None or timeout > 0

    def commit_transaction(self) -> None:
        self.sent.clear()

    def abort_transaction(self) -> None:
        if self.cluster.fenced:
            raise ProducerFencedError
        for message in self.sent:
            log = self.cluster.logs[message.topic][message.partition]
            log[:] = [each for each in log if each.offset != message.offset]

    def close(self, timeout: float | None = None) -> None:
        """Nothing is left behind."""


@dataclass
class FakeFuture:
    """What became of a send."""

    message: Message | None = None
    error: BaseException | None = None

    @property
    def exception(self) -> BaseException | None:
        return self.error

    def succeeded(self) -> bool:
        return self.error is None

    def get(self, timeout: float) -> Message | None:
        assert timeout > 0
        if self.error:
            raise self.error
        return self.message


@dataclass
class FakeConsumer:
    """A consumer with assigned partitions."""

    cluster: FakeKafka
    at: dict[TopicPartition, int] = field(default_factory=dict)

    def topics(self) -> set[str]:
        return set(self.cluster.logs)

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(self.cluster.logs[topic])

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        self.at = dict.fromkeys(partitions, 0)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.at[partition] = offset

    def position(self, partition: TopicPartition) -> int:
        return self.at[partition]

    def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {each: self.cluster.first[each.topic, each.partition] for each in partitions}

    def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {each: self.cluster.ends[each.topic, each.partition] for each in partitions}

    def poll(self, timeout_ms: float) -> dict[TopicPartition, list[Message]]:
        self.cluster.clock.sleep(timeout_ms / 1000)
        self.cluster.looked()
        found: dict[TopicPartition, list[Message]] = {}
        for place, start in self.at.items():
            end = self.cluster.ends[place.topic, place.partition]
            end = end if self.cluster.reached is None else min(end, self.cluster.reached)
            log = self.cluster.logs[place.topic][place.partition]
            kept = (self.cluster.reads(each) for each in log if start <= each.offset < end)
            found[place] = [each for each in kept if each is not None]
            self.at[place] = max(start, end)
        return found

    def close(self) -> None:
        """Nothing is left behind."""
