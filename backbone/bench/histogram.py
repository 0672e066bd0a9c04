"""HdrHistogram logs beside the raw values, and the check that both say the same.

The logs are format V2 (http://hdrhistogram.github.io/HdrHistogram/), which other tools read and merge. Values
are nanoseconds with three significant digits. The format knows no infinity: what never came counts as one
hour.
"""

from __future__ import annotations

import math
import platform
import shlex
import sys
from typing import TYPE_CHECKING

from backbone.bench.statistics import quantile
from backbone.errors import ExitCode, StackError

try:
    from hdrh.histogram import HdrHistogram
    from hdrh.log import HistogramLogWriter
except ModuleNotFoundError as error:
    raise StackError(
        "bench-library",
        f"bench needs the package hdrhistogram, which has no wheel for {platform.machine()} and is not installed",
        hint="it is built from its source, with a C compiler and Python's headers\n"
        f"{shlex.quote(sys.executable)} -m pip install hdrhistogram",
        exit_code=ExitCode.ENVIRONMENT,
    ) from error

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

HIGHEST_NS = 3_600_000_000_000
AGREEMENT = 0.001
"""Largest relative difference allowed between a quantile of the raw values and one of the histogram."""

_DIGITS = 3


def histogram(values: Iterable[float]) -> HdrHistogram:
    """Return a histogram of times in ns; under 1 ns counts as 1 ns, over one hour as one hour."""
    made = HdrHistogram(1, HIGHEST_NS, _DIGITS)
    for value in values:
        made.record_value(HIGHEST_NS if math.isinf(value) else min(HIGHEST_NS, max(1, int(value))))
    return made


def disagreement(values: Sequence[float], quantiles: Iterable[float]) -> float:
    """Return the largest relative difference between raw and histogram quantiles (0.001 = 0.1 %).

    A quantile at infinity agrees with the one-hour bucket; it is compared as the hour.
    """
    if not values:
        return 0.0
    made, ordered = histogram(values), sorted(values)
    worst = 0.0
    for q in quantiles:
        exact = min(max(quantile(ordered, q), 1.0), float(HIGHEST_NS))
        # The package rounds to the nearest rank, we take the next; asked for our rank itself it has no
        # choice.
        same_rank = 100 * math.ceil(q * len(ordered) - 1e-9) / len(ordered)
        worst = max(worst, abs(float(made.get_value_at_percentile(same_rank)) - exact) / exact)
    return worst


def write_log(path: Path, tag: str, blocks: Sequence[Sequence[float]], *, start: float, interval: float) -> None:
    """Write one interval histogram a block: `start` in epoch seconds, `interval` seconds between blocks."""
    with path.open("w", encoding="ascii") as file:
        log = HistogramLogWriter(file)
        log.output_comment(f"[{tag}; values in nanoseconds]")
        log.output_log_format_version()
        log.output_base_time(int(start * 1000))
        # The package's own output_start_time raises AttributeError (0.10.8).
        file.write(f"#[StartTime: {start:.3f} (seconds since epoch)]\n")
        log.output_legend()
        for index, block in enumerate(blocks):
            log.output_interval_histogram(histogram(block), start + index * interval, start + (index + 1) * interval)
