"""The picture of the stack: every line stays between two columns, and nothing that is needed is lost."""

from __future__ import annotations

import pytest

from backbone.stack import compose
from backbone.stack.settings import Settings
from backbone.web import graph

MODEL = compose.load(Settings(environ={}), ["*"])
EMBEDDED = [name for name, service in MODEL.services.items() if service.embedded.get("runtime")]


@pytest.mark.parametrize("services", [list(MODEL.services), EMBEDDED], ids=["docker", "embedded"])
def test_no_line_passes_behind_a_box(services: list[str]) -> None:
    model = MODEL.only(services)
    picture = graph.draw(model, {})
    assert {box.name for box in picture.boxes} == set(services)
    columns = {box.x for box in picture.boxes}
    following = {x + picture.box_width: min(each for each in columns if each > x) for x in columns - {max(columns)}}
    assert picture.lines
    assert [line for line in picture.lines if line[2] != following.get(line[0])] == []


@pytest.mark.parametrize("services", [list(MODEL.services), EMBEDDED], ids=["docker", "embedded"])
def test_who_needs_whom_can_be_followed_along_the_lines(services: list[str]) -> None:
    model = MODEL.only(services)
    picture = graph.draw(model, {})
    middle = picture.box_height // 2
    left = {(box.x, box.y + middle): box.name for box in picture.boxes}
    right = {(box.x + picture.box_width, box.y + middle): box.name for box in picture.boxes}
    lines: dict[str, set[str]] = {}
    for x1, y1, x2, y2 in picture.lines:
        lines.setdefault(left[x2, y2], set()).add(right[x1, y1])

    def followed(name: str) -> set[str]:
        return {name}.union(*map(followed, lines.get(name, ())))

    for name in services:
        assert followed(name) >= {other for other in model[name].depends_on if other in model.services}
