"""How much goes through when latency does not matter: everything is sent at once, then read from the beginning."""

from __future__ import annotations

import secrets
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbone.bench import reference
from backbone.bench.drivers import settings
from backbone.bench.run import one_after_the_other
from backbone.bench.samples import NEVER
from backbone.bench.worker import Job, Load
from backbone.clients import CONSUMER, PRODUCER
from backbone.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backbone.bench.drivers.base import Driver
    from backbone.bench.reference import Java
    from backbone.bench.topics import Cluster
    from backbone.bench.worker import Received, Sent

SETTINGS = {"linger_ms": 20, "batch_size": 262_144}
"""What a producer that wants throughput changes: larger batches, and time to fill them."""

KAFKAS_TOOLS = "Kafka's own tools"
"""ProducerPerformance and ConsumerPerformance, as the tables call them."""

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Volume:
    """What is sent: so many MB (10^6 bytes) in records of `size` bytes, to a topic of so many partitions."""

    megabytes: int
    size: int
    partitions: int = 3

    @property
    def records(self) -> int:
        """How many records that is."""
        return self.megabytes * _MEGABYTE // self.size


@dataclass(frozen=True, slots=True)
class Burst:
    """One burst of a client: records, bytes each, and MB/s (10^6 bytes) acknowledged and then read."""

    client: str
    records: int
    size: int
    produced: float
    consumed: float


def burst(cluster: Cluster, volume: Volume, driver: Driver) -> Burst:
    """Send and read so much and return the rates; StackError("records-missing") if any record is lost."""
    with cluster.topic(volume.partitions, 3) as topic:
        target = driver.target(cluster.bootstrap, topic, volume.partitions, producer=SETTINGS)
        load = Load(rate=volume.records, size=volume.size, seconds=1.0, arrivals="burst")
        job = Job(target, load, run=secrets.randbits(63), unacknowledged=2 * volume.megabytes * _MEGABYTE)
        return rates(driver.name, *one_after_the_other(job, start=driver.start), volume.size)


def rates(client: str, sent: Sent, received: Received, size: int) -> Burst:
    """Return the rates of one burst: from the first send to the last acknowledgement, from the first batch to the last.

    What the first poll brought may have been fetched before the clock ran, so its records do not count. Where there is
    no second one, the rate of reading is infinite: too little was sent to tell.
    """
    failed, lost = sent.acked.count(NEVER), len(sent.acked) - len(set(received.sequence))
    if failed or lost > 0:
        raise StackError("records-missing", f"{failed} records failed, {lost} were lost in a burst")
    produced = (max(sent.acked) - min(sent.actual)) / 1e9
    first, last = min(received.received), max(received.received)
    later = sum(1 for at in received.received if at > first)
    consumed = later * size / _MEGABYTE / ((last - first) / 1e9) if later else float("inf")
    return Burst(
        client, len(sent.acked), size, round(len(sent.acked) * size / _MEGABYTE / produced, 3), round(consumed, 3)
    )


def of_kafkas_tools(cluster: Cluster, volume: Volume, java: Java) -> Burst:
    """Return what Kafka's own two tools reach with the same records and settings."""
    with cluster.topic(volume.partitions, 3) as topic:
        produced = reference.produce(
            java,
            cluster.bootstrap,
            topic,
            count=volume.records,
            size=volume.size,
            rate=-1,
            settings=settings.java({**PRODUCER, **SETTINGS}, consumer=False),
        )
        consumed = reference.consume(
            java, cluster.bootstrap, topic, volume.records, settings.java(CONSUMER, consumer=True)
        )
    both = (round(each * (1 << 20) / _MEGABYTE, 3) for each in (produced.megabytes, consumed))
    return Burst(KAFKAS_TOOLS, volume.records, volume.size, *both)


def tables(bursts: Sequence[Burst]) -> list[dict[str, Any]]:
    """Return the median of each client and its ratio to Kafka's own tools if they ran, then every burst."""
    by_client: dict[str, list[Burst]] = {}
    for each in bursts:
        by_client.setdefault(each.client, []).append(each)
    middle = {
        client: [statistics.median(getattr(each, end) for each in found) for end in ("produced", "consumed")]
        for client, found in by_client.items()
    }
    yardstick = middle.get(KAFKAS_TOOLS)
    ratios = ["of Kafka's tools", "of Kafka's tools"] if yardstick else ["", ""]
    columns = ["client", "MB/s acknowledged", ratios[0], "MB/s read", ratios[1]]
    rows = [
        [
            client,
            *(
                words
                for index, rate in enumerate(found)
                for words in (f"{rate:.3g}", f"{rate / yardstick[index]:.2f}" if yardstick else "")
            ),
        ]
        for client, found in middle.items()
    ]
    shown = [index for index, name in enumerate(columns) if name]
    every = [
        [f"#{number}", each.client, str(each.records), str(each.size), f"{each.produced:g}", f"{each.consumed:g}"]
        for number, each in enumerate(bursts, 1)
    ]
    return [
        {
            "title": "Throughput, median of the bursts",
            "columns": [columns[index] for index in shown],
            "rows": [[row[index] for index in shown] for row in rows],
        },
        {
            "title": "Every burst",
            "columns": ["burst", "client", "records", "bytes each", "MB/s acknowledged", "MB/s read"],
            "rows": every,
        },
    ]
