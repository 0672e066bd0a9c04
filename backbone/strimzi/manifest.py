"""A Kubernetes resource as YAML that a person can read: each value beside the words that say where it comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from backbone.errors import ExitCode, StackError
from backbone.source import compose_file, reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Steps = tuple[str | int, ...]

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_BEGIN = re.compile(r"(?m)^---(?=\s|$)")
_LONG = 2**63


@dataclass(frozen=True, slots=True)
class Manifest:
    """One resource in one file. file: relative to the export's folder; notes: the way to a value → words about it."""

    file: str
    body: Mapping[str, Any]
    notes: Mapping[Steps, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The resource's kind, "" if it says none."""
        return str(self.body.get("kind", ""))

    @property
    def name(self) -> str:
        """The resource's name, "" if it says none."""
        return str(self.mapped("metadata").get("name", ""))

    def get(self, *steps: str) -> Any:
        """Return the value at the end of some keys, None where one is missing."""
        found: Any = self.body
        for step in steps:
            found = found.get(step) if isinstance(found, dict) else None
        return found

    def mapped(self, *steps: str) -> Mapping[str, Any]:
        """Return the mapping at the end of some keys, an empty one where anything else is."""
        found = self.get(*steps)
        return found if isinstance(found, dict) else {}

    def listed(self, *steps: str) -> Sequence[Any]:
        """Return the list at the end of some keys, an empty one where anything else is."""
        found = self.get(*steps)
        return found if isinstance(found, list) else []

    def mappings(self, *steps: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield (number, item) of a list's mappings."""
        yield from ((number, each) for number, each in enumerate(self.listed(*steps)) if isinstance(each, dict))


class _Dumper(yaml.SafeDumper):
    """Writes lists indented below their key, and text of several lines as such."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists too."""
        del indentless
        return super().increase_indent(flow=flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value out each time it stands somewhere."""
        del data
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def text(manifests: Sequence[Manifest]) -> str:
    """Return the YAML of one file: its resources, each value with its note behind it, a block's above it."""
    return "---\n".join(map(_document, manifests))


def _document(manifest: Manifest) -> str:
    plain = yaml.dump(dict(manifest.body), Dumper=_Dumper, sort_keys=False, width=2**16, allow_unicode=True)
    lines = plain.splitlines()
    found = dict(_places(yaml.compose(plain, Loader=yaml.CSafeLoader), ()))
    above: dict[int, list[str]] = {}
    for steps, words in manifest.notes.items():
        if not steps:
            above.setdefault(0, []).extend(f"# {line}" for line in words.splitlines())
            continue
        line, column, scalar = found[steps]
        if scalar:
            lines[line] += f"  # {words}"
        else:
            above.setdefault(line, []).extend(" " * column + f"# {each}" for each in words.splitlines())
    return "".join(f"{each}\n" for number, line in enumerate(lines) for each in (*above.get(number, ()), line))


def _places(node: yaml.Node | None, steps: Steps) -> Iterator[tuple[Steps, tuple[int, int, bool]]]:
    """Yield each value's way, and (line, column, whether it is one line) of where it begins."""
    parts: list[tuple[str | int, yaml.Node, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        parts = [(str(key.value), key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        parts = [(number, value, value) for number, value in enumerate(node.value)]
    for step, start, value in parts:
        one_line = value.start_mark.line == value.end_mark.line
        column = start.start_mark.column - 2 * (start is value)
        yield (*steps, step), (start.start_mark.line, column, one_line)
        yield from _places(value, (*steps, step))


def typed(value: str) -> int | bool | str:
    """Return a setting as people write it in a resource: a whole number, true, false, or text."""
    if _WHOLE.fullmatch(value) and str(int(value)) == value and -_LONG <= int(value) < _LONG:
        return int(value)
    return value == "true" if value in {"true", "false"} else value


def untyped(value: Any) -> str:
    """Return a resource's value as Kafka takes it, as the operator does: a list is joined by commas."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(untyped, value))
    return "" if value is None else str(value)


def read(folder: Path) -> tuple[Manifest, ...]:
    """Return every resource in the YAML files of a folder and those below it, by file.

    Raises StackError("no-resources") for a folder without any, "bad-resource" for a file that is no YAML.
    """
    found = [Manifest(name, body) for name, path in _files(folder) for body in _resources(path)]
    if not found:
        raise StackError(
            "no-resources", f"there is no YAML file with resources in {folder}", exit_code=ExitCode.NOTHING
        )
    return tuple(found)


def read_what_can_be(folder: Path) -> tuple[tuple[Manifest, ...], tuple[tuple[str, str], ...]]:
    """Return every resource, and (file, reason) of each document that is no YAML, such as a template of Helm."""
    found, unread = [], []
    for name, path in _files(folder):
        try:
            # What begins a line so begins a document, wherever it stands (YAML 1.2, 9.1.2).
            parts = _BEGIN.split(reading.read_text(path))
        except StackError as error:
            unread.append((name, error.context or error.message))
            continue
        for part in parts:
            try:
                found += [Manifest(name, body) for document in _loaded(part) for body in _of(document, path)]
            except (StackError, yaml.YAMLError, RecursionError, ValueError) as error:
                unread.append((name, " ".join(str(getattr(error, "context", None) or error).split())))
    return tuple(found), tuple(unread)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(each for pattern in ("*.yaml", "*.yml") for each in folder.rglob(pattern)):
        yield path.relative_to(folder).as_posix(), path


def documents(path: Path) -> Iterator[Any]:
    """Yield the YAML documents of a file; yaml.YAMLError or ValueError for what is none, or too deep for the parser."""
    yield from _loaded(reading.read_text(path))


def _loaded(text: str) -> Iterator[Any]:
    if problem := compose_file.too_deep(text):
        raise ValueError(problem.message)
    yield from yaml.load_all(text, Loader=yaml.CSafeLoader)


def _resources(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        for body in documents(path):
            yield from _of(body, path)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _bad(path, str(error)) from error


def _of(document: Any, path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the resources of one document: itself, or the items of a list."""
    if document is None:
        return
    if not isinstance(document, dict):
        raise _bad(path, f"a resource is a mapping, not {type(document).__name__}")
    if isinstance(document.get("items"), list) and str(document.get("kind", "")).endswith("List"):
        yield from (item for item in document["items"] if isinstance(item, dict))
    else:
        yield document


def _bad(path: Path, why: str) -> StackError:
    return StackError("bad-resource", f"{path} holds no resource", context=why, exit_code=ExitCode.USAGE)


def way(steps: Steps) -> str:
    """Return the way to a value as people write it: spec.kafka.config["min.insync.replicas"]."""
    words = ""
    for step in steps:
        if isinstance(step, int):
            words += f"[{step}]"
        elif re.fullmatch(r"[\w-]+", step):
            words += f".{step}" if words else step
        else:
            words += f'["{step}"]'
    return words
