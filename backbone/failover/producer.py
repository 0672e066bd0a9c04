"""Write on a fixed schedule and note what was asked and what was answered, each before anything else happens.

A process of its own. Record i is due at t0 + i / rate whatever became of the records before it (open loop); a late
record is sent at once. Each goes to partition i mod partitions.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kafka.errors import KafkaError

from backbone import clients
from backbone.failover import payload
from backbone.failover.entries import Acknowledged, Begun, Failed, Invoked, Unknown
from backbone.failover.history import Record
from backbone.failover.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from kafka import KafkaProducer

_FLUSH_S = 130.0  # more than delivery_timeout_ms: every send gets its answer


class Writer:
    """One producer incarnation: numbers its records from 1 in each partition and journals their fate."""

    def __init__(
        self, producer: KafkaProducer, journal: Journal, *, name: str, topic: str, run: bytes, size: int
    ) -> None:
        self._producer = producer
        self._journal = journal
        self._name = name
        self._topic = topic
        self._run = run
        self._size = size
        self._sent: Counter[int] = Counter()

    def send(self, partition: int, intended: int) -> Record:
        """Journal the call, make it, journal its outcome when it comes."""
        self._sent[partition] += 1
        record = Record(self._name, partition, self._sent[partition])
        value = payload.encode(payload.Payload(self._run, record, intended), self._size)
        self._journal.write(Invoked(*record, intended))
        try:
            future = self._producer.send(self._topic, value, partition=partition)
        except (KafkaError, ValueError, AssertionError) as error:
            # Only what raises before it is queued has certainly not been written.
            self._journal.write(Failed(*record, type(error).__name__))
            return record
        future.add_callback(self._answered(record))
        future.add_errback(self._refused(record))
        return record

    def _answered(self, record: Record) -> Callable[[Any], None]:
        def note(metadata: Any) -> None:
            # -1: a duplicate was recognised, so the record is in the log, at an offset the broker did not repeat.
            self._journal.write(Acknowledged(*record, metadata.offset if metadata.offset >= 0 else None))

        return note

    def _refused(self, record: Record) -> Callable[[BaseException], None]:
        def note(error: BaseException) -> None:
            self._journal.write(Unknown(*record, f"{type(error).__name__}: {error}"[:200]))

        return note


def produce(writer: Writer, partitions: int, rate: float, stop: threading.Event) -> None:
    """Send `rate` records a second, in turn to each partition, until told to stop."""
    begin, interval, i = time.monotonic_ns(), 1e9 / rate, 0
    while not stop.is_set():
        due = begin + int(i * interval)
        if (wait := due - time.monotonic_ns()) > 0 and stop.wait(wait / 1e9):
            return
        writer.send(i % partitions, due)
        i += 1


def stop_at_end_of_input(stop: threading.Event) -> None:
    """Wait until whoever started this process closes its input, or dies, then set the event."""
    sys.stdin.read()
    stop.set()


def main(job: dict[str, Any]) -> None:
    """Produce until standard input ends. job: see backbone/failover/workload.py."""
    journal = Journal(Path(job["journal"]))
    producer = clients.producer(job["bootstrap"], **{**clients.FAILOVER_PRODUCER, **job["client"]})
    stop = threading.Event()
    threading.Thread(target=stop_at_end_of_input, args=(stop,), daemon=True).start()
    run = bytes.fromhex(job["run"])
    writer = Writer(producer, journal, name=job["name"], topic=job["topic"], run=run, size=job["size"])
    journal.write(Begun(job["name"]))
    produce(writer, job["partitions"], job["rate"], stop)
    producer.close(timeout=_FLUSH_S)
    journal.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
