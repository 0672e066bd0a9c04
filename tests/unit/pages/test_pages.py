"""Pages stand alone, say everything in text, keep labels apart, and can be read in both colour schemes."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone.pages.chart import (
    CHARACTER_PX,
    COLOURS,
    NARROW_PX,
    WIDE_PX,
    Axis,
    Chart,
    Label,
    Lane,
    Line,
    Span,
    linear_axis,
    log_axis,
    percentile_axis,
    placed,
    time_axis,
)
from backbone.pages.model import Page, Section, Table, Words
from backbone.pages.render import html, markdown

STYLE = (files("backbone.pages") / "templates" / "style.css").read_text(encoding="utf-8")
TIME = linear_axis("seconds", [20.0])
CHART = Chart(
    "Latency",
    "Between 1 and 50 ms.",
    TIME,
    log_axis("ms", [1.0, 90.0]),
    [Line("first", [(0.0, 1.0), (20.0, 50.0)]), Line("second", [(0.0, 2.0), (30.0, 3.0)])],
    lanes=[Lane("leader", [Span(0, 5, "c1", "7"), Span(5, 99, "bad")])],
    limit=(80.0, "limit: 80 ms"),
    marks=[(5.0, "new leader", "c3"), (99.0, "too late", "c4")],
)
TABLE = Table(
    "Results", ("what", "ms", "share"), [("a | b", 1.5, "12%"), ("c", None, "n/a")], terms={"share": "of all"}
)
PAGE = Page("Report", "good", "All is well.", {"machine": "two CPUs", "commit": ""}, [CHART, Section("More", [TABLE])])


def parsed(page: Page) -> ET.Element:
    """Return the page as a tree; its HTML is well-formed XML but for the tags that HTML never closes."""
    text = re.sub(r"<(meta[^>]*)>", r"<\1/>", html(page).replace("<!doctype html>", ""))
    return ET.fromstring(text)  # noqa: S314 - our own text


def texts(tree: ET.Element, path: str) -> list[str]:
    return ["".join(found.itertext()).strip() for found in tree.findall(path)]


def test_a_page_stands_alone_and_suits_a_phone() -> None:
    text = html(PAGE)
    assert not re.search(r"<script|<link|src=|https?://", text)
    assert any("width=device-width" in (meta.get("content") or "") for meta in parsed(PAGE).iter("meta"))


def test_the_verdict_comes_first_then_what_it_holds_for_and_nothing_empty() -> None:
    main = parsed(PAGE).find("body/main")
    assert main is not None
    assert [each.tag for each in main][:4] == ["h1", "p", "dl", "figure"]
    assert texts(main, "p[1]") == ["All is well."]
    assert texts(main, "dl/div/dt") == ["machine"]


def test_every_chart_has_its_words_for_those_who_do_not_see_it() -> None:
    for chart in parsed(PAGE).findall(".//div[@role='img']"):
        assert CHART.words in chart.attrib["aria-label"]
    assert CHART.words in texts(parsed(PAGE), ".//figcaption")[0]


def test_the_legend_names_what_is_drawn_and_only_that() -> None:
    assert texts(parsed(PAGE), ".//li") == ["first", "second", "limit: 80 ms", "new leader"]


def test_numbers_stand_right_and_words_left() -> None:
    heads = parsed(PAGE).findall(".//th")
    assert [(head.text, head.get("class")) for head in heads] == [("what", None), ("ms", "n"), ("share", "n")]


@pytest.mark.parametrize("text", ["11.3 - 13", "∞", "n/a", "55%", "1,024 B", "-3", "12 ms", "", "–"])
def test_figures_with_units_and_bounds_are_numbers(text: str) -> None:
    assert Table("", ("",), [(text,)]).numeric(0)


@pytest.mark.parametrize("text", ["yes", "100 B, idle", "10000/s = 1 MB/s", "127.0.0.1:9092"])
def test_what_has_other_words_is_none(text: str) -> None:
    assert not Table("", ("",), [(text,)]).numeric(0)


def test_terms_are_explained_at_their_table() -> None:
    assert texts(parsed(PAGE), ".//section/dl/div") == ["shareof all"]


def test_text_from_outside_stays_text() -> None:
    hostile = Page("<b>", "bad", "</style><script>", {"a": '"><i>'}, [Words(["<u>"])])
    tree = parsed(hostile)
    assert texts(tree, "body/main/h1") == ["<b>"]
    assert tree.find(".//script") is None


def test_markdown_has_the_same_tables() -> None:
    text = markdown(PAGE)
    assert text.startswith("# Report\n\n**All is well.**\n\n- machine: two CPUs\n")
    assert "| what | ms | share |\n| --- | ---: | ---: |\n| a \\| b | 1.5 | 12% |\n" in text


def test_points_and_stretches_beyond_the_axis_are_left_out_or_cut() -> None:
    first, second = CHART.lines
    assert CHART.path(first).count("L") == 1
    assert CHART.path(second).count("L") == 0
    assert dict(CHART.stretches(CHART.lanes[0])) == {"c1": "M0 0H25V1H0z", "bad": "M25 0H100V1H25z"}


def extents(labels: list[Label], width: float) -> list[tuple[float, float]]:
    middles = [(label.at / 100 * width, len(label.words) * CHARACTER_PX / 2) for label in labels]
    return [(at - half, at + half) for at, half in middles]


@given(st.lists(st.tuples(st.floats(0, 100), st.text("0123456789", min_size=1, max_size=9)), max_size=70).map(sorted))
def test_labels_never_overlap_neither_on_a_screen_nor_on_a_phone(labels: list[tuple[float, str]]) -> None:
    kept = placed(labels)
    assert bool(kept) == bool(labels)
    for shown, width in ((kept, WIDE_PX), ([label for label in kept if label.narrow], NARROW_PX)):
        assert all(left[1] <= right[0] for left, right in pairwise(extents(shown, width)))


@pytest.mark.parametrize("axis", [percentile_axis(1e-5), linear_axis("", [0.3]), linear_axis("", [7_000_000.0])])
def test_an_axis_shows_its_ends_and_more_on_a_phone(axis: Axis) -> None:
    kept = [label for label in placed([(axis.place(value), words) for value, words in axis.ticks]) if label.narrow]
    assert len(kept) >= 3
    assert kept[0].at == 0


def test_an_axis_of_time_ends_where_the_run_ends() -> None:
    axis = time_axis("seconds", -2.0, 322.0)
    assert [axis.place(at) for at in (-2.0, 322.0, 323.0)] == [0.0, 100.0, None]
    assert [words for _, words in axis.ticks] == ["", "0", "100", "200", "300", ""]


def colours(scheme: str) -> dict[str, str]:
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)", 1)
    block = {"light": light, "dark": dark.split("}", 1)[0]}[scheme]
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2.2 (relative luminance of sRGB)."""

    def luminance(colour: str) -> float:
        channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
        return sum(share * each for share, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_can_be_read_on_every_ground(scheme: str) -> None:
    known = colours(scheme)
    assert len([name for name in known if re.fullmatch(r"c\d", name)]) == COLOURS
    for ground in ("back", "panel"):
        for name in set(known) - {"back", "panel", "rule"}:
            assert contrast(known[name], known[ground]) >= 4.5, (name, ground)


def test_every_colour_of_a_chart_has_a_class() -> None:
    assert set(re.findall(r"\.(c\d) \{", STYLE)) == {f"c{index}" for index in range(COLOURS)}
