"""What a broker bears: measured by `bench --sweep` on a machine of yours, or as published where nothing is measured."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from backbone.bench.document import MET_01_MS, VERSION
from backbone.capacity.arithmetic import equivalent
from backbone.capacity.model import Capacity
from backbone.errors import ExitCode, StackError
from backbone.pages.folder import REPORT
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_PER_CORE = 20e6
_CLOSE = 2.0


def published(cpus: float) -> Capacity:
    """Return what a broker of so many cores bears where nothing is measured."""
    return Capacity(
        _PER_CORE * cpus, cpus, "Google, Managed Kafka: 20 MB/s of write-equivalent a core, batches of 10 KB"
    )


def measured(folder: Path, size: float) -> Capacity:
    """Return what a broker bore in a benchmark, in the records nearest to a size: the highest rate with p95 < 100 ms.

    Brokers and clients of a benchmark share one machine, so a broker of its own bears more. Raises
    StackError("no-results") for a folder without a sweep.
    """
    path = folder / REPORT
    try:
        report = json.loads(reading.read_text(path))
        best = dict(sorted(_held(report), key=lambda each: each[1][0]))
        brokers = len(report["brokers"])
        cpus = float(report["machine"]["cpus"]) / brokers
    except (StackError, ValueError, LookupError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise _none(path, getattr(error, "context", None) or f"{type(error).__name__}: {error}") from error
    if not best:
        raise _none(path, "no valid run has a p95 below 100 ms")
    nearest = min(best, key=lambda each: abs(math.log(each / size)))
    rate, replicas = best[nearest]
    far = "" if 1 / _CLOSE <= nearest / size <= _CLOSE else f"; your {size:g} B are far from that: measure them"
    source = (
        f"bench {report['started']}: {rate:g}/s × {nearest} B on {brokers} brokers and {cpus * brokers:g} cores{far}"
    )
    return Capacity(equivalent(rate * nearest, replicas, 1) / brokers, cpus, source)


def _held(report: Mapping[str, Any]) -> Iterator[tuple[int, tuple[float, int]]]:
    """Yield size → (rate, replicas) of each valid cell that kept the limit."""
    if report.get("version") != VERSION:
        raise ValueError(f"version {report.get('version')}, this program reads {VERSION}")
    for cell in report["cells"]:
        p95 = cell["spans"]["end_to_end"].get("p95")
        if cell["valid"] and p95 is not None and p95 < MET_01_MS and cell["load"]["arrivals"] != "burst":
            yield int(cell["load"]["size"]), (float(cell["load"]["rate"]), int(cell["replicas"]))


def _none(path: Path, why: str) -> StackError:
    return StackError(
        "no-results",
        f"{path} holds no benchmark to reckon from",
        context=why,
        hint="./invoke bench --sweep",
        exit_code=ExitCode.USAGE,
    )
