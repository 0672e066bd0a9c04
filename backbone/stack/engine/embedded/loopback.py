"""Where the nodes listen on this machine: each on a loopback address of its own, or all on 127.0.0.1.

Linux takes every address of 127.0.0.0/8 for its own; macOS, and a network namespace that was given less, have 127.0.0.1
alone. Which of the two this machine is, is tried by binding, never taken from the name of the system.
"""

from __future__ import annotations

import errno
import re
import socket
from typing import TYPE_CHECKING, Any

from backbone.addresses import parse_endpoints, parse_listeners
from backbone.stack import compose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from backbone.stack.compose import Model, Service

ONLY = "127.0.0.1"
"""The address that every machine has."""

_FIRST = 10  # node n listens on 127.0.0.(10+n), so that all nodes can share one internal port
_STEP = 100  # where they share the address, node n has its ports this many times n higher
_LAST_PORT = 65535
_ADDRESS = "address"  # the key of x-embedded that says where a node is instead


def addresses(model: Model) -> dict[str, str]:
    """Return host name → loopback address: one of its own for each Kafka node, 127.0.0.1 for the rest."""
    return {
        service.hostname: str(service.embedded.get(_ADDRESS) or (_own(service) if _node(service) else ONLY))
        for service in model.services.values()
    }


def can_be_bound(address: str) -> bool:
    """Say whether this machine has an address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


def fitted(model: Model, bindable: Callable[[str], bool] = can_be_bound) -> Model:
    """Return the model as it can run here: where the nodes' own addresses are missing, each has ports of its own.

    Every HOST:PORT of such a node is rewritten, wherever a service names it: listeners, voters, bootstrap servers.
    The ports that clients of this machine use are published ones, and stay.
    """
    nodes = [service for service in model.services.values() if _node(service)]
    if all(bindable(_own(service)) for service in nodes):
        return model
    moved = {
        f"{service.hostname}:{port}": f"{service.hostname}:{_moved(port, int(_node(service)))}"
        for service in nodes
        for port in _internal_ports(service)
    }
    if not moved:
        return model
    places = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, moved))})(?!\d)")
    services = {name: _rewritten(body, places, moved) for name, body in (model.raw.get("services") or {}).items()}
    for service in nodes:
        services[service.name] = {
            **services[service.name],
            "x-embedded": {**services[service.name].get("x-embedded", {}), _ADDRESS: ONLY},
        }
    found = compose.parse({**model.raw, "services": services})
    return found.only(model.services)


def _rewritten(value: Any, places: re.Pattern[str], moved: Mapping[str, str]) -> Any:
    match value:
        case str():
            return places.sub(lambda match: moved[match[0]], value)
        case dict():
            return {key: _rewritten(each, places, moved) for key, each in value.items()}
        case list():
            return [_rewritten(each, places, moved) for each in value]
    return value


def _internal_ports(service: Service) -> set[int]:
    """Return the ports on which a node listens under its own name."""
    named = [(one.host, one.port) for one in parse_listeners(service.environment.get("KAFKA_LISTENERS", ""))]
    for text in service.embedded.get("listens") or ():
        named += [(one.host, one.port) for one in parse_endpoints(str(text))]
    return {port for host, port in named if host == service.hostname}


def _moved(port: int, node: int) -> int:
    higher = port + _STEP * node
    return higher if higher <= _LAST_PORT else port - _STEP * node


def _node(service: Service) -> str:
    """Return the number of a Kafka node, "" for any other service."""
    number = service.environment.get("KAFKA_NODE_ID", "")
    return number if number.isdecimal() else ""


def _own(service: Service) -> str:
    return f"127.0.0.{_FIRST + int(_node(service))}"
