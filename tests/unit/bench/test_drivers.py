"""How the benchmark's own clients are used: which partition, what is reported, where reading begins."""

from __future__ import annotations

import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from backbone import clients
from backbone.bench.drivers import choice, settings
from backbone.bench.drivers.base import KAFKA_PYTHON, Driver
from backbone.bench.drivers.kafka_python import KafkaTarget
from backbone.errors import ExitCode, StackError
from tests import ROOT

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


def test_every_client_is_asked_for_the_same_in_its_own_words() -> None:
    producer, consumer = settings.java(clients.PRODUCER, consumer=False), settings.java(clients.CONSUMER, consumer=True)
    assert producer["delivery.timeout.ms"] == "120000"
    assert "allow.auto.create.topics" not in producer
    assert (consumer["enable.auto.commit"], consumer["allow.auto.create.topics"]) == ("false", "false")
    rdkafka = settings.librdkafka({**clients.CONSUMER, "bootstrap_timeout_ms": 1}, consumer=True)
    assert (rdkafka["fetch.wait.max.ms"], rdkafka["socket.timeout.ms"]) == ("500", "5000")
    assert "bootstrap.timeout.ms" not in rdkafka


def test_clients_are_chosen_by_name_in_the_order_given() -> None:
    java = Driver("java", "4")
    assert [each.name for each in choice.named(["java", "kafka-python"], lambda: java)] == ["java", "kafka-python"]


@pytest.mark.parametrize(("names", "words"), [(["rdkafka"], "'rdkafka'"), (["java", "java"], "twice")])
def test_a_client_that_is_not_there_or_twice_is_a_usage_error(names: list[str], words: str) -> None:
    with pytest.raises(StackError, match=words) as error:
        choice.named(names, lambda: KAFKA_PYTHON)
    assert error.value.exit_code == ExitCode.USAGE


def test_a_client_that_is_not_installed_is_told_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)  # what `import` meets where it is not installed
    with pytest.raises(StackError, match="client-missing") as error:
        choice.named(["confluent-kafka"], lambda: KAFKA_PYTHON)
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["confluent"]
    assert error.value.hint == f"{sys.executable} -m pip install {pinned[0]}"
