"""Engines: the stack as containers (docker) or as local processes (embedded)."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError, meant
from backbone.stack import compose, secure
from backbone.stack.engine.base import Engine, ServiceState, Stack, brokers

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from backbone.stack.compose import Model
    from backbone.stack.engine.embedded.artifacts import Downloads
    from backbone.stack.settings import Settings

__all__ = ["ENGINES", "Engine", "ServiceState", "Stack", "choose", "open_stack"]

ENGINES = ("auto", "docker", "embedded")
_ENGINE_ANSWERS_S = 5


def open_stack(
    settings: Settings, profiles: Sequence[str], engine: str, downloads: Downloads, renewed: Collection[str] = ()
) -> Stack:
    """Resolve the model of some profiles and bind it to an engine that `choose` returned.

    What runs stands in the model as it was started, but for the services in `renewed`: as the files say now.
    Raises StackError("unknown-profile") for a profile that no service has.
    """
    everything = compose.load(settings, ["*"])
    if unknown := sorted(set(profiles) - set(everything.profiles) - {"*"}):
        raise StackError(
            "unknown-profile",
            f"no service has the profile {', '.join(unknown)}" + meant(unknown[0], everything.profiles),
            context="profiles: " + ", ".join(everything.profiles),
            hint="./invoke up --help",
            exit_code=ExitCode.USAGE,
        )
    bound = _engine(settings, everything, engine, downloads, renewed)
    return Stack(settings, bound.as_running.select(profiles), bound)


def as_running(settings: Settings, model: Model) -> Model:
    """Return a model in which each service that runs without Docker stands as it was started."""
    return _engine(settings, model, "embedded", lambda _files, _total: None).as_running


def choose(settings: Settings, asked: str | None) -> tuple[str, str]:
    """Return (engine, why): what was asked for or STACK_ENGINE says; "auto" takes docker if one answers."""
    wanted = asked or settings.variables().get("STACK_ENGINE") or "auto"
    if wanted not in ENGINES:
        raise StackError(
            "unknown-engine",
            f"there is no engine {wanted!r}",
            context="engines: " + ", ".join(ENGINES),
            exit_code=ExitCode.USAGE,
        )
    if wanted != "auto":
        return wanted, "--engine" if asked else "STACK_ENGINE"
    if shutil.which("docker") is None:
        return "embedded", "there is no docker on this machine"
    answer = _docker_answers()
    return ("docker", "a Docker engine answers") if answer is None else ("embedded", answer)


def _docker_answers() -> str | None:
    """Return None if a Docker engine with compose answers, else why not."""
    for argv, missing in (
        (["docker", "version", "--format", "{{.Server.Version}}"], "no Docker engine answers"),
        (["docker", "compose", "version"], "docker has no compose plugin"),
    ):
        try:
            done = subprocess.run(
                argv, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=_ENGINE_ANSWERS_S
            )
        except (OSError, subprocess.TimeoutExpired):
            return missing
        if done.returncode != 0:
            return missing
    return None


def _engine(settings: Settings, model: Model, name: str, downloads: Downloads, renewed: Collection[str] = ()) -> Engine:
    if name == "embedded":
        from backbone.stack.engine.embedded import loopback  # noqa: PLC0415 - the other engine is never loaded
        from backbone.stack.engine.embedded.engine import EmbeddedEngine  # noqa: PLC0415

        engine: Engine = EmbeddedEngine(settings, loopback.fitted(model), downloads, renewed=frozenset(renewed))
    else:
        from backbone.stack.engine.docker.engine import DockerEngine  # noqa: PLC0415 - nor are its libraries

        engine = DockerEngine(settings, model)
    secure.identify(engine.as_running, tuple(brokers(engine.as_running).values()))
    return engine
