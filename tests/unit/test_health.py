from __future__ import annotations

import gc
import socket
from typing import TYPE_CHECKING, Any

import pytest

from backbone import clients
from backbone.errors import ExitCode, StackError
from backbone.stack import health
from backbone.stack.health import ClusterHealth, PartitionState

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOLE = PartitionState("events-topic", 0, leader=1, replicas=(1, 2, 3), isr=(3, 1, 2), min_isr=2)
LAGGING = PartitionState("events-topic", 1, leader=2, replicas=(1, 2, 3), isr=(2, 3), min_isr=2)
REFUSING = PartitionState("events-topic", 2, leader=2, replicas=(1, 2, 3), isr=(2,), min_isr=2)
OFFLINE = PartitionState("events-topic", 3, leader=-1, replicas=(1, 2, 3), isr=(1,), min_isr=2)
SINGLE = PartitionState("single", 0, leader=1, replicas=(1,), isr=(1,), min_isr=2)


def cluster(*partitions: PartitionState, brokers: tuple[int, ...] = (1, 2, 3), controller: int = 1) -> ClusterHealth:
    return ClusterHealth("id", controller, brokers, partitions)


def test_sorts_partitions_by_what_they_lack() -> None:
    seen = cluster(WHOLE, LAGGING, REFUSING, OFFLINE, SINGLE)
    assert seen.offline == (OFFLINE,)
    assert seen.under_replicated == (LAGGING, REFUSING, OFFLINE)
    assert seen.under_min_isr == (REFUSING, OFFLINE)


@pytest.mark.parametrize(
    ("seen", "missing"),
    [
        (cluster(WHOLE, SINGLE), ""),
        (cluster(), ""),
        (cluster(WHOLE, brokers=(1, 2)), "2 of 3 brokers alive"),
        (cluster(WHOLE, controller=-1), "no active controller"),
        (cluster(WHOLE, OFFLINE), "1 partitions offline"),
        (cluster(WHOLE, LAGGING), "1 partitions not fully replicated"),
    ],
)
def test_says_what_keeps_it_from_being_ready(seen: ClusterHealth, missing: str) -> None:
    assert seen.missing(3) == missing


class FakeAdmin:
    """Answers in the shapes of kafka-python's admin client."""

    def __init__(self, topics: dict[str, int]) -> None:
        self.topics = topics

    def describe_cluster(self) -> dict[str, Any]:
        brokers = [{"broker_id": 3, "is_fenced": False}, {"broker_id": 2, "is_fenced": True}, {"broker_id": 1}]
        return {"cluster_id": "abc", "brokers": brokers, "controller_id": 3}

    def describe_metadata_quorum(self) -> dict[str, Any]:
        return {"topics": [{"partitions": [{"leader_id": 2}]}]}

    def describe_topics(self) -> list[dict[str, Any]]:
        one = {"partition_index": 0, "leader_id": 1, "replica_nodes": [1, 3], "isr_nodes": [3]}
        return [{"name": name, "partitions": [one]} for name in self.topics]

    def describe_configs(self, asked: list[Any], config_filter: str) -> dict[str, Any]:
        assert config_filter == "all"
        assert asked
        return {"topic": {item.name: {"min.insync.replicas": {"value": str(self.topics[item.name])}} for item in asked}}


def test_asks_the_quorum_for_the_controller_and_each_topic_for_its_min_isr() -> None:
    assert health.cluster_health(FakeAdmin({"a": 1, "b": 2})) == ClusterHealth(
        cluster_id="abc",
        controller=2,
        brokers=(1, 3),
        partitions=(
            PartitionState("a", 0, 1, (1, 3), (3,), 1),
            PartitionState("b", 0, 1, (1, 3), (3,), 2),
        ),
    )


def test_a_topic_that_goes_while_its_settings_are_asked_for_is_no_fault() -> None:
    class Leaving(FakeAdmin):
        def describe_configs(self, asked: list[Any], config_filter: str) -> dict[str, Any]:
            return {"topic": super().describe_configs(asked, config_filter)["topic"] | {"b": {}}}

    partitions = health.cluster_health(Leaving({"a": 2, "b": 2})).partitions
    assert [(each.topic, each.min_isr) for each in partitions] == [("a", 2), ("b", 1)]


def test_a_cluster_without_topics_is_whole() -> None:
    assert health.cluster_health(FakeAdmin({})).missing(2) == ""


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Return a port where nobody listens."""
    with socket.socket() as taken:  # bound, so that nobody else gets it, but not listening
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
        gc.collect()  # a client that finds no broker leaves its sockets to the collector; see the mark below


no_broker = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@no_broker
def test_no_broker_is_told_with_the_addresses_tried(closed_port: int) -> None:
    address = f"127.0.0.1:{closed_port}"
    with pytest.raises(StackError) as caught, clients.admin([address], bootstrap_timeout_ms=200):
        pytest.fail("there is no broker")
    error = caught.value
    assert (error.reference, error.exit_code) == ("no-broker", ExitCode.ENVIRONMENT)
    assert address in error.message
    assert "./invoke up" in str(error.hint)


@no_broker
def test_a_probe_of_no_broker_is_no_error(closed_port: int) -> None:
    assert health.probe([f"127.0.0.1:{closed_port}"]) is None
