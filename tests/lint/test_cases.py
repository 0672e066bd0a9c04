"""Every rule against projects of its own: what it flags, and a near neighbour that it must leave alone.

A `# flagged: CODE` at the end of a line, or `# flagged next: CODE` on the line before, says where.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backbone.lint import run as lint_run

if TYPE_CHECKING:
    from backbone.lint import engine

CASES = Path(__file__).parent / "cases"
BAD = sorted(CASES.glob("KC*/bad*"))
GOOD = sorted(CASES.glob("KC*/good*"))


def marks(folder: Path, code: str) -> set[tuple[str, int]]:
    """Return (file, line) of each place where a project says that a code belongs."""
    found = set()
    for file in (path for path in folder.rglob("*") if path.is_file()):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            match = re.search(r"# flagged( next)?: (\w+)$", line)
            if match and match[2] == code:
                found.add((file.relative_to(folder).as_posix(), number + bool(match[1])))
    return found


def lint(folder: Path) -> engine.Result:
    outcome = lint_run.run(lint_run.Request(folder, environ={}))
    assert not outcome.stopped
    assert not outcome.result.crashes
    return outcome.result


@pytest.mark.parametrize("folder", BAD, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_flags_the_marked_lines_and_no_others(folder: Path) -> None:
    code = folder.parent.name
    flagged = {(found.path, found.finding.at.line) for found in lint(folder).findings if found.rule.code == code}
    assert flagged == marks(folder, code)


@pytest.mark.parametrize("folder", GOOD, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_leaves_the_neighbour_alone(folder: Path) -> None:
    code = folder.parent.name
    assert code not in {found.rule.code for found in lint(folder).findings}
