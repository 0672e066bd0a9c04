"""What no schema sees: resources that contradict each other, or that the operator or Kafka would refuse or read past.

Each rule is a function of all resources; the words say what would happen on the cluster.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from backbone.stack import topic_rules
from backbone.strimzi.crd import Fault
from backbone.strimzi.manifest import Manifest, untyped, way
from backbone.strimzi.model import LONGEST, METADATA_VERSIONS, NAME, STRIMZI, operators_own, workers_own
from backbone.strimzi.topics import CLUSTER_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Rule = Callable[[Sequence[Manifest]], Iterator[Fault]]

_COPIES = {
    # A number of copies, and how many of them must have a record.
    "default.replication.factor": "min.insync.replicas",
    "offsets.topic.replication.factor": "",
    "transaction.state.log.replication.factor": "transaction.state.log.min.isr",
    "share.coordinator.state.topic.replication.factor": "share.coordinator.state.topic.min.isr",
}
_LONGEST_COMMON_NAME = 64  # RFC 5280, ub-common-name: a TLS user's name is the common name of a certificate
_KAFKA_CONFIG = ("spec", "kafka", "config")
_BELONG = {"KafkaTopic": "Kafka", "KafkaUser": "Kafka", "KafkaNodePool": "Kafka", "KafkaConnector": "KafkaConnect"}
_BY_RESOURCES = "strimzi.io/use-connector-resources"
_IN_SPEC = ("name", "connector.class", "tasks.max", "connector.plugin.version")
_OWN = "the operator makes it itself and reads past this one"
_REFUSES = "copies: no write with acks=all succeeds"
_KUSTOMIZATION = "Kustomization"
_SIZE = re.compile(r"(\d+)([kKmMgG]?)(i?)")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3}


def judge(manifests: Sequence[Manifest]) -> list[Fault]:
    """Return what is wrong with resources as a whole, by file."""
    found = [fault for rule in _RULES for fault in rule(manifests)]
    return sorted(dict.fromkeys(found), key=lambda each: (each.file, each.path))


def brokers(manifests: Sequence[Manifest]) -> int | None:
    """Return how many brokers the node pools make, None if there is no pool to say so."""
    pools = _of(manifests, "KafkaNodePool")
    return sum(_replicas(each) for each in pools if "broker" in each.listed("spec", "roles")) if pools else None


def _of(manifests: Sequence[Manifest], *kinds: str) -> list[Manifest]:
    return [each for each in manifests if each.kind in kinds]


def _whole(value: Any) -> int | None:
    words = untyped(value)
    return int(words) if re.fullmatch(r"-?\d{1,18}", words) else None


def _replicas(pool: Manifest) -> int:
    return _whole(pool.get("spec", "replicas")) or 0


def _names(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """Names are those of Kubernetes (RFC 1123), and no two resources of a kind have the same."""
    named = [each for each in manifests if each.kind != _KUSTOMIZATION]
    counted = Counter((each.kind, each.name) for each in named)
    for each in named:
        at = "metadata.name"
        if not each.kind:
            yield Fault(each.file, "kind", "a resource needs a kind")
        elif not NAME.fullmatch(each.name) or len(each.name) > LONGEST:
            yield Fault(each.file, at, f"{each.name!r} is no name for Kubernetes: a-z, 0-9, - and . only")
        elif counted[each.kind, each.name] > 1:
            yield Fault(each.file, at, f"two resources of the kind {each.kind} are called {each.name}")


def _belonging(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """A label ties a resource to its cluster; without it the operator never looks at the resource."""
    for each in _of(manifests, *_BELONG):
        known = [owner.name for owner in _of(manifests, _BELONG[each.kind])]
        label = each.mapped("metadata", "labels").get(CLUSTER_LABEL)
        if known and label not in known:
            owners = f"{_BELONG[each.kind]} here ({', '.join(known)})"
            yield Fault(each.file, way(("metadata", "labels", CLUSTER_LABEL)), f"{label!r} is no {owners}: read past")
    for each in _of(manifests, "KafkaConnect") if _of(manifests, "KafkaConnector") else []:
        if each.mapped("metadata", "annotations").get(_BY_RESOURCES) != "true":
            at = way(("metadata", "annotations", _BY_RESOURCES))
            yield Fault(each.file, at, "is not 'true': no KafkaConnector becomes a connector")


def _versions(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """Kafka's version is one that the operator runs, and the metadata version one that this Kafka knows."""
    for each in _of(manifests, "Kafka", "KafkaConnect"):
        steps = ("spec", "kafka") if each.kind == "Kafka" else ("spec",)
        version, metadata = each.get(*steps, "version"), each.get(*steps, "metadataVersion")
        newest = METADATA_VERSIONS.get(str(version), "")
        if version is not None and not newest:
            known = ", ".join(METADATA_VERSIONS)
            yield Fault(each.file, way((*steps, "version")), f"Strimzi {STRIMZI} runs {known}, not {version}")
        if metadata is not None and (metadata not in METADATA_VERSIONS.values() or (newest and metadata > newest)):
            at = way((*steps, "metadataVersion"))
            yield Fault(each.file, at, f"Kafka {version} does not know the metadata version {metadata}")


def _roles(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """Some pool makes controllers, an odd number of them, and some pool makes brokers."""
    pools = _of(manifests, "KafkaNodePool")
    if not pools:
        yield from (Fault(each.file, "spec", "there is no KafkaNodePool: no node") for each in _of(manifests, "Kafka"))
        return
    file = pools[0].file
    controllers = sum(_replicas(each) for each in pools if "controller" in each.listed("spec", "roles"))
    if not controllers:
        yield Fault(file, "spec.roles", "no pool makes a controller")
    elif controllers % 2 == 0:
        yield Fault(file, "spec.replicas", f"{controllers} controllers bear no more losses than {controllers - 1}")
    if not brokers(manifests):
        yield Fault(file, "spec.roles", "no pool makes a broker")


def _pools(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """A pod has room for its heap, and volumes that differ and have a size."""
    for pool in _of(manifests, "KafkaNodePool"):
        heap, memory = pool.get("spec", "jvmOptions", "-Xmx"), pool.get("spec", "resources", "limits", "memory")
        if _bytes(heap) >= (_bytes(memory) or float("inf")):
            yield Fault(pool.file, "spec.jvmOptions.-Xmx", f"a heap of {heap} in {memory} of memory: the pod is killed")
        volumes = dict(pool.mappings("spec", "storage", "volumes"))
        at = "spec.storage.volumes"
        if len({each.get("id") for each in volumes.values()}) < len(volumes):
            yield Fault(pool.file, at, "two volumes have the same id")
        if [each.get("kraftMetadata") for each in volumes.values()].count("shared") > 1:
            yield Fault(pool.file, at, "two volumes hold the metadata (kraftMetadata); one may")
        for number, each in volumes.items():
            if each.get("type") == "persistent-claim" and not each.get("size"):
                yield Fault(pool.file, f"{at}[{number}].size", "a persistent claim needs a size")


def _bytes(size: Any) -> int:
    """Return the bytes of a size, as the JVM or Kubernetes writes it; 0 for anything else."""
    found = _SIZE.fullmatch(str(size))
    if not found:
        return 0
    decimal = (
        found[2] in {"k", "M", "G"} and not found[3]
    )  # the JVM takes these for powers of two: its 2.4 % do not matter
    return int(found[1]) * int((1000 if decimal else 1024) ** _POWERS[found[2].lower()])


def _cluster_copies(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """No more copies than brokers, and no more of them asked for than there are."""
    count = brokers(manifests)
    for kafka in _of(manifests, "Kafka"):
        config = kafka.mapped(*_KAFKA_CONFIG)
        for name, least in _COPIES.items():
            copies, enough = _whole(config.get(name)), _whole(config.get(least))
            if copies and count is not None and copies > count:
                yield Fault(kafka.file, way((*_KAFKA_CONFIG, name)), f"{copies} copies on {count} brokers")
            if copies and enough and enough > copies:
                yield Fault(kafka.file, way((*_KAFKA_CONFIG, least)), f"{enough} of {copies} {_REFUSES}")
        if untyped(config.get("unclean.leader.election.enable", False)) == "true":
            at = way((*_KAFKA_CONFIG, "unclean.leader.election.enable"))
            yield Fault(kafka.file, at, "a replica that lacks records may lead: acknowledged records are lost")


def _topic_copies(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """The same of each topic; one that names no copies has the cluster's default."""
    count = brokers(manifests)
    configs = [each.mapped(*_KAFKA_CONFIG) for each in _of(manifests, "Kafka")]
    default = next((_whole(each.get("default.replication.factor", 1)) for each in configs), None)
    for topic in _of(manifests, "KafkaTopic"):
        copies = _whole(topic.get("spec", "replicas")) or default
        enough = _whole(topic.mapped("spec", "config").get("min.insync.replicas"))
        if copies and count is not None and copies > count:
            yield Fault(topic.file, "spec.replicas", f"{copies} copies on {count} brokers")
        if copies and enough and enough > copies:
            at = way(("spec", "config", "min.insync.replicas"))
            yield Fault(topic.file, at, f"{enough} of {copies} {_REFUSES}")


def _settings(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """A setting stands where the operator looks for it."""
    for each in _of(manifests, "Kafka"):
        for name in filter(operators_own, each.mapped(*_KAFKA_CONFIG)):
            yield Fault(each.file, way((*_KAFKA_CONFIG, name)), _OWN)
    for each in _of(manifests, "KafkaConnect"):
        for name in filter(workers_own, each.mapped("spec", "config")):
            yield Fault(each.file, way(("spec", "config", name)), _OWN)
    for each in _of(manifests, "KafkaConnector"):
        for name in each.mapped("spec", "config").keys() & set(_IN_SPEC):
            yield Fault(each.file, way(("spec", "config", name)), "stands in spec, not in its config")
        if not each.get("spec", "class"):
            yield Fault(each.file, "spec.class", "a connector needs a class")


def _topics(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """A topic's name and settings are such as Kafka takes, and no two resources are one topic."""
    topics = _of(manifests, "KafkaTopic")
    names = [str(each.get("spec", "topicName") or each.name) for each in topics]
    for each, name in zip(topics, names, strict=True):
        at = "spec.topicName" if each.get("spec", "topicName") else "metadata.name"
        if reason := topic_rules.name_fault(name):
            yield Fault(each.file, at, reason)
        elif names.count(name) > 1:
            yield Fault(each.file, at, f"two resources are the topic {name}")
        elif other := topic_rules.collision(name, names):
            yield Fault(each.file, at, f"{name} and {other} cannot both be: Kafka's metrics take . and _ for the same")
        for key, value in each.mapped("spec", "config").items():
            if reason := topic_rules.setting_fault(key, untyped(value)):
                yield Fault(each.file, way(("spec", "config", key)), reason)


def _users(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """A listener lets each user in, the cluster enforces what each may do, and each rule names what it is about."""
    users = _of(manifests, "KafkaUser")
    for kafka in _of(manifests, "Kafka") if users else []:
        listeners = (each.get("authentication") for _, each in kafka.mappings("spec", "kafka", "listeners"))
        ways = {each.get("type") for each in listeners if isinstance(each, dict)}
        for user in users:
            asked = str(user.get("spec", "authentication", "type") or "")
            if asked and asked.removesuffix("-external") not in ways:
                yield Fault(user.file, "spec.authentication.type", f"no listener of {kafka.name} takes {asked}")
            if user.get("spec", "authorization") and not kafka.get("spec", "kafka", "authorization"):
                yield Fault(user.file, "spec.authorization", f"{kafka.name} has no authorization: nothing enforces it")
    for user in users:
        if user.get("spec", "authentication", "type") == "tls" and len(user.name) > _LONGEST_COMMON_NAME:
            yield Fault(user.file, "metadata.name", f"longer than a certificate's name ({_LONGEST_COMMON_NAME})")
        for number, rule in user.mappings("spec", "authorization", "acls"):
            resource = rule.get("resource")
            if isinstance(resource, dict) and resource.get("type") != "cluster" and not resource.get("name"):
                yield Fault(user.file, f"spec.authorization.acls[{number}].resource.name", "which one is not said")


def _listing(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """A kustomization lists what is there, and what is there is listed: else it would not be applied."""
    files = {each.file for each in manifests}
    listed = {"kustomization.yaml"}
    kustomizations = _of(manifests, _KUSTOMIZATION)
    for each in kustomizations:
        folder = PurePosixPath(each.file).parent
        for number, name in enumerate(each.listed("resources")):
            path = (folder / str(name)).as_posix()
            inner = f"{path}/kustomization.yaml"
            listed.add(inner if inner in files else path)
            if path not in files and inner not in files:
                yield Fault(each.file, f"resources[{number}]", f"there is no {path}")
    for file in sorted(files - listed) if kustomizations else []:
        yield Fault(file, "kind", "no kustomization lists this file: it would not be applied")


_RULES: tuple[Rule, ...] = (
    _names,
    _belonging,
    _versions,
    _roles,
    _pools,
    _cluster_copies,
    _topic_copies,
    _settings,
    _topics,
    _users,
    _listing,
)
