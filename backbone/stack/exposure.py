"""Whether the stack would be reached from other machines: in the plaintext profile nothing asks who comes."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.stack import secure

if TYPE_CHECKING:
    from backbone.stack.compose import Model
    from backbone.stack.settings import Settings

ALLOWED = "EXPOSE_PLAINTEXT"
"""The variable that allows it."""

_SHOWN = 5


def demand_loopback(model: Model, settings: Settings) -> None:
    """Raise StackError("exposed") if a port is published beyond loopback and the variable does not allow that.

    The secure profile allows it: who reaches a node is asked who they are.
    """
    if secure.secrets(model):
        return
    wide = [
        f"{service.name}: {port.host_ip}:{port.published}"
        for service in model.services.values()
        for port in service.ports
        if not _loopback(port.host_ip)
    ]
    if wide and settings.variables().get(ALLOWED) != "yes":
        more = [f"and {len(wide) - _SHOWN} more"] if wide[_SHOWN:] else []
        raise StackError(
            "exposed",
            f"other machines would reach {len(wide)} ports of the stack, and nothing asks them for a password",
            context="\n".join([*wide[:_SHOWN], *more]),
            hint="set BIND_ADDRESS=127.0.0.1 in .env, or KAFKA_SECURITY=secure\n"
            f"or {ALLOWED}=yes there, which lets whoever reaches the address read, write and delete every topic",
            exit_code=ExitCode.USAGE,
        )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
