"""The files that a stack is made of besides Compose's, judged before it is started: topics, contracts, connectors.

Only the rules about them run (KC702 to KC705): neither Compose nor the other rules are asked, so that a start does not
wait for it. The project's policy is read only when something is found.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.lint import engine
from backbone.lint.model import RULES, Severity
from backbone.lint.project import Project
from backbone.source.source_map import SourceMap

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.lint.judged import Judged

_FAMILY = "topics_as_code"
_CODES = ("KC702", "KC703", "KC704", "KC705")
_SHOWN = 20


def require(directory: Path) -> None:
    """Raise StackError("own-files") with place and reason for each error in a project's own files."""
    importlib.import_module(f"backbone.lint.rules.{_FAMILY}")
    if not _errors(directory, engine.Selection(select=_CODES)):
        return
    from backbone.lint import policy  # noqa: PLC0415 - knows every rule: only where something may be ignored

    rules = engine.load_rules()
    path = policy.find(directory)
    held = policy.load(path, rules).selection if path else engine.Selection()
    selection = engine.Selection(_CODES, held.skip, held.severities, held.ignores)
    if found := _errors(directory, selection):
        files = sorted({judged.path for judged in found})
        raise StackError(
            "own-files",
            f"{', '.join(files)}: {len(found)} error{'s'[: len(found) > 1]}; nothing was started",
            context="\n".join(map(_line, found[:_SHOWN])),
            hint="./invoke lint --select KC702,KC703,KC704,KC705",
            exit_code=ExitCode.USAGE,
        )


def _errors(directory: Path, selection: engine.Selection) -> list[Judged]:
    project = Project(directory, SourceMap([], {}), None)
    result = engine.run(project, selection, {code: RULES[code] for code in _CODES})
    return [judged for judged in result.findings if judged.severity == Severity.ERROR]


def _line(judged: Judged) -> str:
    at = judged.finding.at
    return f"{judged.path}:{at.line}:{at.column}: {judged.finding.message} [{judged.rule.code} {judged.rule.name}]"
