"""The exit codes stand in one table, docs/errors.md, and what it says of each error is what the code does."""

from __future__ import annotations

import ast
import re
from collections import defaultdict

import pytest

from backbone.errors import ExitCode
from tests import ROOT

ROW = re.compile(r"^\| (\d+) \| ([^|]+) \|(.*)\|$", re.MULTILINE)
TABLE = {int(code): examples for code, _, examples in ROW.findall((ROOT / "docs" / "errors.md").read_text("utf-8"))}
REFERENCE = re.compile(r"`([a-z0-9]+(?:-[a-z0-9]+)+|usage)`")


def raised() -> dict[str, set[int]]:
    """Return reference → exit codes of every error whose two are written where it is made."""
    found = defaultdict(set)
    for path in [*(ROOT / "backbone").rglob("*.py"), *(ROOT / "scripts" / "tasks").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="StackError"), args=[ast.Constant(value=str(name)), *_], keywords=given):
                    code = next((each.value for each in given if each.arg == "exit_code"), None)
                    if code is None:
                        found[name].add(int(ExitCode.FINDINGS))
                    elif isinstance(code, ast.Attribute):
                        found[name].add(int(ExitCode[code.attr]))
    return found


RAISED = raised()


def test_the_table_has_every_exit_code_once() -> None:
    assert list(TABLE) == sorted(ExitCode)


@pytest.mark.parametrize(
    ("code", "name"), [(code, name) for code, examples in TABLE.items() for name in REFERENCE.findall(examples)]
)
def test_an_error_ends_with_the_code_that_the_table_gives_it(code: int, name: str) -> None:
    assert code in RAISED.get(name, {code}), f"{name} exits {RAISED[name]}"
