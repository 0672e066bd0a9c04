"""Certain fixes: a finding's edits, applied to the text so that comments and layout stay as they are."""

from __future__ import annotations

import difflib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.lint.judged import apart

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from backbone.lint.engine import Result
    from backbone.lint.model import Edit
    from backbone.lint.project import Project


@dataclass(frozen=True, slots=True)
class Change:
    """One file before and after. fixes: how many findings that answers."""

    path: Path
    before: str
    after: str
    fixes: int


def plan(result: Result, project: Project) -> list[Change]:
    """Return the files with all certain fixes applied; one that overlaps another waits for the next run."""
    taken: dict[Path, list[Edit]] = defaultdict(list)
    fixes: dict[Path, int] = defaultdict(int)
    for judged in apart(result.findings):
        edits = judged.finding.edits
        if edits and not any(_overlaps(edit, other) for edit in edits for other in taken[edit.span.path]):
            for edit in edits:
                taken[edit.span.path].append(edit)
            fixes[edits[0].span.path] += 1
    return [
        Change(path, before := project.text(path), apply(before, edits), fixes[path])
        for path, edits in taken.items()
        if edits
    ]


def apply(text: str, edits: Sequence[Edit]) -> str:
    """Return the text with every stretch replaced, the last one first so that offsets stay true."""
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def diff(change: Change, name: str, quote: Callable[[Path, str], str] = lambda _, text: text) -> str:
    """Return a unified diff; `patch -p1` understands it where `quote` masks nothing.

    quote: makes of a file's text what may be shown of it.
    """
    lines = difflib.unified_diff(
        quote(change.path, change.before).splitlines(keepends=True),
        quote(change.path, change.after).splitlines(keepends=True),
        f"a/{name.lstrip('/')}",
        f"b/{name.lstrip('/')}",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _overlaps(edit: Edit, other: Edit) -> bool:
    """Say whether two edits touch; two insertions at one place do, for their order would be a guess."""
    return edit.span.start <= other.span.end and other.span.start <= edit.span.end
