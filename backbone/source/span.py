"""Places in text files: what a finding points at, and what an edit replaces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one file. Lines and columns count from 1 and characters, the end is exclusive.

    start, end: offsets in characters from the beginning of the text. variables: one sentence for each
    variable that was interpolated into this stretch: its name, value and where the value comes from.
    """

    path: Path
    line: int
    column: int
    end_line: int
    end_column: int
    start: int
    end: int
    variables: tuple[str, ...] = ()

    def before(self) -> Span:
        """Return the empty span at the beginning, where an edit may insert."""
        return replace(self, end_line=self.line, end_column=self.column, end=self.start)

    def after(self) -> Span:
        """Return the empty span at the end, where an edit may insert."""
        return replace(self, line=self.end_line, column=self.end_column, start=self.end)
