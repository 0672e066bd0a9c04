"""The files of a Compose project: the given ones, what they include, and what their services extend."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.source import compose_file, env_file, interpolation
from backbone.source.compose_file import ComposeFile, Node, ScalarNode, SequenceNode, entries
from backbone.source.env_file import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MAX_FILES = 500


@dataclass(frozen=True, eq=False)
class Document:
    """One file with the variables and the folder it is read with."""

    file: ComposeFile
    scope: Scope


def read(files: Sequence[Path], scope: Scope) -> tuple[list[Document], dict[Path, Document]]:
    """Read a project: its files (the main one first, then overrides), what they include and what they extend.

    A file that is missing is passed over, one that cannot be parsed stays in `files` with its problem.
    """
    documents: list[Document] = []
    seen: set[Path] = set()
    queue = deque((file, scope) for file in reversed(files))
    while queue and len(seen) < MAX_FILES:
        path, here = queue.popleft()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        for file in reversed(compose_file.load(path)):
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
    if isinstance(node, ScalarNode):
        return (interpolation.evaluate(node.value, document.scope.lookup),)
    if isinstance(node, SequenceNode):
        return tuple(text for item in node.value for text in texts(document, item))
    fields = entries(node)
    return texts(document, fields["path"][1]) if "path" in fields else ()
