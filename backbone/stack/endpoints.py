"""Where the services of a model answer clients on this machine, read from what the Compose files publish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.stack import compose
from backbone.stack.engine import as_running
from backbone.stack.engine.base import brokers

if TYPE_CHECKING:
    from backbone.stack.compose import Model, Port
    from backbone.stack.settings import Settings

_EVERY_INTERFACE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def model(settings: Settings) -> Model:
    """Return the services that events pass through, whether or not they run; those that do, as they were started."""
    return as_running(settings, compose.load(settings, ["messaging", "data"]))


def port(model: Model, service: str) -> Port:
    """Return the first published port of a service."""
    ports = model[service].ports
    if not ports:
        raise StackError("not-published", f"{service} publishes no port", exit_code=ExitCode.USAGE)
    return ports[0]


def address(model: Model, service: str) -> tuple[str, int]:
    """Return (host, port) at which a service answers on this machine."""
    found = port(model, service)
    return ("127.0.0.1" if found.host_ip in _EVERY_INTERFACE else found.host_ip), found.published


def named(model: Model, service: str, name: str) -> str:
    """Return an address that a service's Compose block names for clients (`x-endpoints`)."""
    return str(model[service].raw["x-endpoints"][name])


def bootstrap(model: Model) -> tuple[str, ...]:
    """Return HOST:PORT of every broker for clients on this machine."""
    return tuple(brokers(model).values())
