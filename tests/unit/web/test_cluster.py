"""What the lists ask of a cluster: as many questions for 500 topics and 50 groups as for five and one."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from kafka import TopicPartition

from backbone import clients
from backbone.web.cluster import Cluster
from tests.fakes import FakeClock
from tests.unit.test_groups import FakeCluster, FakeRecord, group

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_REQUESTS = 10
"""Of one list: brokers, quorum, topics, settings, first and end offsets, sizes, groups, their places."""


@dataclass
class Asked(FakeCluster):
    """A cluster that counts what it is asked."""

    asked: Counter[str] = field(default_factory=Counter)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith(("describe_", "list_")):
            self.asked[name] += 1
        return object.__getattribute__(self, name)

    def describe_cluster(self) -> dict[str, Any]:
        return {"cluster_id": "fake", "brokers": [{"broker_id": 1}]}

    def describe_metadata_quorum(self) -> dict[str, Any]:
        return {"topics": [{"partitions": [{"leader_id": 1}]}]}

    def describe_topics(self) -> list[dict[str, Any]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for topic, number in self.logs:
            part = {"partition_index": number, "leader_id": 1, "replica_nodes": [1], "isr_nodes": [1]}
            found.setdefault(topic, []).append(part)
        return [{"name": name, "partitions": parts} for name, parts in found.items()]

    def describe_configs(self, asked: Iterable[Any], **_: object) -> dict[str, Any]:
        return {"topic": {each.name: {"min.insync.replicas": {"value": "1"}} for each in asked}}

    def describe_log_dirs(self) -> list[dict[str, Any]]:
        names = {topic for topic, _ in self.logs}
        return [{"log_dirs": [{"topics": [{"name": name, "partitions": [{"partition_size": 7}]} for name in names]}]}]

    def close(self) -> None:
        """Nothing stays open."""


def made(topics: int, number: int) -> Asked:
    """Return a cluster whose groups have read nothing of ten topics each, of three partitions with two records each."""
    logs = {
        TopicPartition(f"t{topic}", part): [FakeRecord(0, 90_000), FakeRecord(1, 95_000)]
        for topic in range(topics)
        for part in range(3)
    }
    own = {f"g{one}": {each: 0 for each in logs if int(each.topic[1:]) % number == one} for one in range(number)}
    return Asked(logs, [group(name) for name in own], own)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> tuple[Cluster, Asked]:
    kafka = made(500, 50)

    @contextmanager
    def admin(*_: object, **__: object) -> Iterator[Asked]:
        yield kafka

    monkeypatch.setattr(clients, "admin", admin)
    monkeypatch.setattr(clients, "consumer", lambda *_, **__: kafka)
    return Cluster(["127.0.0.1:1"], clock=FakeClock()), kafka


def test_the_list_of_topics_is_a_few_questions_however_many_there_are(cluster: tuple[Cluster, Asked]) -> None:
    looked, kafka = cluster
    found = looked.topics()
    assert len(found) == 500
    assert (found[0].records, found[0].bytes, found[0].lags) == (6, 7, {"g0": 6})
    assert kafka.asked.total() <= MOST_REQUESTS, kafka.asked


def test_sizes_and_settings_are_asked_for_twice_a_minute(cluster: tuple[Cluster, Asked]) -> None:
    looked, kafka = cluster
    for _ in range(10):
        looked.topics()
        looked.clock.sleep(3)
    assert kafka.asked["describe_log_dirs"] == kafka.asked["describe_configs"] == 1
    kafka.logs[TopicPartition("new", 0)] = [FakeRecord(0, 0)]
    assert next(each for each in looked.topics() if each.name == "new").partitions[0].min_isr == 1
    assert kafka.asked["describe_configs"] == 2, "a new topic is asked for at once"
    looked.clock.sleep(30)
    looked.topics()
    assert (kafka.asked["describe_log_dirs"], kafka.asked["describe_configs"]) == (2, 3)


def test_first_offsets_are_asked_for_twice_a_minute_and_of_a_new_topic_at_once(cluster: tuple[Cluster, Asked]) -> None:
    looked, kafka = cluster
    for _ in range(9):
        looked.topics()
        looked.followers()
        looked.clock.sleep(3)
    assert kafka.asked["list_partition_offsets"] == 1 + 9 * 2
    kafka.logs[TopicPartition("new", 0)] = [FakeRecord(7, 0), FakeRecord(8, 0)]
    assert next(each for each in looked.topics() if each.name == "new").records == 2
    where = TopicPartition("t0", 0)
    kafka.logs[where] = [FakeRecord(8, 0)]
    looked.clock.sleep(30)
    assert next(each for each in looked.topics() if each.name == "t0").records == 5, "retention took all but one"
    kafka.logs[where] = [FakeRecord(0, 0)]
    assert next(each for each in looked.topics() if each.name == "t0").records == 4, "it was made anew"


def test_the_list_of_groups_is_too_and_reads_each_place_once(cluster: tuple[Cluster, Asked]) -> None:
    looked, kafka = cluster
    first = looked.followers()
    assert len(first) == 50
    assert {each.lag for each in first} == {60}
    assert all(each.seconds is not None for each in first)
    assert kafka.asked.total() <= MOST_REQUESTS, kafka.asked
    kafka.positions.clear()
    assert all(each.seconds is not None for each in looked.followers())
    assert not kafka.positions, "no record is read twice for its time"
