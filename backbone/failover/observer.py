"""Watch the cluster from outside: what every broker says of partitions, brokers, controller and offsets, over time.

Runs as a process of its own, a thread a broker and question, so that a broker that does not answer delays nobody.
A view is written when it changes, and twice a second while it does not.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbone.failover import wire
from backbone.failover.entries import SawBrokers, SawController, SawOffsets, SawPartition
from backbone.failover.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from backbone.failover.entries import Event

METADATA_INTERVAL_S = 0.05
_SLOW_INTERVAL_S = 0.2
_REPEAT_NS = 500_000_000


class Changes:
    """Writes a view when it differs from the last one of its key, or when that one is old."""

    def __init__(self, journal: Journal, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._journal = journal
        self._clock = clock
        self._last: dict[object, tuple[int, object]] = {}

    def write(self, view: Event, *key: object) -> None:
        """Write a view of now, unless it says what the last one of this key said a short while ago."""
        now = self._clock()
        at, before = self._last.get((view.kind, key), (0, None))
        if view != before or now - at >= _REPEAT_NS:
            self._last[view.kind, key] = now, view
            self._journal.write(view, at=now)


class Observer:
    """Asks until told to stop. brokers: node id → HOST:PORT."""

    def __init__(self, journal: Journal, brokers: Mapping[int, str], topic: str, stop: threading.Event) -> None:
        self._changes = Changes(journal)
        self._brokers = brokers
        self._topic = topic
        self._stop = stop
        self._epochs: dict[int, tuple[int, int]] = {}

    def run(self) -> None:
        """Ask every broker, each question in its own thread, until the stop event is set."""
        questions = ((self._ask_metadata, METADATA_INTERVAL_S), (self._ask_quorum, _SLOW_INTERVAL_S))
        threads = [
            threading.Thread(target=self._repeat, args=(question, node, interval), daemon=True)
            for node in self._brokers
            for question, interval in questions
        ]
        threads.append(threading.Thread(target=self._watch_offsets, daemon=True))
        for thread in threads:
            thread.start()
        self._stop.wait()

    def _repeat(self, question: Callable[[int, wire.Connection], None], node: int, interval: float) -> None:
        connection = wire.Connection(self._brokers[node])
        while not self._stop.wait(interval):
            try:
                question(node, connection)
            except OSError:
                continue  # it is down, paused or cut off: what the others say of it is the observation

    def _ask_metadata(self, node: int, connection: wire.Connection) -> None:
        known = wire.metadata(connection, self._topic)
        source = f"{node}#{connection.generation}"
        self._changes.write(SawBrokers(source, list(known.brokers)), source)
        for partition, info in known.partitions.items():
            view = SawPartition(source, partition, info.leader, info.epoch, sorted(info.isr))
            self._changes.write(view, source, partition)
            if info.leader >= 0 and info.epoch >= self._epochs.get(partition, (0, 0))[0]:
                self._epochs[partition] = info.epoch, info.leader

    def _ask_quorum(self, node: int, connection: wire.Connection) -> None:
        source = f"{node}#{connection.generation}"
        self._changes.write(SawController(source, *wire.controller(connection)), source)

    def _watch_offsets(self) -> None:
        """Ask each leader for its offsets, one after another: rule O9 needs answers in the order of the questions."""
        connections = {node: wire.Connection(address, timeout=0.5) for node, address in self._brokers.items()}
        while not self._stop.wait(_SLOW_INTERVAL_S):
            led: dict[int, dict[int, int]] = {}
            for partition, (epoch, leader) in dict(self._epochs).items():
                led.setdefault(leader, {})[partition] = epoch
            for leader, epochs in led.items():
                if leader in connections:
                    self._ask_offsets(connections[leader], epochs)

    def _ask_offsets(self, connection: wire.Connection, epochs: Mapping[int, int]) -> None:
        try:
            answers = wire.offsets(connection, self._topic, epochs)
        except OSError:
            return
        for partition, (start, high) in answers.items():
            self._changes.write(SawOffsets(partition, epochs[partition], start, high), partition)


def main(job: dict[str, Any]) -> None:
    """Observe until standard input ends. job: journal (path), brokers (id → address), topic."""
    journal = Journal(Path(job["journal"]))
    stop = threading.Event()
    brokers = {int(node): address for node, address in job["brokers"].items()}
    threading.Thread(target=Observer(journal, brokers, job["topic"], stop).run, daemon=True).start()
    sys.stdin.read()
    stop.set()
    time.sleep(METADATA_INTERVAL_S)  # threads that have an answer in hand may still write it
    journal.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
