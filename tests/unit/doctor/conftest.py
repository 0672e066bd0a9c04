"""Evidence of a stack with nothing wrong, which each test breaks in one place."""

from __future__ import annotations

from pathlib import Path

import pytest

from backbone.doctor.evidence import EngineFacts, Evidence, Folder, Limits, PortUse, Running, Settings, Topic, Upgrade
from backbone.stack import compose
from backbone.stack.health import ClusterHealth, PartitionState

CLUSTER = "o-oeX1_vRqCQMsCW0-5g4A"
GIB = 1 << 30


def model(**changes: object) -> compose.Model:
    """Return three brokers, with changes to the first one's block."""
    blocks = {f"kafka-{node}": _broker(node) for node in (1, 2, 3)}
    blocks["kafka-1"] |= changes
    return compose.parse({"name": "test", "services": blocks})


def _broker(node: int) -> dict[str, object]:
    return {
        "image": "messaging-backbone/kafka:4.3.1",
        "profiles": ["messaging"],
        "mem_limit": str(1280 << 20),
        "logging": {"driver": "json-file", "options": {}},
        "ports": [{"host_ip": "127.0.0.1", "published": str(9090 + 2 * node), "target": 9092}],
        "ulimits": {"nofile": {"soft": 100_000, "hard": 100_000}},
        "environment": {
            "CLUSTER_ID": CLUSTER,
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_NODE_ID": str(node),
            "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m",
        },
    }


def partition(
    isr: tuple[int, ...] = (1, 2, 3), leader: int = 1, replicas: tuple[int, ...] = (1, 2, 3), min_isr: int = 2
) -> PartitionState:
    """Return a partition of events-topic."""
    return PartitionState("events-topic", 0, leader, replicas, isr, min_isr)


def cluster(
    *partitions: PartitionState, brokers: tuple[int, ...] = (1, 2, 3), controller: int = 1, identity: str = CLUSTER
) -> ClusterHealth:
    """Return a cluster with these partitions."""
    return ClusterHealth(identity, controller, brokers, partitions or (partition(),))


def folder(name: str, **changes: object) -> Folder:
    """Return a log directory on a large disk."""
    values: dict[str, object] = {"owner": 1000, "writable": True, "free": 100 * GIB, "total": 200 * GIB}
    return Folder(Path("/data") / name, **(values | changes))  # type: ignore[arg-type]  # named in the test


def running(**changes: object) -> Running:
    """Return kafka-1 as a healthy service."""
    values: dict[str, object] = {
        "name": "kafka-1",
        "phase": "running",
        "health": "healthy",
        "image": "messaging-backbone/kafka:4.3.1",
    }
    return Running(**(values | changes))  # type: ignore[arg-type]  # named in the test


@pytest.fixture
def healthy() -> Evidence:
    """Return evidence in which no check finds anything."""
    env = {"CLUSTER_ID": CLUSTER, "BIND_ADDRESS": "127.0.0.1"}
    return Evidence(
        model=model(),
        engine_name="docker",
        env=env,
        env_example=env | {"CLUSTER_ID": "TWVzc2FnaW5nQmFja2JvbQ"},
        lock={"apache/kafka:4.3.1": "4.3.1", "registry:v3.3.3@sha256:0f": "3.3.3"},
        secret_modes={"/secrets/postgres_password": 0o640},
        engine=EngineFacts("28.2.2", memory=16 * GIB),
        compose_version="2.40.0",
        ports=(PortUse("kafka-1", "127.0.0.1", 9092, "this stack"), PortUse("kafka-2", "127.0.0.1", 9094)),
        folders=tuple(folder(f"kafka-{node}") for node in (1, 2, 3)),
        cache=folder("cache"),
        meta={f"/data/kafka-{node}": {"cluster.id": CLUSTER, "node.id": str(node)} for node in (1, 2, 3)},
        limits=Limits(open_files=1 << 20, map_count=262_144),
        services=(running(),),
        unreachable=(),
        cluster=cluster(),
        settings=Settings({node: {"auto.create.topics.enable": "false"} for node in (1, 2, 3)}, {"events-topic": {}}),
        upgrade=Upgrade({"kafka-1": "4.3.1", "kafka-2": "4.3.1"}),
        newer=(),
        topics=(Topic("events-topic", 3, 3, 320 << 20),),
        compatibility="BACKWARD",
        levels={},
        damaged=(),
        leftovers=(),
        strays=(),
        certificates=(),
        connectors={"archive": {"connector": "RUNNING", "task 0": "RUNNING"}},
        letters=(),
    )
