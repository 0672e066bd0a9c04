"""The cluster as Kafka and KafkaNodePool: roles, storage, resources, listeners, racks, and the brokers' settings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from backbone.strimzi.manifest import Manifest, Steps, typed
from backbone.strimzi.model import METADATA_VERSIONS, Backbone, Size, operators_own, supported
from backbone.strimzi.topics import API, CLUSTER_LABEL, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from backbone.stack.topics import Topic

METRICS = "kafka-metrics"
METRICS_KEY = "kafka.yml"
PLAIN_PORT, SCRAM_PORT, TLS_PORT = 9092, 9093, 9094
_GIB = 2**30
_MIB = 2**20
_LEAST_STORAGE = 10 * _GIB
_FULL = 0.6
"""The share of a disk that data may fill: the rest is room to move partitions, and for a segment being deleted."""
_ZONE = "topology.kubernetes.io/zone"
_HOST = "kubernetes.io/hostname"


def manifests(backbone: Backbone, metrics: str) -> Iterator[Manifest]:
    """Yield the cluster's resources. metrics: the rules of the brokers' Prometheus exporter (jmx/kafka.yml)."""
    yield _kafka(backbone)
    yield from _pools(backbone)
    yield Manifest(
        "cluster/metrics.yaml",
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(METRICS, backbone.name),
            "data": {METRICS_KEY: metrics},
        },
        {(): "infra/05-messaging/kafka/jmx/kafka.yml as it is: the same metric names as on one machine."},
    )


def listeners(backbone: Backbone) -> list[dict[str, Any]]:
    """Return the listeners inside Kubernetes that the users need; without users there is one, and it asks nobody."""
    ways = {user.authentication for user in backbone.users}
    found: list[dict[str, Any]] = []
    if not ways:
        found.append({"name": "plain", "port": PLAIN_PORT, "type": "internal", "tls": False})
    if "scram-sha-512" in ways:
        scram = {"type": "scram-sha-512"}
        found.append({"name": "scram", "port": SCRAM_PORT, "type": "internal", "tls": True, "authentication": scram})
    if "tls" in ways:
        mutual = {"type": "tls"}
        found.append({"name": "tls", "port": TLS_PORT, "type": "internal", "tls": True, "authentication": mutual})
    return found


def _kafka(backbone: Backbone) -> Manifest:
    version = supported(backbone.version)
    kept = {name: typed(value) for name, value in sorted(backbone.settings.items()) if not operators_own(name)}
    kafka: dict[str, Any] = {
        "version": version,
        "metadataVersion": METADATA_VERSIONS[version],
        "listeners": listeners(backbone),
        "config": kept,
        "rack": {"topologyKey": _ZONE},
        "metricsConfig": {
            "type": "jmxPrometheusExporter",
            "valueFrom": {"configMapKeyRef": {"name": METRICS, "key": METRICS_KEY}},
        },
        "template": {"podDisruptionBudget": {"maxUnavailable": 1}},
    }
    if backbone.users:
        kafka["authorization"] = {"type": "simple"}
    spec = {
        "kafka": kafka,
        "entityOperator": {"topicOperator": {}, "userOperator": {}},
        "kafkaExporter": {"groupRegex": ".*", "topicRegex": ".*"},
    }
    at = ("spec", "kafka")
    why = "" if version == backbone.version else f"; the stack runs {backbone.version}, which this operator does not"
    notes: dict[Steps, str] = {
        (): f"The cluster {backbone.name}: what the brokers' environment sets, less what the operator makes itself.",
        (*at, "version"): f"newest that the operator runs{why}" if why else "the stack's own",
        (*at, "listeners"): "Inside Kubernetes. For clients outside add one of type ingress, loadbalancer or nodeport.",
        (*at, "rack"): "broker.rack of each broker: the zone of its node. Every node needs this label.",
        (*at, "metricsConfig"): "The exporter that the stack's brokers carry (KAFKA_OPTS), with the same rules.",
        (*at, "template"): "Kubernetes may take away one broker at a time; min.insync.replicas bears one.",
        ("spec", "kafkaExporter"): "kafka-exporter: consumer lag, for the alert ConsumerLag.",
    }
    notes |= {(*at, "config", name): backbone.sources[name] for name in kept if name in backbone.sources}
    body = {"apiVersion": API, "kind": "Kafka", "metadata": metadata(backbone.name), "spec": spec}
    return Manifest("cluster/kafka.yaml", body, notes)


def _pools(backbone: Backbone) -> Iterator[Manifest]:
    size = backbone.size
    if size.controllers:
        yield _pool(backbone, "controllers", ["controller"], size.controllers, _LEAST_STORAGE)
        yield _pool(backbone, "brokers", ["broker"], size.brokers, size.storage)
    else:
        yield _pool(backbone, "dual-role", ["controller", "broker"], size.brokers, size.storage)


def _pool(backbone: Backbone, name: str, roles: list[str], replicas: int, storage: int) -> Manifest:
    size = backbone.size
    spread = {
        "maxSkew": 1,
        "topologyKey": _HOST,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {CLUSTER_LABEL: backbone.name, "strimzi.io/pool-name": name}},
    }
    volume = {
        "id": 0,
        "type": "persistent-claim",
        "size": f"{math.ceil(storage / _GIB)}Gi",
        "kraftMetadata": "shared",
        "deleteClaim": False,
    }
    spec = {
        "replicas": replicas,
        "roles": roles,
        "storage": {"type": "jbod", "volumes": [volume]},
        "resources": resources(size),
        "jvmOptions": {"-Xms": size.heap[0], "-Xmx": size.heap[1]},
        "template": {
            "pod": {"terminationGracePeriodSeconds": backbone.grace, "topologySpreadConstraints": [spread]},
        },
    }
    filled = "the least that makes sense" if storage == _LEAST_STORAGE else f"filled to {_FULL:.0%} at most"
    notes: dict[Steps, str] = {
        (): f"{' and '.join(roles)} in one process" if len(roles) > 1 else f"{roles[0]}s alone",
        ("spec", "replicas"): size.source,
        ("spec", "storage", "volumes", 0, "size"): f"retention + one segment of every partition and copy; {filled}",
        ("spec", "resources"): f"{size.source}: mem_limit and cpus of a broker",
        ("spec", "jvmOptions"): f"{size.source}: KAFKA_HEAP_OPTS; the rest of the memory is the page cache's",
        ("spec", "template", "pod", "terminationGracePeriodSeconds"): "stop_grace_period",
    }
    body = {"apiVersion": API, "kind": "KafkaNodePool", "metadata": metadata(name, backbone.name), "spec": spec}
    return Manifest("cluster/node-pools.yaml", body, notes)


def resources(size: Size) -> dict[str, Any]:
    """Return requests and limits of one pod: as much memory as it may have, half the CPU, all of it when it is free."""
    memory = f"{size.memory // _MIB}Mi"
    return {
        "requests": {"cpu": f"{round(size.cpus * 500)}m", "memory": memory},
        "limits": {"cpu": f"{round(size.cpus * 1000)}m", "memory": memory},
    }


def storage(topics: Sequence[Topic], settings: Mapping[str, str], brokers: int) -> int:
    """Return the bytes of one broker's volume: what topics may grow to, spread evenly, below _FULL of the disk.

    A partition keeps retention.bytes and one segment (LogManager deletes whole segments). A topic without a bound in
    bytes counts as the cluster's bound, or as nothing where that has none either: `capacity` reckons it by its rate.
    """
    total = sum(_kept(topic, settings) for topic in topics)
    return max(_LEAST_STORAGE, math.ceil(total / max(brokers, 1) / _FULL))


def _kept(topic: Topic, settings: Mapping[str, str]) -> int:
    bound = topic.config.get("retention.bytes", settings.get("log.retention.bytes", "-1"))
    segment = topic.config.get("segment.bytes", settings.get("log.segment.bytes", str(_GIB)))
    copies = topic.replicas if topic.replicas > 0 else int(settings.get("default.replication.factor", "1"))
    return topic.partitions * copies * (max(int(bound), 0) + int(segment))
