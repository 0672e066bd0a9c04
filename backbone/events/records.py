"""Records by contract: JSON lines into a topic, all of them or none, and a topic's records as JSON lines.

A file is read twice: once to judge every line, once to send. So nothing is sent while a line is wrong, and
a file may be larger than memory. What is sent is one Kafka transaction (KIP-98): who reads committed records
sees the whole file or nothing of it, also when the task is killed half-way.
"""

from __future__ import annotations

import base64
import json
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from backbone import clients
from backbone.errors import ExitCode, StackError
from backbone.events.contracts.jsonschemas import JsonConverter
from backbone.events.contracts.values import Converter, to_json
from backbone.events.contracts.wire import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from backbone.events.contracts.model import Contract
    from backbone.events.contracts.registry import Registry
    from backbone.events.contracts.wire import Decoder

Untyped: TypeAlias = Any
"""A value of kafka-python, which publishes no types."""

_SHOWN = 20
_TRANSACTION_MS = 15 * 60 * 1000  # the brokers' own limit, transaction.max.timeout.ms
_EARLIEST, _LATEST = "earliest", "latest"


class Record(NamedTuple):
    """One record on its way into a topic."""

    key: bytes
    value: bytes


class Sender(Protocol):
    """Sends records; leaving its context without an exception commits them, with one forgets them."""

    def send(self, key: bytes, value: bytes) -> None:
        """Hand over one record."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One registered version of a contract: what turns a JSON line into a record."""

    contract: Contract
    converter: Converter | JsonConverter
    encoder: Encoder

    @classmethod
    def registered(cls, contract: Contract, registry: Registry) -> Codec:
        """Return the codec of the contract's latest version.

        Raises StackError("contract-not-registered") if it was added after the last `contracts apply`.
        """
        latest = contract.latest
        found = registry.find(contract.subject, latest.compact)
        if found is None:
            raise StackError(
                "contract-not-registered",
                f"the registry does not have v{latest.number} of {contract.subject}",
                hint="invoke contracts apply",
                exit_code=ExitCode.ENVIRONMENT,
            )
        converter = JsonConverter(latest.schema) if latest.is_json else Converter(latest.schema)
        return cls(contract, converter, Encoder(found.id, latest.schema))

    def record(self, value: object) -> tuple[Record | None, list[str]]:
        """Return the record for a JSON value, or the reasons why there is none."""
        converted, violations = self.converter.convert(value)
        if violations:
            return None, [str(violation) for violation in violations]
        key = str(converted[self.contract.key]).encode()
        return Record(key, self.encoder.encode(converted)), []


def read(lines: Iterable[str], codec: Codec) -> Iterator[tuple[int, Record | None, list[str]]]:
    """Yield (line number from 1, record, reasons why there is none) for each line that is not empty."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            yield number, None, [f"no JSON: {error.msg}, column {error.colno}"]
            continue
        yield number, *codec.record(value)


def judge(lines: Iterable[str], codec: Codec) -> int:
    """Return the number of records if every line follows the contract.

    Raises StackError("invalid-records") with line and field of what does not, "no-records" without any.
    """
    total, wrong = 0, 0
    shown_reasons: list[str] = []
    for number, record, reasons in read(lines, codec):
        total += 1
        wrong += record is None
        shown_reasons += [f"line {number}: {reason}" for reason in reasons]
    if wrong:
        raise StackError(
            "invalid-records",
            f"{wrong} of {total} records break {codec.contract.subject} v{codec.contract.latest.number}; "
            "nothing was sent",
            context="\n".join(shown_reasons[:_SHOWN]),
            hint=f"the fields are explained in {codec.contract.latest.file}",
        )
    if not total:
        raise StackError("no-records", "there is no record in the input", exit_code=ExitCode.NOTHING)
    return total


def produce(
    lines: Callable[[], Iterable[str]],
    codec: Codec,
    open_sender: Callable[[], AbstractContextManager[Sender]],
) -> int:
    """Send every line if all follow the contract, and return how many; `lines` opens the input, twice."""
    total = judge(lines(), codec)
    with open_sender() as sender:
        for _, record, _ in read(lines(), codec):
            if record is not None:
                sender.send(record.key, record.value)
    return total


@contextmanager
def transaction(bootstrap: Sequence[str], topic: str) -> Iterator[Sender]:
    """Yield a Sender whose records become visible together, when the context ends without an exception.

    Raises StackError("no-broker"), or "not-sent" if Kafka rejects one or goes away; then none is visible.
    """
    with clients.errors_as("not-sent", f"Kafka did not take the records for {topic}; none of them is visible"):
        producer = clients.producer(
            bootstrap,
            transactional_id=f"produce-{topic}-{uuid.uuid4()}",
            transaction_timeout_ms=_TRANSACTION_MS,
            batch_size=131_072,
        )
        try:
            producer.init_transactions()
            producer.begin_transaction()
            try:
                yield _Transaction(producer, topic)
            except BaseException:
                producer.abort_transaction()
                raise
            producer.commit_transaction()
        finally:
            producer.close(timeout=10)


class _Transaction:
    """Sends within an open transaction; the commit waits for every acknowledgement."""

    def __init__(self, producer: Untyped, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    def send(self, key: bytes, value: bytes) -> None:
        self._producer.send(self._topic, key=key, value=value)


def shown(message: Untyped, decoder: Decoder) -> dict[str, Any]:
    """Return a consumed record as JSON: its place, its key, and its value or the reason why it cannot be read."""
    moment = datetime.fromtimestamp(message.timestamp / 1000, UTC).isoformat(timespec="milliseconds")
    place = {
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": moment.replace("+00:00", "Z"),
        "key": None if message.key is None else message.key.decode("utf-8", "replace"),
    }
    if message.value is None:
        return {**place, "value": None}
    try:
        return {**place, "value": to_json(decoder.decode(message.value))}
    except StackError as error:
        return {**place, "error": str(error), "raw": base64.b64encode(message.value).decode()}


def start_offsets(consumer: Untyped, partitions: Sequence[Untyped], start: str) -> dict[Untyped, int]:
    """Return where to begin in each partition: earliest, latest, an offset, or a moment (ISO 8601).

    Raises StackError("unknown-start") for anything else.
    """
    if start == _EARLIEST:
        return dict(consumer.beginning_offsets(partitions))
    ends: dict[Untyped, int] = dict(consumer.end_offsets(partitions))
    if start == _LATEST:
        return ends
    if start.isdecimal():
        first = consumer.beginning_offsets(partitions)
        return {each: min(max(int(start), first[each]), ends[each]) for each in partitions}
    try:
        moment = datetime.fromisoformat(start)
    except ValueError as error:
        raise StackError(
            "unknown-start",
            f"cannot start from {start!r}",
            hint="--from earliest, latest, an offset such as 42, or a moment such as 2026-01-31T12:00:00Z",
            exit_code=ExitCode.USAGE,
        ) from error
    milliseconds = int(moment.timestamp() * 1000)
    found = consumer.offsets_for_times(dict.fromkeys(partitions, milliseconds))
    return {each: found[each].offset if found.get(each) else ends[each] for each in partitions}


def consume(
    bootstrap: Sequence[str], topic: str, *, start: str, maximum: int | None, follow: bool
) -> Iterator[Untyped]:
    """Yield committed records: those that are there now, or with `follow` for ever. No group, nothing is moved.

    Raises StackError("no-topic"), "no-broker" or "kafka-request".
    """
    from kafka import TopicPartition  # noqa: PLC0415 - slow, see backbone.clients

    with (
        clients.errors_as("kafka-request", f"the cluster does not answer while {topic} is read"),
        closing(clients.consumer(bootstrap, fetch_max_wait_ms=100)) as consumer,
    ):
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            raise no_topic(topic)
        partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(partitions)
        ends = None if follow else consumer.end_offsets(partitions)
        for partition, offset in start_offsets(consumer, partitions, start).items():
            consumer.seek(partition, offset)
        yield from _poll(consumer, ends, maximum)


def no_topic(topic: str) -> StackError:
    """Return the error for a topic that is not there; topics are never made by writing to them."""
    return StackError(
        "no-topic",
        f"there is no topic {topic!r}",
        hint="invoke topics list",
        exit_code=ExitCode.USAGE,
    )


def _poll(consumer: Untyped, ends: dict[Untyped, int] | None, maximum: int | None) -> Iterator[Untyped]:
    """Yield records until `maximum` or the ends; an end is reached by position, for the last may be a marker."""
    count = 0
    while maximum is None or count < maximum:
        if ends is not None and all(consumer.position(each) >= end for each, end in ends.items()):
            return
        for messages in consumer.poll(timeout_ms=200).values():
            for message in messages:
                yield message
                count += 1
                if count == maximum:
                    return
