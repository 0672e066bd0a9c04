"""A secret in every place where a value can stand: it is in no report, of no format, whatever went wrong."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from backbone.lint import cli
from backbone.source import disclosure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.lint.conftest import Lint, Write

CANARY = "c4n4ry7f3e9d1b5a8c2f6e0d4b7a9c31"  # 32 characters, of no meaning anywhere
KAFKA = """\
services:
  kafka:
    image: apache/kafka:4.3.1
    env_file: [broker.env]
    ports: ["9092:9092"]
    environment:
      KAFKA_NODE_ID: 1
      KAFKA_PROCESS_ROLES: broker,controller
      KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
      KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka:9093
      KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
      KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://${HOST}:9092
      KAFKA_INTER_BROKER_LISTENER_NAME: ${HOST}
      KAFKA_${HOST}: x
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: ${HOST:-x}
      SHELL_VALUE:
      BROKER_PASSWORD: @@
      KAFKA_LISTENER_NAME_CLIENT_PLAIN_SASL_JAAS_CONFIG: >-
        org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="@@";
      DATABASE_URL: postgres://user:@@@db/x
  client:
    image: confluentinc/cp-kcat:7.1.1
    command: [kcat, -b, "${HOST}:9092", -X, "sasl.password=@@"]
    labels: {token: @@}
    environment: [SHELL_VALUE, "API_KEY=@@", "BOOTSTRAP_SERVERS=${HOST}:1", "KAFKA_HOST=${HOST}", KAFKA_PORT=1]
    configs: [inline]
    healthcheck: {test: "curl -u admin:@@ -H 'Authorization: Bearer @@' http://localhost:${HOST}", timeout: 90s}
  tools:
    image: apache/kafka:4.3.1
    command: kafka-topics.sh --topic $$TOPIC --bootstrap-server $HOST
    environment: {HOST: kafka, TOPIC: a}
configs: {inline: {content: 'brokers: ["kafka:9092", "${HOST}:2"]'}}
"""
PROJECTS: dict[str, Mapping[str, str]] = {
    "accepted": {"docker-compose.yml": KAFKA},
    "refused for a value": {"docker-compose.yml": KAFKA.replace('"9092:9092"', '"${HOST}:9092"')},
    "refused for a duration": {"docker-compose.yml": KAFKA.replace("timeout: 90s", "timeout: '${HOST}'")},
    "refused for a path": {"docker-compose.yml": "include: ['${HOST}.yml']\n" + KAFKA},
    "required": {"docker-compose.yml": KAFKA.replace("${HOST:-x}", "${GONE:?${HOST} @@}")},
    "a schema departure": {"docker-compose.yml": KAFKA.replace("timeout: 90s", "timeout: {@@: @@}, retries: @@")},
    "a wrong env file": {"docker-compose.yml": KAFKA, "broker.env": "this is @@ no=assignment\n@@\n"},
    "a wrong .env": {"docker-compose.yml": KAFKA, ".env": 'HOST=@@\n"@@\nwhat @@ is this\n'},
    "ports of an env file": {
        "docker-compose.yml": KAFKA.replace('"9092:9092"', '"${ONE_PORT}:9092", "${TWO_PORT}:9093"'),
        ".env": "ONE_PORT=@@\nTWO_PORT=@@\nHOST=@@\n",
    },
    "an example": {"docker-compose.yml": KAFKA, ".env.example": "# @@\nHOST=@@ # @@\nBROKER_PASSWORD=@@\nUNUSED=@@\n"},
    "no YAML": {"docker-compose.yml": KAFKA + "  bad: [@@\n @@: '@@\n"},
    "COMPOSE_FILE": {"docker-compose.yml": KAFKA, ".env": "COMPOSE_FILE=@@.yml\n"},
    "comments": {
        "docker-compose.yml": KAFKA + "# kafka-lint: ignore @@ @@\n# kafka-lint: ignore KC506 @@\nx-end: 1\n",
        ".env": "HOST=@@ # kafka-lint: ignore @@ @@\n# kafka-lint: ignore @@ \nA=1\n",
        "kafka-lint.toml": '[[ignore]]\nrule = "KC002"\nreason = "@@"\n',
    },
    "flags and hooks": {
        "docker-compose.yml": KAFKA.replace(
            "    env_file: [broker.env]\n",
            "    command: [sh, -c, 'kafka-server-start.sh a.properties --override advertised.listeners=A://$HOST:1 "
            "--override ssl.key.password=@@ --override ssl.kee.password=@@ --override broker.rak=${HOST}']\n"
            "    post_start: [{command: 'kafka-topics --bootstrap-server ${HOST}:9 --command-config password=@@'}]\n",
        )
    },
    "a label file": {"docker-compose.yml": KAFKA.replace("labels: {token: @@}", "label_file: l"), "l": "@@ @@\n"},
}


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file that is none of the project's."""
    path = tmp_path_factory.mktemp("outside") / "shadow"
    path.write_text(
        f"root:$6${CANARY}:19000:0:99999:7:::\nservices: {{far: {{image: {CANARY}, x: 1}}}}\n", encoding="utf-8"
    )
    return str(path)


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[Path], str]:
    """Everything that the command says about a project, in every format."""
    monkeypatch.setattr(os, "environ", {"SHELL_VALUE": CANARY, "PATH": "/usr/bin:/bin"})

    def said(folder: Path) -> str:
        words = ""
        for flag in ("--format=text", "--format=json", "--format=sarif", "--format=github", "--format=junit", "--fix"):
            assert cli.main([str(folder), flag, "--hygiene"]) in (0, 1, 2)
            captured = capsys.readouterr()
            words += captured.out + captured.err
        return words

    return said


@pytest.mark.parametrize("name", PROJECTS)
def test_a_canary_is_in_no_report(name: str, write: Write, reports: Callable[[Path], str]) -> None:
    files = {".env": "HOST=@@\n", "broker.env": "KAFKA_SSL_KEY_PASSWORD=@@\nKAFKA_BROKER_RACK=@@\n", **PROJECTS[name]}
    folder = write({path: text.replace("@@", CANARY) for path, text in files.items()})
    said = reports(folder)
    assert CANARY not in said
    assert not re.search(CANARY[:10], said, re.IGNORECASE)


@pytest.mark.parametrize(
    "text",
    [
        "include: [AT]\n",
        "services: {a: {extends: {file: AT, service: far}}}\n",
        "services: {a: {image: 'x:1', env_file: AT}}\n",
        "services: {a: {image: 'x:1', label_file: AT}}\n",
        "include: [{path: other.yml, env_file: AT}]\n",
    ],
)
def test_nothing_outside_the_project_is_quoted(
    text: str, outside: str, write: Write, reports: Callable[[Path], str]
) -> None:
    folder = write({"docker-compose.yml": text.replace("AT", outside), "other.yml": "services: {a: {image: 'x:1'}}\n"})
    (folder / "link").symlink_to(outside)
    said = reports(folder)
    assert CANARY[:10] not in said
    assert "19000" not in said


def test_what_the_project_says_itself_is_still_told(lint: Lint) -> None:
    text = "services: {web: {image: 'x:1', environment: {HOST: kafka-1}, depends_on: [kafka-one]}}\n"
    outcome = lint({"docker-compose.yml": text, ".env": "A=kafka-one\nB=kafka-1\n"}, select=("KC004",))
    assert "kafka-one" in outcome.result.findings[0].finding.message


def test_a_hidden_word_that_begins_like_kafkas_variables_hides_none_of_them(lint: Lint) -> None:
    text = (
        "services: {k: {image: 'apache/kafka:4.1.0', environment: {KAFKA_NODE_ID: 1, KAFKA_PROCESS_ROLES: broker}}}\n"
    )
    outcome = lint({"docker-compose.yml": text, ".env": "A=kafka_s3cretpassword\n"}, select=("KC145",))
    (judged,) = outcome.result.findings
    assert "KAFKA_AUTO_CREATE_TOPICS_ENABLE" in judged.finding.help


def test_what_a_file_is_called_is_told_though_a_value_in_it_begins_alike(lint: Lint, write: Write) -> None:
    env = write({"ccloud/ccloud.env": "TAG=latest\nCLUSTER=ccloud-europe-1\n"}) / "ccloud" / "ccloud.env"
    outcome = lint("services: {web: {image: 'x:${TAG}'}}\n", select=("KC506",), env_files=(env,))
    (judged,) = outcome.result.findings
    assert judged.finding.at.variables == ("TAG is set by ccloud.env:1",)


@pytest.mark.parametrize(
    "value", ["", "9092", "4.3.1", "v1.2.3", "7.6.1-ubi8", "0.5", "512m", "10s", "8080-8090", "-1"]
)
def test_ports_tags_and_numbers_may_be_told(value: str) -> None:
    assert disclosure.is_tellable(value)


@pytest.mark.parametrize("value", ["secret", "true", "kafka-1", "12345678901234567890", CANARY, "1.2-" + CANARY, "a1"])
def test_anything_else_may_not(value: str) -> None:
    assert not disclosure.is_tellable(value)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("  DB_PASSWORD: hunter2", "  DB_PASSWORD: *******"),
        ("  - DB_PASSWORD=hunter2", "  - DB_PASSWORD=*******"),
        ('password="hunter2";', 'password="*******";'),
        ("{password: hunter2, x: 1}", "{password: *******, x: 1}"),
        ("${DB_PASSWORD:-hunter2}", "${DB_PASSWORD:-*******}"),
        ("redis-server --requirepass hunter2 x", "redis-server --requirepass ******* x"),
        ("http://me:hunter2@host/", "http://me:*******@host/"),
        ("POSTGRES_PASSWORD_FILE: /run/secrets/db", "POSTGRES_PASSWORD_FILE: /run/secrets/db"),
        ("POSTGRES_PASSWORD: ${PASSWORD}", "POSTGRES_PASSWORD: ${PASSWORD}"),
        ("secrets: [db_password]", "secrets: [db_password]"),
        ("secrets:\n  db: {file: x}", "secrets:\n  db: {file: x}"),
        ("CLUSTER_ID: MkU3OEVBNTcwNTJENDM2Qg", "CLUSTER_ID: MkU3OEVBNTcwNTJENDM2Qg"),
        ("image: x@sha256:" + "0a" * 32, "image: x@sha256:" + "0a" * 32),
        ("KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093", "KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093"),
    ],
)
def test_what_looks_like_a_credential_is_masked_in_its_place(text: str, masked: str) -> None:
    assert disclosure.without_credentials(text)[0] == masked


def test_of_an_env_file_names_and_tellable_values_are_left() -> None:
    assert disclosure.without_values("A=1\nB=two words\n# note\nno line\n") == "A=1\nB=*** *****\n* ****\n** ****\n"
