"""Words in the place of variables that are set nowhere, so that Compose accepts the rest of a project."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone.source import env_file

if TYPE_CHECKING:
    from backbone.source.env_file import Scope
    from backbone.source.source_map import SourceMap

_UNSET = "unset-placeholder"
"""Stands for a variable that is not set, when Compose is asked again because it refused the blank string."""

_NUMBERS = frozenset({"ports", "deploy", "cpus", "mem_limit", "mem_reservation", "shm_size", "scale", "retries"})

_DURATIONS = frozenset({"interval", "timeout", "start_period", "start_interval", "stop_grace_period"})
"""Where Compose accepts no other word."""

_FIRST_PORT = 64_000

_STAND_INS = re.compile(rf'{_UNSET}|(?<="published": ")64\d\d\d(?=")')
"""What is taken out of the model again: a port that is not known is one that Docker picks."""


def instead_of_unset(sources: SourceMap, scope: Scope) -> dict[str, str]:
    """Return a value for each variable that is set nowhere: the example's, else one that Compose takes in its place."""
    example = env_file.load(scope.directory / ".env.example", {}).assignments
    unset: dict[str, set[str | int]] = {}
    for one in sources.interpolations:
        if one.operator in ("", ":?", "?") and not one.value and scope.lookup(one.name) is None:
            unset.setdefault(one.name, set()).update(one.path)
    return {
        name: (example[name].value if name in example else "") or _stand_in(keys, number)
        for number, (name, keys) in enumerate(unset.items())
    }


def _stand_in(keys: set[str | int], number: int) -> str:
    """Return what may stand wherever these keys lead to; `number` keeps two ports apart."""
    if keys & _DURATIONS:
        return "30s"
    if keys & _NUMBERS:
        return str(_FIRST_PORT + number % 1_000)
    return f"./{_UNSET}" if "volumes" in keys else _UNSET


def removed(model: str) -> str:
    """Return a model, Compose's JSON, without the words that stood for what is not known."""
    return _STAND_INS.sub("", model)
