"""Whether every address that the brokers advertise accepts connections from where its clients are.

External ones are asked from this machine, internal ones from inside the network: a health check sees neither.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.addresses import listeners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backbone.stack.compose import Model

_CONNECT_TIMEOUT_S = 2.0
_FOR_HOST = "EXTERNAL"


@dataclass(frozen=True, slots=True)
class Advertised:
    """One advertised address: who says so, and on which listener."""

    broker: str
    listener: str
    host: str
    port: int

    @property
    def side(self) -> str:
        """Where its clients are."""
        return "host" if self.listener == _FOR_HOST else "network"

    def __str__(self) -> str:
        return f"{self.listener}://{self.host}:{self.port} of {self.broker}"


def advertised(model: Model) -> Iterator[Advertised]:
    """Yield every address that a broker of the model advertises."""
    for name, service in model.services.items():
        found = listeners(service.environment.get("KAFKA_ADVERTISED_LISTENERS", ""))
        for listener in found.values():
            yield Advertised(name, listener.name, listener.host, listener.port)


def unreachable(model: Model, from_network: Callable[[str, str, int], bool]) -> list[str]:
    """Return those that cannot be connected to. from_network(broker, host, port) asks inside the network.

    Internal addresses are asked from the other brokers: a name only its owner knows is no name.
    """
    found = list(advertised(model))
    brokers = list(dict.fromkeys(item.broker for item in found))
    missing = []
    for item in found:
        if item.side == "host":
            where, answers = "this machine", from_host(item.host, item.port)
        else:
            others = [name for name in brokers if name != item.broker] or [item.broker]
            where = " and ".join(others)
            answers = any(from_network(name, item.host, item.port) for name in others)
        if not answers:
            missing.append(f"{item} cannot be reached from {where}")
    return missing


def from_host(host: str, port: int) -> bool:
    """Connect from this machine."""
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT_S):
            return True
    except OSError:
        return False
