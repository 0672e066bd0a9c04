"""Whole stacks in the style of public ones, written for this test: every error is a true one, and nothing else is.

A line `# error: CODE` at its end says where an error belongs; a stack without one is to have none. The
table below says it for JSON, which has no comments.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from backbone.lint import run as lint_run
from backbone.lint.model import Severity
from backbone.lint.output import text as text_report

SCREEN = 25

STACKS = sorted(path for path in (Path(__file__).parent / "stacks").iterdir() if path.is_dir())
IN_JSON = {"stream-lab": {("KC701", "connectors/orders.json", 8), ("KC701", "connectors/orders.json", 9)}}


def errors(stack: Path) -> set[tuple[str, str, int]]:
    """Return (code, file, line) of each error that a stack is marked with."""
    found = set(IN_JSON.get(stack.name, ()))
    for file in stack.rglob("*.y*ml"):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if match := re.search(r"# error: (KC\d+)$", line):
                found.add((match[1], file.relative_to(stack).as_posix(), number))
    return found


def test_there_are_enough_of_them() -> None:
    assert len(STACKS) >= 12
    assert sum(not errors(stack) for stack in STACKS) >= 12


@pytest.mark.parametrize("stack", [stack for stack in STACKS if errors(stack)], ids=lambda stack: stack.name)
def test_the_first_screen_names_every_error(stack: Path) -> None:
    """As the command prints it: with what is no error left for later."""
    outcome = lint_run.run(lint_run.Request(stack, environ={}, hygiene=False))
    lines = text_report.text(outcome.result, outcome.project, lambda path: path.relative_to(stack).as_posix())
    screen = ["".join(text for text, _ in line) for line in itertools.islice(lines, SCREEN)]
    assert {code for line in screen for code in re.findall(r"^error\[(KC\d+)", line)} == {
        code for code, _, _ in errors(stack)
    }
    assert all(any(f"{path}:{line}:" in text for text in screen) for _, path, line in errors(stack))


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_the_first_line_is_the_worst(stack: Path) -> None:
    outcome = lint_run.run(lint_run.Request(stack, environ={}, hygiene=False))
    lines = text_report.text(outcome.result, outcome.project, str)
    worst = max((judged.severity for judged in outcome.result.findings), default=None)
    first = "".join(text for text, _ in next(lines, [("", "")]))
    assert first.startswith(f"{worst.word}[" if worst else "")


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_every_error_is_a_true_one(stack: Path) -> None:
    outcome = lint_run.run(lint_run.Request(stack, environ={}))
    assert not outcome.stopped
    assert not outcome.result.crashes
    assert not outcome.project.refusal
    loud = [judged for judged in outcome.result.findings if judged.severity == Severity.ERROR]
    assert {(judged.rule.code, judged.path, judged.finding.at.line) for judged in loud} == errors(stack)
