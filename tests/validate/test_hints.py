"""Every hint in the code can be followed: a command is pasted as it stands, whichever way the tasks are called."""

from __future__ import annotations

import ast
import functools
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from invoke import Exit

from backbone.errors import LINTER, PROGRAM, as_typed, is_command
from backbone.lint import cli
from scripts.tasks import verify
from scripts.tasks.collection import collect
from scripts.tasks.program import Tasks
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

VALUE = "x-1"
"""Stands for what a hint names at run time: a topic, a service, a path."""

PROGRAMS = ("./invoke", "invoke", "backbone", "/a b/invoke")
TASKS = collect(verify)
NAMES = "|".join(sorted(TASKS.task_names, key=len, reverse=True))
BARE = re.compile(rf"(?<![\w./-])invoke (?:{NAMES})\b")
MENTIONED = re.compile(r"\./invoke ([a-z][\w-]*)")
FILES = sorted([*(ROOT / "backbone").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")])
_HOLDS_HINTS = re.compile(r"(?i)(hint|hints|remedy|remedies|_again|_shift|keep|restore)$")
_NAMED = {"task": "topics", "body": "topics", "again": "init ."}
"""What stands for a value that is a task, by a word in its expression."""
_HINT_AT = {"_usage": 2, "_refuse": 2, "Finding": 3, "errors_as": 2}
"""Function → where its hint stands when it is given by position."""


@dataclass(frozen=True)
class Hint:
    file: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}"


def texts(node: ast.AST | None, names: Mapping[str, ast.AST]) -> list[str]:  # noqa: PLR0911 - a case a kind of expression
    """Return what an expression may say, with VALUE for what is not known before it runs."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            found = [""]
            for part in parts:
                more = texts(part.value if isinstance(part, ast.FormattedValue) else part, names)
                more = more or [next((_NAMED[name] for name in _NAMED if name in ast.unparse(part)), VALUE)]
                found = [one + other for one in found for other in more]
            return found
        case ast.IfExp(body=one, orelse=other):
            return [*texts(one, names), *texts(other, names)]
        case ast.BinOp(left=one, right=other):
            return [left + right for left in texts(one, names) or [VALUE] for right in texts(other, names) or [VALUE]]
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [text for part in parts for text in texts(part, names)]
        case ast.Dict(values=parts):
            return [text for part in parts for text in texts(part, names)]
        case ast.Name(id=name) if name in names:
            return texts(names[name], {})
    return []


def hints() -> Iterator[Hint]:
    for file in FILES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            found: list[ast.AST] = []
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args, keywords=keywords):
                    found += [each.value for each in keywords if each.arg and _HOLDS_HINTS.search(each.arg)]
                    found += args[_HINT_AT[name] : _HINT_AT[name] + 1] if name in _HINT_AT else []
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if _HOLDS_HINTS.search(name):
                    found.append(value)
            for each in found:
                for text in texts(each, names):
                    yield Hint(file, node.lineno, text)  # type: ignore[attr-defined]  # calls and assignments have one


HINTS = list(hints())
COMMANDS = [(hint, line) for hint in HINTS for line in hint.text.splitlines() if is_command(line)]
OURS = [(hint, line) for hint, line in COMMANDS if "./invoke " in line]


@functools.cache
def refused(*words: str) -> bool:
    """Parse the words behind the program's name as the tasks do; nothing is run."""
    program = Tasks(namespace=TASKS, name="backbone", binary="./invoke")
    program.create_config()
    try:
        program.parse_core(["./invoke", *words])
        program.parse_collection()
        program.parse_tasks()
        program.parse_cleanup()
    except Exit as end:
        return bool(end.code)
    return False


def test_there_are_hints_to_look_at() -> None:
    assert len(HINTS) > 150
    assert len(OURS) > 80


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_task_is_named_so_that_it_can_be_put_in_the_users_way(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert [text for text in strings if BARE.search(text)] == []
    assert [word for text in strings for word in MENTIONED.findall(text) if word not in TASKS.task_names] == []


@pytest.mark.parametrize(("hint", "line"), COMMANDS, ids=str)
def test_a_command_can_be_pasted(hint: Hint, line: str) -> None:
    words = shlex.split(line)
    assert "#" not in words, "zsh takes a comment for arguments"
    assert not [word for word in words if re.fullmatch(r"<.*>|[A-Z]{3,}", word)], "something is left to fill in"


@pytest.mark.parametrize("hint", HINTS, ids=str)
def test_words_hold_no_command(hint: Hint) -> None:
    words = [line for line in hint.text.splitlines() if not is_command(line)]
    assert [line for line in words if "./invoke " in line] == []


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(("hint", "line"), OURS, ids=str)
def test_a_task_with_its_flags_is_understood(
    hint: Hint, line: str, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROGRAM, program)
    commands = re.split(r" (?:\||&&|;|>) ", as_typed(line))
    for words in map(shlex.split, commands):
        if words[0] == program:
            assert not refused(*words[1:])
    assert any(shlex.split(command)[0] == program for command in commands)


@pytest.mark.parametrize(
    ("hint", "line"), [pair for pair in OURS if (ROOT / "backbone" / "lint") in pair[0].file.parents], ids=str
)
def test_the_linters_own_program_understands_its_hints(
    hint: Hint, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PROGRAM, LINTER)
    program, *words = shlex.split(as_typed(line))
    assert program == LINTER
    with pytest.raises(SystemExit) as end:
        cli.main([*words, "--help"])
    assert not end.value.code, capsys.readouterr().err
