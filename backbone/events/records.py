"""Records by contract: JSON lines into a topic, all of them or none.

A file is read twice: once to judge every line, once to send. So nothing is sent while a line is wrong, and
a file may be larger than memory. What is sent is one Kafka transaction (KIP-98): who reads committed records
sees the whole file or nothing of it, also when the task is killed half-way.
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol, TypeAlias

from backbone import clients
from backbone.errors import ExitCode, StackError, meant
from backbone.events.contracts import jsontext
from backbone.events.contracts.jsonschemas import JsonConverter
from backbone.events.contracts.jsontext import Violation
from backbone.events.contracts.values import Converter
from backbone.events.contracts.wire import Encoder
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from backbone.events.contracts.model import Contract
    from backbone.events.contracts.registry import Registry

Untyped: TypeAlias = Any
"""A value of kafka-python, which publishes no types."""

_SHOWN = 20
_TRANSACTION_MS = 15 * 60 * 1000  # the brokers' own limit, transaction.max.timeout.ms
_BATCH_HEAD = 61  # bytes of a record batch before its first record (Kafka protocol, RecordBatch v2)


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
                hint="./invoke contracts apply",
                exit_code=ExitCode.ENVIRONMENT,
            )
        converter = JsonConverter(latest.schema) if latest.is_json else Converter(latest.schema)
        return cls(contract, converter, Encoder(found.id, latest.schema))

    def record(self, value: object) -> tuple[Record | None, list[Violation]]:
        """Return the record for a JSON value, or the reasons why there is none."""
        converted, violations = self.converter.convert(value)
        key = converted.get(self.contract.key) if isinstance(converted, dict) else None
        if key == "":
            violations.append(Violation(self.contract.key, "is the record's key and is empty"))
        if violations:
            return None, violations
        try:
            return Record(str(key).encode(), self.encoder.encode(converted)), []
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            return None, [Violation("", f"cannot be written: {error}")]


def lines(file: Path) -> Iterator[bytes]:
    """Yield the lines of a file; of one that is too long to be a record only as much as shows that.

    Raises StackError("unreadable-file").
    """
    with reading.stream(file) as stream:
        while line := _readline(stream, file):
            yield line
            while len(line) > jsontext.MAX_LINE and not line.endswith(b"\n"):
                line = _readline(stream, file)


def _readline(stream: BinaryIO, file: Path) -> bytes:
    try:
        return stream.readline(jsontext.MAX_LINE + 1)
    except OSError as error:
        raise StackError(
            "unreadable-file", f"cannot read {file}", context=error.strerror, exit_code=ExitCode.USAGE
        ) from error


def read(
    lines: Iterable[bytes], codec: Codec, limit: int | None = None
) -> Iterator[tuple[int, Record | None, list[Violation]]]:
    """Yield (line number from 1, record, reasons why there is none) for each line that is not empty.

    limit: the bytes that the topic takes of a record, its max.message.bytes.
    """
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if text.strip():
            yield number, *_judged(text, codec, limit)


def _judged(line: bytes, codec: Codec, limit: int | None) -> tuple[Record | None, list[Violation]]:
    try:
        value, faults = jsontext.parse(line)
    except ValueError as error:
        return None, [Violation("", str(error))]
    record, violations = codec.record(value)
    if faults:
        # What is said of the whole of an object follows from the faults within it.
        places = {fault.field for fault in faults} | ({""} if isinstance(value, dict) else set())
        return None, [*faults, *(each for each in violations if each.field not in places)]
    if record is not None and limit is not None and (size := _batch_bytes(record)) > limit:
        reason = f"the record would take {size:,} bytes; {codec.contract.topic} takes {limit:,} (max.message.bytes)"
        return None, [Violation("", reason)]
    return record, violations


def _batch_bytes(record: Record) -> int:
    """Return the bytes of a batch that holds this record alone: what Kafka compares with max.message.bytes."""
    parts = sum(_varint_bytes(len(part)) + len(part) for part in record)
    body = parts + 4  # attributes, the deltas of timestamp and offset, the number of headers: a byte each
    return _BATCH_HEAD + _varint_bytes(body) + body


def _varint_bytes(number: int) -> int:
    return max(1, -(-(2 * number).bit_length() // 7))


def judge(lines: Iterable[bytes], codec: Codec, limit: int | None = None) -> int:
    """Return the number of records if every line follows the contract.

    Raises StackError("invalid-records") with line and field of what does not, "no-records" without any.
    """
    total = wrong = faults = 0
    shown: list[str] = []
    for number, record, violations in read(lines, codec, limit):
        total += 1
        wrong += record is None
        faults += len(violations)
        shown += [f"line {number}: {each}" for each in violations[: _SHOWN - len(shown)]]
    if wrong:
        more = [f"and {faults - len(shown)} more"] if faults > len(shown) else []
        raise StackError(
            "invalid-records",
            f"{wrong} of {total} records break {codec.contract.subject} v{codec.contract.latest.number}; "
            "nothing was sent",
            context="\n".join([*shown, *more]),
            hint=f"the fields are explained in {codec.contract.latest.file}",
        )
    if not total:
        raise StackError("no-records", "there is no record in the input", exit_code=ExitCode.NOTHING)
    return total


def produce(
    lines: Callable[[], Iterable[bytes]],
    codec: Codec,
    open_sender: Callable[[], AbstractContextManager[Sender]],
    limit: int | None = None,
) -> int:
    """Send every line if all follow the contract, and return how many; `lines` opens the input, twice.

    Raises what judge() raises, and StackError("input-changed") if a line is no longer what it was.
    """
    total = judge(lines(), codec, limit)
    sent = 0
    with open_sender() as sender:
        for number, record, _ in read(lines(), codec, limit):
            if record is None:
                raise _changed(f"line {number}")
            sender.send(record.key, record.value)
            sent += 1
        if sent != total:
            raise _changed(f"it had {total} records and has {sent}")
    return total


def _changed(what: str) -> StackError:
    return StackError("input-changed", f"the input changed while it was sent ({what}); nothing of it is visible")


def largest_record(bootstrap: Sequence[str], topic: str) -> int:
    """Return how many bytes a topic takes of a record. Raises StackError("no-topic"), "no-broker"."""
    with clients.admin(bootstrap) as client:
        from kafka.admin import ConfigResource, ConfigResourceType  # noqa: PLC0415 - slow, see backbone.clients

        known = client.list_topics()
        if topic not in known:
            raise no_topic(topic, known)
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic, ["max.message.bytes"])]
        found = client.describe_configs(asked, config_filter="all")["topic"][topic]
    return int(found["max.message.bytes"]["value"])


@contextmanager
def transaction(bootstrap: Sequence[str], topic: str, limit: int | None = None) -> Iterator[Sender]:
    """Yield a Sender whose records become visible together, when the context ends without an exception.

    limit: the topic's max.message.bytes; no batch may be larger. Raises StackError("no-broker"), or "not-sent" if Kafka
    rejects one or goes away; then none is visible.
    """
    from kafka.errors import KafkaError  # noqa: PLC0415 - slow, see backbone.clients

    batch = clients.BULK_PRODUCER["batch_size"]
    with clients.errors_as("not-sent", f"Kafka rejected the records for {topic}; none of them is visible"):
        producer = clients.producer(
            bootstrap,
            **{
                **clients.BULK_PRODUCER,
                "transactional_id": f"produce-{topic}-{uuid.uuid4()}",
                "transaction_timeout_ms": _TRANSACTION_MS,
                "batch_size": min(batch, limit or batch),
                "max_request_size": max(limit or 0, 1024 * 1024) + batch,
            },
        )
        try:
            producer.init_transactions()
            producer.begin_transaction()
            try:
                yield _Transaction(producer, topic)
            except BaseException:
                with suppress(KafkaError):  # the first failure is the one to tell; the broker aborts in time
                    producer.abort_transaction()
                raise
            clients.commit(producer)
        finally:
            producer.close(timeout=10)


class _Transaction:
    """Sends within an open transaction; the commit waits for every acknowledgement."""

    def __init__(self, producer: Untyped, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    def send(self, key: bytes, value: bytes) -> None:
        self._producer.send(self._topic, key=key, value=value)


def no_topic(topic: str, known: Iterable[str] = ()) -> StackError:
    """Return the error for a topic that is not there; topics are never made by writing to them."""
    return StackError(
        "no-topic",
        f"there is no topic {jsontext.shown(topic)}{meant(topic, known)}",
        hint="./invoke topics list",
        exit_code=ExitCode.USAGE,
    )
