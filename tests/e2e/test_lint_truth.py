"""The linter's rules on nodes against Kafka itself: what a rule flags, Kafka refuses, in the words the rule quotes."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from backbone.lint import engine
from backbone.stack.engine.embedded import jre
from tests.e2e.checkout import KAFKA_JARS, classpath

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RULES = engine.load_rules()
CLUSTER_ID = "TWVzc2FnaW5nQmFja2JvbQ"

GOOD = {
    "node.id": "1",
    "process.roles": "broker,controller",
    "controller.quorum.voters": "1@kafka-1:9093,2@kafka-2:9093,3@kafka-3:9093",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",
    "listeners": "INTERNAL://:19092,CONTROLLER://:9093,EXTERNAL://:9092",
    "advertised.listeners": "INTERNAL://kafka-1:19092,EXTERNAL://localhost:9092",
    "listener.security.protocol.map": "INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,EXTERNAL:PLAINTEXT",
}

REFUSED: tuple[tuple[str, Mapping[str, str | None]], ...] = (
    ("KC101", {"node.id": "-1"}),
    ("KC103", {"node.id": "4"}),
    ("KC104", {"process.roles": "broker", "listeners": "INTERNAL://:19092,EXTERNAL://:9092"}),
    ("KC111", {"process.roles": None}),
    ("KC121", {"advertised.listeners": "INTERNAL://kafka-1:19092,HOST://localhost:9092",
               "listener.security.protocol.map": "HOST:PLAINTEXT," + GOOD["listener.security.protocol.map"]}),
    ("KC122", {"inter.broker.listener.name": "REPLICATION", "listener.security.protocol.map": "REPLICATION:PLAINTEXT,"
               + GOOD["listener.security.protocol.map"]}),
    ("KC123", {"advertised.listeners": "INTERNAL://0.0.0.0:19092,EXTERNAL://localhost:9092"}),
    ("KC124", {"listeners": "INTERNAL://:19092,EXTERNAL://:9092"}),
    ("KC125", {"listener.security.protocol.map": "INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"}),
    ("KC126", {"listeners": "INTERNAL://:19092,CONTROLLER://:9093,EXTERNAL://:9093"}),
    ("KC175", {"listener.security.protocol.map": "INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,EXTERNAL:TLS"}),
    ("KC177", {"listener.security.protocol.map": "INTERNAL:SASL_SSL,CONTROLLER:PLAINTEXT,EXTERNAL:PLAINTEXT",
               "sasl.enabled.mechanisms": "SCRAM-SHA-512"}),
)  # fmt: skip
"""Each rule with the change that makes a good configuration one that it flags."""


@pytest.fixture(scope="module")
def jars() -> str:
    return classpath(KAFKA_JARS)


def format_storage(
    jars: str, folder: Path, change: Mapping[str, str | None], cluster_id: str = CLUSTER_ID
) -> subprocess.CompletedProcess[str]:
    """Let Kafka read a configuration and format a folder by it, as the images do before they start a node."""
    settings = {**GOOD, "log.dirs": str(folder / "data"), **change}
    file = folder / "server.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in settings.items() if value is not None))
    argv = [str(jre.java()), "-cp", jars, "kafka.tools.StorageTool", "format"]
    argv += ["--cluster-id", cluster_id, "--config", str(file)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def quoted(code: str) -> list[str]:
    """Return the pieces of the sentence that a rule quotes; an ellipsis stands for a value."""
    sentence = re.search(r'"([^"]+)"', " ".join(RULES[code].doc.why.split()))
    assert sentence
    return [piece.strip() for piece in sentence[1].split("…") if piece.strip()]


def test_the_good_configuration_is_accepted(jars: str, tmp_path: Path) -> None:
    done = format_storage(jars, tmp_path, {})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("code", "change"), REFUSED, ids=[code for code, _ in REFUSED])
def test_kafka_refuses_it_in_the_words_the_rule_quotes(
    code: str, change: Mapping[str, str | None], jars: str, tmp_path: Path
) -> None:
    done = format_storage(jars, tmp_path, change)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    for piece in quoted(code):
        assert piece in said


def test_kafka_refuses_two_ids(jars: str, tmp_path: Path) -> None:
    # KC101, whose finding says why by itself.
    done = format_storage(jars, tmp_path, {"broker.id": "2"})
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert all(words in said for words in ("`node.id`", "`broker.id`", "same value"))


def test_kafka_refuses_listeners_with_the_quotes_of_a_list_entry(jars: str, tmp_path: Path) -> None:
    # KC010: in `- KAFKA_LISTENERS="…"` the quotes arrive.
    assert format_storage(jars, tmp_path, {"listeners": f'"{GOOD["listeners"]}"'}).returncode != 0


def test_dead_letter_topics_are_of_sinks_only() -> None:
    # KC701: Kafka's own documentation of both kinds of connector, printed by the classes that read their settings.
    known = {}
    for kind in ("Source", "Sink"):
        argv = [str(jre.java()), "-cp", classpath("connect")]
        argv += [f"org.apache.kafka.connect.runtime.{kind}ConnectorConfig"]
        known[kind] = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "errors.tolerance" in known["Source"]
    assert "errors.deadletterqueue.topic.name" not in known["Source"]
    assert "errors.deadletterqueue.topic.name" in known["Sink"]


def test_kafka_takes_a_cluster_id_that_is_no_uuid(jars: str, tmp_path: Path) -> None:
    # Why KC110 is a warning: the formatter takes it, only later readers of the id do not.
    assert format_storage(jars, tmp_path, {}, cluster_id="hy-kafka-cluster").returncode == 0
