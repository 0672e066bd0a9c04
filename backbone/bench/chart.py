"""Line charts as inline SVG: no script, no font, no network, so that a report is one file for ever."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WIDTH, _HEIGHT = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 12, 44
_MOST_STEPS = 6  # of an axis: more would be crowded
_COLOURS = ("#2563eb", "#dc2626", "#059669", "#9333ea", "#d97706", "#0891b2", "#be185d", "#4b5563")


@dataclass(frozen=True, slots=True)
class Line:
    """A named line of (x, y) points; points at infinity or (on a log axis) at or below zero are left out."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its title, its ticks as (value, words), and whether it is logarithmic."""

    title: str
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the greatest tick."""
        return self.ticks[0][0], self.ticks[-1][0]


def log_axis(title: str, values: Sequence[float]) -> Axis:
    """Return a logarithmic axis over whole decades that hold the values."""
    usable = [value for value in values if 0 < value < math.inf] or [1.0]
    low, high = math.floor(math.log10(min(usable))), math.ceil(math.log10(max(usable)))
    return Axis(title, [(10.0**e, f"{10.0**e:g}") for e in range(low, max(high, low + 1) + 1)], log=True)


def linear_axis(title: str, values: Sequence[float]) -> Axis:
    """Return a linear axis from zero to a round number above the values."""
    most = max((value for value in values if value < math.inf), default=1.0) or 1.0
    step = 10.0 ** math.floor(math.log10(most))
    step = next(step * factor for factor in (0.2, 0.5, 1, 2) if most / (step * factor) <= _MOST_STEPS)
    count = math.ceil(most / step)
    return Axis(title, [(index * step, f"{index * step:g}") for index in range(count + 1)])


def percentile_axis() -> Axis:
    """Return the usual axis of percentile curves: -log10 of the share that lies beyond."""
    shares = (
        (1.0, "0"),
        (0.5, "p50"),
        (0.1, "p90"),
        (0.05, "p95"),
        (0.01, "p99"),
        (0.001, "p99.9"),
        (1e-4, "p99.99"),
    )
    return Axis("percentile", [(-math.log10(share), words) for share, words in shares])


def chart(lines: Sequence[Line], x: Axis, y: Axis, *, limit: float | None = None) -> str:
    """Return the SVG of some lines; `limit` draws a dashed line across at that height."""
    at_x, at_y = _scale(x, _LEFT, _WIDTH - _RIGHT), _scale(y, _HEIGHT - _BOTTOM, _TOP)
    parts = [*_grid(x, y, at_x, at_y)]
    if limit is not None and y.ends[0] <= limit <= y.ends[1]:
        parts.append(_across(at_y(limit), ' class="limit"'))
    for index, line in enumerate(lines):
        parts += _line(_within(line, x, y), _COLOURS[index % len(_COLOURS)], at_x, at_y)
    legend = "".join(
        f'<span><i style="background:{_COLOURS[index % len(_COLOURS)]}"></i>{escape(line.name)}</span>'
        for index, line in enumerate(lines)
    )
    svg = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(parts)}</svg>'
    return f"<figure>{svg}<figcaption>{legend}</figcaption></figure>"


def _scale(axis: Axis, start: float, end: float) -> Callable[[float], float]:
    place = math.log10 if axis.log else float
    low, high = (place(value) for value in axis.ends)
    return lambda value: start + (place(value) - low) / (high - low) * (end - start)


def _grid(x: Axis, y: Axis, at_x: Callable[[float], float], at_y: Callable[[float], float]) -> list[str]:
    middle_x, middle_y = (_LEFT + _WIDTH - _RIGHT) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    parts = [
        f'<text x="{middle_x}" y="{_HEIGHT - 6}" class="mid">{escape(x.title)}</text>',
        f'<text transform="translate(14 {middle_y}) rotate(-90)" class="mid">{escape(y.title)}</text>',
    ]
    for value, words in x.ticks:
        at = f"{at_x(value):.1f}"
        parts.append(f'<line x1="{at}" x2="{at}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
        parts.append(f'<text x="{at}" y="{_HEIGHT - _BOTTOM + 16}" class="mid">{escape(words)}</text>')
    for value, words in y.ticks:
        at = f"{at_y(value):.1f}"
        parts.append(_across(at_y(value)))
        parts.append(f'<text x="{_LEFT - 6}" y="{at}" dy="4" class="end">{escape(words)}</text>')
    return parts


def _across(at: float, more: str = "") -> str:
    return f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"{more}/>'


def _within(line: Line, x: Axis, y: Axis) -> list[tuple[float, float]]:
    return [(a, b) for a, b in line.points if _fits(a, x) and _fits(b, y)]


def _line(
    points: Sequence[tuple[float, float]],
    colour: str,
    at_x: Callable[[float], float],
    at_y: Callable[[float], float],
) -> list[str]:
    drawn = " ".join(f"{at_x(a):.1f},{at_y(b):.1f}" for a, b in points)
    return [f'<polyline points="{drawn}" stroke="{colour}"/>'] if points else []


def _fits(value: float, axis: Axis) -> bool:
    low, high = axis.ends
    return value < math.inf and low <= value <= high and not (axis.log and value <= 0)
