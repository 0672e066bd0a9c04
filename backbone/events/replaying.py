"""Sending dead letters again, each once, or marking them as not to be sent.

Sending a record again is one Kafka transaction (KIP-98) with a mark beside the letter that says so: killed anywhere,
both are there or neither is.
"""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from backbone import clients
from backbone.errors import ExitCode, StackError
from backbone.events.dead_letters import DISCARDED, MARK, REPLAYED_FROM, due, open_box, select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from backbone.events.dead_letters import Box, Due, Letter

LARGEST = 2_097_152
"""Bytes of a record: max.message.bytes of the dead letters in topics.yml."""

_TRANSACTION_MS = 60_000


class Sender:
    """Sends letters to where they came from, each with its mark in one transaction.

    There is one sender for a topic of dead letters at a time: the next one to open fences the one before (KIP-98). So
    it opens first, and reads what is marked after that.
    """

    def __init__(self, bootstrap: Sequence[str], topic: str) -> None:
        self._topic = topic
        self._producer = clients.producer(
            bootstrap,
            transactional_id=f"dead-letters-{topic}",
            transaction_timeout_ms=_TRANSACTION_MS,
            max_request_size=LARGEST,
        )
        self._producer.init_transactions()

    def send(self, letters: Iterable[Letter]) -> None:
        """Send some letters, all or none."""
        with self._transaction():
            for letter in letters:
                assert letter.origin is not None  # noqa: S101 - see `due`
                kept = [(name, value) for name, value in letter.own_headers if name != REPLAYED_FROM]
                headers = [*sendable(kept), (REPLAYED_FROM, str(letter.origin).encode())]
                self._producer.send(letter.origin.topic, key=letter.key, value=letter.value, headers=headers)
                self._mark(letter, MARK)

    def discard(self, letters: Iterable[Letter]) -> None:
        """Mark some letters as not to be sent again, all or none."""
        with self._transaction():
            for letter in letters:
                self._mark(letter, DISCARDED)

    def _mark(self, letter: Letter, mark: str) -> None:
        headers = [(mark, str(letter.identity).encode())]
        # kafka-python sends no record that has neither key nor value.
        self._producer.send(self._topic, key=letter.key, value=b"", headers=headers)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._producer.begin_transaction()
        try:
            yield
        except BaseException:
            self._producer.abort_transaction()
            raise
        clients.commit(self._producer)

    def close(self) -> None:
        """Close the connection; what was not committed is forgotten."""
        self._producer.close(timeout=10)


def sendable(headers: Iterable[tuple[str, bytes | None]]) -> list[tuple[str, bytes]]:
    """Return a record's headers as kafka-python 3.0.12 sends them: one that is null (KIP-82) is empty then."""
    return [(name, value or b"") for name, value in headers]


def send_again(
    bootstrap: Sequence[str], topic: str, only: Mapping[str, str], *, rate: float, again: bool, dry: bool
) -> Due:
    """Send the letters of a topic that `select` finds by `only` again, or only say which those are (dry).

    Raises StackError("not-sent") if not all were sent, "bad-rate", and what reading.consume() says.
    """
    if dry:
        box = open_box(bootstrap, topic)
        return due(box, select(box.waiting(), **only), again=again)
    with (
        clients.errors_as("not-sent", f"not all dead letters of {topic} were sent again"),
        closing(Sender(bootstrap, topic)) as sender,
    ):
        box = open_box(bootstrap, topic)
        found = due(box, select(box.waiting(), **only), again=again)
        replay(found.send, sender.send, rate=rate)
    return found


def discard(bootstrap: Sequence[str], topic: str, choose: Callable[[Box], Sequence[Letter]]) -> int:
    """Mark the letters that `choose` finds in a topic as not to be sent again, and return how many.

    They stay for as long as the topic keeps them, and wait no more. Raises StackError("not-sent") if none was marked,
    and what reading.consume() says.
    """
    with (
        clients.errors_as("not-sent", f"no dead letter of {topic} was marked"),
        closing(Sender(bootstrap, topic)) as sender,
    ):
        if found := choose(open_box(bootstrap, topic)):
            sender.discard(found)
    return len(found)


def replay(
    letters: Sequence[Letter],
    send: Callable[[Iterable[Letter]], None],
    *,
    rate: float,
    sent: Callable[[int], None] = lambda _: None,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Send letters at most `rate` a second, a transaction for each second's, and return how many.

    Raises StackError("bad-rate") for a rate of no records.
    """
    if rate <= 0:
        raise StackError("bad-rate", "--rate is a number of records a second", exit_code=ExitCode.USAGE)
    began, done, rest = now(), 0, iter(letters)
    while batch := list(islice(rest, max(1, int(rate)))):
        sleep(max(0.0, began + done / rate - now()))
        send(batch)
        done += len(batch)
        sent(done)
    return done
