"""Which Kafka the brokers of this stack can be: the versions whose jars are locked, each with its hashes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.source import env_file
from backbone.stack.engine.embedded import artifacts
from backbone.stack.engine.embedded.engine import LOCK_FILE

if TYPE_CHECKING:
    from backbone.stack.compose import Service
    from backbone.stack.engine import Stack
    from backbone.stack.settings import Settings

VARIABLE = "KAFKA_VERSION"
_SET = "kafka@"
_TAG = re.compile(r":v?(\d+\.\d+\.\d+)")


def known(settings: Settings) -> tuple[str, ...]:
    """Return the versions of the artifact lock, oldest first."""
    sets = artifacts.read_lock(settings.root / LOCK_FILE).sets
    return tuple(sorted((name.removeprefix(_SET) for name in sets if name.startswith(_SET)), key=numbers))


def demand(settings: Settings, version: str) -> None:
    """Raise StackError("version-unknown") for a version that is not locked."""
    if version not in (versions := known(settings)):
        raise StackError(
            "version-unknown",
            f"Kafka {version!r} is not one that this stack can run",
            context=f"locked with their hashes: {', '.join(versions)}",
            hint=f"./invoke upgrade --to {versions[-1]}",
            exit_code=ExitCode.USAGE,
        )


def of(service: Service) -> str:
    """Return the version of a broker by its definition: of the jars without Docker, else of the image's tag, or ""."""
    jars = str(service.embedded.get("jars", "")).removeprefix(_SET)
    tag = _TAG.search(service.image)
    return jars or (tag[1] if tag else "")


def named(settings: Settings) -> bool:
    """Tell whether the shell or `.env` says which Kafka runs; a `.env` from before KAFKA_VERSION does not."""
    file = settings.env_file
    return VARIABLE in settings.environ or (file.exists() and VARIABLE in env_file.read(file, {}))


def wanted(stack: Stack) -> str:
    """Return the version that the files say: that of .env, else of the Compose files; "" if they name none."""
    model = stack.engine.model
    return next((found for name in stack.brokers if (found := of(model[name]))), "")


def numbers(version: str) -> tuple[int, ...]:
    """Return a version such as 4.10.0 as what sorts: (4, 10, 0)."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def minor(version: str) -> str:
    """Return 4.4 of 4.4.0."""
    return ".".join(version.split(".")[:2])
