"""Takes out of a report what is not the report's to tell.

Told may be: what the project's own Compose files say (but for what looks like a credential there), the words of the
rules, names, and ports, tags and numbers. Not told is any other word of an env file, of the shell's variables that the
project uses, and of files outside the project: neither in a finding's words (Compose's among them) nor in an excerpt.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING

from backbone.errors import StackError
from backbone.source import disclosure, reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from backbone.lint.engine import Result
    from backbone.lint.judged import Judged
    from backbone.lint.model import Finding, Rule
    from backbone.lint.project import Project
    from backbone.source.span import Span

_WORD = re.compile(r"[\w.+~%-]+")
_PART = re.compile(r"[-_.+~%]+")
_QUOTED = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`""")
_SHORTEST = 3
_STEM = 6
"""So many characters of a word that may not be told give it away, even where it was cut off or built into another."""

_LONGEST_STEM = 16


class Mask:
    """What may be told about one project."""

    def __init__(self, project: Project, rules: Mapping[str, Rule], folders: Iterable[Path]) -> None:
        """Take the folders of the files that were given: what lies in them is the project's own."""
        self._project = project
        self._rules = rules
        self._folders = frozenset(folder.resolve() for folder in folders)
        # Thousands of findings lie in a few files and share most of their words.
        self._is_inside = cache(self._lies_inside)
        self._is_told = cache(self._may_be_told)

    def text(self, path: Path) -> str:
        """Return what may be quoted of a file, character by character in its place; "" of one outside the project."""
        return self.quote(path, self._project.text(path)) if self._is_inside(path) else ""

    def quote(self, path: Path, text: str) -> str:
        """Return what may be quoted of a text that is or will be a file's."""
        if not self._is_inside(path):
            return ""
        if path in self._env_files:
            return disclosure.without_values(text)
        return disclosure.without_credentials(text)[0]

    def words(self, text: str) -> str:
        """Return words in which what may not be told is `***`."""
        if not self._hidden[0]:
            return text
        return _WORD.sub(lambda match: match[0] if self._is_told(match[0]) else disclosure.MASK * 3, text)

    def result(self, result: Result) -> Result:
        """Return a result whose words may be told."""
        return replace(
            result,
            findings=tuple(self._judged(each) for each in result.findings),
            ignored=tuple(self._judged(each) for each in result.ignored),
            hygiene=tuple(self._judged(each) for each in result.hygiene),
            crashes=tuple(replace(crash, detail=self.words(crash.detail)) for crash in result.crashes),
        )

    def _judged(self, judged: Judged) -> Judged:
        also = tuple(self._judged(each) for each in judged.also)
        return replace(judged, finding=self._finding(judged.finding), also=also)

    def _finding(self, finding: Finding) -> Finding:
        quoted = self._is_inside(finding.at.path)
        message, advice = (
            text if quoted else _QUOTED.sub(disclosure.MASK * 3, text) for text in (finding.message, finding.help)
        )
        return replace(
            finding,
            at=self._span(finding.at),
            message=self.words(message),
            help=self.words(advice),
            label=self.words(finding.label),
            why=self.words(finding.why),
            related=tuple(
                replace(each, span=self._span(each.span), label=self.words(each.label)) for each in finding.related
            ),
        )

    def _span(self, span: Span) -> Span:
        return replace(span, variables=tuple(self.words(each) for each in span.variables)) if span.variables else span

    def _lies_inside(self, path: Path) -> bool:
        resolved = path.resolve()
        return any(resolved.is_relative_to(folder) for folder in self._folders)

    def _may_be_told(self, word: str) -> bool:
        hidden, stems = self._hidden
        if len(word) < _SHORTEST or word in self._public or disclosure.is_tellable(word.strip("-.")):
            return True
        low = word.lower()
        if low in hidden or low.strip("-.") in hidden:
            return False
        return not any(low[at : at + size] in stems for size in self._sizes for at in range(len(low) - size + 1))

    @cached_property
    def _env_files(self) -> Mapping[Path, str]:
        """The text of each env file around the project, wherever it lies."""
        sources = self._project.sources
        found = {file.path: file.text for file in (self._project.env, self._project.example) if file}
        for document in sources.documents:
            found |= {file.path: file.text for file in document.scope.files}
        for reference in sources.references:
            path = reference.path
            if path is not None and reference.use in ("env_file", "label_file") and path not in found:
                found[path] = _read(path)
        return found

    @cached_property
    def _quoted(self) -> tuple[set[str], set[str]]:
        """The words of the project's own Compose files that may be told, and those that look like credentials."""
        told: set[str] = set()
        secret: set[str] = set()
        for file in self._project.sources.files:
            if self._is_inside(file.path):
                text, masked = disclosure.without_credentials(file.text)
                told |= _words(text)
                secret |= _words(" ".join(masked))
            else:
                secret |= _words(file.text)
        return told, secret

    @cached_property
    def _public(self) -> set[str]:
        docs = [rule.doc for rule in self._rules.values()]
        prose = " ".join(f"{doc.summary} {doc.what} {doc.why} {doc.passes}" for doc in docs)
        told = self._quoted[0] | _words(prose) | self._project.services.keys() | self._file_names
        return told | {part for word in told for part in _PART.split(word)}

    @cached_property
    def _file_names(self) -> set[str]:
        """What the files that were read are called, and their folders: a report names them as places anyway."""
        read = {file.path: file.text for file in self._project.sources.files} | dict(self._env_files)
        return _words(" ".join(str(path) for path, text in read.items() if text))

    @cached_property
    def _hidden(self) -> tuple[set[str], set[str]]:
        """The words that may not be told, and how the long ones of them begin."""
        found = set(self._quoted[1])
        for text in self._env_files.values():
            for line in text.splitlines():
                name = re.match(r"\s*(?:export\s+)?[A-Za-z_][\w.]*\s*[=:]", line)
                if not line.lstrip().startswith("#"):
                    found |= _words(line[name.end() :] if name else line)
        environ = self._project.sources.documents[0].scope.environ if self._project.sources.documents else {}
        for used in environ.keys() & (self._quoted[0] | found):
            found |= _words(environ[used])
        hidden = {word.lower() for word in found - self._public if not disclosure.is_tellable(word)}
        told = {word[:size].lower() for word in self._public for size in range(_STEM, _LONGEST_STEM)}
        return hidden, {_stem(word, told) for word in hidden if len(word) >= _STEM}

    @cached_property
    def _sizes(self) -> list[int]:
        return sorted({len(stem) for stem in self._hidden[1]})


def _stem(word: str, told: set[str]) -> str:
    """Return how a hidden word begins, as far as no word that may be told does: `kafka_` gives nothing away."""
    for size in range(_STEM, min(_LONGEST_STEM, len(word))):
        if word[:size] not in told:
            return word[:size]
    return word[:_LONGEST_STEM]


def _read(path: Path) -> str:
    try:
        return reading.read_text(path)
    except StackError:
        return ""


def _words(text: str) -> set[str]:
    return {word for word in _WORD.findall(text) if len(word) >= _SHORTEST}
