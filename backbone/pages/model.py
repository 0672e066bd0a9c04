"""A report as a value: verdict first, then what it was made with, then pictures and tables. Nothing here is markup."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backbone.pages.chart import Chart

Cell: TypeAlias = "str | int | float | Link | None"
State = Literal["good", "bad", "unsure"]

_NUMBER = re.compile(r"[<>≤≥~+-]?\d[\d,.]*( ?(%|ms|s|B|MB|MB/s|/s))?( (-|–|…|of) [\d∞][\d,.]*)?|∞( - ∞)?|n/a|–|")


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead to another page. href: relative to this one."""

    words: str
    href: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a title. note: a sentence before them. terms: what words in it mean, for those who don't know."""

    kind: ClassVar = "table"
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    terms: Mapping[str, str] = field(default_factory=dict)

    def numeric(self, column: int) -> bool:
        """Tell whether a column holds numbers only (with unit or bounds): those stand right, words left."""
        return all(_NUMBER.fullmatch(shown(row[column])) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Words:
    """Sentences: a paragraph for one, a list for several."""

    kind: ClassVar = "words"
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a heading. folded: shown when asked for."""

    kind: ClassVar = "section"
    title: str
    blocks: Sequence[Block]
    folded: bool = False


Block: TypeAlias = "Table | Words | Section | Chart"


@dataclass(frozen=True, slots=True)
class Page:
    """One report. verdict: a sentence. facts: date, versions, machine, profile, commit: what the figures hold for."""

    title: str
    state: State
    verdict: str
    facts: Mapping[str, str]
    blocks: Sequence[Block]


def shown(cell: Cell) -> str:
    """Return a cell as text: nothing for None, floats with three significant digits, or whole from 1,000 on."""
    if isinstance(cell, float):
        return f"{cell:.3g}" if abs(cell) < 1000 else f"{cell:,.0f}"  # noqa: PLR2004 - no exponent
    if isinstance(cell, Link):
        return cell.words
    if isinstance(cell, int):
        return f"{cell:,}"
    return cell or ""
