"""Where things are in a home, and the variables that a user sets: `.env`, then the environment over it."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from backbone import durable_file
from backbone.errors import ExitCode, StackError
from backbone.source import env_file, reading
from backbone.stack import home

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS = range(1024, 65536)
_SIZE = "STACK_SIZE"
OWN_VARIABLES = frozenset({"STACK_ENGINE", _SIZE, "COMPOSE_PROFILES"})
"""What the tasks read of `.env` beside the Compose files' variables; .env.example does not have them."""

_SIZES = {"three": (), "lite": (Path("infra", "05-messaging", "lite.yml"),)}
_NO_PORT = 65536


@dataclass(frozen=True, slots=True)
class Settings:
    """One home: its folders and its variables. Nothing here touches the disk but the properties that say so.

    Without a root it is the home of the folder where the user stands.
    """

    root: Path = field(default_factory=home.here)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def compose_file(self) -> Path:
        """The root Compose file, the only description of the stack."""
        return self.root / "docker-compose.yml"

    @property
    def overlays(self) -> tuple[Path, ...]:
        """The Compose files merged over the root one, by STACK_SIZE; StackError("unknown-size") for a size of none."""
        size = self.variables().get(_SIZE) or "three"
        if size not in _SIZES:
            raise StackError(
                "unknown-size",
                f"{_SIZE}={size} is no size of a stack",
                context="sizes: " + ", ".join(_SIZES),
                hint=f"set {_SIZE} in .env",
                exit_code=ExitCode.USAGE,
            )
        return tuple(self.root / path for path in _SIZES[size])

    @property
    def lite(self) -> bool:
        """Whether the stack is one node without Connect."""
        return bool(self.overlays)

    @property
    def env_file(self) -> Path:
        """The user's variables; made from `env_example` by the first `up`."""
        return self.root / ".env"

    @property
    def env_example(self) -> Path:
        """Every variable with its default and what it is for."""
        return self.root / ".env.example"

    @property
    def state_dir(self) -> Path:
        """What the tasks keep between runs (process identities, logs, generated configuration). Not the data."""
        return self.root / ".stack"

    @property
    def results_dir(self) -> Path:
        """Reports and measured figures, a folder a run."""
        return self.root / "results"

    @property
    def cache_dir(self) -> Path:
        """Downloads and start-up caches, shared by all homes of a user (XDG_CACHE_HOME)."""
        if base := self.environ.get("XDG_CACHE_HOME"):
            return Path(base) / "messaging-backbone"
        import platformdirs  # noqa: PLC0415 - only a start needs the folder; `lint` is to be quick

        return platformdirs.user_cache_path("messaging-backbone", appauthor=False)

    @property
    def values_file(self) -> Path:
        """`.env`, or, while nothing has made it, the file that it will be made of."""
        return self.env_file if self.env_file.exists() else self.env_example

    def variables(self) -> dict[str, str]:
        """Return what Compose would interpolate: `.env` (or `.env.example` without one), the environment over it."""
        values = env_file.read(self.values_file, self.environ) if self.values_file.exists() else {}
        return {**values, **self.environ}


def new_cluster_id() -> str:
    """Return a fresh KRaft cluster id: 16 random bytes in 22 characters of URL-safe base64 (Kafka's Uuid.toString).

    Like Kafka's Uuid.randomUuid it never starts with a dash, which a command line would take for a flag.
    """
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def ensure_env_file(settings: Settings) -> bool:
    """Make `.env` from `.env.example` with a CLUSTER_ID of its own, if there is none. True if it was made."""
    if settings.env_file.exists():
        return False
    example = reading.read_text(settings.env_example)
    text, replaced = re.subn(r"(?m)^CLUSTER_ID=.*$", f"CLUSTER_ID={new_cluster_id()}", example)
    if replaced != 1:
        raise StackError(
            "env-example", f"{settings.env_example.name} must set CLUSTER_ID once, it does {replaced} times"
        )
    durable_file.rewrite(settings.env_file, text)
    return True


def check_places(settings: Settings) -> None:
    """Raise StackError("bad-port", "bad-address") for what cannot be listened on, with where it was set.

    Compose names neither. Kubernetes and `docker run --link` export NAME_PORT=tcp://…, and the shell wins over .env.
    """
    if not settings.env_example.exists():
        return
    values = settings.variables()
    for name in env_file.load(settings.env_example, {}).assignments:
        value = values.get(name, "")
        if (
            name.endswith("_PORT")
            and value
            and not (value.isascii() and value.isdecimal() and 0 < int(value) < _NO_PORT)
        ):
            raise _misplaced(settings, "bad-port", name, f"{name}={value} is no port: 1 to {_NO_PORT - 1}")
        if name == "BIND_ADDRESS" and value and not _is_ipv4(value):
            raise _misplaced(settings, "bad-address", name, f"{name}={value} is no IPv4 address, such as 127.0.0.1")


def make_lite(settings: Settings) -> None:
    """Let the stack of this home be one node from now on, in `.env`."""
    assign(settings.env_file, {_SIZE: "lite"})


def _misplaced(settings: Settings, reference: str, name: str, message: str) -> StackError:
    shell = name in settings.environ
    return StackError(
        reference,
        message,
        context=f"{name} is set in this shell, which Compose prefers to .env"
        if shell
        else f"in {settings.values_file}",
        hint=f"unset {name}" if shell else f"set {name} in .env",
        exit_code=ExitCode.USAGE,
    )


def _is_ipv4(text: str) -> bool:
    try:
        return bool(ipaddress.IPv4Address(text))
    except ValueError:
        return False


def unmoved_ports(settings: Settings) -> dict[str, str]:
    """Return the ports that no shift moves, and why: their value is no number, or .env does not set them."""
    written = env_file.load(settings.values_file, {}).assignments
    known = env_file.load(settings.env_example, {}).assignments if settings.env_example.exists() else {}
    found = {name: f"is {one.value}" for name, one in written.items() if not one.value.isdecimal()}
    found |= {name: f"is not in {settings.values_file.name}" for name in known if name not in written}
    return {name: why for name, why in found.items() if name.endswith("_PORT")}


def shift_ports(path: Path, by: int) -> dict[str, int]:
    """Add a number to every `…_PORT` of an env file, all else kept, and return variable → port.

    Raises StackError("port-out-of-range") and writes nothing if one would leave 1024-65535.
    """
    file = env_file.load(path, {})
    ports = {name: one for name, one in file.assignments.items() if name.endswith("_PORT") and one.value.isdecimal()}
    moved = {name: int(one.value) + by for name, one in ports.items()}
    for name, port in moved.items():
        if not _PORTS.start <= port < _PORTS.stop:
            raise StackError("port-out-of-range", f"{name} would become {port}", exit_code=ExitCode.USAGE)
    if by and moved:
        assign(path, {name: str(port) for name, port in moved.items()})
    return moved


def assign(path: Path, values: Mapping[str, str]) -> None:
    """Give variables of an env file other values, all else kept; one that is not there comes at its end."""
    file = env_file.load(path, {})
    text = file.text
    known = [(one, values[name]) for name, one in file.assignments.items() if name in values]
    for one, value in sorted(known, key=lambda item: item[0].span.start, reverse=True):
        text = f"{text[: one.value_span.start]}{value}{text[one.value_span.end :]}"
    for name in values.keys() - file.assignments.keys():
        text += ("" if text.endswith("\n") or not text else "\n") + f"{name}={values[name]}\n"
    durable_file.rewrite(path, text)
