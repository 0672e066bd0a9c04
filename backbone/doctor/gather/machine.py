"""Evidence of the machine and of its Docker engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.doctor.evidence import EngineFacts, Limits, PortUse
from backbone.errors import ExitCode, StackError
from backbone.stack.engine.docker.preflight import port_free
from backbone.stack.engine.embedded.process import port_owner

if TYPE_CHECKING:
    from backbone.stack.engine import Stack

_ANSWER_S = 10
_MAP_COUNT = Path("/proc/sys/vm/max_map_count")
_UNLIMITED = 1 << 30


def engine(stack: Stack) -> EngineFacts:
    """Ask the Docker engine; StackError where the stack runs without one, or none answers."""
    if stack.engine.name != "docker":
        raise _unseen("the stack runs without Docker")
    from backbone.stack.engine.docker import connection  # noqa: PLC0415 - its libraries are only needed for a Docker engine

    info = connection.connect(stack.settings).info()
    return EngineFacts(
        version=str(info.get("ServerVersion", "")),
        memory=int(info.get("MemTotal", 0)),
        log_drivers=tuple((info.get("Plugins") or {}).get("Log") or ()),
        clock_skew=_skew(str(info.get("SystemTime", "")), datetime.now(UTC)),
    )


def compose_version() -> str:
    """Ask `docker compose` for its version."""
    docker = shutil.which("docker")
    if docker is None:
        raise _unseen("there is no docker on this machine")
    try:
        done = subprocess.run(
            [docker, "compose", "version", "--short"],
            capture_output=True,
            text=True,
            check=True,
            timeout=_ANSWER_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise _unseen("docker has no compose plugin") from error
    return done.stdout.strip()


def ports(stack: Stack) -> tuple[PortUse, ...]:
    """Try every published address; one that our own running service has is ours."""
    ours = {
        port
        for state in stack.engine.states()
        if state.phase in ("running", "starting", "paused")
        for port in state.ports
    }
    uses = []
    for service in stack.model.services.values():
        for port in service.ports:
            owner = "" if port_free(port) else "this stack" if port.published in ours else port_owner(port.published)
            uses.append(PortUse(service.name, port.host_ip, port.published, owner))
    return tuple(uses)


def limits() -> Limits:
    """Read the limits of this machine."""
    if sys.platform == "win32":
        raise _unseen("this system has no such limits")
    import resource  # noqa: PLC0415 - not on every system

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    maps = int(_MAP_COUNT.read_text()) if _MAP_COUNT.exists() else None
    return Limits(open_files=_UNLIMITED if hard == resource.RLIM_INFINITY else hard, map_count=maps)


def _skew(engine_time: str, now: datetime) -> float:
    """Return engine time minus now in seconds; 0 for what is no RFC 3339 time."""
    match = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,6})?\d*(Z|[+-]\d\d:\d\d)", engine_time)
    if match is None:
        return 0.0
    text = match[1] + (match[2] or "") + match[3].replace("Z", "+00:00")
    return (datetime.fromisoformat(text) - now).total_seconds()


def _unseen(why: str) -> StackError:
    return StackError("not-seen", why, exit_code=ExitCode.NOTHING)
