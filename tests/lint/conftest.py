"""A project on disk, linted the way `invoke lint` does it: real Compose, real files, no engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from backbone.lint import run as lint_run
from backbone.lint.run import Outcome

if TYPE_CHECKING:
    from backbone.lint.judged import Judged

Write: TypeAlias = Callable[[Mapping[str, str]], Path]
Lint: TypeAlias = Callable[..., Outcome]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files (name → text) of a project and return its folder."""

    def write_files(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write_files


@pytest.fixture
def lint(write: Write) -> Lint:
    """Lint a project given as one Compose file's text, or as files; the environment is empty unless given."""

    def run(files: str | Mapping[str, str], /, **request: object) -> Outcome:
        given = {"docker-compose.yml": files} if isinstance(files, str) else files
        options: dict[str, Any] = {"environ": {}, "project": write(given), **request}
        return lint_run.run(lint_run.Request(**options))

    return run


def codes(outcome: Outcome) -> list[str]:
    """Return the codes found, in the report's order."""
    return [judged.rule.code for judged in outcome.result.findings]


def excerpts(outcome: Outcome) -> list[str]:
    """Return the text each finding points at, in the report's order."""
    return [text_at(outcome, judged) for judged in outcome.result.findings]


def told(outcome: Outcome, code: str) -> list[str]:
    """See that Compose takes the files, and return the text that each finding of a rule points at."""
    assert not outcome.project.refusal
    return [text_at(outcome, judged) for judged in outcome.result.findings if judged.rule.code == code]


def text_at(outcome: Outcome, judged: Judged) -> str:
    """Return the text that one finding points at."""
    at = judged.finding.at
    return outcome.project.text(at.path)[at.start : at.end]


def example_files(example: str) -> dict[str, str]:
    """Return the files of a rule's example: a docker-compose.yml, and one for each line `--- NAME`."""
    files = {"docker-compose.yml": ""}
    name = "docker-compose.yml"
    for line in example.splitlines():
        if line.startswith("--- "):
            name = line.removeprefix("--- ").strip()
            files[name] = ""
        else:
            files[name] += line + "\n"
    return files
