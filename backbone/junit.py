"""JUnit XML, the form that CI servers read: one suite of test cases."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree as ET  # only written, never parsed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production [2]


@dataclass(frozen=True, slots=True)
class Case:
    """One test case. outcome: "" passed; message and text say why not. attributes: such as file or time."""

    group: str
    name: str
    outcome: Literal["", "failure", "error", "skipped"] = ""
    message: str = ""
    text: str = ""
    kind: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


def document(name: str, cases: Sequence[Case]) -> str:
    """Return a suite as an XML document; what XML 1.0 cannot hold is replaced."""
    suite = ET.Element("testsuite", name=name, tests=str(len(cases)))
    for outcome, total in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(total, str(sum(case.outcome == outcome for case in cases)))
    for case in cases:
        place = {key: _xml(value) for key, value in case.attributes.items()}
        element = ET.SubElement(suite, "testcase", {"classname": case.group, "name": _xml(case.name), **place})
        if case.outcome:
            words = {"type": case.kind, "message": _xml(case.message)}
            verdict = ET.SubElement(element, case.outcome, {key: value for key, value in words.items() if value})
            verdict.text = _xml(case.text) or None
    ET.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode")


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
