"""From a page to text: HTML that stands alone in one file, or Markdown without the charts."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from backbone.pages.model import shown

if TYPE_CHECKING:
    from backbone.pages.chart import Chart
    from backbone.pages.model import Page


def _environment(*, html: bool) -> Environment:
    made = Environment(
        loader=PackageLoader("backbone.pages"),
        autoescape=html,  # noqa: S701 - off for Markdown only, which has no tags
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["shown"] = shown
    return made


STYLE = resources.files("backbone.pages").joinpath("templates/style.css").read_text(encoding="utf-8")
"""The look of every page, reports and console alike."""

_HTML, _MARKDOWN = _environment(html=True), _environment(html=False)


def html(page: Page) -> str:
    """Return a page as HTML: no script, no font, no network, so that it can be kept and sent."""
    return _HTML.get_template("page.html").render(page=page)


def picture(chart: Chart) -> str:
    """Return one chart as HTML for a page that has the stylesheet; it may stand there as it is."""
    drawn: str = _HTML.get_template("blocks.html").module.chart(chart)  # type: ignore[attr-defined]
    return drawn


def markdown(page: Page) -> str:
    """Return its words and tables as Markdown."""
    return _MARKDOWN.get_template("page.md").render(page=page)
