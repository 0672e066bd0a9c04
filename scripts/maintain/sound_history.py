"""A sound failover history of so many records, and how long the checker takes to judge it."""

from __future__ import annotations

import json
import sys
import time

from backbone.failover import checker
from backbone.failover.history import SECOND, Delivery, Entry, History, PartitionView, Pass, Record, Send, Terms

_PARTITIONS, _WRITERS = 3, 2
_GAP_NS = 3_000_000


def make(records: int) -> History:
    """Return a history in which nothing went wrong: two writers, three partitions, two passes, one reader."""
    sends, deliveries = [], []
    logs: dict[int, list[Entry]] = {number: [] for number in range(_PARTITIONS)}
    for number in range(records):
        partition, at = number % _PARTITIONS, number * _GAP_NS
        offset = len(logs[partition])
        record = Record(f"p.{offset % _WRITERS}", partition, offset // _WRITERS + 1)
        sends.append(Send(record, at, at, at + SECOND // 200, "ok", offset))
        deliveries.append(Delivery(at + SECOND // 100, "c.0", partition, offset, record))
        logs[partition].append(Entry(offset, record))
    end = records * _GAP_NS + SECOND
    views = tuple(PartitionView(0, "1#1", partition, 1, 1, (1, 2, 3)) for partition in logs)
    return History(
        terms=Terms(partitions=_PARTITIONS),
        sends=sends,
        deliveries=deliveries,
        passes=[Pass(name, logs) for name in ("leader-1", "cold")],
        fences={partition: log[-1].record for partition, log in logs.items() if log and log[-1].record},
        partitions=views,
        watched=dict.fromkeys(("producer", "consumer", "observer"), end),
    )


def main(argv: list[str]) -> int:
    """Make a history, judge it, and print the seconds that the judging took; it has to find nothing."""
    history = make(int(argv[0]))
    began = time.monotonic()
    found = checker.check(history)
    print(json.dumps({"seconds": time.monotonic() - began, "violations": len(found)}))  # noqa: T201 - its answer
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
