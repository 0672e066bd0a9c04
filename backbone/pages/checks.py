"""The report of a run that is a list of checks (smoke, archive): as JSON and as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backbone.pages.facts import facts_of
from backbone.pages.model import Page, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.pages.model import State

_RESULTS = {True: "ok", False: "FAILED", None: "not judged"}
_STATES: dict[bool | None, State] = {True: "good", False: "bad", None: "unsure"}

VERSION = 1
"""Of the report's format, schemas/checks-report.schema.json."""


def page(report: Mapping[str, Any]) -> Page:
    """Return the page of a report (a value of schemas/checks-report.schema.json)."""
    checks = [(each["name"], _RESULTS[each["ok"]], each["detail"], each["seconds"]) for each in report["checks"]]
    blocks = [Table("Checks", ("what", "result", "found", "seconds"), [(*row[:3], float(row[3])) for row in checks])]
    if report["figures"]:
        figures = [(name.replace("_", " "), float(value)) for name, value in report["figures"].items()]
        blocks.append(Table("Figures", ("measured", "value"), figures))
    facts = facts_of(report["started"], report["machine"], cluster=f"{report['engine']} engine")
    return Page(report["title"].capitalize(), _STATES[report["ok"]], headline(report), facts, blocks)


def headline(report: Mapping[str, Any]) -> str:
    """Return the verdict in a sentence."""
    held = [each for each in report["checks"] if each["ok"]]
    doubt = next((f"{each['name']}: {each['detail']}" for each in report["checks"] if each["ok"] is None), "")
    seconds = sum(each["seconds"] for each in report["checks"])
    failed = [each["name"] for each in report["checks"] if each["ok"] is False]
    text = f"{len(held)} of {len(report['checks'])} checks hold, {seconds:.1f} s."
    if failed:
        return f"{text} FAILED: {'; '.join(failed)}."
    return f"UNKNOWN, because {doubt.removesuffix('.')}. {text}" if report["ok"] is None else text
