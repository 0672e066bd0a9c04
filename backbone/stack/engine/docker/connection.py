"""Which Docker engine: DOCKER_HOST, else the docker CLI's current context, else the usual socket."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import docker
from docker.context import ContextAPI
from docker.errors import DockerException

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from docker import DockerClient

    from backbone.stack.settings import Settings

_TIMEOUT_S = 30
_DEFAULT = "unix:///var/run/docker.sock"


def address(settings: Settings) -> str:
    """Return the engine's address, such as unix:///var/run/docker.sock."""
    if host := settings.environ.get("DOCKER_HOST"):
        return host
    context = ContextAPI.get_current_context()
    return str(getattr(context, "Host", "") or _DEFAULT)


def connect(settings: Settings) -> DockerClient:
    """Return a client of an engine that answers; StackError("no-docker-engine") names the address."""
    where = address(settings)
    try:
        return _client(where)
    except (DockerException, OSError) as error:
        raise StackError(
            "no-docker-engine",
            f"no Docker engine answers at {where}",
            context=str(error),
            hint="start Docker, or run without it\n./invoke up --engine embedded",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error


@functools.cache
def _client(where: str) -> DockerClient:
    client = docker.DockerClient(base_url=where, timeout=_TIMEOUT_S)
    client.ping()
    return client
