"""Containers as values: what the engine's API says of a service, and why one of them is to blame."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from backbone.stack.engine.base import Phase, ServiceState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backbone.stack.compose import Service

_PHASES: Mapping[str, Phase] = {
    "created": "stopped",
    "running": "running",
    "restarting": "starting",
    "paused": "paused",
    "exited": "exited",
    "dead": "exited",
    "removing": "stopped",
}
_NEVER = "0001-01-01"
_BAD = re.compile(r"\b(FATAL|ERROR)\b|Exception\b|^Error", re.MULTILINE)
_TELLING_LINES = 12
_IN_ORDER = (0, 143)  # ended by itself, or by the SIGTERM of a stop, which a JVM reports like this
_LINES_BEFORE = 2  # a JVM says first what it refuses, and then that it is an error
_A_LOOP = 2  # restarts: one may be bad luck


@dataclass(frozen=True, slots=True)
class ContainerView:
    """One container as `docker inspect` shows it. attributes: the answer; memory in bytes."""

    service: str
    attributes: Mapping[str, Any]
    memory: int | None = None

    @property
    def state(self) -> Mapping[str, Any]:
        """The State block."""
        return dict(self.attributes["State"])

    @property
    def phase(self) -> Phase:
        """Running only when the health check, if there is one, agrees; in a crash loop as good as exited."""
        if self.looping:
            return "exited"
        phase = _PHASES.get(str(self.state["Status"]), "stopped")
        if phase == "exited" and self.state["ExitCode"] in _IN_ORDER:
            return "stopped"
        return "starting" if phase == "running" and self.health not in ("", "healthy") else phase

    @property
    def health(self) -> str:
        """Return healthy, unhealthy or starting; empty without a health check.

        Also empty for what does not run: the engine calls every container unhealthy once it has stopped.
        """
        if self.state["Status"] not in ("running", "paused", "restarting"):
            return ""
        return str((self.state.get("Health") or {}).get("Status", "")).replace("none", "")

    @property
    def restarts(self) -> int:
        """How often its restart policy has brought it back."""
        return int(self.attributes.get("RestartCount", 0))

    @property
    def looping(self) -> bool:
        """True for what ends again and again, and is only kept up by its restart policy."""
        again = self.state["Status"] == "restarting" or self.restarts >= _A_LOOP
        return again and self.health != "healthy"

    @property
    def failed(self) -> bool:
        """True for what ended with an error, is unhealthy, or had to be brought back."""
        ended = self.phase == "exited"
        return ended or self.health == "unhealthy" or (self.restarts > 0 and self.phase == "starting")

    @property
    def completed(self) -> bool:
        """True for a one-shot that has done its work."""
        once = self.attributes["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")
        return once and self.state["Status"] == "exited" and self.state["ExitCode"] == 0

    @property
    def started(self) -> int | None:
        """When it was last started, in whole seconds since the epoch; None if never."""
        began = _moment(str(self.state["StartedAt"]))
        return int(began.timestamp()) if began else None

    def differences(self, declared: Service) -> list[str]:
        """Return the variables, and "ports", that the Compose files say otherwise; no values, which may be secret."""
        has = dict(item.partition("=")[::2] for item in self.attributes["Config"].get("Env") or ())
        found = sorted(name for name, value in declared.environment.items() if has.get(name) != value)
        bound = (self.attributes["HostConfig"].get("PortBindings") or {}).values()
        ports = {int(item["HostPort"]) for items in bound for item in items or () if item.get("HostPort")}
        return [*found, *(["ports"] if ports != {port.published for port in declared.ports} else [])]

    def as_state(self, now: datetime) -> ServiceState:
        """Return the state that every engine shows."""
        running = self.phase in ("running", "starting", "paused")
        began = _moment(str(self.state["StartedAt"]))
        return ServiceState(
            name=self.service,
            phase=self.phase,
            identity=f"container {str(self.attributes['Id'])[:12]}",
            pid=int(self.state["Pid"]) or None,
            ports=self._ports(),
            uptime=max(0.0, (now - began).total_seconds()) if running and began else None,
            memory=self.memory,
            health="healthy" if self.completed else self.health,
            exit_code=None if running or self.phase == "stopped" else int(self.state["ExitCode"]),
            detail=self._detail(),
        )

    def verdict(self, log: Sequence[str], exit_code: int | None = None) -> str:
        """Say why it failed: exit code, OOM flag, last health output and the telling lines of its log.

        exit_code: that of its last end, where its restart policy has started it again since.
        """
        state = self.state
        facts = [f"status {state['Status']}", f"exit code {exit_code or state['ExitCode']}"]
        if state.get("OOMKilled"):
            facts.append(f"killed for memory (limit {self.attributes['HostConfig']['Memory'] >> 20} MiB)")
        if self.restarts:
            facts.append(f"restarted {self.restarts} times")
        lines = [", ".join(facts)]
        if state.get("Error"):
            lines.append(f"engine: {state['Error']}")
        if checks := (state.get("Health") or {}).get("Log"):
            last = checks[-1]
            lines.append(f"last health check: exit {last['ExitCode']}, {str(last['Output']).strip() or 'no output'}")
        return "\n".join([*lines, *telling(log)])

    def _ports(self) -> tuple[int, ...]:
        bindings = (self.attributes["NetworkSettings"].get("Ports") or {}).values()
        return tuple(sorted({int(item["HostPort"]) for items in bindings for item in items or ()}))

    def _detail(self) -> str:
        state = self.state
        if state.get("OOMKilled"):
            return "killed for memory"
        if self.restarts:
            return f"restarted {self.restarts} times"
        if self.completed:
            return "completed"
        return str(state.get("Error") or "")


def telling(log: Sequence[str]) -> list[str]:
    """Return the first error of a log with what surrounds it, or the last lines where there is none."""
    for number, line in enumerate(log):
        if _BAD.search(line):
            return list(log[max(0, number - _LINES_BEFORE) : number + _TELLING_LINES])
    return list(log[-_TELLING_LINES:])


def used_memory(stats: Mapping[str, Any]) -> int | None:
    """Return the bytes a container uses without page cache it could give back, as `docker stats` does."""
    memory = stats.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return max(0, int(memory["usage"]) - int(cache))


def _moment(text: str) -> datetime | None:
    """Return an API timestamp (RFC 3339 with nanoseconds), None for the zero time."""
    if text.startswith(_NEVER):
        return None
    return datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
