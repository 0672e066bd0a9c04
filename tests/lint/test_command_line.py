"""Nodes that Kafka's own script starts: what its file and its flags say, and no variable."""

from __future__ import annotations

import pytest

from tests.lint.conftest import Lint, codes, told

STARTED = """\
services:
  kafka:
    image: quay.io/strimzi/kafka:0.37.0-kafka-3.5.1
    command: [sh, -c, "bin/kafka-server-start.sh config/%s"]
    environment: {TOLD: "PLAINTEXT://localhost:9092"%s}
  zookeeper:
    image: quay.io/strimzi/kafka:0.37.0-kafka-3.5.1
    command: [sh, -c, "bin/zookeeper-server-start.sh config/zookeeper.properties"]
  app:
    image: example.org/app:1.0.0
    environment: {KAFKA_BOOTSTRAP_SERVERS: "kafka:9092"}
"""
ZOOKEEPER = "server.properties --override zookeeper.connect=zookeeper:2181"
KRAFT = "kraft/server.properties"
GOOD = "--override advertised.listeners=PLAINTEXT://kafka:9092"


def started(line: str, environment: str = "") -> str:
    return STARTED % (line, environment)


TOLD = {
    # (code, text at each place, Compose file)
    "a variable in a flag": (
        "KC130", ['"PLAINTEXT://localhost:9092"'],
        started(f"{ZOOKEEPER} --override advertised.listeners=$${{TOLD}}"),
    ),
    "the value itself, in quotes": (
        "KC130", ["PLAINTEXT://localhost:9092"],
        started(f"{ZOOKEEPER} --override 'advertised.listeners=PLAINTEXT://localhost:9092'"),
    ),
    "a default in the shell": (
        "KC130", ["PLAINTEXT://localhost:9092"],
        started(f"{ZOOKEEPER} --override advertised.listeners=$${{GONE:-PLAINTEXT://localhost:9092}}"),
    ),
    "the file that Kafka 3 is released with": ("KC130", ["kafka"], started(KRAFT)),
    "and that of Kafka 4": (
        "KC130", ["kafka"], started("server.properties").replace("0.37.0-kafka-3.5.1", "0.47.0-kafka-4.0.0"),
    ),
    "a variable that only the image's own script would read": (
        "KC130", ["kafka"], started(KRAFT, ", KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://kafka:9092'"),
    ),
    "words without a shell": (
        "KC130", ["PLAINTEXT://localhost:9092"],
        started(KRAFT).replace(
            f'[sh, -c, "bin/kafka-server-start.sh config/{KRAFT}"]',
            f"[bin/kafka-server-start.sh, config/{KRAFT}, --override, 'advertised.listeners=PLAINTEXT://localhost:9092']",
        ),
    ),
    "a port that no flag opens": (
        "KC131", ['"kafka:9092"'], started(f"{KRAFT} {GOOD} --override listeners=PLAINTEXT://:9096,CONTROLLER://:9093"),
    ),
    "a listener that is not there": (
        "KC121", ["HOST://localhost:9094"], started(f"{KRAFT} {GOOD},HOST://localhost:9094"),
    ),
    "a listener without a protocol": (
        "KC125", ["HOST://:9094"],
        started(f"{KRAFT} {GOOD} --override listeners=PLAINTEXT://:9092,HOST://:9094,CONTROLLER://:9093"),
    ),
    "an id that is no voter's": ("KC103", ["node.id=7"], started(f"{KRAFT} {GOOD} --override node.id=7")),
    "a misspelt property": ("KC006", ["num.partitons"], started(f"{KRAFT} {GOOD} --override num.partitons=3")),
    "a setting of a listener that is not there": (
        "KC137", ["listener.name.host.max.connections"],
        started(f"{KRAFT} {GOOD} --override listener.name.host.max.connections=3"),
    ),
    "ZooKeeper at another port": (
        "KC112", ["zookeeper:2182"], started(f"{ZOOKEEPER.replace('2181', '2182')} {GOOD}"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_what_the_flags_say_is_judged(name: str, lint: Lint) -> None:
    code, texts, files = TOLD[name]
    assert told(lint(files), code) == texts


def test_the_help_is_a_flag_where_no_variable_is_read(lint: Lint) -> None:
    (judged,) = lint(started(f"{KRAFT} {GOOD}"), select=("KC145",)).result.findings
    assert "--override auto.create.topics.enable=false" in judged.finding.help


LEFT_ALONE = {
    "flags that say it all": (f"{ZOOKEEPER} {GOOD} --override listeners=PLAINTEXT://0.0.0.0:9092", ""),
    "a file that the script edits first": (f"{KRAFT}; sed -i s/a/b/ config/{KRAFT}", ""),
    "a file of the project's own": ("mine.properties", ""),
    "what only the running shell knows": (f"{KRAFT} --override advertised.listeners=PLAINTEXT://$$(hostname):9092", ""),
    "a file that is mounted": (KRAFT, "}\n    volumes: ['./config:/opt/kafka/config']\n    labels: {a: b"),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_what_is_not_known_is_left_alone(name: str, lint: Lint) -> None:
    outcome = lint(started(*LEFT_ALONE[name]))
    assert not outcome.project.refusal
    assert [judged.rule.code for judged in outcome.result.findings if judged.severity.word == "error"] == []


def test_a_version_that_nobody_knows_has_no_file(lint: Lint) -> None:
    assert "KC130" not in codes(lint(started(KRAFT).replace(":0.37.0-kafka-3.5.1", ":latest")))
