"""The last half hour of a cluster's figures, in memory, and the pictures of it."""

from __future__ import annotations

import math
import threading
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from backbone.pages.chart import COLOURS, Axis, Chart, Line, linear_axis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from backbone.web.figures import Figure

EVERY_S = 5.0
MINUTES = 30
_MOST = int(MINUTES * 60 / EVERY_S)
_UNKNOWN = math.nan
_THOUSAND = 1000.0
_Series: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
_Counted: TypeAlias = tuple[float, float, float]
"""When a counter was looked at, what it said, and how fast it grew, a second."""


@dataclass(frozen=True, slots=True)
class Take:
    """Which series become lines: those of a metric with these labels, merged by one of their labels.

    by: that label ("": all become one line, called `name`). rate: a counter, of which the growth a second is drawn.
    """

    metric: str
    by: str = ""
    name: str = ""
    rate: bool = False
    merge: Callable[[Iterable[float]], float] = sum
    only: Mapping[str, str] = field(default_factory=dict)
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture: its title, what its numbers are, and what has to be known to read it."""

    title: str
    unit: str
    takes: tuple[Take, ...]
    note: str = ""


DRAWN = (
    Drawn("Bytes in", "B/s", (Take("kafka_server_bytesin_total", "broker", rate=True),), "From producers."),
    Drawn(
        "Bytes out",
        "B/s",
        (Take("kafka_server_bytesout_total", "broker", rate=True),),
        "To consumers; replicas count apart.",
    ),
    Drawn("Requests", "a second", (Take("kafka_network_requests_total", "request", rate=True),), "Of all brokers."),
    Drawn(
        "Time a request takes, p95",
        "ms",
        (Take("kafka_network_request_time_ms", "request", merge=max, only={"quantile": "0.95"}),),
        "Of the slowest broker, over the last minutes. A fetch that finds nothing waits 500 ms for a record.",
    ),
    Drawn(
        "Replicas",
        "partitions",
        (
            Take("kafka_server_under_replicated_partitions", name="under-replicated"),
            Take("kafka_server_under_min_isr_partitions", name="under min ISR"),
            Take("kafka_server_isrshrinks_total", name="ISR shrinks a minute", rate=True, factor=60),
            Take("kafka_server_isrexpands_total", name="ISR expands a minute", rate=True, factor=60),
        ),
        "Under-replicated: a replica is missing. Under min ISR: acks=all is refused.",
    ),
    Drawn("Heap", "B", (Take("jvm_memory_used_bytes", "broker", only={"area": "heap"}),), "Used, by broker."),
    Drawn(
        "Garbage collection",
        "% of the time",
        (Take("jvm_gc_collection_seconds_sum", "broker", rate=True, factor=100),),
        "The broker stands still meanwhile.",
    ),
)
METRICS = frozenset(take.metric for drawn in DRAWN for take in drawn.takes)
"""What has to be asked for."""


@dataclass(slots=True)
class History:
    """Half an hour of every line, a number each 5 s: 3 kB a line, however long the console runs."""

    _times: array[float] = field(default_factory=lambda: array("d"))
    _lines: dict[tuple[str, str], array[float]] = field(default_factory=dict)
    _before: dict[_Series, _Counted] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, now: float, figures: Sequence[Figure]) -> None:
        """Add what was told at a moment, in seconds that never go back."""
        by_metric: dict[str, list[Figure]] = {}
        for figure in figures:
            by_metric.setdefault(figure.name, []).append(figure)
        seen: dict[tuple[str, str], float] = {}
        grown: dict[_Series, _Counted] = {}
        for drawn in DRAWN:
            for take in drawn.takes:
                for name, values in self._values(take, now, by_metric.get(take.metric, ()), grown).items():
                    seen[drawn.title, name] = take.merge(values) * take.factor
        with self._lock:
            self._before = grown
            self._add(now, seen)

    def _values(
        self, take: Take, now: float, figures: Sequence[Figure], grown: dict[_Series, _Counted]
    ) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for figure in figures:
            if any(figure.labels.get(key) != value for key, value in take.only.items()):
                continue
            value = figure.value
            if take.rate:
                key = (figure.name, tuple(sorted(figure.labels.items())))
                at = now if figure.at is None else figure.at
                value = self._growth(key, at, figure.value)
                grown[key] = (at, figure.value, value)
            found.setdefault(figure.labels.get(take.by, "") if take.by else take.name, []).append(value)
        return found

    def _growth(self, key: _Series, at: float, value: float) -> float:
        """Return a counter's growth a second since the look before; unknown at its first, and when it began anew."""
        before = self._before.get(key)
        if before is None or value < before[1]:
            return _UNKNOWN
        # Prometheus has nothing newer yet: what it said last still holds.
        return before[2] if at <= before[0] else (value - before[1]) / (at - before[0])

    def _add(self, now: float, seen: Mapping[tuple[str, str], float]) -> None:
        for key in seen:
            if key not in self._lines:
                self._lines[key] = array("d", [_UNKNOWN] * len(self._times))
        self._times.append(now)
        for key, line in list(self._lines.items()):
            line.append(seen.get(key, _UNKNOWN))
            if len(line) > _MOST:
                del line[: len(line) - _MOST]
            if all(map(math.isnan, line)):
                del self._lines[key]
        if len(self._times) > _MOST:
            del self._times[: len(self._times) - _MOST]

    @property
    def bytes(self) -> int:
        """How much memory the numbers take."""
        return sum(each.itemsize * len(each) for each in (self._times, *self._lines.values()))

    def charts(self, now: float) -> list[Chart]:
        """Return the pictures of the last half hour; of what nobody told, none."""
        with self._lock:
            times = [(at - now) / 60 for at in self._times]
            lines = {key: list(line) for key, line in sorted(self._lines.items())}
        found = []
        for drawn in DRAWN:
            own = {name: values for (title, name), values in lines.items() if title == drawn.title}
            if own:
                found.append(_chart(drawn, times, own))
        return found


def _chart(drawn: Drawn, times: Sequence[float], lines: Mapping[str, Sequence[float]]) -> Chart:
    known = [value for values in lines.values() for value in values if not math.isnan(value)]
    scale, unit = _scale(drawn.unit, max(known, default=0.0))
    drawn_lines = [
        Line(name, [(at, value / scale) for at, value in zip(times, values, strict=True)])
        for name, values in list(lines.items())[:COLOURS]
    ]
    told = "; ".join(_told(name, values, scale) for name, values in lines.items())
    words = f"{drawn.note} Now, and most ({unit}): {told}."
    return Chart(
        drawn.title, words, _x_axis(-times[0]), linear_axis(unit, [value / scale for value in known]), drawn_lines
    )


def _told(name: str, values: Sequence[float], scale: float) -> str:
    known = [value for value in values if not math.isnan(value)]
    now = "unknown" if not values or math.isnan(values[-1]) else _number(values[-1] / scale)
    return f"{name} {now}, {_number(max(known, default=0.0) / scale)}"


def _number(value: float) -> str:
    """Return a value as it is read: three digits that count, and never a power of ten."""
    return f"{value:,.0f}" if value >= _THOUSAND else f"{value:.3g}"


def _scale(unit: str, most: float) -> tuple[float, str]:
    """Return what bytes are divided by, and the unit then."""
    scale = 1.0
    if unit.startswith("B"):
        for prefix in ("k", "M", "G"):
            if most >= scale * _THOUSAND:
                scale *= _THOUSAND
                unit = prefix + unit.lstrip("kMG")
    return scale, unit


def _x_axis(oldest: float) -> Axis:
    """Return an axis of as many minutes as there are figures of, in five steps or six."""
    span = next((each for each in _SPANS if oldest <= each), MINUTES)
    step = span // 6 or 1
    return Axis("", [(float(-minute), f"-{minute} min" if minute else "now") for minute in range(span, -1, -step)])


_SPANS = (5, 12, MINUTES)
