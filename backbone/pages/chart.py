"""Charts as values in per cent of their area: lines over two axes, and lanes of stretches on the same time axis.

The template draws the area with a stretched SVG and sets every label in one that is not, at its per cent, so that text
has the same size on a phone and on a wide screen, and no style stands in the page. What fits beside each other is
worked out here, for both.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDE_PX, NARROW_PX = 800, 250
"""The least width of the area on a screen, and on a phone of 400 px."""

COLOURS = 8
"""So many colours the stylesheet has for lines, `c0` to `c7`."""

CHARACTER_PX, GAP_PX = 7.5, 8
_MOST_STEPS = 6  # of an axis: more would be crowded


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its title, its ticks as (value, words), and whether it is logarithmic."""

    title: str
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    def place(self, value: float) -> float | None:
        """Return where a value is, in per cent from the low end; None if it is beyond either end."""
        low, high = self.ticks[0][0], self.ticks[-1][0]
        if not (low <= value <= high and value < math.inf):
            return None
        at, begin, end = (math.log10(each) if self.log else each for each in (value, low, high))
        return round((at - begin) / (end - begin) * 100, 1)


def log_axis(title: str, values: Sequence[float]) -> Axis:
    """Return a logarithmic axis over whole decades that hold the values."""
    usable = [value for value in values if 0 < value < math.inf] or [1.0]
    low, high = math.floor(math.log10(min(usable))), math.ceil(math.log10(max(usable)))
    return Axis(title, [(10.0**e, f"{10.0**e:,g}") for e in range(low, max(high, low + 1) + 1)], log=True)


def linear_axis(title: str, values: Sequence[float]) -> Axis:
    """Return a linear axis from zero to a round number above the values."""
    most = max((value for value in values if value < math.inf), default=1.0) or 1.0
    step = _step(most)
    return Axis(title, [(index * step, f"{index * step:,g}") for index in range(math.ceil(most / step) + 1)])


def time_axis(title: str, begin: float, end: float) -> Axis:
    """Return a linear axis from begin (at most 0) to end, with round numbers from 0 on between them."""
    end = max(end, 1e-3)
    step = _step(end)
    inner = [(index * step, f"{index * step:,g}") for index in range(math.floor(end / step) + 1)]
    ends = [tick for tick in ((begin, ""), (end, "")) if tick[0] not in {inner[0][0], inner[-1][0]}]
    return Axis(title, sorted([*inner, *ends]))


def _step(most: float) -> float:
    step = 10.0 ** math.floor(math.log10(most))
    return next(step * factor for factor in (0.2, 0.5, 1, 2) if most / (step * factor) <= _MOST_STEPS)


def percentile_axis(least: float) -> Axis:
    """Return the usual axis of percentile curves: -log10 of the share that lies beyond. least: the smallest share."""
    nines = range(2, max(2, math.ceil(-math.log10(least))) + 1)
    shares = [(1.0, "all"), (0.5, "p50"), (0.05, "p95"), *((10.0**-n, f"p{100 - 10.0 ** (2 - n):g}") for n in nines)]
    return Axis("percentile", [(-math.log10(share), words) for share, words in shares])


@dataclass(frozen=True, slots=True)
class Line:
    """A named line of (x, y) points. colour: a class of the stylesheet; points beyond the axes are left out.

    A y that is not a number interrupts it: nobody knows what was there.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a lane, from x to x, in a colour class. words: what stands above it, if there is room."""

    begin: float
    end: float
    colour: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of stretches on the axis of a chart."""

    name: str
    spans: Sequence[Span]


@dataclass(frozen=True, slots=True)
class Label:
    """Words at some per cent of an axis. narrow: they fit on a phone too."""

    at: float
    words: str
    narrow: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines on two axes, lanes above them. words: the text alternative, which everybody can read.

    limit: a named height; marks: lines upright as (x, name, colour). keys: names of the colours of lanes.
    """

    kind: ClassVar = "chart"
    title: str
    words: str
    x: Axis
    y: Axis
    lines: Sequence[Line] = ()
    lanes: Sequence[Lane] = ()
    limit: tuple[float, str] | None = None
    marks: Sequence[tuple[float, str, str]] = ()
    keys: Sequence[tuple[str, str]] = ()

    def legend(self) -> Iterator[tuple[str, str]]:
        """Yield (colour class, name) of all that is drawn."""
        yield from self.keys
        for index, line in enumerate(self.lines):
            yield self.colour(index), line.name
        if self.limit is not None and self.across is not None:
            yield "limit", self.limit[1]
        for at, name, colour in self.marks:
            if self.x.place(at) is not None:
                yield f"mark {colour}", name

    def colour(self, index: int) -> str:
        """Return the class of a line's colour."""
        return self.lines[index].colour or f"c{index % COLOURS}"

    @property
    def across(self) -> float | None:
        """Where the limit is, in per cent; None if it is not in the picture."""
        return None if self.limit is None else self.y.place(self.limit[0])

    def upright(self) -> Iterator[tuple[float, str]]:
        """Yield (per cent, colour) of each mark in the picture."""
        for at, _, colour in self.marks:
            if (place := self.x.place(at)) is not None:
                yield place, colour

    def path(self, line: Line) -> str:
        """Return a line as an SVG path over an area of 100 × 100; of many points in a column, highest and lowest."""
        columns: dict[float, list[float]] = defaultdict(list)
        begins: set[float] = set()
        known = False
        for a, b in line.points:
            across, up = self.x.place(a), self.y.place(b)
            if across is not None and up is not None:
                if not known and across not in columns:
                    begins.add(across)
                columns[across].append(round(100 - up, 1))
            known = (known and not math.isnan(b)) or (across is not None and up is not None)
        return "".join(
            f"{'M' if across in begins and not index else 'L'}{across:g} {b:g}"
            for across, found in columns.items()
            for index, b in enumerate(sorted({min(found), max(found)}))
        )

    def stretches(self, lane: Lane) -> Iterator[tuple[str, str]]:
        """Yield (colour class, SVG path over 100 × 1) for the stretches of each colour of a lane."""
        low, high = self.x.ticks[0][0], self.x.ticks[-1][0]
        for colour, spans in groupby(sorted(lane.spans, key=lambda span: span.colour), lambda span: span.colour):
            ends = [(self.x.place(max(each.begin, low)), self.x.place(min(each.end, high))) for each in spans]
            yield colour, "".join(f"M{a:g} 0H{b:g}V1H{a:g}z" for a, b in ends if a is not None and b is not None)

    def labels(self, lane: Lane) -> list[Label]:
        """Return the words over the stretches of a lane, where there is room for them."""
        return placed([(self.x.place(span.begin), span.words) for span in lane.spans if span.words])

    def x_labels(self) -> list[Label]:
        """Return the labels of the axis along."""
        return placed([(self.x.place(value), words) for value, words in self.x.ticks])

    def y_labels(self) -> list[Label]:
        """Return the labels of the axis upright."""
        return [Label(self.y.place(value) or 0.0, words) for value, words in self.y.ticks]


def placed(labels: Sequence[tuple[float | None, str]]) -> list[Label]:
    """Return the labels, by their middles in per cent, that do not overlap on a screen, and say which fit a phone."""
    known = [(at, words) for at, words in labels if at is not None and words]
    narrow = set(_fitting(known, NARROW_PX))
    return [Label(*known[index], narrow=index in narrow) for index in _fitting(known, WIDE_PX)]


def _fitting(labels: Sequence[tuple[float, str]], width: float) -> Iterator[int]:
    end = -math.inf
    for index, (at, words) in enumerate(labels):
        middle, half = at / 100 * width, (len(words) * CHARACTER_PX + GAP_PX) / 2
        if middle - half >= end:
            yield index
            end = middle + half
