"""Who leads is changed by order and election; a cluster that refuses for a while is asked again."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from kafka.errors import KafkaConnectionError, NotControllerError, TopicAlreadyExistsError

from backbone.errors import StackError
from backbone.failover import leadership, patience

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kafka.structs import TopicPartition

PREFERRED, UNCLEAN = 0, 1


@dataclass
class FakeAdmin:
    """A topic's partitions: the first replica in the list is the preferred leader; dead ones are never elected."""

    replicas: dict[int, list[int]]
    leaders: dict[int, int] = field(default_factory=dict)
    dead: frozenset[int] = frozenset()
    refusals: int = 0
    created: dict[str, Any] = field(default_factory=dict)
    sessions: dict[int, int] = field(default_factory=lambda: dict.fromkeys((1, 2, 3), 1500))
    versions: dict[int, str] = field(default_factory=lambda: dict.fromkeys((1, 2, 3), "4.1"))

    def describe_configs(self, resources: Sequence[Any], *, config_filter: str) -> dict[str, dict[str, Any]]:
        assert config_filter == "all", "what nobody changed counts too"
        return {
            "broker": {
                one.name: {"broker.session.timeout.ms": {"value": self.sessions[int(one.name)]}} for one in resources
            }
        }

    def get_broker_version_data(self, node: int) -> SimpleNamespace:
        return SimpleNamespace(broker_version_str=self.versions[node])

    def create_topics(self, topics: Mapping[str, Any]) -> None:
        self.created.update(topics)

    def wait_for_topics(self, names: Sequence[str]) -> None:
        assert set(names) <= set(self.created)

    def describe_topics(self, _: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {
                "partitions": [
                    {"partition_index": number, "leader_id": self.leaders.get(number, -1), "replica_nodes": nodes}
                    for number, nodes in self.replicas.items()
                ]
            }
        ]

    def alter_partition_reassignments(self, orders: Mapping[TopicPartition, list[int]]) -> None:
        for partition, nodes in orders.items():
            assert sorted(nodes) == sorted(self.replicas[partition.partition]), "no data may move"
            self.replicas[partition.partition] = nodes

    def elect_leaders(self, how: int, topics: Mapping[str, list[int]], *, raise_errors: bool) -> None:
        assert not raise_errors, "a refusal for one partition is no reason to stop"
        if self.refusals:
            self.refusals -= 1
            raise NotControllerError
        for number in next(iter(topics.values())):
            alive = [node for node in self.replicas[number] if node not in self.dead]
            first = self.replicas[number][0]
            if how == UNCLEAN or first not in self.dead:
                self.leaders[number] = alive[0] if how == UNCLEAN else first


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeAdmin:
    fake = FakeAdmin({0: [1, 2, 3], 1: [2, 3, 1]}, {0: 1, 1: 2})

    @contextmanager
    def admin(_: Sequence[str]) -> Iterator[FakeAdmin]:
        yield fake

    monkeypatch.setattr(patience, "admin", admin)
    return fake


def test_the_wanted_brokers_lead_and_keep_their_replicas(cluster: FakeAdmin) -> None:
    leadership.lead([], "t", {0: 3, 1: 1}, timeout=5)
    assert cluster.leaders == {0: 3, 1: 1}
    assert cluster.replicas == {0: [3, 1, 2], 1: [1, 2, 3]}


def test_an_election_that_is_refused_is_asked_for_again(cluster: FakeAdmin) -> None:
    cluster.refusals = 1
    leadership.lead([], "t", {0: 2}, timeout=30)
    assert cluster.leaders[0] == 2


def test_a_broker_that_never_leads_is_told_with_those_that_do(cluster: FakeAdmin) -> None:
    cluster.dead = frozenset({3})
    with pytest.raises(StackError, match="the wanted leaders of t") as caught:
        leadership.lead([], "t", {0: 3}, timeout=0)
    assert caught.value.reference == "timed-out"
    assert "0: (1, [3, 1, 2])" in f"{caught.value.message} {caught.value.context}"


def test_only_an_unclean_election_gives_the_lead_to_what_is_left(cluster: FakeAdmin) -> None:
    cluster.dead = frozenset({1})
    leadership.elect_unclean([], "t", {0: 2}, timeout=5)
    assert cluster.leaders[0] == 2


def test_in_a_rotation_every_replica_leads_every_partition_once(cluster: FakeAdmin) -> None:
    turns = leadership.rotation([], "t")
    assert {number: sorted(turn[number] for turn in turns) for number in cluster.replicas} == {
        number: sorted(nodes) for number, nodes in cluster.replicas.items()
    }
    assert all(len(set(turn.values())) == len(turn) for turn in turns)


def test_records_of_our_topics_never_expire_whatever_else_is_set(cluster: FakeAdmin) -> None:
    leadership.create_topic([], "t", 2, 3, {"min.insync.replicas": "1"})
    assert cluster.created["t"] == {
        "num_partitions": 2,
        "replication_factor": 3,
        "configs": {"retention.ms": "-1", "retention.bytes": "-1", "min.insync.replicas": "1"},
    }


def test_a_topic_that_the_attempt_before_created_is_created(
    cluster: FakeAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = cluster.create_topics

    def answer_lost(topics: Mapping[str, Any]) -> None:
        if cluster.created:
            raise TopicAlreadyExistsError
        create(topics)
        raise KafkaConnectionError

    monkeypatch.setattr(cluster, "create_topics", answer_lost)
    leadership.create_topic([], "t", 2, 3, {})
    assert "t" in cluster.created


def test_partitions_that_a_broker_does_not_know_yet_are_asked_for_again(
    cluster: FakeAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe = cluster.describe_topics
    answers: Iterator[list[dict[str, Any]]] = iter([[{"partitions": []}]])
    monkeypatch.setattr(cluster, "describe_topics", lambda names: next(answers, None) or describe(names))
    leadership.lead([], "t", {0: 3}, timeout=5)
    assert cluster.leaders[0] == 3
