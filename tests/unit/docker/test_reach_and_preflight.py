"""Addresses are judged from where their clients are; what cannot start is refused with the reason."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from backbone.errors import StackError
from backbone.stack import compose
from backbone.stack.engine import reach
from backbone.stack.engine.docker import data, preflight


def model(external_port: int = 1, **changes: Any) -> compose.Model:
    """Return two brokers whose EXTERNAL listener is advertised on 127.0.0.1."""
    blocks: dict[str, Any] = {
        f"kafka-{node}": {
            "mem_limit": str(1 << 30),
            "environment": {
                "KAFKA_ADVERTISED_LISTENERS": f"INTERNAL://kafka-{node}:19092,EXTERNAL://127.0.0.1:{external_port}"
            },
        }
        for node in (1, 2)
    }
    blocks["kafka-1"] |= changes
    return compose.parse({"services": blocks})


def test_internal_addresses_are_asked_from_another_broker_and_external_ones_from_here() -> None:
    asked: list[tuple[str, str]] = []

    def from_network(broker: str, host: str, port: int) -> bool:
        asked.append((broker, f"{host}:{port}"))
        return host != "kafka-2"

    with socket.create_server(("127.0.0.1", 0)) as server:
        missing = reach.unreachable(model(server.getsockname()[1]), from_network)
    assert missing == ["INTERNAL://kafka-2:19092 of kafka-2 cannot be reached from kafka-1"]
    assert asked == [("kafka-2", "kafka-1:19092"), ("kafka-1", "kafka-2:19092")]


def test_an_external_address_that_nobody_listens_on_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    missing = reach.unreachable(model(port), lambda *_: True)
    assert len(missing) == 2
    assert f"EXTERNAL://127.0.0.1:{port} of kafka-1 cannot be reached from this machine" in missing


@pytest.mark.parametrize(
    ("info", "reference"),
    [({"ServerVersion": "19.03.5"}, "engine-too-old"), ({"MemTotal": 1 << 30}, "engine-memory-short")],
)
def test_an_engine_that_cannot_hold_the_stack_is_refused(info: dict[str, Any], reference: str) -> None:
    services = list(model().services.values())
    with pytest.raises(StackError) as raised:
        preflight.check(info, services, services)
    assert raised.value.reference == reference


def test_a_taken_port_is_refused_and_a_free_one_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        services = list(
            model(ports=[{"host_ip": "127.0.0.1", "published": str(port), "target": 9092}]).services.values()
        )
        with pytest.raises(StackError) as raised:
            preflight.check({"MemTotal": 8 << 30}, services, services)
        assert raised.value.reference == "port-in-use"
        assert f"127.0.0.1:{port} of kafka-1" in str(raised.value.context)
    preflight.check({"MemTotal": 8 << 30}, services, services)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("20.10.24+dfsg1", (20, 10, 24)), ("28.2.2", (28, 2, 2)), ("dev", ()), ("2.40.0-desktop.1", (2, 40, 0))],
)
def test_versions_are_read_up_to_the_first_word(text: str, numbers: tuple[int, ...]) -> None:
    assert preflight.version_of(text) == numbers


def test_one_shots_do_not_count_for_memory() -> None:
    services = list(model(restart="no").services.values())
    assert preflight.limits(services) == 1 << 30


def test_data_folders_are_the_writable_binds_without_secrets_and_without_nesting() -> None:
    def bind(source: str, target: str, **more: Any) -> dict[str, Any]:
        return {"type": "bind", "source": source, "target": target, **more}

    found = data.folders(
        model(
            volumes=[
                bind("/d/kafka", "/folders"),
                bind("/d/kafka/kafka-1", "/var/lib/kafka/data"),
                bind("/s", "/run/secrets"),
                bind("/conf", "/etc/conf", read_only=True),
                {"type": "volume", "source": "named", "target": "/x"},
            ]
        )
    )
    assert found == [Path("/d/kafka")]
