"""Where things are in a home, and the variables that a user sets: `.env`, then the environment over it."""

from __future__ import annotations

import base64
import os
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.source import reading
from backbone.stack import home

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORT_LINE = re.compile(r"(?m)^([A-Z0-9_]+_PORT)=(\d+)(?=[ \t]*$|[ \t]+#)")
_PORTS = range(1024, 65536)
_QUOTED = re.compile(r"""(['"])(.*)\1(?:\s+#.*)?""")
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


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

    def variables(self) -> dict[str, str]:
        """Return what Compose would interpolate: `.env` (or `.env.example` without one), the environment over it."""
        source = self.env_file if self.env_file.exists() else self.env_example
        return {**read_env(source), **self.environ}


def read_env(path: Path) -> dict[str, str]:
    """Return the assignments of an env file: comments and one pair of quotes taken off, nothing interpolated.

    Raises StackError("env-syntax") at the first line that is none, "env-unreadable" if there is no such text.
    """
    try:
        text = reading.read_text(path)
    except StackError as error:
        raise StackError("env-unreadable", error.message, error.context, exit_code=ExitCode.USAGE) from error
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            raise StackError(
                "env-syntax",
                f"line {number} of {path.name} is not NAME=value",
                context=f"{path}:{number}",
                hint="write NAME=value, or put # before it",
                exit_code=ExitCode.USAGE,
            )
        values[match[1]] = _unquote(match[2].strip())
    return values


def _unquote(value: str) -> str:
    """Take off one pair of quotes and a trailing ` # comment`."""
    if quoted := _QUOTED.fullmatch(value):
        return quoted[2]
    return re.split(r"\s+#", value, maxsplit=1)[0]


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
    partial = settings.env_file.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(settings.env_file)
    return True


def shift_ports(env_file: Path, by: int) -> dict[str, int]:
    """Add a number to every `…_PORT` of an env file, comments kept, and return variable → port.

    Raises StackError("port-out-of-range") and writes nothing if one would leave 1024-65535.
    """
    text = reading.read_text(env_file)
    moved = {match[1]: int(match[2]) + by for match in _PORT_LINE.finditer(text)}
    for name, port in moved.items():
        if not _PORTS.start <= port < _PORTS.stop:
            raise StackError("port-out-of-range", f"{name} would become {port}", exit_code=ExitCode.USAGE)
    if by:
        partial = env_file.with_suffix(".partial")
        partial.write_text(_PORT_LINE.sub(lambda match: f"{match[1]}={moved[match[1]]}", text), encoding="utf-8")
        partial.replace(env_file)
    return moved
