"""A policy: which rules count and how much, what is ignored and why, what this project alone demands."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backbone import json_schema, resources
from backbone.errors import ExitCode, StackError
from backbone.lint.engine import Ignore, Selection
from backbone.lint.model import Severity
from backbone.lint.project import Requirements
from backbone.source import reading
from backbone.source.compose_file import ComposeFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from backbone.lint.model import Rule

SCHEMA = resources.schema("policy.schema.json")
NAMES = ("policy.toml", "kafka-lint.toml")
_PYPROJECT, _TABLE = "pyproject.toml", "kafka-compose-lint"
_HEADER = re.compile(rf"(?m)^[ \t]*\[tool\.{_TABLE}[].]")


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy file in effect; without one, every rule counts as it is and nothing more is demanded.

    hygiene: whether hygiene is told finding by finding.
    """

    selection: Selection = field(default_factory=Selection)
    require: Requirements = field(default_factory=Requirements)
    hygiene: bool = False


def find(directory: Path) -> Path | None:
    """Return the policy beside a project: policy.toml, kafka-lint.toml, or a pyproject.toml that has our table."""
    for name in NAMES:
        if (directory / name).exists():
            return directory / name
    pyproject = directory / _PYPROJECT
    try:
        return pyproject if pyproject.is_file() and _HEADER.search(reading.read_text(pyproject)) else None
    except StackError:
        return None  # a file of other tools: it is theirs to complain about it


def load(path: Path, rules: Mapping[str, Rule]) -> Policy:
    """Read a policy.

    Raises StackError("policy-…", exit code USAGE) at anything unknown, misspelt or unreadable.
    """
    try:
        text = reading.read_text(path)
        body = tomllib.loads(text)
    except StackError as error:
        raise _refused("policy-unreadable", error.message, error.context or "") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _refused("policy-unreadable", f"cannot read {path.name}", str(error)) from error
    if path.name == _PYPROJECT:
        body = body["tool"][_TABLE] if _HEADER.search(text) else {}
    _validate(path, body)
    given = body.get("rules", {})
    selection = Selection(
        select=tuple(_known(given.get("select", ()), rules, path)),
        skip=tuple(_known(given.get("skip", ()), rules, path)),
        severities={
            code: Severity[word.upper()]
            for code, word in zip(
                _known(body.get("severity", {}), rules, path), body.get("severity", {}).values(), strict=True
            )
        },
        ignores=_ignores(ComposeFile(path, text), body.get("ignore", []), rules),
    )
    hygiene = given.get("hygiene", path.name not in ("kafka-lint.toml", _PYPROJECT))
    return Policy(selection, Requirements(**body.get("require", {})), hygiene)


def chosen(
    policy: Selection,
    select: Sequence[str],
    skip: Sequence[str],
    rules: Mapping[str, Rule],
    *,
    ignores: bool = True,
) -> Selection:
    """Return the policy's selection with the command line's over it: a list replaces, it never adds."""
    return Selection(
        select=tuple(codes(select, rules)) or policy.select,
        skip=tuple(codes(skip, rules)) or policy.skip,
        severities=policy.severities,
        ignores=policy.ignores if ignores else (),
    )


def codes(words: Iterable[str], rules: Mapping[str, Rule]) -> list[str]:
    """Return codes, or their beginnings, of what a person wrote: KC127, kc1, external-port-mismatch, ALL.

    Raises StackError("unknown-rule") for anything else, with the closest name.
    """
    names = {rule.name: code for code, rule in rules.items()}
    found = []
    for word in (part for each in words for part in each.replace(",", " ").split()):
        code = "KC" if word.upper() == "ALL" else names.get(word.lower(), word.upper())
        if not any(known.startswith(code) for known in rules):
            close = difflib.get_close_matches(word.lower(), names, n=1) or difflib.get_close_matches(code, rules, n=1)
            raise StackError(
                "unknown-rule",
                f"there is no rule {word!r}",
                hint=f"did you mean {close[0]}?" if close else "./invoke rules",
                exit_code=ExitCode.USAGE,
            )
        found.append(code)
    return found


def _known(words: Iterable[str], rules: Mapping[str, Rule], path: Path) -> list[str]:
    try:
        return codes(words, rules)
    except StackError as error:
        raise _refused("policy-rule", f"{path.name}: {error.message}", error.hint or "") from error


def _ignores(file: ComposeFile, given: Sequence[Mapping[str, str]], rules: Mapping[str, Rule]) -> tuple[Ignore, ...]:
    headers = list(re.finditer(r"(?m)^[ \t]*\[\[[ \t]*(?:tool\.kafka-compose-lint\.)?ignore[ \t]*\]\]", file.text))
    found = []
    for index, body in enumerate(given):
        # An inline array of tables has no header line of its own; the top of the file has to do.
        start, end = headers[index].span() if index < len(headers) else (0, 0)
        (code,) = _known([body["rule"]], rules, file.path)
        span = file.span(start, end)
        found.append(Ignore(code, body["reason"], span, body.get("service", ""), body.get("path", "")))
    return tuple(found)


def _validate(path: Path, body: object) -> None:
    """Raise with every departure from the schema at once."""
    if found := json_schema.departures(SCHEMA, body):
        raise _refused("policy-schema", f"{path.name} departs from {SCHEMA.name}", "\n".join(map(str, found)))


def _refused(reference: str, message: str, context: str) -> StackError:
    return StackError(reference, message, context=context or None, exit_code=ExitCode.USAGE)
