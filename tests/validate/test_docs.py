"""The documentation holds together: every page is reachable, every link leads somewhere, every decision is listed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "adr").glob("0*.md"))


def links(page: Path) -> list[str]:
    """Return what a page links to in this repository, code left out."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in link]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [link for link in links(page) if not (page.parent / link).exists()] == []


def test_every_page_can_be_reached_from_the_index() -> None:
    seen: set[Path] = set()
    todo = [ROOT / "docs" / "README.md"]
    while todo:
        page = todo.pop()
        if page not in seen:
            seen.add(page)
            todo += [target for link in links(page) if (target := (page.parent / link).resolve()).suffix == ".md"]
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in seen] == []


def test_every_decision_is_listed_with_its_title_and_status() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[\d{4}\]\((\S+)\) (.+) \| (.+) \|$", index, re.MULTILINE)
    expected = []
    for page in DECISIONS:
        text = page.read_text(encoding="utf-8")
        title = re.sub(r"^# \d+[.:]? ", "", text.splitlines()[0])
        status = re.search(r"^\*\*Status:\*\* (.+)$", text, re.MULTILINE)
        expected.append((page.name, title, status[1] if status else "no status"))
    assert sorted(listed) == expected  # the index goes by theme
