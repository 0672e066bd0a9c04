"""What each service was last started with: the files may say something else by now.

It stands beside the record of the process, so that a task that restarts a service brings back what ran, addresses are
those that answer, and a change that has not taken effect is named.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from backbone import durable_file
from backbone.errors import StackError
from backbone.source import reading
from backbone.stack import compose

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from backbone.stack.compose import Service

FILE = "service.json"
_NO_MATTER = frozenset({"x-help", "profiles", "depends_on", "build", "healthcheck", "container_name", "labels"})
"""What a running process has nothing of: a change of these needs no restart."""


def write(home: Path, service: Service) -> None:
    """Keep the resolved definition of a service that is about to start; for the owner alone, as a process's own is."""
    durable_file.replace(home / FILE, json.dumps(service.raw, default=str), mode=0o600)


def read(home: Path, name: str) -> Service | None:
    """Return the definition that a service was last started with, None where nothing readable says so."""
    try:
        raw = json.loads(reading.read_text(home / FILE))
        return compose.parse({"services": {name: raw}}).services[name]
    except (StackError, *reading.NONSENSE):
        return None


def differences(ran: Service, declared: Service) -> list[str]:
    """Return what the files say otherwise now: names of variables, else of keys; no values, which may be secret."""
    old, new = _comparable(ran.raw), _comparable(declared.raw)
    found = []
    for key in sorted((old.keys() | new.keys()) - _NO_MATTER):
        if old.get(key) == new.get(key):
            continue
        if key == "environment":
            before, after = old.get(key) or {}, new.get(key) or {}
            found += sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        else:
            found.append(key)
    return found


def _comparable(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition as it looks after it was written and read."""
    return dict(json.loads(json.dumps(raw, default=str)))
