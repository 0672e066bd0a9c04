"""Engines: the stack as containers (docker) or as local processes (embedded)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.engine.base import Engine, ServiceState, Stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scripts.settings import Settings

__all__ = ["Engine", "ServiceState", "Stack", "open_stack"]


def open_stack(settings: Settings, profiles: Sequence[str], engine: str = "auto") -> Stack:
    """Resolve the model of some profiles and bind it to an engine: docker, embedded, or auto (STACK_ENGINE)."""
    raise NotImplementedError
