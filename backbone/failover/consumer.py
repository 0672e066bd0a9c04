"""Read as a member of a consumer group, commit, and note every record on its way to the application.

A process of its own. The time of a delivery is taken when poll() returns, before the payload is looked at.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kafka import ConsumerRebalanceListener
from kafka.errors import KafkaError, LogTruncationError, NoOffsetForPartitionError, OffsetOutOfRangeError
from kafka.structs import OffsetAndMetadata

from backbone import clients
from backbone.failover import payload
from backbone.failover.entries import Assigned, Begun, ClientError, Committed, Delivered
from backbone.failover.journal import Journal
from backbone.failover.producer import stop_at_end_of_input

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kafka import KafkaConsumer

COMMIT_INTERVAL_S = 1.0
_POLL_MS = 200
_RETRY_S = 0.1


class Sessions(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Names the current assignment; a rebalance begins a new session."""

    def __init__(self, journal: Journal, name: str) -> None:
        self._journal = journal
        self._name = name
        self._generation = 0

    @property
    def current(self) -> str:
        """Name of the consumer and number of its assignment."""
        return f"{self._name}/{self._generation}"

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Nothing is given back: what was not committed will be delivered again."""

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Begin a session."""
        self._generation += 1
        self._journal.write(Assigned(self.current, sorted(one.partition for one in assigned)))


class Reader:
    """One consumer: journals deliveries and confirmed commits."""

    def __init__(
        self, consumer: KafkaConsumer, journal: Journal, sessions: Sessions, *, run: bytes, group: str
    ) -> None:
        self._consumer = consumer
        self._journal = journal
        self._sessions = sessions
        self._run = run
        self._group = group
        self._positions: dict[Any, Any] = {}
        self._committed = time.monotonic()
        self._asked = False

    def poll(self) -> None:
        """Take what there is, journal it, and commit now and then."""
        try:
            batches = self._consumer.poll(timeout_ms=_POLL_MS)
        except KafkaError as error:
            self._journal.write(ClientError(f"{type(error).__name__}: {error}"[:200]))
            self._go_on(error)
            time.sleep(_RETRY_S)
            return
        at = time.monotonic_ns()
        for partition, messages in batches.items():
            for message in messages:
                self._deliver(message, at)
            self._positions[partition] = OffsetAndMetadata(messages[-1].offset + 1, "", -1)
        if self._positions and not self._asked and time.monotonic() - self._committed >= COMMIT_INTERVAL_S:
            self._commit()

    def _go_on(self, error: KafkaError) -> None:
        """Do what lets poll() be called again after an error, or raise it. Nothing expires here: see clients.py."""
        if isinstance(error, NoOffsetForPartitionError):  # the group is new
            self._consumer.seek_to_beginning(*error.args[0])
        elif isinstance(error, LogTruncationError):
            for partition, fork in error.divergent_offsets.items():
                if fork is not None:  # None: it asked a broker that is behind
                    self._consumer.seek(partition, fork.offset)
        elif not error.retriable and not isinstance(error, OffsetOutOfRangeError):
            raise error

    def _deliver(self, message: Any, at: int) -> None:
        told = payload.decode(message.value, self._run)
        # A record in another partition than it was sent to is as good as damaged.
        ours = told is not None and told.record.partition == message.partition
        writer, n = (told.record.writer, told.record.n) if told is not None and ours else (None, None)
        self._journal.write(Delivered(self._sessions.current, message.partition, message.offset, writer, n), at=at)

    def _commit(self) -> None:
        assigned = self._consumer.assignment()
        asked = {one: position for one, position in self._positions.items() if one in assigned}
        self._positions, self._committed = {}, time.monotonic()
        if asked:
            # One at a time: a commit that is retried through a failover would overwrite a later one.
            self._asked = True
            self._consumer.commit_async(asked, callback=self._confirmed)

    def _confirmed(self, asked: Mapping[Any, Any], answer: object) -> None:
        self._asked = False
        if isinstance(answer, Exception):
            return
        for partition, position in asked.items():
            self._journal.write(Committed(self._group, partition.partition, position.offset))


def main(job: dict[str, Any]) -> None:
    """Consume until standard input ends. job: see backbone/failover/workload.py."""
    journal = Journal(Path(job["journal"]))
    settings = {**clients.FAILOVER_CONSUMER, **job["client"]}
    consumer = clients.consumer(job["bootstrap"], group_id=job["group"], **settings)
    sessions = Sessions(journal, job["name"])
    clients.join(consumer, job["topic"], sessions)
    reader = Reader(consumer, journal, sessions, run=bytes.fromhex(job["run"]), group=job["group"])
    stop = threading.Event()
    threading.Thread(target=stop_at_end_of_input, args=(stop,), daemon=True).start()
    journal.write(Begun(job["name"]))
    while not stop.is_set():
        reader.poll()
    consumer.close(autocommit=False)
    journal.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
