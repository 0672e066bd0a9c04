"""The stack as a picture: who waits for whom by the Compose files, in columns from left to right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from backbone.stack.compose import Model
    from backbone.stack.engine.base import ServiceState

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 160, 44, 56, 14


@dataclass(frozen=True, slots=True)
class Box:
    """A service: its upper left corner in pixels, and the word that colours it."""

    name: str
    x: int
    y: int
    state: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes, and lines (x1, y1, x2, y2) from what is needed to what needs it. Sizes in pixels."""

    boxes: tuple[Box, ...]
    lines: tuple[tuple[int, int, int, int], ...]
    width: int
    height: int
    box_width: int = _WIDTH
    box_height: int = _HEIGHT


def draw(model: Model, states: Mapping[str, ServiceState]) -> Picture:
    """Return the picture of a model's services. What another line says too is not drawn: it would pass behind boxes."""
    needs = {
        name: {other for other in service.depends_on if other in model.services}
        for name, service in model.services.items()
    }
    before = {name: _before(name, needs, ()) for name in needs}
    lines = [
        (other, name)
        for name, others in needs.items()
        for other in others
        if not any(other in before[each] for each in others - {name})
    ]
    columns: dict[int, list[str]] = {}
    for name in needs:
        columns.setdefault(_column(name, needs, lines), []).append(name)
    place = {
        name: (column * (_WIDTH + _GAP_X), row * (_HEIGHT + _GAP_Y))
        for column, names in columns.items()
        for row, name in enumerate(names)
    }
    boxes = tuple(Box(name, x, y, word(states.get(name))) for name, (x, y) in place.items())
    drawn = tuple(
        (place[other][0] + _WIDTH, place[other][1] + _HEIGHT // 2, place[name][0], place[name][1] + _HEIGHT // 2)
        for other, name in lines
    )
    tallest = max(map(len, columns.values()), default=0)
    return Picture(boxes, drawn, len(columns) * (_WIDTH + _GAP_X) - _GAP_X, tallest * (_HEIGHT + _GAP_Y) - _GAP_Y)


def word(state: ServiceState | None) -> str:
    """Return what is most worth knowing of a service: its health while it runs, else its phase."""
    if state is None:
        return "unavailable"
    return state.health or state.phase if state.phase == "running" else state.phase


def _column(name: str, needs: Mapping[str, Collection[str]], lines: Collection[tuple[str, str]]) -> int:
    """Return the column behind all that a service needs; what needs nothing stands beside the first that needs it."""
    if needs[name]:
        return _depth(name, needs, ())
    return min((_depth(other, needs, ()) for each, other in lines if each == name), default=1) - 1


def _depth(name: str, needs: Mapping[str, Collection[str]], above: tuple[str, ...]) -> int:
    """Return the length of the longest way to a service that needs nothing; a circle, which Compose refuses, is cut."""
    return max((1 + _depth(each, needs, (*above, name)) for each in needs[name] if each not in above), default=0)


def _before(name: str, needs: Mapping[str, Collection[str]], above: tuple[str, ...]) -> set[str]:
    """Return all that a service needs, and what that needs in turn."""
    direct = [each for each in needs[name] if each not in above]
    return set(direct).union(*(_before(each, needs, (*above, name)) for each in direct))
