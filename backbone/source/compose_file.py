"""One YAML file of a Compose project: its text, its nodes with their places, and what is wrong with it.

Only `yaml.compose` is used: nodes keep the text as written with start and end marks, unknown tags such as
`!reset` are no error, and a node reached through an alias or a merge key keeps the place it was written at.
Values come from Compose itself, never from here.

Hostile input is bounded before anything walks it: size, nesting, and what its aliases would expand to.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from backbone.errors import StackError
from backbone.source import reading
from backbone.source.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_DEPTH = 100
MAX_NODES = 100_000
"""What a file may expand to through its aliases; Compose refuses to visit more, and takes long to say so."""

# libyaml's composer recurses in C and would overflow the stack instead of complaining.
_DEEP_FLOW = 2_000
_DEEP_BLOCK = re.compile(r"(?:[-?] +){500}")
_MERGE = "tag:yaml.org,2002:merge"

__all__ = [
    "ComposeFile",
    "MappingNode",
    "Node",
    "Problem",
    "ScalarNode",
    "SequenceNode",
    "entries",
    "is_plain",
    "load",
    "walk",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file has no nodes: one sentence and the place, as offsets into what could be read of the text."""

    message: str
    start: int = 0
    end: int = 0
    help: str = ""


@dataclass(frozen=True, eq=False)
class ComposeFile:
    """A file as it was read. `root` is None when it is empty or `problem` says why it cannot be used."""

    path: Path
    text: str = ""
    root: Node | None = None
    problem: Problem | None = None
    _entries: dict[int, dict[str, tuple[Node, Node]]] = field(default_factory=dict, repr=False)

    @cached_property
    def _lines(self) -> list[int]:
        """Offsets at which lines begin."""
        return [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", self.text))]

    def entries(self, node: Node | None) -> dict[str, tuple[Node, Node]]:
        """Return `entries` of a node of this file, remembered: services are asked for again and again."""
        found = self._entries.get(id(node))
        if found is None:
            found = self._entries[id(node)] = entries(node)
        return found

    def span(self, start: int, end: int, variables: tuple[str, ...] = ()) -> Span:
        """Return the span between two offsets in characters."""
        first, last = bisect_right(self._lines, start) - 1, bisect_right(self._lines, end) - 1
        return Span(
            path=self.path,
            line=first + 1,
            column=start - self._lines[first] + 1,
            end_line=last + 1,
            end_column=end - self._lines[last] + 1,
            start=start,
            end=end,
            variables=variables,
        )

    def span_of(self, node: Node) -> Span:
        """Return the span of a node, without the blank space that the parser counts to a block's end."""
        start, end = node.start_mark.index, node.end_mark.index
        return self.span(start, start + len(self.text[start:end].rstrip()))


def load(path: Path) -> tuple[ComposeFile, ...]:
    """Read one file. Never raises: `problem` says what is wrong, with the file or with its content.

    Nearly always one ComposeFile; more for a file of several YAML documents, which Compose merges in their order.
    """
    try:
        raw = reading.read_bytes(path)
    except StackError as error:
        return (ComposeFile(path, problem=Problem(error.context or error.message)),)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        words = f"byte 0x{raw[error.start]:02x} at offset {error.start} is not UTF-8"
        problem = Problem(words, len(before), len(before), help="save the file as UTF-8")
        return (ComposeFile(path, before, problem=problem),)
    return parse(path, text)


def parse(path: Path, text: str) -> tuple[ComposeFile, ...]:
    """Return a text's documents with their nodes, or with the first thing that keeps YAML from having any."""
    if problem := _too_much(text):
        return (ComposeFile(path, text, problem=problem),)
    try:
        roots = _compose(text)
    except yaml.MarkedYAMLError as error:
        return (ComposeFile(path, text, problem=_syntax(error, text)),)
    except yaml.reader.ReaderError as error:
        where = text.find(chr(error.character)) if isinstance(error.character, int) else 0
        message = f"character U+{ord(text[where]):04X} is not allowed in YAML"
        return (ComposeFile(path, text, problem=Problem(message, where, where + 1)),)
    documents = [_document(path, text, root) for root in roots if not _is_nothing(root)]
    return tuple(documents) or (ComposeFile(path, text),)


def _compose(text: str) -> list[Node]:
    """Return the root of each document of a text."""
    try:
        return list(yaml.compose_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.composer.ComposerError as error:
        if "duplicate anchor" not in str(error.context or error.problem):
            raise
        return list(_Composer(text).nodes())


class _Composer(yaml.composer.Composer, yaml.resolver.Resolver):
    """Composes a text that sets an anchor again, which YAML 1.2 (section 7.1) allows and PyYAML refuses.

    Slower than libyaml's composer, so it is used only where that one gave up; the events are libyaml's all the same.
    """

    def __init__(self, text: str) -> None:
        yaml.composer.Composer.__init__(self)
        yaml.resolver.Resolver.__init__(self)
        events = getattr(yaml, "CParser", yaml.SafeLoader)(text)
        self.check_event = events.check_event
        self.peek_event = events.peek_event
        self.get_event = events.get_event

    def nodes(self) -> Iterator[Node]:
        while self.check_node():
            yield from filter(None, [self.get_node()])

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()
        if not isinstance(event, yaml.AliasEvent) and getattr(event, "anchor", None):
            self.anchors.pop(event.anchor, None)
        return super().compose_node(parent, index)


def _document(path: Path, text: str, root: Node) -> ComposeFile:
    problem = _measure(root)
    return ComposeFile(path, text, None if problem else root, problem)


def _is_nothing(root: Node | None) -> bool:
    """Say whether a document is empty: `---` with nothing below."""
    return root is None or (isinstance(root, ScalarNode) and not root.value and not root.style)


def entries(node: Node | None) -> dict[str, tuple[Node, Node]]:
    """Return key → (key node, value node) of a mapping, merge keys (`<<`) applied; {} for anything else."""
    found: dict[str, tuple[Node, Node]] = {}
    if not isinstance(node, MappingNode):
        return found
    merged: list[Node] = []
    for key, value in node.value:
        if key.tag == _MERGE:
            merged += value.value if isinstance(value, SequenceNode) else [value]
        elif isinstance(key, ScalarNode):
            found[key.value] = (key, value)
    for source in merged:
        for name, pair in entries(source).items():
            found.setdefault(name, pair)
    return found


def is_plain(node: Node) -> bool:
    """Say whether a node is a scalar without quotes, whose type YAML guesses."""
    return isinstance(node, ScalarNode) and not node.style


def walk(node: Node | None, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    """Yield every node with its path, each node once however many aliases lead to it."""
    seen: set[int] = set()
    stack = [(path, node)]
    while stack:
        here, current = stack.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield here, current
        if isinstance(current, SequenceNode):
            stack += [((*here, index), item) for index, item in enumerate(current.value)][::-1]
        elif isinstance(current, MappingNode):
            stack += [((*here, str(key.value)), value) for key, value in current.value][::-1]


def too_deep(text: str) -> Problem | None:
    """Say where nesting begins that would overflow the stack of libyaml's composer, which ends the process."""
    depth = 0
    if text.count("[") + text.count("{") > _DEEP_FLOW:
        for bracket in re.finditer(r"[\[\]{}]", text):
            depth = max(depth + (1 if bracket[0] in "[{" else -1), 0)
            if depth > _DEEP_FLOW:
                return Problem(f"more than {_DEEP_FLOW} brackets are open here", bracket.start(), bracket.end())
    if match := _DEEP_BLOCK.search(text):
        return Problem("hundreds of nested lists begin here", match.start(), match.start() + 1)
    return None


def _too_much(text: str) -> Problem | None:
    """Refuse what the parser could not bear, or what holds more variables than are meant, before it is called."""
    if text.count("$") > MAX_NODES:
        return Problem(f"it holds {text.count('$'):,} dollar signs, more than {MAX_NODES:,}")
    return too_deep(text)


def _syntax(error: yaml.MarkedYAMLError, text: str) -> Problem:
    """Return the parser's complaint in one sentence at the place it saw it."""
    mark = error.problem_mark or error.context_mark
    start = min(mark.index, max(len(text) - 1, 0)) if mark else 0
    words = ", ".join(part for part in (error.context, error.problem) if part)
    if "\t" in text[start : start + 1]:
        return Problem(words, start, start + 1, help="indent with spaces: YAML allows no tab here")
    return Problem(words, start, min(start + 1, len(text)))


def _measure(root: Node) -> Problem | None:
    """Return what is wrong with the graph: an alias inside itself, nesting, or the size it expands to.

    Iterative and with each node visited once, so that it is linear in the file however its aliases multiply.
    """
    if isinstance(root, ScalarNode):
        return None
    sizes: dict[int, tuple[int, int]] = {}  # node → nodes and levels below it, aliases expanded
    open_: set[int] = set()
    stack: list[tuple[Node, list[Node] | None]] = [(root, None)]
    while stack:
        node, branches = stack.pop()
        if branches is not None:
            below = [sizes[id(child)] for child in branches]
            leaves = len(node.value) - len(branches)
            sizes[id(node)] = (
                1 + leaves + sum(size for size, _ in below),
                1 + max((depth for _, depth in below), default=min(leaves, 1)),
            )
            open_.discard(id(node))
        elif id(node) in open_:
            start = node.start_mark.index
            return Problem("this value contains an alias of itself", start, start + 1)
        elif id(node) not in sizes:
            open_.add(id(node))
            branches = _branches(node)
            stack.append((node, branches))
            stack += [(child, None) for child in branches if id(child) not in sizes]
    size, depth = sizes[id(root)]
    if depth > MAX_DEPTH:
        return Problem(f"values are nested {depth} levels deep, more than {MAX_DEPTH}")
    if size > MAX_NODES:
        # Capped because a few lines of aliases make numbers of any length.
        return Problem(f"with its aliases expanded it holds {min(size, 10**15):,} values, more than {MAX_NODES:,}")
    return None


def _branches(node: Node) -> list[Node]:
    """Return what has something below it of the values of a mapping or a list; Compose does not count keys either."""
    values = [value for _, value in node.value] if isinstance(node, MappingNode) else node.value
    return [value for value in values if not isinstance(value, ScalarNode)]
