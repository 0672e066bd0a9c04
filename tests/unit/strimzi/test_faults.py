"""Single edits of an exported file, each found with its file and its path: by the CRDs, or by what no schema sees."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from backbone.errors import StackError
from backbone.strimzi import cel, crd, rules
from backbone.strimzi.manifest import Manifest, way

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from backbone.strimzi.crd import Definition

DELETED = object()
POOLS, KAFKA, WORKER = "cluster/node-pools.yaml", "cluster/kafka.yaml", "connect/kafka-connect.yaml"
TOPIC, USER = "topics/events-topic.yaml", "users/orders-service.yaml"
TLS, SINK = "users/kafka-connect.yaml", "connect/connectors/postgres-archive.yaml"
CONFIG = ("spec", "kafka", "config")


class Plant(NamedTuple):
    """One edit: the value at the end of `steps` in a file. at: where it has to be found, if not there."""

    file: str
    steps: tuple[str | int, ...]
    value: Any
    at: str = ""


BY_SCHEMA = (
    Plant(POOLS, ("spec", "replicas"), DELETED, "spec"),
    Plant(POOLS, ("spec", "replicas"), "three"),
    Plant(POOLS, ("spec", "replicas"), -1),
    Plant(POOLS, ("spec", "replicaz"), 3, "spec"),
    Plant(POOLS, ("spec", "roles", 0), "boss"),
    Plant(POOLS, ("spec", "storage", "volumes", 0, "kraftMetadata"), "sharedd"),
    Plant(POOLS, ("spec", "storage", "type"), "nfs"),
    Plant(POOLS, ("spec", "jvmOptions", "-Xmx"), "half a gig"),
    Plant(POOLS, ("spec", "resources", "limits", "memory"), "lots"),
    Plant(POOLS, ("spec", "template", "pod", "terminationGracePeriodSeconds"), "90s"),
    Plant(KAFKA, ("spec", "kafka", "listeners", 0, "type"), "nodeports"),
    Plant(KAFKA, ("spec", "kafka", "listeners", 0, "port"), 80),
    Plant(KAFKA, ("spec", "kafka", "listeners", 0, "tls"), DELETED, "spec.kafka.listeners[0]"),
    Plant(KAFKA, ("spec", "kafka", "listeners", 0, "name"), "Not-A-Name"),
    Plant(KAFKA, ("spec", "kafka", "listeners"), DELETED, "spec.kafka"),
    Plant(KAFKA, ("spec", "kafka", "replicas"), 3, "spec.kafka"),
    Plant(KAFKA, ("spec", "zookeeper"), {"replicas": 3}, "spec"),
    Plant(KAFKA, ("apiVersion",), "kafka.strimzi.io/v1beta2", "kind"),
    Plant(KAFKA, ("kind",), "Kafkaa", "kind"),
    Plant(TOPIC, ("spec", "partitions"), 0),
    Plant(TOPIC, ("spec", "replicas"), 40000),
    Plant(TOPIC, ("spec", "partitionz"), 3, "spec"),
    Plant(USER, ("spec", "authentication", "type"), "plain"),
    Plant(
        USER, ("spec", "authorization", "acls", 0, "operations"), ["Reed"], "spec.authorization.acls[0].operations[0]"
    ),
    Plant(USER, ("spec", "authorization", "acls", 0, "resource", "patternType"), "prefixed"),
    Plant(WORKER, ("spec", "groupId"), DELETED, "spec"),
    Plant(WORKER, ("spec", "build", "plugins", 0, "name"), "Plug In"),
    Plant(SINK, ("spec", "tasksMax"), 0),
    Plant(SINK, ("spec", "state"), "asleep"),
)

BY_CEL = (
    Plant(KAFKA, ("spec", "kafka", "rack", "topologyKey"), "", "spec.kafka.rack"),
    Plant(KAFKA, ("spec", "kafka", "rack"), {}),
    Plant(KAFKA, ("spec", "kafka", "rack"), {"type": "environment-variable", "envVarName": ""}),
    Plant(KAFKA, ("spec", "kafka", "metricsConfig", "valueFrom"), DELETED, "spec.kafka.metricsConfig"),
    Plant(WORKER, ("spec", "metricsConfig", "valueFrom"), DELETED, "spec.metricsConfig"),
    Plant(WORKER, ("spec", "rack"), {"topologyKey": ""}),
    Plant(USER, ("spec", "authentication", "validityDays"), 10, "spec.authentication"),
    Plant(TLS, ("spec", "authentication"), {"type": "tls", "validityDays": 10}),
    Plant(TLS, ("spec", "authentication"), {"type": "tls", "validityDays": 10, "renewalDays": 10}),
)

BY_RULE = (
    Plant(POOLS, ("spec", "replicas"), 4),
    Plant(POOLS, ("spec", "replicas"), 1, KAFKA),
    Plant(POOLS, ("spec", "roles"), ["broker"]),
    Plant(POOLS, ("spec", "roles"), ["controller"]),
    Plant(POOLS, ("spec", "jvmOptions", "-Xmx"), "1280m"),
    Plant(POOLS, ("spec", "storage", "volumes", 0, "size"), DELETED),
    Plant(POOLS, ("metadata", "labels", "strimzi.io/cluster"), "another"),
    Plant(KAFKA, ("spec", "kafka", "version"), "4.4.0"),
    Plant(KAFKA, ("spec", "kafka", "metadataVersion"), "4.4-IV0"),
    Plant(KAFKA, ("spec", "kafka", "version"), "4.2.0", "spec.kafka.metadataVersion"),
    Plant(KAFKA, (*CONFIG, "default.replication.factor"), 4),
    Plant(KAFKA, (*CONFIG, "min.insync.replicas"), 4),
    Plant(KAFKA, (*CONFIG, "offsets.topic.replication.factor"), "5"),
    Plant(KAFKA, (*CONFIG, "transaction.state.log.min.isr"), 4),
    Plant(KAFKA, (*CONFIG, "log.dirs"), "/data"),
    Plant(KAFKA, (*CONFIG, "unclean.leader.election.enable"), "true"),
    Plant(KAFKA, ("metadata", "name"), "Messaging_Backbone"),
    Plant(KAFKA, ("spec", "kafka", "authorization"), DELETED, USER),
    Plant(TOPIC, ("spec", "replicas"), 4),
    Plant(TOPIC, ("spec", "config", "min.insync.replicas"), 4),
    Plant(TOPIC, ("spec", "config", "retention.sm"), 1),
    Plant(TOPIC, ("spec", "config", "retention.ms"), "three days"),
    Plant(TOPIC, ("spec", "topicName"), "events topic"),
    Plant(TOPIC, ("spec", "topicName"), "events-topic_dead-letters"),
    Plant(TOPIC, ("spec", "topicName"), "events-topic.dead-letters"),
    Plant(TOPIC, ("metadata", "name"), "Events"),
    Plant(TOPIC, ("metadata", "labels"), DELETED, 'metadata.labels["strimzi.io/cluster"]'),
    Plant(USER, ("metadata", "name"), "Orders_Service"),
    Plant(USER, ("spec", "authorization", "acls", 1, "resource", "name"), DELETED),
    Plant(TLS, ("metadata", "name"), "u" * 65),
    Plant(WORKER, ("spec", "version"), "3.9.0"),
    Plant(WORKER, ("spec", "config", "plugin.path"), "/plugins"),
    Plant(WORKER, ("metadata", "annotations"), DELETED, 'metadata.annotations["strimzi.io/use-connector-resources"]'),
    Plant(SINK, ("spec", "config", "tasks.max"), 2),
    Plant(SINK, ("spec", "class"), DELETED),
    Plant("topics/kustomization.yaml", ("resources", 0), "gone.yaml"),
)


def planted(manifests: tuple[Manifest, ...], plant: Plant) -> list[Manifest]:
    """Return resources with one edit, in the first resource of its file."""
    number = next(index for index, each in enumerate(manifests) if each.file == plant.file)
    body: Any = copy.deepcopy(dict(manifests[number].body))
    part = body
    for step in plant.steps[:-1]:
        part = part[step]
    if plant.value is DELETED:
        del part[plant.steps[-1]]
    else:
        part[plant.steps[-1]] = plant.value
    return [*manifests[:number], replace(manifests[number], body=body), *manifests[number + 1 :]]


def named(plant: Plant) -> str:
    return f"{plant.file}:{way(plant.steps)}={'-' if plant.value is DELETED else plant.value}"


def test_there_are_as_many_plants_as_were_promised() -> None:
    assert len(BY_SCHEMA) + len(BY_CEL) + len(BY_RULE) >= 40


@pytest.mark.parametrize("plant", BY_SCHEMA + BY_CEL, ids=named)
def test_an_edit_is_found_by_the_crds(
    exports: Mapping[str, tuple[Manifest, ...]], crds: Mapping[tuple[str, str], Definition], plant: Plant
) -> None:
    found = [(each.file, each.path) for each in crd.judge(planted(exports["secure"], plant), crds)]
    assert (plant.file, plant.at or way(plant.steps)) in found
    assert {file for file, _ in found} == {plant.file}


@pytest.mark.parametrize("plant", BY_RULE, ids=named)
def test_an_edit_is_found_by_what_no_schema_sees(exports: Mapping[str, tuple[Manifest, ...]], plant: Plant) -> None:
    found = rules.judge(planted(exports["secure"], plant))
    if plant.at in {KAFKA, USER}:  # it shows in another file
        assert plant.at in {each.file for each in found}
    else:
        assert (plant.file, plant.at or way(plant.steps)) in {(each.file, each.path) for each in found}


@pytest.mark.parametrize("value", [5, "text", [], None, {}])
def test_a_value_of_the_wrong_kind_anywhere_ends_in_no_traceback(
    exports: Mapping[str, tuple[Manifest, ...]], value: Any
) -> None:
    for each in exports["secure"]:
        for key in each.body:
            planted(exports["secure"], Plant(each.file, (key,), value))
            rules.judge(planted(exports["secure"], Plant(each.file, (key,), value)))
        for key in each.mapped("spec"):
            rules.judge(planted(exports["secure"], Plant(each.file, ("spec", key), value)))


RULE = "self.type != 'tls' || !has(self.renewalDays) || !has(self.validityDays) || self.renewalDays < self.validityDays"


@pytest.mark.parametrize(
    ("rule", "value", "holds"),
    [
        (RULE, {"type": "tls", "renewalDays": 1, "validityDays": 2}, True),
        (RULE, {"type": "tls", "renewalDays": 2, "validityDays": 2}, False),
        (RULE, {"type": "tls"}, True),
        (RULE, {}, True),  # a missing type is an error, which the second alternative makes good
        ('self.topologyKey != ""', {}, False),
        ("(has(self.a) && self.a >= 3) || self.b == true", {"a": 3}, True),
        ("(has(self.a) && self.a >= 3) || self.b == true", {"b": True}, True),
        ("has(self.a.b) == false", {"a": {}}, True),
        ("!(self.a == self.b)", {"a": 1, "b": 1}, False),
        ("self.a < self.b", {"a": 1, "b": "2"}, False),
        ("self.a", {"a": "true"}, False),
    ],
)
def test_rules_hold_as_the_api_server_computes_them(rule: str, value: Any, holds: bool) -> None:
    assert cel.holds(rule, value) is holds


@pytest.mark.parametrize(
    "rule", ["size(self.a) > 1", "self.a.all(x, x > 1)", "self.a +", "(self.a", "self.a == ", "§", ""]
)
def test_a_rule_in_words_we_lack_never_passes(rule: str) -> None:
    with pytest.raises(cel.UnknownRule):
        cel.holds(rule, {"a": [1]})


def test_a_folder_without_crds_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: ConfigMap\n", encoding="utf-8")
    with pytest.raises(StackError) as caught:
        crd.read(tmp_path)
    assert caught.value.reference == "no-crds"
