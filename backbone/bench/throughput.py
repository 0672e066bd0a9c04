"""How much goes through when latency does not matter: a burst, timed until its last record is received."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from backbone.bench.kafka_target import KafkaTarget
from backbone.bench.run import execute
from backbone.bench.samples import NEVER
from backbone.bench.worker import Job, Load
from backbone.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backbone.bench.samples import Samples
    from backbone.bench.topics import Cluster

SETTINGS = {"linger_ms": 20, "batch_size": 262_144}
"""What a producer that wants throughput changes: larger batches, and time to fill them."""

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Burst:
    """One burst: records, bytes each, and MB/s (10^6 bytes) acknowledged and received."""

    records: int
    size: int
    produced: float
    consumed: float


def burst(cluster: Cluster, *, megabytes: int, size: int, partitions: int = 3) -> Burst:
    """Send so many MB at once and return the rates; StackError("records-missing") if any record is lost."""
    count = megabytes * _MEGABYTE // size
    with cluster.topic(partitions, 3) as topic:
        target = KafkaTarget(cluster.bootstrap, topic, partitions, producer=SETTINGS)
        load = Load(rate=count, size=size, seconds=1.0, arrivals="burst")
        job = Job(target, load, run=secrets.randbits(63), unacknowledged=2 * megabytes * _MEGABYTE)
        return rates(execute(job).samples, size)


def rates(samples: Samples, size: int) -> Burst:
    """Return the rates of one burst, from the first send to the last acknowledgement and the last receipt."""
    if NEVER in samples.acked or NEVER in samples.received:
        raise StackError("records-missing", f"{samples.failed} records failed, {samples.lost} were lost in a burst")
    start, volume = min(samples.actual), len(samples) * size / _MEGABYTE
    produced, consumed = ((max(ends) - start) / 1e9 for ends in (samples.acked, samples.received))
    return Burst(len(samples), size, round(volume / produced, 3), round(volume / consumed, 3))


def tables(bursts: Sequence[Burst]) -> list[dict[str, Any]]:
    """Return the bursts as a table of the page."""
    rows = [[f"#{number}", *map(str, asdict(each).values())] for number, each in enumerate(bursts, 1)]
    return [
        {
            "title": "Throughput",
            "columns": ["burst", "records", "bytes each", "MB/s acknowledged", "MB/s received"],
            "rows": rows,
        }
    ]
