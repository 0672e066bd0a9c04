"""What a local account or a web page may try on the services' HTTP interfaces, and what is refused."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from backbone import secret_file
from backbone.events.connectors import worker as connect_worker
from backbone.stack import endpoints
from tests.e2e.sink_lab import model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.checkout import Checkout

SINK = "backbone.connect.ArchiveSink"
JSON = {"Content-Type": "application/json"}
ELSEWHERE = "http://elsewhere.example"
SCHEMA = {"schema": json.dumps({"type": "string"})}


def send(url: str, method: str, path: str, headers: Mapping[str, str], body: object | None = None) -> tuple[int, str]:
    """Send one request with just these headers; return status and text."""
    place = urlsplit(url)
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)) as connection:
        data = None if body is None else json.dumps(body)
        connection.request(method, place.path + path, data, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def connect(stack: Checkout) -> connect_worker.Worker:
    return connect_worker.of_stack(model(stack))


def user(stack: Checkout) -> dict[str, str]:
    file = connect(stack).user_file
    assert file is not None
    return secret_file.basic_auth(file)


def registry(stack: Checkout) -> str:
    return endpoints.named(model(stack), "schema-registry", "SCHEMA_REGISTRY_URL")


def validate(stack: Checkout, **config: str) -> tuple[int, str]:
    """Let the worker judge a connector, as one who has the password."""
    body = {"name": "x", "connector.class": SINK, "tasks.max": "1", "topics": "events-topic", **config}
    return send(connect(stack).url, "PUT", f"/connector-plugins/{SINK}/config/validate", {**JSON, **user(stack)}, body)


def test_the_worker_answers_nobody_without_the_password(data_stack: Checkout) -> None:
    url = connect(data_stack).url
    for method, path in (("GET", "/connectors"), ("GET", "/health"), ("PUT", "/connector-plugins/x/config/validate")):
        assert send(url, method, path, JSON, {} if method == "PUT" else None)[0] == 401
    wrong = {"Authorization": "Basic Y29ubmVjdDp3cm9uZw=="}
    assert send(url, "GET", "/connectors", wrong)[0] == 401
    assert send(url, "GET", "/connectors", user(data_stack))[0] == 200


@pytest.mark.parametrize(
    "value",
    [
        "${secrets:/etc:passwd}",
        "${secrets:secrets:connect/user}",
        "${secrets:secrets/..:connect/user}",
        "${secrets:secrets:../../../../../../../../../etc/passwd}",
        "${secrets:/proc/self:environ}",
        "${secrets:.:process.json}",
    ],
)
def test_a_connector_reads_no_file_that_was_not_meant_for_it(data_stack: Checkout, value: str) -> None:
    status, said = validate(data_stack, **{"connection.url": value})
    assert status == 500
    assert "connectors may use these secrets only" in said
    assert "root:" not in said
    password = user(data_stack)["Authorization"].split()[1]
    assert password not in said


@pytest.mark.parametrize("provider", ["FileConfigProvider", "DirectoryConfigProvider"])
def test_a_connector_brings_no_provider_of_its_own(data_stack: Checkout, provider: str) -> None:
    config = {
        "config.providers": "own",
        "config.providers.own.class": f"org.apache.kafka.common.config.provider.{provider}",
        "connection.url": "${own:/etc/passwd:root}",
    }
    status, said = validate(data_stack, **config)
    assert status == 500
    assert f"{provider} is not allowed" in said


def test_no_connector_of_the_worker_reads_or_writes_files(data_stack: Checkout) -> None:
    status, said = send(connect(data_stack).url, "GET", "/connector-plugins", user(data_stack))
    assert status == 200
    assert {row["class"].rpartition(".")[2] for row in json.loads(said)} == {
        "ArchiveSink",
        "JdbcSinkConnector",
        "PostgresConnector",
    }


@pytest.mark.parametrize(
    "override",
    [
        {"consumer.override.sasl.jaas.config": "com.sun.security.auth.module.JndiLoginModule required;"},
        {"consumer.override.ssl.truststore.location": "/etc/passwd"},
        {"consumer.override.bootstrap.servers": "elsewhere.example:9092"},
    ],
)
def test_a_connector_does_not_change_who_its_clients_are(data_stack: Checkout, override: dict[str, str]) -> None:
    status, said = validate(data_stack, **override)
    assert status == 200
    (key,) = override
    (errors,) = (each["value"]["errors"] for each in json.loads(said)["configs"] if each["value"]["name"] == key)
    assert errors


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Host": "elsewhere.example"}, "Host"),
        ({"Host": "elsewhere.example:8083"}, "Host"),
        ({"Host": "127.0.0.1.elsewhere.example"}, "Host"),
        ({"Origin": ELSEWHERE}, "Origin"),
        ({"Origin": "null"}, "Origin"),
        ({"Host": "elsewhere.example", "Origin": ELSEWHERE}, "Host"),
    ],
)
def test_a_web_page_does_not_reach_the_worker_even_with_the_password(
    data_stack: Checkout, headers: dict[str, str], reason: str
) -> None:
    status, said = send(connect(data_stack).url, "GET", "/connectors", {**user(data_stack), **headers})
    assert (status, reason in said) == (403, True)


def test_the_workers_own_names_are_accepted(data_stack: Checkout) -> None:
    url = connect(data_stack).url
    port = urlsplit(url).port
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", f"kafka-connect:{port}"):
        own: dict[str, str] = {"Host": host, "Origin": f"http://{host}"}
        assert send(url, "GET", "/connectors", {**user(data_stack), **own})[0] == 200, host


def test_a_form_of_a_web_page_is_not_taken_for_json(data_stack: Checkout) -> None:
    body: dict[str, Any] = {"name": "x", "config": {}}
    plain = {"Content-Type": "text/plain"}
    assert send(connect(data_stack).url, "POST", "/connectors", {**user(data_stack), **plain}, body)[0] == 415
    assert send(registry(data_stack), "POST", "/subjects/attack-value/versions", plain, SCHEMA)[0] == 415


@pytest.mark.parametrize("origin", [ELSEWHERE, "null", "https://127.0.0.1"])
def test_a_web_page_does_not_reach_the_registry(data_stack: Checkout, origin: str) -> None:
    headers = {**JSON, "Origin": origin}
    assert send(registry(data_stack), "GET", "/subjects", headers)[0] == 403
    assert send(registry(data_stack), "POST", "/subjects/attack-value/versions", headers, SCHEMA)[0] == 403


def test_a_level_set_by_hand_is_seen_by_the_doctor(data_stack: Checkout) -> None:
    url = registry(data_stack)
    before = json.loads(send(url, "GET", "/config", {})[1])["compatibilityLevel"]
    try:
        assert send(url, "PUT", "/config", JSON, {"compatibility": "NONE"})[0] == 200
        found = data_stack.json("doctor", code=1)
        (check,) = (each for each in found["checks"] if each["check"] == "D033")
        assert "NONE" in json.dumps(check)
    finally:
        send(url, "PUT", "/config", JSON, {"compatibility": before})


def test_a_stack_without_passwords_is_not_published_to_other_machines(fresh: Checkout) -> None:
    fresh.environ["BIND_ADDRESS"] = "192.0.2.1"
    assert "error[exposed]" in fresh.run("up", code=2).stderr
    del fresh.environ["BIND_ADDRESS"]
