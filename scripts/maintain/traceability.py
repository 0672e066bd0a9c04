"""Requirements and what proves them: schemas/requirements.yml, checked against the rules, tests, tasks and sessions.

A proof counts while the thing it names exists; whether that thing passes is the business of the run that executes it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from backbone import json_schema
from backbone.errors import ExitCode, StackError
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from backbone.lint.model import Rule

DATA_FILE = "schemas/requirements.yml"
SCHEMA_FILE = "schemas/requirements.schema.json"
PAGE_FILE = "docs/traceability.md"

KINDS = ("rule", "test", "task", "session")


@dataclass(frozen=True, slots=True)
class Proof:
    """One proof: its kind (a word of KINDS), its name, and whether the thing it names exists."""

    kind: str
    name: str
    exists: bool


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement with its proofs; `parents` are the ids it serves."""

    id: str
    source: str
    text: str
    parents: tuple[str, ...]
    proofs: tuple[Proof, ...]

    @property
    def proven(self) -> bool:
        """Whether it has a proof and none of them is gone."""
        return bool(self.proofs) and all(proof.exists for proof in self.proofs)


@dataclass(frozen=True, slots=True)
class Trace:
    """Every requirement, in the file's order, and one sentence for each thing that is wrong."""

    requirements: tuple[Requirement, ...]
    problems: tuple[str, ...]


def trace(root: Path, rules: Mapping[str, Rule]) -> Trace:
    """Return the requirements of a checkout with their proofs looked up.

    rules: the linter's, by code. Raises StackError("requirements-file") when the data is unreadable or breaks its
    schema.
    """
    finders: dict[str, Callable[[str], bool]] = {
        "rule": rules.__contains__,
        "test": lambda name: _has_test(root, name),
        "task": _decorated(root / "scripts" / "tasks", "command").__contains__,
        "session": _decorated(root / "noxfile.py", "session").__contains__,
    }
    requirements = tuple(_requirement(body, finders) for body in _read(root)["requirements"])
    return Trace(requirements, tuple(_problems(requirements)))


def _read(root: Path) -> dict[str, Any]:
    """Return the data file's content, valid by its schema."""
    path = root / DATA_FILE
    try:
        data = yaml.safe_load(reading.read_text(path))
        faults = json_schema.departures(root / SCHEMA_FILE, data)
    except StackError as error:
        raise _unusable(error.context or error.message) from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise _unusable(str(error)) from error
    if faults:
        raise _unusable("\n".join(map(str, faults)))
    content: dict[str, Any] = data
    return content


def _unusable(words: str) -> StackError:
    return StackError(
        "requirements-file",
        f"{DATA_FILE} cannot be used",
        context=words,
        hint=f"look at {SCHEMA_FILE}",
        exit_code=ExitCode.USAGE,
    )


def _requirement(body: Mapping[str, Any], finders: Mapping[str, Callable[[str], bool]]) -> Requirement:
    named = [next(iter(proof.items())) for proof in body["proofs"]]
    return Requirement(
        id=body["id"],
        source=body["source"],
        text=body["text"],
        parents=tuple(body.get("parents", ())),
        proofs=tuple(Proof(kind, name, finders[kind](name)) for kind, name in named),
    )


def _problems(requirements: Sequence[Requirement]) -> Iterator[str]:
    known: set[str] = set()
    for requirement in requirements:
        if requirement.id in known:
            yield f"{requirement.id} is listed twice"
        known.add(requirement.id)
    for requirement in requirements:
        if not requirement.proofs:
            yield f"{requirement.id} has no proof"
        for proof in requirement.proofs:
            if not proof.exists:
                yield f"{requirement.id} names the {proof.kind} {proof.name}, which does not exist"
        for parent in requirement.parents:
            if parent not in known:
                yield f"{requirement.id} serves {parent}, which is not listed"


def _has_test(root: Path, name: str) -> bool:
    """Whether FILE::FUNCTION or FILE::CLASS::METHOD is defined."""
    file, *parts = name.split("::")
    path = root / file
    body: list[ast.stmt] = ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else []
    for part in parts:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        found = next((node for node in body if isinstance(node, kinds) and node.name == part), None)
        if found is None:
            return False
        body = found.body
    return bool(parts) and parts[-1].startswith("test_")


def _decorated(path: Path, decorator: str) -> frozenset[str]:
    """Return the functions under a decorator in a file or a folder's files, named as a command line names them."""
    files = sorted(path.glob("*.py")) if path.is_dir() else [path] if path.is_file() else []
    return frozenset(
        _given_name(item) or node.name.replace("_", "-")
        for file in files
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        for item in node.decorator_list
        if _is_named(item, decorator)
    )


def _is_named(node: ast.expr, name: str) -> bool:
    called = node.func if isinstance(node, ast.Call) else node
    return (isinstance(called, ast.Name) and called.id == name) or (
        isinstance(called, ast.Attribute) and called.attr == name
    )


def _given_name(node: ast.expr) -> str:
    """Return the name that a decorator is given (`@nox.session(name="e2e-docker")`), "" without one."""
    given = [item.value for item in node.keywords if item.arg == "name"] if isinstance(node, ast.Call) else []
    return next((str(value.value) for value in given if isinstance(value, ast.Constant)), "")


def page(found: Trace, rules: Mapping[str, Rule]) -> str:
    """Return docs/traceability.md: each requirement with its proofs, then each proof with what it proves."""
    lines = [
        "# Traceability",
        "",
        _summary(found),
        "",
        "| Requirement | What is demanded | Serves | Proven by |",
        "|---|---|---|---|",
    ]
    for requirement in found.requirements:
        proofs = "<br>".join(_link(proof, rules) for proof in requirement.proofs) or "**nothing yet**"
        parents = ", ".join(requirement.parents) or "-"
        lines.append(f"| `{requirement.id}`<br>{requirement.source} | {requirement.text} | {parents} | {proofs} |")
    lines += ["", "## By proof", "", "| Proof | Proves |", "|---|---|"]
    proves: dict[Proof, list[str]] = {}
    for requirement in found.requirements:
        for proof in requirement.proofs:
            proves.setdefault(proof, []).append(requirement.id)
    for proof in sorted(proves, key=lambda proof: (KINDS.index(proof.kind), proof.name)):
        lines.append(f"| {_link(proof, rules)} | {', '.join(proves[proof])} |")
    return "\n".join(lines) + "\n"


def _summary(found: Trace) -> str:
    proven = sum(requirement.proven for requirement in found.requirements)
    total = len(found.requirements)
    return f"Written by `nox -s pages` from `{DATA_FILE}`. Of {total} requirements {proven} are proven."


def _link(proof: Proof, rules: Mapping[str, Rule]) -> str:
    """Return a proof as Markdown, with a link to where it is written."""
    gone = "" if proof.exists else " (gone)"
    if proof.kind == "rule" and proof.exists:
        rule = rules[proof.name]
        return f"rule [{rule.code} {rule.name}](rules.md#{rule.code.lower()}-{rule.name})"
    if proof.kind == "test":
        file, _, test = proof.name.partition("::")
        return f"test [{test}](../{file}){gone}"
    runner = {"task": "./invoke ", "session": "nox -s "}.get(proof.kind, "")
    return f"{proof.kind} `{runner}{proof.name}`{gone}"
