from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from backbone.addresses import bootstrap, listeners
from backbone.console import download
from backbone.errors import ExitCode, StackError
from backbone.stack.compose import parse
from backbone.stack.engine import choose, open_stack
from backbone.stack.engine.base import brokers
from backbone.stack.settings import Settings
from tests import ROOT
from tests.fakes import FakeEngine, model, stack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BROKER = {
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_ADVERTISED_LISTENERS": "INTERNAL://kafka-1:19092,EXTERNAL://127.0.0.1:9092",
}


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], Settings]:
    """Put a `docker` with that shell body on PATH (None: no docker at all) and return settings without variables."""

    def install(body: str | None) -> Settings:
        monkeypatch.setenv("PATH", str(tmp_path))
        if body is not None:
            cli = tmp_path / "docker"
            cli.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
            cli.chmod(0o755)
        (tmp_path / ".env.example").write_text("", encoding="utf-8")
        return Settings(tmp_path, {})

    return install


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (None, ("embedded", "there is no docker on this machine")),
        ("exit 0", ("docker", "a Docker engine answers")),
        ("exit 1", ("embedded", "no Docker engine answers")),
        ('[ "$1" = version ]', ("embedded", "docker has no compose plugin")),
    ],
    ids=["no docker", "docker", "no engine", "no compose"],
)
def test_auto_takes_docker_if_one_answers(
    docker: Callable[[str | None], Settings], body: str | None, expected: tuple[str, str]
) -> None:
    assert choose(docker(body), None) == expected
    assert choose(docker(body), "auto") == expected


def test_a_docker_that_cannot_be_run_is_no_docker(docker: Callable[[str | None], Settings]) -> None:
    settings = docker("")
    (settings.root / "docker").write_bytes(b"\x7fELF but not really")
    assert choose(settings, None)[0] == "embedded"


def test_what_is_asked_for_wins_over_the_variable(docker: Callable[[str | None], Settings]) -> None:
    root = docker("exit 0").root
    settings = Settings(root, {"STACK_ENGINE": "embedded"})
    assert choose(settings, None) == ("embedded", "STACK_ENGINE")
    assert choose(settings, "docker") == ("docker", "--engine")


def test_an_unknown_engine_is_told_with_those_there_are() -> None:
    with pytest.raises(StackError) as caught:
        choose(Settings(ROOT, {}), "podman")
    error = caught.value
    assert (error.reference, error.exit_code) == ("unknown-engine", ExitCode.USAGE)
    assert error.context == "engines: auto, docker, embedded"


def test_opens_the_stack_of_this_repository(tmp_path: Path) -> None:
    settings = Settings(ROOT, {"KAFKA_1_EXTERNAL_PORT": "29092", "XDG_CACHE_HOME": str(tmp_path)})
    opened = open_stack(settings, ["messaging"], "embedded", download)
    assert opened.engine.name == "embedded"
    assert opened.brokers["kafka-1"] == "127.0.0.1:29092"
    assert [name for name in opened.model.services if name.startswith("kafka-")][:3] == [
        "kafka-1",
        "kafka-2",
        "kafka-3",
    ]


def test_an_unknown_profile_is_told_with_those_there_are() -> None:
    with pytest.raises(StackError) as caught:
        open_stack(Settings(ROOT, {}), ["messaging", "mesaging"], "embedded", download)
    error = caught.value
    assert (error.reference, error.exit_code) == ("unknown-profile", ExitCode.USAGE)
    assert "mesaging" in error.message
    assert "messaging" in str(error.context)


def test_a_standard_profile_may_be_empty() -> None:
    assert open_stack(Settings(ROOT, {}), ["core"], "embedded", download).bootstrap == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("INTERNAL://kafka-1:19092", {"INTERNAL": "kafka-1:19092"}),
        ("A://:1, b://[::1]:2,", {"A": ":1", "B": "[::1]:2"}),
    ],
)
def test_reads_listener_lists(text: str, expected: dict[str, str]) -> None:
    assert {name: one.address for name, one in listeners(text).items()} == expected


@pytest.mark.parametrize("text", ["kafka-1:19092", "A://host", "A://host:port", "A://host:70000", "A://host:-1"])
def test_a_listener_list_that_is_none_is_told(text: str) -> None:
    with pytest.raises(StackError) as caught:
        listeners(text)
    error = caught.value
    assert (error.reference, error.exit_code) == ("bad-listener", ExitCode.USAGE)
    assert text in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        (BROKER, "127.0.0.1:9092"),
        ({}, None),
        ({"KAFKA_PROCESS_ROLES": "controller"}, None),
        ({"KAFKA_PROCESS_ROLES": "broker"}, None),
        ({**BROKER, "KAFKA_ADVERTISED_LISTENERS": "INTERNAL://kafka-1:19092"}, None),
    ],
    ids=["broker", "no kafka", "controller", "nothing advertised", "internal only"],
)
def test_the_address_for_clients_is_the_external_listener(environment: dict[str, str], address: str | None) -> None:
    assert brokers(parse({"services": {"k": {"environment": environment}}})) == ({"k": address} if address else {})


def test_a_bootstrap_list_is_taken_as_it_is() -> None:
    assert bootstrap(" a.b:9092,[::1]:1 ,") == ("a.b:9092", "[::1]:1")


@pytest.mark.parametrize(
    "text", ["", "host", "host:", ":9092", "a:1,b", "host:x", "host:0", "host:70000", "A://host:1"]
)
def test_a_bootstrap_list_that_is_none_is_told(text: str) -> None:
    with pytest.raises(StackError, match="bad-address") as caught:
        bootstrap(text)
    assert caught.value.exit_code is ExitCode.USAGE
    assert repr(text.rpartition(",")[2]) in caught.value.message


def test_endpoints_are_the_brokers_then_what_services_say(tmp_path: Path) -> None:
    services: dict[str, dict[str, Any]] = {
        "kafka-1": {"environment": BROKER},
        "registry": {"x-endpoints": {"REGISTRY_URL": "http://127.0.0.1:8081", "PORT": 8081}},
    }
    found = stack(tmp_path, FakeEngine(model(**services)))
    assert found.endpoints == {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
        "REGISTRY_URL": "http://127.0.0.1:8081",
        "PORT": "8081",
    }
    assert stack(tmp_path, FakeEngine(model())).endpoints == {}
