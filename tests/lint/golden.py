"""What the linter says about each project of the corpus, in a form that is kept beside it.

`python -m tests.lint.golden` writes the kept form again; review the difference like any other change.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backbone.lint import run as lint_run
from backbone.lint.judged import apart

if TYPE_CHECKING:
    from backbone.lint.engine import Result

CORPUS = Path(__file__).parent / "corpus"
PROJECTS = sorted(path for path in CORPUS.iterdir() if path.is_dir())
KEPT = "findings.txt"


def lint(project: Path) -> Result:
    """Lint one project, with nothing from this machine's environment."""
    outcome = lint_run.run(lint_run.Request(project, environ={}))
    assert not outcome.stopped
    assert not outcome.result.crashes
    return outcome.result


def golden(project: Path) -> str:
    """Return one line for each place of each finding: code, severity, place, service and message."""
    lines = []
    for found in sorted(apart(lint(project).findings), key=lambda judged: judged.order):
        at = found.finding.at
        place = f"{found.path}:{at.line}:{at.column}"
        service = found.finding.service or "-"
        lines.append(f"{found.rule.code} {found.severity.word} {place} {service}: {found.finding.message}\n")
    return "".join(lines)


if __name__ == "__main__":
    for folder in PROJECTS:
        (folder / KEPT).write_text(golden(folder), encoding="utf-8")
