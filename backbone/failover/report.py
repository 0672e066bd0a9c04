"""Write a report in its forms: JSON (checked against its schema), one HTML page, JUnit for a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backbone.failover.checker import describe
from backbone.failover.page import page
from backbone.junit import Case, document
from backbone.pages import folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def write(report: Mapping[str, Any], into: Path, schema: Path) -> Path:
    """Write report.json, index.html and junit.xml to a folder; return the page.

    Raises ValueError if the report is not what the schema promises: a mistake of ours.
    """
    path = folder.write(into, report, page(report), schema)
    (into / "junit.xml").write_text(document("failover", list(cases(report))), encoding="utf-8")
    return path


def cases(report: Mapping[str, Any]) -> Iterator[Case]:
    """Yield a test case for each rule, each fault (proved?) and each run (no doubt left?)."""
    for rule, count in report["violations"].items():
        yield _case("rules", f"{rule} {describe(rule)}", f"{count} violations" if count else "")
    for run in report["runs"]:
        for fault in run["faults"]:
            name = f"{fault['number']} {fault['kind']} of {fault['target']}"
            yield _case(f"{run['name']}.faults", name, "" if fault["proved"] else f"not proved: {fault['evidence']}")
        yield _case(run["name"], "no doubt is left", "; ".join(run["doubts"]))


def _case(group: str, name: str, failure: str) -> Case:
    return Case(f"failover.{group}", name, "failure" if failure else "", failure)
