"""What is checked before containers start, with better words than the engine's own."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backbone.stack.compose import Port, Service

MIN_ENGINE = (20, 10)
"""The oldest engine that the stack is tested on."""


def check(info: Mapping[str, Any], starting: Sequence[Service], all_services: Sequence[Service]) -> None:
    """Raise at the first thing that would make these services fail to start."""
    _check_version(str(info.get("ServerVersion", "")))
    _check_memory(int(info.get("MemTotal", 0)), all_services)
    _check_ports(starting)


def version_of(text: str) -> tuple[int, ...]:
    """Return the leading numbers of an engine's version: "20.10.24+dfsg1" → (20, 10, 24)."""
    numbers = []
    for part in text.replace("+", ".").replace("-", ".").split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def limits(services: Sequence[Service]) -> int:
    """Return the sum of the memory limits of what keeps running, in bytes; one-shots have ended by then."""
    return sum(service.mem_limit for service in services if service.raw.get("restart") != "no")


def port_free(port: Port) -> bool:
    """Tell whether a published address can be bound on this machine now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host_ip, port.published))
        except OSError:
            return False
    return True


def _check_version(text: str) -> None:
    if (found := version_of(text)) and found < MIN_ENGINE:
        raise StackError(
            "engine-too-old",
            f"the Docker engine is {text}, at least {'.'.join(map(str, MIN_ENGINE))} is needed",
            hint="upgrade Docker, or run without it\n./invoke up --engine embedded",
            exit_code=ExitCode.ENVIRONMENT,
        )


def _check_memory(total: int, services: Sequence[Service]) -> None:
    needed = limits(services)
    if total and needed > total:
        rows = [f"{service.name:<18} {service.mem_limit >> 20:>6} MiB" for service in services if service.mem_limit]
        raise StackError(
            "engine-memory-short",
            f"the services' limits sum up to {needed >> 20} MiB, the engine has {total >> 20} MiB",
            context="\n".join(rows),
            hint="choose fewer profiles, lower the *_MEM_LIMIT in .env, or give the engine more memory",
            exit_code=ExitCode.ENVIRONMENT,
        )


def _check_ports(starting: Sequence[Service]) -> None:
    taken = [(service, port) for service in starting for port in service.ports if not port_free(port)]
    if taken:
        raise StackError(
            "port-in-use",
            f"{len(taken)} address{'es' if len(taken) > 1 else ''} of the stack can't be bound",
            context="\n".join(f"{port.host_ip}:{port.published} of {service.name} is taken" for service, port in taken),
            hint="see who has it, or move all ports of this checkout\n./invoke doctor\n./invoke ports --shift 1000",
            exit_code=ExitCode.ENVIRONMENT,
        )
