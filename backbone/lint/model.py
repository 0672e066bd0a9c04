"""What a rule is and what it says, and the decorator that registers one.

A rule is a generator over a Project:

    @rule("KC127", "external-port-mismatch", Severity.ERROR)
    def external_port_mismatch(project: Project) -> Iterator[Finding]:
        \"\"\"Flag an advertised port that nothing publishes.

        More sentences about what it looks at and what it leaves alone.

        Why:
            The first connection succeeds, then the client is sent to a closed port.

        Fails:
            services:
              kafka: …

        Passes:
            services:
              kafka: …
            --- .env
            KAFKA_PORT=9092

        Source:
            https://…
        \"\"\"

The docstring is the documentation (`./invoke explain`, docs/rules.md) and a test runs every example. An example
is a `docker-compose.yml`; a line `--- NAME` begins another file of the same example.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING

from backbone.source.span import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from backbone.lint.project import Project

    Check = Callable[[Project], Iterable["Finding"]]

__all__ = ["RULES", "Doc", "Edit", "Finding", "Related", "Rule", "Severity", "Span", "respelt", "rule"]

_CODE = re.compile(r"KC\d{3}")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SECTIONS = ("Why", "Fails", "Passes", "Source")


class Severity(IntEnum):
    """How sure and how bad: an error will not work, a warning will hurt, an info is worth knowing."""

    INFO = 1
    WARNING = 2
    ERROR = 3

    @property
    def word(self) -> str:
        """The name a person reads and writes."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that matters, with the few words printed under it."""

    span: Span
    label: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace one stretch of a file. Given only where the answer is certain; several make one fix."""

    span: Span
    text: str


def respelt(at: Span, text: str, written: str, meant: str) -> tuple[Edit, ...]:
    """Return the edit of a misspelt name, () unless it is sure: one letter too many, one missing, or two exchanged.

    at: where it stands in the text of its file, perhaps with more around it. written: in capitals as it stands there.
    """
    found = text.find(written, at.start, at.end)
    if found < 0 or at.line != at.end_line or not _is_slip(written, meant):
        return ()
    column = at.column + found - at.start
    end = found + len(written)
    return (Edit(replace(at, column=column, end_column=column + len(written), start=found, end=end), meant),)


def _is_slip(written: str, meant: str) -> bool:
    if len(written) == len(meant):
        places = [place for place, (a, b) in enumerate(zip(written, meant, strict=True)) if a != b]
        return (
            len(places) == 2  # noqa: PLR2004 - a pair
            and places[1] - places[0] == 1
            and written[places[0] : places[1] + 1] == meant[places[0] : places[1] + 1][::-1]
        )
    shorter, longer = sorted((written, meant), key=len)
    return len(longer) - len(shorter) == 1 and any(
        longer[:place] + longer[place + 1 :] == shorter for place in range(len(longer))
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """One defect at one place.

    at: the place. message: one sentence with the values found. label: the few words under the excerpt. help:
    what to write instead. service: its name, "" for none. evidence: what tells this finding from another of
    the same rule, file and service; never prose, so that rewording keeps the identity. related: other places.
    edits: the certain fix. why: replaces the rule's own reason. severity: replaces the rule's own.
    """

    at: Span
    message: str
    service: str = ""
    help: str = ""
    evidence: str = ""
    label: str = ""
    related: tuple[Related, ...] = ()
    edits: tuple[Edit, ...] = ()
    why: str = ""
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Doc:
    """A rule's documentation: the summary line, what it does, and the sections of its docstring."""

    summary: str
    what: str
    why: str
    fails: str
    passes: str
    source: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One check with what is known about it.

    needs_model: it cannot speak when Compose refuses the project.
    """

    code: str
    name: str
    severity: Severity
    check: Check
    needs_model: bool = True

    @property
    def doc(self) -> Doc:
        """What the check's docstring says; read when asked for, because most runs print few rules."""
        return parse_doc(self.check.__doc__ or "")


RULES: dict[str, Rule] = {}
"""Every rule by its code; a family registers by being imported (backbone.lint.engine does it)."""


def rule(code: str, name: str, severity: Severity, *, needs_model: bool = True) -> Callable[[Check], Check]:
    """Register a check.

    needs_model=False: it reads only files, so it runs even when Compose refuses the project.
    """
    if not _CODE.fullmatch(code) or not _NAME.fullmatch(name):
        raise ValueError(f"not a rule code and kebab-case name: {code} {name}")

    def register(check: Check) -> Check:
        if code in RULES or any(known.name == name for known in RULES.values()):
            raise ValueError(f"{code} {name} is registered twice")
        RULES[code] = Rule(code, name, severity, check, needs_model)
        return check

    return register


@cache
def parse_doc(docstring: str) -> Doc:
    """Return the parts of a rule's docstring; a missing section is ""."""
    sections: dict[str, list[str]] = {"": []}
    current = ""
    for line in inspect.cleandoc(docstring).splitlines():
        heading = line.removesuffix(":")
        if line.endswith(":") and heading in _SECTIONS:
            current = heading
            sections[current] = []
        else:
            sections[current].append(line)
    text: Mapping[str, str] = {name: inspect.cleandoc("\n".join(["", *lines])) for name, lines in sections.items()}
    summary, _, what = text[""].partition("\n")
    return Doc(summary, what.strip(), *(text.get(name, "") for name in ("Why", "Fails", "Passes", "Source")))
