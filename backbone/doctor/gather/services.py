"""Evidence of the services: their engine's view, and the first error of each log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from backbone.doctor.evidence import Running, Stray
from backbone.errors import StackError
from backbone.stack import readiness
from backbone.stack.engine.embedded.members import Members
from backbone.stack.engine.embedded.process import arguments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.stack.engine import ServiceState, Stack

_ERROR = re.compile(r"\b(FATAL|ERROR|level=error|PANIC)\b|Exception in thread")
_SHOWN = 300
_PROGRAM = 80


def running(stack: Stack) -> tuple[Running, ...]:
    """Return what there is to know of every service that has been started."""
    inspected = _inspected(stack)
    return tuple(
        _running(stack, state, inspected.get(state.name, {}))
        for state in readiness.survey(stack)[0]
        if state.phase not in ("stopped", "unavailable")
    )


def strays(stack: Stack) -> tuple[Stray, ...]:
    """Return the services whose record names a process of somebody else's; containers have no such records."""
    if stack.engine.name != "embedded":
        return ()
    return tuple(
        Stray(name, found.pid, " ".join(arguments(found))[:_PROGRAM] or "a process of another user", home)
        for name, found, home in Members(stack.settings.root).strays(stack.model.services)
    )


def _running(stack: Stack, state: ServiceState, container: Mapping[str, Any]) -> Running:
    facts = container.get("State") or {}
    checks = (facts.get("Health") or {}).get("Log") or []
    return Running(
        name=state.name,
        phase=state.phase,
        health=state.health,
        image=str((container.get("Config") or {}).get("Image", "")),
        exit_code=state.exit_code,
        out_of_memory=bool(facts.get("OOMKilled")),
        restarts=int(container.get("RestartCount", 0)),
        health_output=str(checks[-1]["Output"]).strip()[:_SHOWN] if checks else state.detail,
        first_error=_first_error(stack, state.name),
        outdated=state.outdated,
        data_gone=state.data_gone,
    )


def _first_error(stack: Stack, service: str) -> str:
    try:
        return next((line.strip()[:_SHOWN] for line in stack.engine.said(service) if _ERROR.search(line)), "")
    except StackError:
        return ""


def _inspected(stack: Stack) -> dict[str, Mapping[str, Any]]:
    """Return service → `docker inspect`, nothing on the other engine."""
    if stack.engine.name != "docker":
        return {}
    from backbone.stack.engine.docker.engine import DockerEngine  # noqa: PLC0415 - only where there is a Docker engine

    engine = stack.engine
    return {name: view.attributes for name, view in engine.views().items()} if isinstance(engine, DockerEngine) else {}
