"""From a scalar's value back to its text: which character of the file became which character of the value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yaml.nodes import ScalarNode

_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|\r?\n[ \t]*|.)", re.DOTALL)
_BLOCK_HEADER = re.compile(r"[|>][^\n]*\n")


def offsets(text: str, node: ScalarNode) -> list[int]:
    """Return, for each character of the node's value and for its end, an offset in the file's text.

    Folding, escapes, quotes and indentation are undone. What cannot be told is the offset of the value's
    beginning.
    """
    start, end = node.start_mark.index, node.end_mark.index
    written = text[start:end]
    if written == node.value:
        return list(range(start, end + 1))
    if node.style in ("|", ">"):
        header = _BLOCK_HEADER.match(written)
        return _aligned(text, start + (header.end() if header else 0), end, node.value)
    if node.style == '"':
        return _double_quoted(text, start + 1, end - 1, node.value)
    quotes = 1 if node.style == "'" else 0
    return _aligned(text, start + quotes, end - quotes, node.value, doubled="'" if quotes else "")


def _aligned(text: str, position: int, end: int, value: str, doubled: str = "") -> list[int]:
    """Walk value and text together; blank space of the one may be any blank space of the other."""
    found: list[int] = []
    start = position
    for character in value:
        if not character.isspace():
            while position < end and text[position] != character and text[position].isspace():
                position += 1
        if position >= end:
            found.append(min(position, end))
            continue
        if text[position] != character and not text[position].isspace() and not character.isspace():
            return [start] * (len(value) + 1)
        found.append(position)
        if character == doubled:
            position += 1
        if text[position] == character or text[position].isspace():
            position += 1
    return [*found, max(position, start) if position <= end else end]


def _double_quoted(text: str, position: int, end: int, value: str) -> list[int]:
    """Walk a double-quoted scalar: escapes, a line continued by a backslash, and folded line ends."""
    found: list[int] = []
    length = len(value)
    while position < end and len(found) < length:
        if escape := _ESCAPE.match(text, position, end):
            if escape[0][1] not in "\r\n":
                found.append(position)
            position = escape.end()
        elif text[position] in "\r\n" or (text[position] in " \t" and value[len(found)] not in " \t"):
            blank = re.compile(r"\s+").match(text, position, end)
            after = blank.end() if blank else position + 1
            while len(found) < length and value[len(found)] in " \n":
                found.append(position)
            position = after
        else:
            found.append(position)
            position += 1
    return [*found, *([min(position, end)] * (length + 1 - len(found)))]
