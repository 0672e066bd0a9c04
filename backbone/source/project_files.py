"""The files of a Compose project: the given ones, what they include, and what their services extend.

Nothing is fetched: what lies on another machine is a reference without a path.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.source import compose_file, env_file, interpolation, reading
from backbone.source.compose_file import ComposeFile, Node, ScalarNode, SequenceNode, entries
from backbone.source.env_file import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MAX_FILES = 500

# What Compose's loaders for git and OCI take, and any other URL: `https://…`, `git@host:…`, `github.com/…`.
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[^/\s]+@[^/\s:]+:|github\.com/")


@dataclass(frozen=True, eq=False)
class Document:
    """One file with the variables and the folder it is read with."""

    file: ComposeFile
    scope: Scope


@dataclass(frozen=True, slots=True)
class Reference:
    """Another file that a Compose file names, and that Compose opens while it reads the project.

    use: the key that names it. path: None when it lies on another machine. file, node: where that is written.
    """

    use: str
    path: Path | None
    file: ComposeFile
    node: Node
    service: str = ""

    @property
    def problem(self) -> str:
        """Why the file must not be opened, "" if it may, or if there is none: that is Compose's to say."""
        return reading.why_unreadable(self.path) if self.path is not None and self.path.exists() else ""


def is_remote(name: str) -> bool:
    """Say whether Compose would take a name for something on another machine."""
    return bool(_REMOTE.match(name))


def references(document: Document) -> Iterator[Reference]:
    """Yield the files that a document names, other than those its services mount."""
    file = document.file
    given = entries(file.root).get("include")
    for item in given[1].value if given and isinstance(given[1], SequenceNode) else ():
        fields = entries(item)
        for node in scalars(item):
            path = _reference(document, node)
            yield Reference("include", path, file, node)
            if path is not None:
                yield Reference("include", path.parent / ".env", file, node)
        for node in _scalars(fields, "project_directory"):
            folder = _reference(document, node)
            yield Reference("include", folder / ".env" if folder else None, file, node)
        for node in _scalars(fields, "env_file"):
            yield Reference("env_file", _reference(document, node), file, node)
    services = entries(file.root).get("services")
    for service, (_, body) in entries(services[1] if services else None).items():
        fields = entries(body)
        for node in _scalars(entries(fields["extends"][1]), "file") if "extends" in fields else ():
            yield Reference("extends", _reference(document, node), file, node, service)
        for use in ("env_file", "label_file"):
            for node in _scalars(fields, use):
                yield Reference(use, _reference(document, node), file, node, service)


def _scalars(fields: Mapping[str, tuple[Node, Node]], name: str) -> Iterator[ScalarNode]:
    return scalars(fields[name][1]) if name in fields else iter(())


def _reference(document: Document, node: ScalarNode) -> Path | None:
    """Return the path that a node names, None for something on another machine."""
    (name,) = texts(document, node)
    return None if is_remote(name) else resolve(document, name)


def read(
    files: Sequence[Path], scope: Scope, texts: Mapping[Path, str] | None = None
) -> tuple[list[Document], dict[Path, Document]]:
    """Read a project: its files (the main one first, then overrides), what they include and what they extend.

    texts: of files that are not on the disk.
    A file that is missing is passed over, one that cannot be parsed stays in `files` with its problem.
    """
    documents: list[Document] = []
    seen: set[Path] = set()
    queue = deque((file, scope) for file in reversed(files))
    while queue and len(seen) < MAX_FILES:
        path, here = queue.popleft()
        text = (texts or {}).get(path)
        if path in seen or (text is None and not path.is_file()):
            continue
        seen.add(path)
        for file in reversed(compose_file.load(path) if text is None else compose_file.parse(path, text)):
            document = Document(file, here)
            documents.append(document)
            queue.extend(_includes(document))
    return documents, _read_extended(documents)


def _read_extended(documents: Sequence[Document]) -> dict[Path, Document]:
    """Read every file that a service of the project extends, and those extended from there."""
    known = {document.file.path: document for document in documents}
    extended: dict[Path, Document] = {}
    queue = deque(documents)
    while queue and len(extended) < MAX_FILES:
        document = queue.popleft()
        services = entries(document.file.root).get("services")
        for _, body in entries(services[1] if services else None).values():
            given = entries(body).get("extends")
            file = base_of(document, given[1])[0] if given else ""
            path = resolve(document, file) if file else None
            if path is None or path in extended:
                continue
            if path in known:
                extended[path] = known[path]
            elif path.is_file():
                extended[path] = Document(compose_file.load(path)[0], document.scope)
                queue.append(extended[path])
    return extended


def _includes(document: Document) -> Iterator[tuple[Path, Scope]]:
    """Yield the files a document includes, the strongest of each entry first, with their variables."""
    given = entries(document.file.root).get("include")
    for item in given[1].value if given and isinstance(given[1], SequenceNode) else ():
        fields = entries(item)
        paths = texts(document, fields["path"][1] if "path" in fields else item)
        files = [resolve(document, path) for path in paths]
        if not files:
            continue
        directory = files[0].parent
        if "project_directory" in fields:
            directory = resolve(document, *texts(document, fields["project_directory"][1]))
        names = texts(document, fields["env_file"][1]) if "env_file" in fields else ()
        env_paths = [resolve(document, name) for name in names] or [directory / ".env"]
        above = {file.path for file in document.scope.files}
        own = tuple(env_file.load(path, document.scope.environ) for path in reversed(env_paths) if path not in above)
        scope = Scope(directory, document.scope.environ, (*document.scope.files, *own))
        yield from ((path, scope) for path in reversed(files))


def base_of(document: Document, node: Node) -> tuple[str, str]:
    """Return the file ("" for the same one) and the service of an `extends`."""
    if isinstance(node, ScalarNode):
        return "", interpolation.evaluate(node.value, document.scope.lookup)
    fields = entries(node)
    values = (texts(document, fields[name][1]) if name in fields else () for name in ("file", "service"))
    file, service = ("".join(value[:1]) for value in values)
    return file, service


def resolve(document: Document, *names: str) -> Path:
    """Return a path a document names: relative to its folder, or (in a chain of extends) to the file."""
    name = "".join(names[:1])
    candidates = [(base / name).resolve() for base in (document.scope.directory, document.file.path.parent)]
    return next((path for path in candidates if path.exists()), candidates[0])


def texts(document: Document, node: Node) -> tuple[str, ...]:
    """Return the interpolated strings of a scalar or a list of scalars (or of `path` fields)."""
    return tuple(interpolation.evaluate(scalar.value, document.scope.lookup) for scalar in scalars(node))


def scalars(node: Node) -> Iterator[ScalarNode]:
    """Yield a scalar itself, the scalars of a list, or that of a `path` field."""
    if isinstance(node, ScalarNode):
        yield node
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from scalars(item)
    elif "path" in (fields := entries(node)):
        yield from scalars(fields["path"][1])
