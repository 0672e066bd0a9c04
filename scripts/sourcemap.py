"""Where is this value written? Paths of the resolved model, traced back to the files of the project."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from scripts.span import Span


@dataclass(frozen=True, slots=True)
class Interpolation:
    """One `${NAME…}` in a file.

    operator: "", ":-", "-", ":?", "?", ":+" or "+". argument: what follows it, as written.
    path: of the scalar it stands in, from the file's own top ("services", "kafka-1", "environment", …).
    """

    name: str
    operator: str
    argument: str
    span: Span
    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """One NAME=value line of an env file."""

    name: str
    value: str
    span: Span
    value_span: Span


@dataclass(frozen=True, slots=True)
class EnvFile:
    """An env file: its assignments by name (the last one wins, as in Compose)."""

    path: Path
    assignments: Mapping[str, Assignment] = field(default_factory=dict)


class SourceMap:
    """Answers where a path of the resolved model is written."""

    interpolations: tuple[Interpolation, ...]

    def where(self, *path: str | int, part: str = "") -> Span:
        """Return the span of the value at a path, or of the nearest parent that is written."""
        raise NotImplementedError

    def key(self, *path: str | int) -> Span:
        """Return the span of the key (or list entry) at a path, or of the nearest parent that is written."""
        raise NotImplementedError

    def find(self, *path: str | int) -> Span | None:
        """Return the span of the value at a path, None when no file writes it."""
        raise NotImplementedError
