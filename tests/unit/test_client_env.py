"""What a client needs, in the words of its language: read back as that language would."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from backbone.errors import StackError
from backbone.stack import client_env

if TYPE_CHECKING:
    from pathlib import Path

WORD = "p@ss/w:rd#1 é"
VALUES = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092,127.0.0.1:9094",
    "SCHEMA_REGISTRY_URL": "http://127.0.0.1:8081/apis/ccompat/v7",
    "POSTGRES_URL": f"postgresql://me:{quote(WORD, safe='')}@127.0.0.1:5432/events",
}
BY_FILE = {
    **VALUES,
    "POSTGRES_URL": "postgresql://me@127.0.0.1:5432/events?passfile=/a%20b/pgpass",
    "PGPASSFILE": "/a b/pgpass",
}


def lines(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def said(format_: str, values: dict[str, str] = VALUES) -> str:
    return client_env.text(values, format_, {})


def test_as_variables() -> None:
    assert lines(said("dotenv")) == VALUES
    assert json.loads(said("json")) == VALUES
    words = shlex.split(said("shell"))
    assert words[::2] == ["export"] * 3
    assert lines("\n".join(words[1::2])) == VALUES


def test_for_java() -> None:
    assert lines(said("properties")) == {
        "bootstrap.servers": VALUES["KAFKA_BOOTSTRAP_SERVERS"],
        "schema.registry.url": VALUES["SCHEMA_REGISTRY_URL"],
    }
    spring = lines(said("spring"))
    assert spring["spring.kafka.bootstrap-servers"] == VALUES["KAFKA_BOOTSTRAP_SERVERS"]
    assert spring["spring.datasource.url"] == "jdbc:postgresql://127.0.0.1:5432/events"
    assert (spring["spring.datasource.username"], spring["spring.datasource.password"]) == ("me", WORD)
    first, rest = said("quarkus", BY_FILE).split("\n", 1)
    assert first == "# in the environment: PGPASSFILE=/a b/pgpass"
    quarkus = lines(rest)
    assert quarkus["kafka.bootstrap.servers"] == VALUES["KAFKA_BOOTSTRAP_SERVERS"]
    assert quarkus["quarkus.datasource.jdbc.url"].endswith(":5432/events")
    assert "quarkus.datasource.password" not in quarkus


def test_for_node_and_dotnet() -> None:
    module = said("node").removeprefix("module.exports = ").rstrip(";\n")
    assert json.loads(module)["brokers"] == ["127.0.0.1:9092", "127.0.0.1:9094"]
    settings = json.loads(said("dotnet"))
    assert settings["Kafka"] == {"BootstrapServers": VALUES["KAFKA_BOOTSTRAP_SERVERS"]}
    assert settings["ConnectionStrings"]["Postgres"].endswith(f";Username=me;Password={WORD}")
    by_file = json.loads(said("dotnet", BY_FILE))["ConnectionStrings"]["Postgres"]
    assert by_file.endswith(";Username=me;Passfile=/a b/pgpass")


@pytest.mark.parametrize("format_", client_env.FORMATS)
def test_what_does_not_run_is_not_named(format_: str) -> None:
    only = {"KAFKA_BOOTSTRAP_SERVERS": "a:1"}
    text = said(format_, only)
    assert "a:1" in text
    assert "None" not in text
    assert "postgres" not in text.lower()


def test_in_github_actions_it_goes_into_the_file_of_the_job(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("BEFORE=1\n", encoding="utf-8")
    assert client_env.text(VALUES, "github", {"GITHUB_ENV": str(file)}) == ""
    assert lines(file.read_text(encoding="utf-8")) == {"BEFORE": "1", **VALUES}


def test_a_format_that_is_none() -> None:
    with pytest.raises(StackError, match="unknown-format"):
        said("toml")


LOGIN = {
    **VALUES,
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "app",
    "KAFKA_SASL_PASSWORD_FILE": "/s/users/app.password",
    "KAFKA_SSL_CA_LOCATION": "/s/ca.pem",
    "KAFKA_CLIENT_PROPERTIES": "/s/users/app.properties",
}
WITH_SECRET = {**LOGIN, "KAFKA_SASL_PASSWORD": "hush"}


@pytest.mark.parametrize(
    ("format_", "prefix"), [("properties", ""), ("spring", "spring.kafka.properties."), ("quarkus", "kafka.")]
)
def test_a_login_in_java_has_its_password_only_if_asked_for(format_: str, prefix: str) -> None:
    first, rest = said(format_, LOGIN).split("\n", 1)
    assert first.startswith("# ")
    assert first.endswith("/s/users/app.properties")
    found = lines(rest)
    assert found[f"{prefix}security.protocol"] == "SASL_SSL"
    assert found[f"{prefix}sasl.mechanism"] == "SCRAM-SHA-512"
    assert found[f"{prefix}ssl.truststore.location"] == "/s/ca.pem"
    assert f"{prefix}sasl.jaas.config" not in found
    whole = lines(said(format_, WITH_SECRET))
    assert 'username="app" password="hush";' in whole[f"{prefix}sasl.jaas.config"]


def test_a_login_for_node_and_dotnet() -> None:
    node = said("node", LOGIN)
    assert "require('fs').readFileSync(\"/s/users/app.password\", 'utf8').trim()" in node
    assert "hush" not in said("node", WITH_SECRET)
    kafka = json.loads(said("dotnet", LOGIN))["Kafka"]
    assert (kafka["SecurityProtocol"], kafka["SaslMechanism"], kafka["SaslUsername"]) == (
        "SaslSsl",
        "ScramSha512",
        "app",
    )
    assert "SaslPassword" not in kafka
    assert json.loads(said("dotnet", WITH_SECRET))["Kafka"]["SaslPassword"] == "hush"
