"""Topics and users as KafkaTopic and KafkaUser, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backbone.stack.topics import FILE, Topic
from backbone.strimzi.manifest import Manifest, Steps, typed, untyped
from backbone.strimzi.model import Acl, User, resource_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

API = "kafka.strimzi.io/v1"
CLUSTER_LABEL = "strimzi.io/cluster"
_CLUSTER_DEFAULT = -1
_UNNAMED = "cluster"  # the one resource of ACLs that has no name


def metadata(name: str, cluster: str = "", **more: Any) -> dict[str, Any]:
    """Return the metadata of a resource that belongs to a cluster."""
    return {"name": name} | ({"labels": {CLUSTER_LABEL: cluster}} if cluster else {}) | more


def kafka_topics(topics: Iterable[Topic], cluster: str, default_replicas: int) -> Iterator[Manifest]:
    """Yield a KafkaTopic for each topic; one that leaves the copies to the cluster does so there too."""
    for topic in topics:
        name = resource_name(topic.name)
        spec: dict[str, Any] = {"topicName": topic.name} if name != topic.name else {}
        spec["partitions"] = topic.partitions
        notes: dict[Steps, str] = {(): f"From {FILE.name}, topic {topic.name}."}
        if topic.replicas == _CLUSTER_DEFAULT:
            notes["spec", "partitions"] = f"replicas: the cluster's default.replication.factor, {default_replicas}"
        else:
            spec["replicas"] = topic.replicas
        if topic.config:
            spec["config"] = {key: typed(value) for key, value in sorted(topic.config.items())}
        body = {"apiVersion": API, "kind": "KafkaTopic", "metadata": metadata(name, cluster), "spec": spec}
        yield Manifest(f"topics/{name}.yaml", body, notes)


def topic(manifest: Manifest) -> Topic:
    """Return the topic of a KafkaTopic."""
    spec: Mapping[str, Any] = manifest.body.get("spec") or {}
    return Topic(
        str(spec.get("topicName", manifest.name)),
        int(spec.get("partitions", 1)),
        int(spec.get("replicas", _CLUSTER_DEFAULT)),
        {key: untyped(value) for key, value in (spec.get("config") or {}).items()},
    )


def kafka_users(users: Iterable[User], cluster: str) -> Iterator[Manifest]:
    """Yield a KafkaUser for each user; the operator makes password or certificate, and keeps it in a Secret."""
    for user in users:
        spec: dict[str, Any] = {"authentication": {"type": user.authentication}}
        if user.acls:
            spec["authorization"] = {"type": "simple", "acls": [_rule(acl) for acl in user.acls]}
        notes: dict[Steps, str] = {
            (): f"From access.yml, user {user.name}. The operator makes the credentials, in the Secret {user.name}."
        }
        body = {"apiVersion": API, "kind": "KafkaUser", "metadata": metadata(user.name, cluster), "spec": spec}
        yield Manifest(f"users/{user.name}.yaml", body, notes)


def _rule(acl: Acl) -> dict[str, Any]:
    resource: dict[str, Any] = {"type": acl.resource}
    if acl.resource != _UNNAMED:
        resource |= {"name": acl.name, "patternType": acl.pattern}
    rule: dict[str, Any] = {"resource": resource, "operations": list(acl.operations)}
    if acl.host != "*":
        rule["host"] = acl.host
    return {"type": acl.kind, **rule} if acl.kind != "allow" else rule


def user(manifest: Manifest) -> User:
    """Return the user of a KafkaUser; one without authentication of its own is told by `left_out` of the intake."""
    rules = manifest.get("spec", "authorization", "acls") or []
    return User(manifest.name, manifest.get("spec", "authentication", "type"), tuple(map(_acl, rules)))


def _acl(rule: Mapping[str, Any]) -> Acl:
    resource = rule["resource"]
    return Acl(
        resource=str(resource["type"]),
        name="kafka-cluster" if resource["type"] == _UNNAMED else str(resource.get("name", "*")),
        # Until v1beta2 a rule could have one operation by itself.
        operations=tuple(map(str, rule["operations"] if "operations" in rule else [rule["operation"]])),
        pattern=str(resource.get("patternType", "literal")),
        host=str(rule.get("host", "*")),
        kind=str(rule.get("type", "allow")),
    )
