"""A report in its folder: the values in report.json, what people look at in index.html and report.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from backbone import json_schema
from backbone.pages.render import html, markdown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from backbone.pages.model import Page

REPORT, PAGE = "report.json", "index.html"


def write(folder: Path, report: Mapping[str, Any], page: Page, schema: Path) -> Path:
    """Write a report and its pages into a folder; return the HTML page's path.

    Raises ValueError if the report is not what its schema promises: that is our mistake.
    """
    json_schema.require(schema, report)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REPORT).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return write_page(folder, page)


def write_page(folder: Path, page: Page) -> Path:
    """Write what people look at; return the HTML page's path."""
    (folder / "report.md").write_text(markdown(page), encoding="utf-8")
    path = folder / PAGE
    path.write_text(html(page), encoding="utf-8")
    return path
