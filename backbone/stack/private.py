"""Stacks of this user that are in no project's folder: a home each, made here, with ports of its own that stay.

They are in the user's data folder (XDG_DATA_HOME), by name.
"""

from __future__ import annotations

import itertools
import re
import socket
from typing import TYPE_CHECKING

from filelock import FileLock

from backbone.errors import ExitCode, StackError
from backbone.source import env_file
from backbone.stack import home, settings
from backbone.stack.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
_STEP = 100
_HIGHEST = 32768  # below the ports that the kernel gives to clients
_ADDRESSES = ("127.0.0.1", "127.0.0.11", "127.0.0.12", "127.0.0.13")


def folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of all private homes."""
    from pathlib import Path  # noqa: PLC0415 - see below

    import platformdirs  # noqa: PLC0415 - only who has a private stack needs it

    base = environ.get("XDG_DATA_HOME")
    return (Path(base) / "messaging-backbone" if base else platformdirs.user_data_path("messaging-backbone")) / "stacks"


def ensure(name: str, environ: Mapping[str, str]) -> Settings:
    """Return a private home, made or brought up to this version: its own settings in `.env` stay.

    Raises StackError("stack-name") for a name that is none, "no-free-ports".
    """
    if not NAME.fullmatch(name):
        raise StackError(
            "stack-name",
            f"{name[:60]!r} cannot name a stack",
            hint="small letters, digits, dashes and underscores, at most 41",
            exit_code=ExitCode.USAGE,
        )
    all_of_them = folder(environ)
    all_of_them.mkdir(parents=True, exist_ok=True)
    found = Settings(all_of_them / name, environ)
    with FileLock(all_of_them / "lock"):
        home.write(found.root, home.changes(found.root), overwrite=True)
        if settings.ensure_env_file(found):
            _move(found.env_file, f"backbone-{name}", all_of_them)
    return found


def settle(here: Settings, project: str, *others: Path) -> None:
    """Give a home outside the folder of private ones a name, and free ports that none of those has.

    others: further `.env` files whose ports it shall not have.
    """
    all_of_them = folder(here.environ)
    all_of_them.mkdir(parents=True, exist_ok=True)
    with FileLock(all_of_them / "lock"):
        _move(here.env_file, project, all_of_them, *others)


def _move(file: Path, project: str, homes: Path, *others: Path) -> None:
    settings.assign(file, {"COMPOSE_PROJECT_NAME": project})
    taken = {port for other in (*homes.glob("*/.env"), *others) if other != file for port in _ports(other)}
    settings.shift_ports(file, _free_shift(file, taken))


def _ports(file: Path) -> list[int]:
    values = env_file.read(file, {})
    return [int(value) for name, value in values.items() if name.endswith("_PORT") and value.isdecimal()]


def _free_shift(file: Path, taken: set[int]) -> int:
    """Return the least number that moves every port of an env file to one that nobody has."""
    ports = _ports(file)
    for shift in itertools.count(_STEP, _STEP):
        if max(ports) + shift >= _HIGHEST:
            raise StackError(
                "no-free-ports",
                "no set of free ports was found for another stack",
                hint="stop some of those that there are:\n./invoke stacks",
                exit_code=ExitCode.ENVIRONMENT,
            )
        moved = {port + shift for port in ports}
        if not moved & taken and all(_bindable(address, port) for address in _ADDRESSES for port in moved):
            return shift
    raise AssertionError("itertools.count ends nowhere")


def _bindable(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
