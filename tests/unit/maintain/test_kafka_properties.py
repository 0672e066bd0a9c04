"""The list of properties: read from what Kafka prints, kept with its version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from backbone.errors import StackError
from backbone.lint.kafka import properties
from scripts.maintain import kafka_properties
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """<ul class="config-list"><li>
<h4><a id="node.id"></a><a id="brokerconfigs_node.id" href="#brokerconfigs_node.id">node.id</a></h4>
<p>The node ID when <code>process.roles</code> is set.</p>
<table><tbody><tr><th>Type:</th><td>int</td></tr><tr><th>Default:</th><td></td></tr></tbody></table></li><li>
<h4><a id="listeners"></a><a id="brokerconfigs_listeners" href="#x">listeners</a></h4>
<table><tbody><tr><th>Type:</th><td>list</td></tr><tr><th>Default:</th><td>PLAINTEXT://:9092</td></tr>
<tr><th>Valid Values:</th><td>[a, b]</td></tr></tbody></table></li></ul>"""


def test_a_page_gives_names_types_and_defaults() -> None:
    assert kafka_properties.parse_page(PAGE) == {
        "listeners": kafka_properties.Property("list", "PLAINTEXT://:9092", "[a, b]"),
        "node.id": kafka_properties.Property("int", ""),
    }


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "properties.json"
    kafka_properties.write(file, "4.3.1", {"broker": kafka_properties.parse_page(PAGE)})
    assert json.loads(file.read_text(encoding="utf-8")) == {
        "kafka_version": "4.3.1",
        "broker": {"listeners": ["list", "PLAINTEXT://:9092"], "node.id": ["int", ""]},
        "later": {},
    }


def test_of_a_later_version_is_kept_what_it_has_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "properties.json"
    first = kafka_properties.parse_page(PAGE)
    second = {"listeners": first["listeners"], "queues": kafka_properties.Property("int", "1")}
    later = {"4.4.0": {"broker": second}, "4.5.0": {"broker": second}}
    kafka_properties.write(file, "4.3.1", {"broker": first}, later)
    assert json.loads(file.read_text(encoding="utf-8"))["later"] == {
        "4.4.0": {"broker": {"set": {"queues": ["int", "1"]}, "gone": ["node.id"]}}
    }


def test_the_valid_values_of_topics_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "properties.json"
    kafka_properties.write(file, "4.3.1", {"topic": kafka_properties.parse_page(PAGE)})
    assert json.loads(file.read_text(encoding="utf-8"))["topic"] == {
        "listeners": ["list", "PLAINTEXT://:9092", "[a, b]"],
        "node.id": ["int", "", ""],
    }


def test_a_jvm_that_prints_nothing_is_an_error_with_its_words(tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'Error: Could not find or load main class' >&2\nexit 1\n", encoding="utf-8")
    java.chmod(0o755)
    with pytest.raises(StackError) as caught:
        kafka_properties.describe(java, [])
    assert caught.value.reference == "property-printer"
    assert "Could not find" in (caught.value.context or "")


def test_the_version_comes_from_the_jars(tmp_path: Path) -> None:
    jars = [tmp_path / "scala-library-2.13.18.jar", tmp_path / "kafka-clients-4.3.1.jar"]
    assert kafka_properties.kafka_version(jars) == "4.3.1"
    with pytest.raises(StackError):
        kafka_properties.kafka_version(jars[:1])


def test_the_kept_list_is_of_the_kafka_that_the_stack_runs() -> None:
    lock = json.loads((ROOT / "infra" / "artifacts.lock.json").read_text(encoding="utf-8"))
    roots = lock["sets"]["connect"]["roots"]
    assert f"org.apache.kafka:kafka_2.13:{properties.kafka_version()}" in roots


def test_every_version_that_can_run_here_has_its_list() -> None:
    lock = json.loads((ROOT / "infra" / "artifacts.lock.json").read_text(encoding="utf-8"))
    locked = {name.removeprefix("kafka@") for name in lock["sets"] if name.startswith("kafka@")}
    document = json.loads(kafka_properties.DATA_FILE.read_text(encoding="utf-8"))
    assert {document["kafka_version"], *document["later"]} == locked


def test_a_property_belongs_to_the_releases_that_have_it() -> None:
    name = "errors.deadletterqueue.topic.name.prefix"
    known = {
        release: properties.is_known(name, "broker", release=release) for release in ((4, 3), (4, 4), (4, 9), None)
    }
    assert known == {(4, 3): False, (4, 4): True, (4, 9): True, None: True}
    assert properties.since(name, "broker") == "4.4.0"
    assert properties.known("broker", (4, 4))["min.insync.replicas"] == ("int", "1")
    assert [properties.kafka_version(release) for release in (None, (3, 9), (4, 3), (4, 4))] == [
        "4.3.1",
        "4.3.1",
        "4.3.1",
        "4.4.0",
    ]


def test_the_kept_list_holds_what_the_stack_depends_on() -> None:
    assert properties.known("broker")["min.insync.replicas"] == ("int", "1")
    assert {"plugin.discovery", "offset.storage.topic"} <= properties.known("connect").keys()
