"""What a run of the archive's test works with, and what it has sent so far."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backbone.errors import StackError
from backbone.events import reading
from backbone.events.archive.events import Events, compare
from backbone.events.contracts.values import Converter
from backbone.stack.leftovers import NO_LEDGER, Ledger, Trace
from backbone.wait import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from backbone.events.archive.database import Database
    from backbone.events.archive.events import Difference
    from backbone.events.archive.faults import Fault
    from backbone.events.connectors.files import Connector
    from backbone.events.connectors.worker import Worker
    from backbone.events.contracts.model import Contract
    from backbone.events.contracts.registry import Registry
    from backbone.events.records import Codec, Record
    from backbone.wait import Clock


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run works with. restart: stops and starts a service of the stack; None where that is not ours to do."""

    bootstrap: Sequence[str]
    contract: Contract
    registry: Registry
    worker: Worker
    connector: Connector
    connectors: Sequence[Connector]
    database: Database
    count: int
    restart: Callable[[str], None] | None
    brokers: Mapping[int, str]
    keep: bool = False
    ledger: Ledger = NO_LEDGER
    tell: Callable[[str], None] = lambda _: None
    clock: Clock = CLOCK


@dataclass(slots=True)
class Run:
    """One run: its own source name, and what it has sent.

    sent: how many events; which, their source and numbers say. figures: what was measured, in seconds. faults: what has
    to end among the dead letters. doubled: keys of the good records that were sent twice on purpose.
    """

    plan: Plan
    source: str = field(default_factory=lambda: f"archive-{uuid.uuid4().hex[:12]}")
    sent: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    doubled: set[bytes] = field(default_factory=set)
    begins: dict[str, Mapping[int, int]] = field(default_factory=dict)
    """Topic → partition → offset from which on this run reads: the end when it began, whatever the clocks say."""

    @property
    def trace(self) -> Trace:
        """The rows of this run."""
        return Trace("rows", self.source, self.plan.database.place, "archive")

    def differences(self, found: Iterable[Mapping[str, Any]]) -> Iterator[Difference]:
        """Compare what was sent, in the contract's types, with what was found."""
        converter = Converter(self.plan.contract.latest.schema)
        return compare(Events(self.source), self.sent, found, lambda event: converter.convert(event)[0])

    def has_sent(self, key: bytes) -> bool:
        """Tell whether a record's key is that of a good event of this run."""
        number = Events(self.source).number(key.decode(errors="replace"))
        return number is not None and number < self.sent

    def next_records(self, codec: Codec, count: int) -> Iterator[Record]:
        """Yield the records of the next events, for who counts them as `sent` when they are acknowledged.

        Raises StackError("event-refused") if the contract does not take one.
        """
        events = Events(self.source)
        for number in range(self.sent, self.sent + count):
            record, violations = codec.record(events[number])
            if record is None:
                raise StackError(
                    "event-refused",
                    f"{self.plan.contract.subject} does not take the events that archive makes",
                    context=str(violations[0]),
                    hint="./invoke contracts check",
                )
            yield record

    def since(self, topic: str) -> Iterator[Any]:
        """Yield what came to a topic since this run began."""
        return reading.consume(self.plan.bootstrap, topic, reading.Selection(places=self.begins[topic]))
