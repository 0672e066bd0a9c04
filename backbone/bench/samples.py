"""The raw times of one run and their four spans. Nothing is dropped: what never came took for ever."""

from __future__ import annotations

import math
import sys
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from backbone.errors import ExitCode, StackError
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MAX_BYTES = 1 << 32  # of a long run; what has no end is refused
_MAX_DIGITS = 18
Span = Literal["delay", "produce", "end_to_end", "service"]
SPANS: tuple[Span, ...] = ("end_to_end", "produce", "service", "delay")
"""delay: actual - intended, the sender's own lateness. produce: acknowledged - actual. service: received -
actual. end_to_end: received - intended, the one the gate looks at."""

NEVER = -1
"""In place of a time: it did not happen (not acknowledged, not received) before the run was closed."""

_COLUMNS = ("intended", "actual", "acked", "received")
_MAGIC = b"BENCHRAW1\n"


@dataclass(frozen=True, slots=True)
class Samples:
    """Times in ns on the monotonic clock, a column each, the record's sequence number being the index."""

    intended: array[int]
    actual: array[int]
    acked: array[int]
    received: array[int]

    def __len__(self) -> int:
        return len(self.intended)

    def span(self, name: Span) -> list[float]:
        """Return one span of every record in ns, in order of intended time; infinity for what never ended."""
        start, end = {
            "delay": (self.intended, self.actual),
            "produce": (self.actual, self.acked),
            "end_to_end": (self.intended, self.received),
            "service": (self.actual, self.received),
        }[name]
        return [_elapsed(since, until) for since, until in zip(start, end, strict=True)]

    def after(self, seconds: float) -> Samples:
        """Return the records intended at least that long after the first: the run after settling."""
        if not self.intended:
            return self
        threshold = self.intended[0] + int(seconds * 1e9)
        first = next((i for i, at in enumerate(self.intended) if at >= threshold), len(self))
        return Samples(*(getattr(self, column)[first:] for column in _COLUMNS))

    def blocks(self, name: Span, seconds: float) -> list[list[float]]:
        """Return one span in ns, cut by intended time; a short last stretch joins its neighbour."""
        if not self.intended:
            return []
        width = int(seconds * 1e9)
        cut: list[list[float]] = [[] for _ in range((self.intended[-1] - self.intended[0]) // width + 1)]
        for at, value in zip(self.intended, self.span(name), strict=True):
            cut[(at - self.intended[0]) // width].append(value)
        if len(cut) > 1 and (self.intended[-1] - self.intended[0]) % width < width // 2:
            cut[-2].extend(cut.pop())
        return [block for block in cut if block]

    @property
    def lost(self) -> int:
        """Records acknowledged and not received."""
        return sum(1 for a, r in zip(self.acked, self.received, strict=True) if a != NEVER and r == NEVER)

    @property
    def failed(self) -> int:
        """Records never acknowledged: refused, timed out, or not even sent because the client was full."""
        return sum(1 for a in self.acked if a == NEVER)

    @property
    def negative(self) -> int:
        """Records that came before they were sent: proof of a wrong clock."""
        return sum(1 for a, r in zip(self.actual, self.received, strict=True) if NEVER not in (a, r) and r < a)

    def duration(self) -> float:
        """Return the seconds between the first and the last intended time."""
        return (self.intended[-1] - self.intended[0]) / 1e9 if self.intended else 0.0

    def sent_rate(self) -> float:
        """Return records a second actually handed to the client; 0 for fewer than two."""
        sent = [at for at in self.actual if at != NEVER]
        return (len(sent) - 1) / ((sent[-1] - sent[0]) / 1e9) if len(sent) > 1 and sent[-1] > sent[0] else 0.0


def _elapsed(since: int, until: int) -> float:
    return math.inf if NEVER in (since, until) else float(until - since)


def joined(runs: Iterable[Samples]) -> Samples:
    """Return the records of several runs as one, in the order given."""
    columns = [array("q") for _ in _COLUMNS]
    for run in runs:
        for column, name in zip(columns, _COLUMNS, strict=True):
            column.extend(getattr(run, name))
    return Samples(*columns)


def save(samples: Samples, path: Path) -> None:
    """Write the raw times: a magic line, count and column names as text, then little-endian i64 columns."""
    with path.open("wb") as file:
        file.write(_MAGIC + f"{len(samples)} {' '.join(_COLUMNS)}\n".encode())
        for name in _COLUMNS:
            file.write(_little_endian(getattr(samples, name)).tobytes())


def load(path: Path) -> Samples:
    """Read what `save` wrote; StackError("bad-samples") for anything else."""
    data = reading.read_bytes(path, _MAX_BYTES)
    head, _, body = data.removeprefix(_MAGIC).partition(b"\n")
    number = head.split()[0] if data.startswith(_MAGIC) and head.split() else b""
    count = int(number) if number.isdigit() and len(number) < _MAX_DIGITS else -1
    if count < 0 or len(body) != count * 8 * len(_COLUMNS):
        raise StackError("bad-samples", f"{path} is no complete sample file", exit_code=ExitCode.USAGE)
    columns = []
    for index in range(len(_COLUMNS)):
        column: array[int] = array("q")
        column.frombytes(body[index * count * 8 : (index + 1) * count * 8])
        columns.append(_little_endian(column))
    return Samples(*columns)


def _little_endian(column: array[int]) -> array[int]:
    """Swap the bytes of a copy on a big-endian machine; the same call reads and writes."""
    if sys.byteorder == "little":
        return column
    swapped = array("q", column)
    swapped.byteswap()
    return swapped
