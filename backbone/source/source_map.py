"""Where is this value written? Paths of the resolved model, traced back to the files of the project.

A project is a stack of documents, the strongest first: override files, the main file, what they include. A
service is a stack of definitions: in each document its own, then those it `extends`. The first that writes a
path is where it is written; anchors and merge keys need nothing, their nodes already carry the place they
were written at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from backbone.source import compose_file, env_file, interpolation, project_files, scalar_text
from backbone.source.compose_file import MappingNode, Node, ScalarNode, SequenceNode, entries
from backbone.source.env_file import Assignment, EnvFile, Scope
from backbone.source.project_files import Document, Reference, base_of, resolve, texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from backbone.source.compose_file import ComposeFile
    from backbone.source.span import Span

__all__ = ["Assignment", "Document", "EnvFile", "Interpolation", "Reference", "SourceMap", "Written"]

Path_ = tuple[str | int, ...]
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_APPENDED = frozenset({"ports", "volumes", "expose", "secrets", "configs", "devices", "env_file", "security_opt"})
"""Lists that Compose joins over definitions, the weakest first; any other list replaces the weaker one."""


@dataclass(frozen=True, slots=True)
class Interpolation:
    """One `${NAME…}` in a file.

    operator: "", ":-", "-", ":?", "?", ":+" or "+". argument: what follows it, as written.
    path: of the scalar it stands in, from the file's own top ("services", "kafka-1", "environment", …).
    depth: 0, or the number of expressions whose argument it stands in. value: what Compose puts here.
    """

    name: str
    operator: str
    argument: str
    span: Span
    path: Path_
    depth: int
    value: str


@dataclass(frozen=True, slots=True)
class Written:
    """A value in a document: its node, and the key or list entry that holds it."""

    document: Document
    node: Node
    holder: Node
    start: int = -1
    """Where VALUE begins in a list entry `KEY=VALUE`; -1 when the node itself is the value."""


class SourceMap:
    """Answers where a path of the resolved model is written."""

    def __init__(self, documents: Sequence[Document], extended: Mapping[Path, Document]) -> None:
        """Join the documents, strongest first, with the files that only `extends` reads."""
        self.documents = tuple(documents)
        self.extended = dict(extended)
        self._definitions: dict[str, tuple[Written, ...]] = {}
        self._found: dict[Path_, Written | None] = {}

    @classmethod
    def joined(cls, maps: Sequence[SourceMap]) -> SourceMap:
        """Return the files of several projects as one; paths of a model mean nothing in it."""
        extended = {path: document for each in maps for path, document in each.extended.items()}
        return cls([document for each in maps for document in each.documents], extended)

    @cached_property
    def files(self) -> tuple[ComposeFile, ...]:
        """Every Compose file of the project, each once."""
        documents = (*self.documents, *self.extended.values())
        return tuple(dict.fromkeys(document.file for document in documents))

    @cached_property
    def interpolations(self) -> tuple[Interpolation, ...]:
        """Every `${…}` of the project's files, in order."""
        documents = {document.file: document for document in (*self.documents, *self.extended.values())}
        return tuple(
            found
            for document in documents.values()
            for path, node in compose_file.walk(document.file.root)
            if isinstance(node, ScalarNode) and "$" in node.value
            for found in _interpolations(document, node, path)
        )

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """Every file that the project's files name and Compose opens, but for mounts, secrets and configs."""
        documents = dict.fromkeys((*self.documents, *self.extended.values()))
        return tuple(found for document in documents for found in project_files.references(document))

    @cached_property
    def extended_services(self) -> frozenset[str]:
        """The services of the project's own documents that another one of the same document extends."""
        found: set[str] = set()
        for document in self.documents:
            services = document.file.entries(document.file.root).get("services")
            for _, body in document.file.entries(services[1] if services else None).values():
                if extends := document.file.entries(body).get("extends"):
                    file, name = base_of(document, extends[1])
                    found |= set() if file else {name}
        return frozenset(found)

    def used(self, *path: str | int) -> tuple[Interpolation, ...]:
        """Return the `${…}` in the scalar that writes a path of the resolved model."""
        written = self._written(path)
        if written is None or not isinstance(written.node, ScalarNode):
            return ()
        return tuple(_interpolations(written.document, written.node, path))

    def where(self, *path: str | int, part: str = "") -> Span:
        """Return the span of the value at a path, or of the nearest parent that is written.

        part: a piece of the resolved value; the span is then only where that piece comes from.
        """
        for length in range(len(path), 0, -1):
            if written := self._written(path[:length]):
                return _part(written, part) or (_span(written) if length == len(path) else _holder(written))
            if assignment := self._assigned(path[:length]):
                return assignment.value_span
        top = self.documents[0].file
        return top.span(0, 0)

    def key(self, *path: str | int) -> Span:
        """Return the span of the key (or list entry) at a path, or of the nearest parent that is written."""
        for length in range(len(path), 0, -1):
            if written := self._written(path[:length]):
                return _holder(written)
            if assignment := self._assigned(path[:length]):
                return assignment.span
        return self.where()

    def find(self, *path: str | int) -> Span | None:
        """Return the span of the value at a path, None when no file writes it."""
        if written := self._written(path):
            return _span(written)
        assignment = self._assigned(path)
        return assignment.value_span if assignment else None

    @classmethod
    def read(cls, files: Sequence[Path], scope: Scope, texts: Mapping[Path, str] | None = None) -> SourceMap:
        """Read a project from its files: the main one first, then overrides; `texts` of those not on the disk."""
        return cls(*project_files.read(files, scope, texts))

    def node(self, *path: str | int) -> Node | None:
        """Return the node that is the value at a path, None when none is.

        None also for an entry of a list: in `- NAME=VALUE` the value is a piece of the node, and in `- NAME` it is
        written nowhere, it comes from the shell or the env file.
        """
        written = self._written(path)
        return written.node if written and written.holder is not written.node else None

    def is_passed_through(self, *path: str | int) -> bool:
        """Say whether a variable's value is in no Compose file: `- NAME`, `NAME:` with nothing, or from an env_file."""
        written = self._written(path)
        if written is None:
            return self._assigned(path) is not None
        in_list = written.holder is written.node
        return written.start < 0 if in_list else compose_file.is_plain(written.node) and written.node.value in _NULL

    def is_list_entry(self, *path: str | int) -> bool:
        """Say whether a value is written as the second half of a list entry `NAME=VALUE`."""
        written = self._written(path)
        return written is not None and written.start >= 0

    def definitions(self, service: str) -> tuple[Written, ...]:
        """Return where a service is defined, strongest first: each document, then what it extends."""
        if service not in self._definitions:
            self._definitions[service] = tuple(
                written for document in self.documents for written in self._chain(document, service, frozenset())
            )
        return self._definitions[service]

    def _chain(self, document: Document, service: str, seen: frozenset[tuple[Path, str]]) -> Iterator[Written]:
        """Yield a service's definition in one document and those it extends."""
        here = _descend(document, document.file.root, ("services", service))
        if here is None or (document.file.path, service) in seen:
            return
        yield here
        if extends := document.file.entries(here.node).get("extends"):
            file, name = base_of(document, extends[1])
            base = self.extended.get(resolve(document, file)) if file else document
            if base and name:
                yield from self._chain(base, name, seen | {(document.file.path, service)})

    def _written(self, path: Path_) -> Written | None:
        """Return the strongest writing of a path, None when the files have none; rules ask for the same ones."""
        if path not in self._found:
            self._found[path] = self._strongest(path)
        return self._found[path]

    def _strongest(self, path: Path_) -> Written | None:
        if path[:1] != ("services",) or len(path) < 2:  # noqa: PLR2004 - "services" and a name
            found = (_descend(document, document.file.root, path) for document in self.documents)
            return next((written for written in found if written), None)
        definitions = self.definitions(str(path[1]))
        if len(path) == 2:  # noqa: PLR2004
            return definitions[0] if definitions else None
        rest = path[2:]
        if len(rest) > 1 and rest[0] in _APPENDED and isinstance(rest[1], int):
            return self._appended(definitions, str(rest[0]), rest[1], rest[2:])
        found = (_descend(each.document, each.node, rest) for each in definitions)
        return next((written for written in found if written), None)

    def _appended(self, definitions: Sequence[Written], section: str, index: int, rest: Path_) -> Written | None:
        """Return an entry of a list that Compose joined from all definitions, by its joined place."""
        joined: dict[str, list[Written]] = {}
        for each in reversed(definitions):
            listed = each.document.file.entries(each.node).get(section)
            for item in listed[1].value if listed and isinstance(listed[1], SequenceNode) else ():
                joined[_identity(section, item, each.document)] = [Written(each.document, item, item)] * _multiplicity(
                    section, item, each.document
                )
        flat = [written for group in joined.values() for written in group]
        if index >= len(flat):
            return None
        entry = flat[index]
        return (_descend(entry.document, entry.node, rest) or entry) if rest else entry

    def _assigned(self, path: Path_) -> Assignment | None:
        """Return the line of an `env_file` that gives a service's variable its value."""
        if len(path) != 4 or path[0] != "services" or path[2] != "environment":  # noqa: PLR2004
            return None
        for definition in self.definitions(str(path[1])):
            for file in reversed(_env_files(definition)):
                if found := file.assignments.get(str(path[3])):
                    return found
        return None


def _env_files(definition: Written) -> list[EnvFile]:
    given = definition.document.file.entries(definition.node).get("env_file")
    document = definition.document
    names = texts(document, given[1]) if given else ()
    return [env_file.load(resolve(document, name), document.scope.environ) for name in names]


def _descend(document: Document, node: Node | None, path: Path_) -> Written | None:
    """Return what is written at a path below a node; `KEY=VALUE` entries of a list count as a mapping."""
    holder: Node | None = node
    start = -1
    for step in path:
        if isinstance(node, MappingNode):
            holder, node = document.file.entries(node).get(str(step), (None, None))
        elif isinstance(node, SequenceNode) and isinstance(step, int):
            node = holder = node.value[step] if step < len(node.value) else None
        elif isinstance(node, SequenceNode):
            node, start = _entry(document, node, str(step))
            holder = node
        else:
            return None
        if node is None or holder is None or node.tag == "!reset":
            return None
    return Written(document, node, holder, start) if node is not None and holder is not None else None


def _entry(document: Document, node: SequenceNode, key: str) -> tuple[Node | None, int]:
    """Return the last `KEY=VALUE` (or `KEY`) of a list and where VALUE begins in it."""
    for item in reversed(node.value):
        if isinstance(item, ScalarNode):
            name, equals, _ = item.value.partition("=")
            if interpolation.evaluate(name, document.scope.lookup) == key:
                return item, len(name) + 1 if equals else -1
    return None, -1


def _identity(section: str, item: Node, document: Document) -> str:
    """Return what makes two entries of a joined list the same one for Compose."""
    words = texts(document, item)
    if section == "volumes":
        target = entries(item).get("target")
        parts = "".join(texts(document, target[1]) if target else words).split(":")
        return parts[0] if len(parts) == 1 else parts[1]
    return "".join(words) or f"{item.start_mark.index} {document.file.path}"


def _multiplicity(section: str, item: Node, document: Document) -> int:
    """Return how many resolved entries one written entry becomes: the length of a port range."""
    if section != "ports" or not isinstance(item, ScalarNode):
        return 1
    target = "".join(texts(document, item)).rsplit(":", 1)[-1].split("/")[0]
    match = re.fullmatch(r"(\d{1,5})-(\d{1,5})", target)
    return max(int(match[2]) - int(match[1]) + 1, 1) if match else 1


def _holder(written: Written) -> Span:
    return written.document.file.span_of(written.holder)


def _span(written: Written) -> Span:
    """Return the span of a scalar or of a list on one line; of anything longer, its key's."""
    file = written.document.file
    if not isinstance(written.node, ScalarNode):
        span = file.span_of(written.node)
        return span if span.line == span.end_line else _holder(written)
    return _slice(written, max(written.start, 0), len(written.node.value))


def _part(written: Written, part: str) -> Span | None:
    """Return where a piece of the resolved value comes from; in a list, of the first entry that has it."""
    if not part:
        return None
    if isinstance(written.node, SequenceNode):
        items = (Written(written.document, item, item) for item in written.node.value)
        return next((span for span in (_part(item, part) for item in items) if span), None)
    if not isinstance(written.node, ScalarNode):
        return None
    found = list(interpolation.pieces(written.node.value, written.document.scope.lookup))
    at = "".join(piece.value for piece in found).find(part)
    if at < 0:
        return None
    first, last, position = -1, -1, 0
    for piece in found:
        begin, position = position, position + len(piece.value)
        if begin <= at < position:
            first = piece.start if piece.use else piece.start + at - begin
        if begin < at + len(part) <= position:
            last = piece.end if piece.use or position == at + len(part) else piece.start + at + len(part) - begin
    return _slice(written, first, last)


def _slice(written: Written, first: int, last: int) -> Span:
    """Return the span of a stretch of a scalar's value as written, with the variables it uses."""
    node, document = written.node, written.document
    assert isinstance(node, ScalarNode)  # noqa: S101 - every caller has looked
    whole = (first, last) == (0, len(node.value))
    if whole:
        span = document.file.span_of(node)
    else:
        places = scalar_text.offsets(document.file.text, node)
        span = document.file.span(
            places[first], max(places[last - 1] + 1, places[first]) if last > first else places[first]
        )
    told = tuple(
        dict.fromkeys(
            document.scope.origin(use)
            for use in interpolation.uses(node.value)
            if use.depth == 0 and use.start < last and use.end > first
        )
    )
    return document.file.span(span.start, span.end, told)


def _interpolations(document: Document, node: ScalarNode, path: Path_) -> Iterator[Interpolation]:
    places = scalar_text.offsets(document.file.text, node)
    for use in interpolation.uses(node.value):
        yield Interpolation(
            name=use.name,
            operator=use.operator,
            argument=use.argument,
            span=document.file.span(places[use.start], places[use.end - 1] + 1, (document.scope.origin(use),)),
            path=path,
            depth=use.depth,
            value=use.value(document.scope.lookup),
        )
