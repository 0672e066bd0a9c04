"""What a report may tell of what it read.

A value from an env file or from the shell is told only if it is a port, a tag or a number. What looks like a credential
is never quoted, wherever it stands.
"""

from __future__ import annotations

import re

MASK = "*"

_TELLABLE = re.compile(
    r"[-+]?\d{1,10}(?:\.\d{1,6})?\s?(?:[kmgt]i?b?|[mun]?s|min|h|d|%)?"  # a number, a port, a size or a duration
    r"|v?\d{1,4}(?:\.\d{1,6})+(?:[-.+](?:\d{1,6}|[a-z]{1,10}\d{0,4})){0,4}"  # a tag with a version
    r"|\d{1,5}(?:[-:]\d{1,5})+",  # port ranges and pairs
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"""(?i)(?:passw(?:or)?d|passphrase|requirepass|secret|token|credential|
    (?:api|access|private|secret)[_.-]?key)[\w.-]{0,80}
    (?:\\?["']?[ \t]*[:=][ \t]*(?:\\?["'])?|[ \t]+(?=[^-\s:=]))
    (?P<value>[^\s"'\\,;}\])$<*/\[{|>&?+-][^\s"'\\,;}\])]*)""",
    re.VERBOSE,
)
"""`…PASSWORD: value`, `--password value`, `password="value"`; a path, a variable or a reference is no value."""
_DEFAULT = re.compile(
    r"(?i)\$\{\w{0,80}(?:passw(?:or)?d|passphrase|secret|token|credential|key)\w{0,80}:?[-+](?P<value>[^}$]+)\}"
)
_URL = re.compile(
    r"://[^/\s:@\"']*:(?P<value>[^/\s@\"'$]+)@|://(?P<user>[^/\s:@\"'$]{16,})@|(?i:bearer|basic)\s+(?P<http>\w{12,}\S*)"
)
_RUN = re.compile(r"(?<![A-Za-z0-9+=])(?=[A-Za-z+=]*\d)(?=[\d+=]*[A-Za-z])[A-Za-z0-9+=]{20,}")
_NO_SECRET = re.compile(r"true|false|yes|no|none|null|file|environment|external|\d{1,4}", re.IGNORECASE)
_CLUSTER_ID = 22
"""Characters of a KRaft cluster id or directory id, which looks random and is no secret."""


def is_tellable(value: str) -> bool:
    """Say whether a value may be told wherever it comes from: nothing, a port, a tag or a number."""
    return not value or bool(_TELLABLE.fullmatch(value))


def is_secret_name(name: str) -> bool:
    """Say whether a property's name says that its value is a secret."""
    return name.endswith(("password", "secret"))


def without_credentials(text: str) -> tuple[str, list[str]]:
    """Return a text of the same length in which what looks like a credential is masked, and what that was."""
    spans = [
        match.span(group)
        for pattern in (_NAMED, _DEFAULT, _URL)
        for match in pattern.finditer(text)
        for group, found in match.groupdict().items()
        if found and not _NO_SECRET.fullmatch(found)
    ]
    spans += [
        match.span()
        for match in _RUN.finditer(text)
        if len(match[0]) != _CLUSTER_ID and text[max(match.start() - 7, 0) : match.start()] != "sha256:"
    ]
    return _masked(text, spans), [text[start:end] for start, end in spans]


def without_values(text: str) -> str:
    """Return the text of an env file, same length, in which only names and tellable values are left."""
    spans = []
    for line in re.finditer(r"[^\r\n]+", text):
        name = re.match(r"[ \t]*(?:export[ \t]+)?[A-Za-z_][\w.]*[ \t]*[=:]", line[0])
        value = line[0][name.end() :] if name else line[0]
        if not is_tellable(value.strip().strip("\"'")):
            spans.append((line.end() - len(value), line.end()))
    return _masked(text, spans)


def _masked(text: str, spans: list[tuple[int, int]]) -> str:
    parts, position = [], 0
    for start, end in sorted(spans):
        if end > position:
            begin = max(start, position)
            parts += [text[position:begin], re.sub(r"[^\s]", MASK, text[begin:end])]
            position = end
    return "".join([*parts, text[position:]])
