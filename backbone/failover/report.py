"""Write a report in its forms: JSON (checked against its schema), one HTML page, JUnit for a pipeline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET  # only written, never parsed

import jsonschema

from backbone.failover.checker import describe
from backbone.failover.page import page
from backbone.pages.render import html

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write(report: Mapping[str, Any], folder: Path, schema: Path) -> Path:
    """Write report.json, index.html and junit.xml to a folder; return the page.

    Raises jsonschema.ValidationError if the report is not what the schema promises: a mistake of ours.
    """
    jsonschema.validate(report, json.loads(schema.read_text(encoding="utf-8")))
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    ET.ElementTree(junit(report)).write(folder / "junit.xml", encoding="utf-8", xml_declaration=True)
    path = folder / "index.html"
    path.write_text(html(page(report)), encoding="utf-8")
    return path


def junit(report: Mapping[str, Any]) -> ET.Element:
    """Return a JUnit suite: a case for each rule, each fault (proved?) and each run (no doubt left?)."""
    suite = ET.Element("testsuite", name="failover")
    for rule, count in report["violations"].items():
        _case(suite, "rules", f"{rule} {describe(rule)}", f"{count} violations" if count else "")
    for run in report["runs"]:
        for fault in run["faults"]:
            name = f"{fault['number']} {fault['kind']} of {fault['target']}"
            _case(suite, f"{run['name']}.faults", name, "" if fault["proved"] else f"not proved: {fault['evidence']}")
        _case(suite, run["name"], "no doubt is left", "; ".join(run["doubts"]))
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(sum(len(case) for case in suite)))
    return suite


def _case(suite: ET.Element, group: str, name: str, failure: str) -> None:
    case = ET.SubElement(suite, "testcase", classname=f"failover.{group}", name=name)
    if failure:
        ET.SubElement(case, "failure", message=failure)
