"""What moves to Kubernetes, whatever it was read from: the home's files, a running cluster, or exported resources."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.events.connectors.files import Connector
    from backbone.stack.topics import Topic

STRIMZI = "1.2.0"
"""The release of the operator whose resources are written (apiVersion kafka.strimzi.io/v1, the only one since 1.0)."""

METADATA_VERSIONS: Mapping[str, str] = MappingProxyType(
    {"4.2.0": "4.2-IV1", "4.2.1": "4.2-IV1", "4.3.0": "4.3-IV0", "4.3.1": "4.3-IV0"}
)
"""Kafka version that this operator runs → metadata version (kafka-versions.yaml of Strimzi 1.2.0)."""

FORBIDDEN = (
    "listeners", "advertised.", "broker.", "listener.", "host.name", "port", "inter.broker.listener.name", "sasl.",
    "ssl.", "security.", "password.", "log.dir", "zookeeper.connect", "zookeeper.set.acl", "zookeeper.ssl",
    "zookeeper.clientCnxnSocket", "authorizer.", "super.user", "cruise.control.metrics.topic",
    "cruise.control.metrics.reporter.bootstrap.servers", "node.id", "process.roles", "controller.", "metadata.log.dir",
)  # fmt: skip
"""Broker settings that the operator makes itself, by prefix (KafkaClusterSpec.FORBIDDEN_PREFIXES)."""

ALLOWED = (
    "zookeeper.connection.timeout.ms", "sasl.server.max.receive.size", "ssl.cipher.suites", "ssl.protocol",
    "ssl.enabled.protocols", "ssl.secure.random.implementation", "cruise.control.metrics.topic.num.partitions",
    "cruise.control.metrics.topic.replication.factor", "cruise.control.metrics.topic.retention.ms",
    "cruise.control.metrics.topic.auto.create.retries", "cruise.control.metrics.topic.auto.create.timeout.ms",
    "cruise.control.metrics.topic.min.insync.replicas", "controller.quorum.election.backoff.max.ms",
    "controller.quorum.election.timeout.ms", "controller.quorum.fetch.timeout.ms",
)  # fmt: skip
"""Exceptions of FORBIDDEN (KafkaClusterSpec.FORBIDDEN_PREFIX_EXCEPTIONS)."""

WORKER_FORBIDDEN = (
    "group.id", "config.storage.topic", "offset.storage.topic", "status.storage.topic", "ssl.", "sasl.", "security.",
    "listeners", "plugin.path", "rest.", "bootstrap.servers", "consumer.interceptor.classes",
    "producer.interceptor.classes", "prometheus.metrics.reporter.",
)  # fmt: skip
"""Settings of a Connect worker that the operator makes itself or takes elsewhere (the CRD's own description)."""

WORKER_ALLOWED = (
    "ssl.endpoint.identification.algorithm", "ssl.cipher.suites", "ssl.protocol", "ssl.enabled.protocols",
)  # fmt: skip

Authentication = Literal["scram-sha-512", "tls"]


@dataclass(frozen=True, slots=True)
class Acl:
    """What a user may do, or may not (KIP-11).

    resource: topic, group, cluster or transactionalId; pattern: literal or prefix; kind: allow or deny.
    operations: Kafka's names as Strimzi writes them, such as Read or DescribeConfigs.
    """

    resource: str
    name: str
    operations: tuple[str, ...]
    pattern: str = "literal"
    host: str = "*"
    kind: str = "allow"


@dataclass(frozen=True, slots=True)
class User:
    """A user, how they prove who they are, and what they may do."""

    name: str
    authentication: Authentication
    acls: tuple[Acl, ...] = ()


@dataclass(frozen=True, slots=True)
class Size:
    """How large the cluster is. brokers, controllers: pods; controllers 0: each broker is one too.

    cpus, memory (bytes), storage (bytes): of one pod. heap: -Xms and -Xmx as the JVM takes them. source: who says so.
    """

    brokers: int
    controllers: int
    cpus: float
    memory: int
    heap: tuple[str, str]
    storage: int
    source: str


@dataclass(frozen=True, slots=True)
class Worker:
    """Connect's worker. settings: all of its properties; variables: what connectors read as ${env:NAME}."""

    settings: Mapping[str, str]
    variables: Mapping[str, str]
    size: Size
    user: User | None = None


@dataclass(frozen=True, slots=True)
class Backbone:
    """The whole of it. settings: the brokers' properties that are set, without those that tell brokers apart.

    version: of Kafka. grace: seconds that a broker may take to stop. sources: setting → the variable it comes from.
    """

    name: str
    version: str
    settings: Mapping[str, str]
    size: Size
    grace: int
    topics: tuple[Topic, ...] = ()
    users: tuple[User, ...] = ()
    worker: Worker | None = None
    connectors: tuple[Connector, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def default_replicas(self) -> int:
        """The copies of a topic that says nothing (Kafka's own default is 1)."""
        return int(self.settings.get("default.replication.factor", "1"))


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What has no place in the resources, and what takes its place there."""

    what: str
    instead: str


def operators_own(setting: str) -> bool:
    """Tell whether the operator refuses a broker setting in spec.kafka.config, for it makes it itself."""
    return setting.startswith(FORBIDDEN) and setting not in ALLOWED


def workers_own(setting: str) -> bool:
    """Tell whether the operator refuses a worker's setting in spec.config."""
    return setting.startswith(WORKER_FORBIDDEN) and setting not in WORKER_ALLOWED


def supported(version: str) -> str:
    """Return the Kafka version to write: this one if the operator runs it, else the newest that it does."""
    return version if version in METADATA_VERSIONS else max(METADATA_VERSIONS, key=numbers)


def numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers to compare."""
    return tuple(map(int, re.findall(r"\d+", version)))


def resource_name(name: str) -> str:
    """Return a name that Kubernetes takes (RFC 1123 subdomain): the same one where it can, else one with a check sum.

    Two topics that differ only in what is replaced get different names.
    """
    if NAME.fullmatch(name) and len(name) <= LONGEST:
        return name
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[: LONGEST - 10].strip("-")
    return "-".join(filter(None, (plain, hashlib.sha256(name.encode()).hexdigest()[:8])))


NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LONGEST = 253
