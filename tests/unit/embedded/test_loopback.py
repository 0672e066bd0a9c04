"""Where the nodes listen: on addresses of their own, or, where there are none, on ports of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from backbone.stack import compose
from backbone.stack.engine.embedded import loopback
from backbone.stack.settings import Settings
from tests import ROOT

if TYPE_CHECKING:
    from backbone.stack.compose import Model


def model(**services: dict[str, Any]) -> Model:
    return compose.parse({"services": services})


def node(number: int) -> dict[str, Any]:
    host = f"kafka-{number}"
    return {
        "environment": {
            "KAFKA_NODE_ID": str(number),
            "KAFKA_LISTENERS": f"INTERNAL://{host}:19092,CONTROLLER://{host}:19093,EXTERNAL://0.0.0.0:909{number}",
            "KAFKA_ADVERTISED_LISTENERS": f"INTERNAL://{host}:19092,EXTERNAL://127.0.0.1:909{number}",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@kafka-1:19093,2@kafka-2:19093",
        },
        "x-embedded": {"runtime": "kafka", "listens": [f"{host}:9404"], "environment": {"OPTS": f"={host}:9404:/x"}},
    }


BOTH = model(
    **{"kafka-1": node(1), "kafka-2": node(2)},
    registry={"environment": {"SERVERS": "kafka-1:19092,kafka-2:19092", "OTHER": "my.kafka-1:19092,kafka-1:190929"}},
)


def only_one(address: str) -> bool:
    return address == "127.0.0.1"


def test_each_node_has_an_address_of_its_own_and_the_rest_share_one() -> None:
    services: dict[str, dict[str, Any]] = {
        "kafka-1": {"environment": {"KAFKA_NODE_ID": "1"}, "hostname": "broker-1"},
        "kafka-3": {"environment": {"KAFKA_NODE_ID": "3"}},
        "registry": {},
    }
    found = loopback.addresses(model(**services))
    assert found == {"broker-1": "127.0.0.11", "kafka-3": "127.0.0.13", "registry": "127.0.0.1"}


def test_where_they_can_be_bound_nothing_changes() -> None:
    assert loopback.fitted(BOTH, lambda _: True) is BOTH
    assert loopback.can_be_bound("127.0.0.1")
    assert not loopback.can_be_bound("192.0.2.1")  # TEST-NET-1 (RFC 5737): nobody's


def test_with_one_address_each_node_has_ports_of_its_own_wherever_they_are_named() -> None:
    found = loopback.fitted(BOTH, only_one)
    assert set(loopback.addresses(found).values()) == {"127.0.0.1"}
    second = found["kafka-2"]
    assert second.environment["KAFKA_LISTENERS"] == (
        "INTERNAL://kafka-2:19292,CONTROLLER://kafka-2:19293,EXTERNAL://0.0.0.0:9092"
    )
    assert second.environment["KAFKA_ADVERTISED_LISTENERS"] == "INTERNAL://kafka-2:19292,EXTERNAL://127.0.0.1:9092"
    assert second.environment["KAFKA_CONTROLLER_QUORUM_VOTERS"] == "1@kafka-1:19193,2@kafka-2:19293"
    assert second.embedded["listens"] == ["kafka-2:9604"]
    assert second.embedded["environment"]["OPTS"] == "=kafka-2:9604:/x"
    assert found["registry"].environment["SERVERS"] == "kafka-1:19192,kafka-2:19292"
    assert found["registry"].environment["OTHER"] == BOTH["registry"].environment["OTHER"]


def test_a_port_near_the_end_moves_down() -> None:
    high = model(**{"kafka-3": {"environment": {"KAFKA_NODE_ID": "3", "KAFKA_LISTENERS": "A://kafka-3:65400"}}})
    assert loopback.fitted(high, only_one)["kafka-3"].environment["KAFKA_LISTENERS"] == "A://kafka-3:65100"


def test_the_stack_itself_fits_one_address() -> None:
    found = loopback.fitted(
        compose.load(
            Settings(root=ROOT, environ={"KAFKA_INTERNAL_PORT": "19092", "KAFKA_METRICS_PORT": "9404"}), ["*"]
        ),
        only_one,
    )
    text = json.dumps({name: one.raw for name, one in found.services.items() if one.embedded}, default=str)
    for number in (1, 2, 3):
        assert f"kafka-{number}:19092" not in text
        assert f"kafka-{number}:{19092 + 100 * number}" in text
        assert f"=kafka-{number}:{9404 + 100 * number}:" in text
