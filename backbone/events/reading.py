"""A topic's records for a person: which of them, and each as JSON. No group is joined and no offset moved."""

from __future__ import annotations

import base64
import heapq
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from backbone import clients
from backbone.errors import ExitCode, StackError
from backbone.events.contracts import jsontext
from backbone.events.contracts.values import to_json
from backbone.events.records import no_topic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from backbone.events.contracts.wire import Decoder

Untyped: TypeAlias = Any
"""A value of kafka-python, which publishes no types."""

_EARLIEST, _LATEST = "earliest", "latest"
_WINDOW = 4  # each look for the last records goes back so many times farther than the one before


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records of a topic, in what order they lie in each partition.

    start: earliest, latest, an offset, or a moment (ISO 8601). places: an offset for each partition instead, the first
    one where none is named. last: the last so many instead. group: from where this consumer group would go on.
    partitions, key: only those. maximum: stop after so many. follow: go on for ever.
    """

    start: str = _EARLIEST
    places: Mapping[int, int] | None = None
    last: int | None = None
    group: str = ""
    partitions: frozenset[int] = field(default_factory=frozenset)
    key: bytes | None = None
    maximum: int | None = None
    follow: bool = False

    def takes(self, message: Untyped) -> bool:
        """Tell whether a record has the key that is asked for."""
        return self.key is None or message.key == self.key


def consume(bootstrap: Sequence[str], topic: str, selection: Selection) -> Iterator[Untyped]:
    """Yield committed records.

    Raises StackError("no-topic"), "no-partition", "no-group-place", "unknown-start", "unsupported-codec", "no-broker"
    or "kafka-request".
    """
    with (
        clients.errors_as("kafka-request", f"the cluster does not answer while {topic} is read"),
        closing(clients.consumer(bootstrap, fetch_max_wait_ms=100, group_id=selection.group or None)) as consumer,
    ):
        yield from select(consumer, topic, selection)


def bounds(bootstrap: Sequence[str], topic: str) -> dict[int, tuple[int, int]]:
    """Return where each partition of a topic begins and ends: its first offset, and what its next record gets at least.

    Raises StackError("no-topic"), "no-broker" or "kafka-request".
    """
    with (
        clients.errors_as("kafka-request", f"the cluster does not tell the ends of {topic}"),
        closing(clients.consumer(bootstrap)) as consumer,
    ):
        partitions = _partitions(consumer, topic, Selection())
        first, end = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        return {each.partition: (first[each], end[each]) for each in partitions}


def select(consumer: Untyped, topic: str, selection: Selection) -> Iterator[Untyped]:
    """Yield what a consumer (kafka-python's) reads of a topic; raises what consume() says of topic and place."""
    partitions = _partitions(consumer, topic, selection)
    consumer.assign(partitions)
    ends: dict[Untyped, int] = dict(consumer.end_offsets(partitions))
    if selection.last is None:
        begin = _begin(consumer, partitions, selection)
    else:
        yield from _last(consumer, ends, selection, selection.last)
        begin = ends
    for partition, offset in begin.items():
        consumer.seek(partition, offset)
    yield from _poll(consumer, None if selection.follow else ends, selection)


def _partitions(consumer: Untyped, topic: str, selection: Selection) -> list[Untyped]:
    from kafka import TopicPartition  # noqa: PLC0415 - slow, see backbone.clients

    topics = consumer.topics()
    numbers = consumer.partitions_for_topic(topic) if topic in topics else None
    if not numbers:
        raise no_topic(topic, topics)
    if unknown := sorted(selection.partitions - numbers):
        raise StackError(
            "no-partition",
            f"{topic} has no partition {unknown[0]}; it has 0 to {max(numbers)}",
            hint=f"./invoke topics describe {topic}",
            exit_code=ExitCode.USAGE,
        )
    return [TopicPartition(topic, number) for number in sorted(selection.partitions or numbers)]


def _begin(consumer: Untyped, partitions: Sequence[Untyped], selection: Selection) -> dict[Untyped, int]:
    if selection.group:
        return group_offsets(consumer, partitions, selection.group)
    if selection.places is not None:
        first = consumer.beginning_offsets(partitions)
        return {each: max(first[each], selection.places.get(each.partition, 0)) for each in partitions}
    return start_offsets(consumer, partitions, selection.start)


def group_offsets(consumer: Untyped, partitions: Sequence[Untyped], group: str) -> dict[Untyped, int]:
    """Return the place of a consumer group; where it has none, a partition begins at its first record.

    Raises StackError("no-group-place") if it has none at all.
    """
    places = {each: consumer.committed(each) for each in partitions}
    if not any(place is not None for place in places.values()):
        raise StackError(
            "no-group-place",
            f"group {group} has no place in {partitions[0].topic}",
            hint=f"./invoke consume {partitions[0].topic} --from earliest",
            exit_code=ExitCode.USAGE,
        )
    first = consumer.beginning_offsets(partitions)
    return {each: max(first[each], place or 0) for each, place in places.items()}


def start_offsets(consumer: Untyped, partitions: Sequence[Untyped], start: str) -> dict[Untyped, int]:
    """Return where to begin in each partition: earliest, latest, an offset, or a moment (ISO 8601).

    Raises StackError("unknown-start") for anything else.
    """
    first = dict(consumer.beginning_offsets(partitions))
    if start == _EARLIEST:
        return first
    ends: dict[Untyped, int] = dict(consumer.end_offsets(partitions))
    if start == _LATEST:
        return ends
    try:
        if start.isdecimal():
            return {each: min(max(int(start), first[each]), ends[each]) for each in partitions}
        milliseconds = max(0, int(datetime.fromisoformat(start).timestamp() * 1000))
    except (ValueError, OverflowError) as error:
        raise StackError(
            "unknown-start",
            f"cannot start from {jsontext.shown(start)}",
            hint="--from takes earliest, latest, an offset such as 42, or a moment such as 2026-01-31T12:00:00Z",
            exit_code=ExitCode.USAGE,
        ) from error
    found = consumer.offsets_for_times(dict.fromkeys(partitions, milliseconds))
    return {each: found[each].offset if found.get(each) else ends[each] for each in partitions}


def _last(consumer: Untyped, ends: Mapping[Untyped, int], selection: Selection, count: int) -> Iterator[Untyped]:
    """Yield the last `count` records by their timestamps, whatever lies between them: markers, gaps, other keys.

    An offset is no count, so each partition is read from farther and farther back until it has given enough.
    """
    first = consumer.beginning_offsets(list(ends))
    found: dict[Untyped, deque[Untyped]] = {}
    window, open_ = count, dict(ends)
    while open_:
        consumer.assign(list(open_))
        found |= {each: deque[Untyped](maxlen=count) for each in open_}
        for each, end in open_.items():
            consumer.seek(each, max(first[each], end - window))
        for message in _poll(consumer, open_, selection):
            found[next(each for each in open_ if each.partition == message.partition)].append(message)
        open_ = {each: end for each, end in open_.items() if len(found[each]) < count and end - window > first[each]}
        window *= _WINDOW
    newest = heapq.merge(*found.values(), key=lambda message: message.timestamp)
    yield from deque(newest, maxlen=count)
    consumer.assign(list(ends))


def _poll(consumer: Untyped, ends: Mapping[Untyped, int] | None, selection: Selection) -> Iterator[Untyped]:
    """Yield records until the maximum or the ends; an end is reached by position, for the last may be a marker."""
    count = 0
    maximum = selection.maximum if selection.last is None else None
    while maximum is None or count < maximum:
        if ends is not None and all(consumer.position(each) >= end for each, end in ends.items()):
            return
        for messages in consumer.poll(timeout_ms=200).values():
            for message in filter(selection.takes, messages):
                yield message
                count += 1
                if count == maximum:
                    return


def shown(message: Untyped, decoder: Decoder, *, by_contract: bool, headers: bool = False) -> dict[str, Any]:
    """Return a consumed record as JSON: its place, its key, and its value or the reason why it cannot be read.

    by_contract: the value has to follow a schema of the registry; otherwise it is shown as well as it can be.
    """
    place: dict[str, Any] = {
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": _moment(message.timestamp),
        "key": readable(message.key, decoder),
    }
    if headers:
        place["headers"] = [[name, readable(value, None)] for name, value in message.headers or ()]
    if not by_contract or message.value is None:
        return {**place, "value": readable(message.value, decoder)}
    try:
        return {**place, "value": to_json(decoder.decode(message.value))}
    except StackError as error:
        return {**place, "error": str(error), "raw": base64.b64encode(message.value).decode()}


def readable(raw: bytes | None, decoder: Decoder | None) -> Any:
    """Return bytes as what they most likely are: a record of the registry's, JSON, text, else {"base64": …}."""
    if raw is None:
        return None
    if decoder is not None and raw[:1] == b"\0":
        try:
            return to_json(decoder.decode(raw))
        except StackError:
            pass  # other bytes that happen to begin with 0
    if raw[:1] in (b"{", b"["):
        try:
            value, faults = jsontext.parse(raw)
        except ValueError:
            faults = [jsontext.Violation("", "no JSON")]
        if not faults:
            return value
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


def _moment(milliseconds: int) -> str | int:
    """Return a record's time as ISO 8601, or the number where its producer gave one that is no time."""
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return milliseconds
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
