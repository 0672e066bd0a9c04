"""The smoke test: real messages through a real cluster, compared field by field (VAL-MSG-003, STORY-MSG-01)."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone import clients
from backbone.errors import StackError
from backbone.stack import health, leftovers, topics
from backbone.stack.leftovers import NO_LEDGER, Ledger
from backbone.verdict import Checks, Line, StepFailedError, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from kafka import KafkaProducer

    from backbone.stack.health import ClusterHealth

EVENTS_TOPIC = "events-topic"
_SEND_TIMEOUT_S = 30
_READ_TIMEOUT_S = 30
_PREFERRED = 0  # the election type of Kafka's ElectLeaders request
_SHOWN = 3  # how many differences are told; the rest is counted


@dataclass(frozen=True, slots=True)
class Record:
    """One record, with the place the cluster acknowledged."""

    partition: int
    offset: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does. restart: stops and starts the broker with that id; None where that is not ours to do."""

    bootstrap: Sequence[str]
    records: int
    restart: Callable[[int], None] | None
    partitions: int = 3
    ledger: Ledger = NO_LEDGER


def run(plan: Plan) -> Verdict:
    """Carry out the smoke test and clean up after it, whatever happens; StackError("no-broker") if none answers."""
    with clients.admin(plan.bootstrap):
        pass
    checks = Checks("smoke")
    own = f"smoke-{uuid.uuid4().hex[:12]}"
    trace = leftovers.Trace("topic", own, tuple(plan.bootstrap), "smoke")
    plan.ledger.note(trace)
    try:
        try:
            _round_trip(plan, own, checks)
            _archived(plan, checks)
        finally:
            _clean_up(plan.ledger, trace, checks)
    except StepFailedError:
        pass
    return checks.verdict()


def _round_trip(plan: Plan, topic: str, checks: Checks) -> None:
    """Own topic: replicas, acknowledged offsets, and every record read back in order."""
    with checks.step("topic is created with all replicas") as found, clients.admin(plan.bootstrap) as client:
        topics.create(client, topics.Topic(topic, plan.partitions))
        found.extend(replica_report(health.cluster_health(client), topic))
    with checks.step("records are acknowledged by all in-sync replicas") as found:
        sent = _send(plan.bootstrap, topic, _payload(plan.records))
        found.append(Line(f"{len(sent)} records, acks=all"))
    with checks.step("records are read back as they were sent") as found:
        found.extend(compare(sent, _read(plan.bootstrap, topic, last_offsets(sent))))


def _archived(plan: Plan, checks: Checks) -> None:
    """events-topic: what is sent is still readable for a fresh consumer when its leader was restarted.

    It goes in a transaction that is aborted in the end: an archive reads what is committed and never meets it.
    """
    producer = clients.producer(plan.bootstrap, transactional_id=f"smoke-{uuid.uuid4()}")
    try:
        with checks.step(f"records reach {EVENTS_TOPIC}") as found, _answering(EVENTS_TOPIC):
            producer.init_transactions()
            producer.begin_transaction()
            sent = _acknowledged(producer, EVENTS_TOPIC, _payload(min(plan.records, 30)))
            found.append(Line(f"{len(sent)} records"))
        if plan.restart is None:
            name = f"{EVENTS_TOPIC} is readable by a fresh consumer"
        else:
            name = f"{EVENTS_TOPIC} is readable by a fresh consumer after its leader was restarted"
        try:
            with checks.step(name) as found:
                if plan.restart is not None:
                    leader = _leader(plan.bootstrap, EVENTS_TOPIC, last_offsets(sent))
                    plan.restart(leader)
                    found.append(Line(f"broker {leader} restarted"))
                found.extend(
                    compare(sent, _read(plan.bootstrap, EVENTS_TOPIC, last_offsets(sent), first_offsets(sent)))
                )
        finally:  # else those who read committed records only would wait for it, a minute long
            with checks.step("they are taken back before an archive keeps them") as found, _answering(EVENTS_TOPIC):
                found.append(Line(take_back(producer)))
    finally:
        producer.close(timeout=1)


def take_back(producer: KafkaProducer) -> str:
    """Abort the transaction; where its time was over, the brokers have done so and fenced the producer."""
    from kafka.errors import ProducerFencedError  # noqa: PLC0415 - slow, see backbone.clients

    try:
        producer.abort_transaction()
    except ProducerFencedError:
        return "the brokers have aborted the transaction: its time was over"
    return "transaction aborted"


def _clean_up(ledger: Ledger, trace: leftovers.Trace, checks: Checks) -> None:
    with checks.step("its own topic is removed") as found:
        leftovers.take_away(ledger, trace)
        found.append(Line(trace.name))


def replica_report(cluster: ClusterHealth, topic: str) -> Iterator[Line]:
    """Say whether each partition has as many distinct, in-sync replicas as the cluster can hold (up to 3)."""
    wanted = min(3, len(cluster.brokers))
    partitions = [item for item in cluster.partitions if item.topic == topic]
    if not partitions:
        yield Line(f"{topic} has no partitions", ok=False)
    for item in partitions:
        if len(set(item.replicas)) != wanted or set(item.isr) != set(item.replicas):
            held = f"replicas {item.replicas}, in sync {item.isr}"
            yield Line(f"partition {item.partition}: {held}, wanted {wanted}", ok=False)
    yield Line(f"{len(partitions)} partitions × {wanted} replicas, all in sync")


def compare(sent: Sequence[Record], read: Sequence[Record]) -> Iterator[Line]:
    """Say how what was read differs from what was acknowledged: lost, altered, moved, reordered, or nothing of these.

    Records of others between ours are allowed (events-topic is shared); ours must be where they were acknowledged.
    """
    found = {(record.partition, record.offset): record for record in read}
    lost = [record for record in sent if (record.partition, record.offset) not in found]
    altered = [record for record in sent if record != found.get((record.partition, record.offset), record)]
    yield from _differences("lost", lost)
    yield from _differences("altered", altered)
    reordered = [now for before, now in _neighbours(read) if before.offset >= now.offset]
    yield from _differences("out of order", reordered)
    swapped = [now for before, now in _neighbours(sent) if before.offset >= now.offset]
    yield from _differences("not stored in the order they were sent", swapped)
    keys = {(record.key, record.value) for record in sent}
    places = {(record.partition, record.offset) for record in sent}
    again = [item for item in read if (item.key, item.value) in keys and (item.partition, item.offset) not in places]
    yield from _differences("stored twice", again)
    yield Line(f"{len(sent)} sent, {len(sent) - len(lost)} read, 0 lost, 0 altered, 0 reordered, 0 duplicated")


def _differences(kind: str, records: Sequence[Record]) -> Iterator[Line]:
    if records:
        shown = ", ".join(f"{record.partition}@{record.offset}" for record in records[:_SHOWN])
        yield Line(f"{len(records)} {kind}: {shown}{'' if len(records) <= _SHOWN else ' …'}", ok=False)


def _neighbours(records: Sequence[Record]) -> Iterator[tuple[Record, Record]]:
    """Yield each record with the one before it in the same partition."""
    last: dict[int, Record] = {}
    for record in records:
        if record.partition in last:
            yield last[record.partition], record
        last[record.partition] = record


def _payload(count: int) -> dict[bytes, bytes]:
    run = uuid.uuid4().hex[:8]
    return {f"{run}-{number % 97}-{number}".encode(): f"{run} {number:08d}".encode() for number in range(count)}


def _send(bootstrap: Sequence[str], topic: str, payload: Mapping[bytes, bytes]) -> list[Record]:
    producer = clients.producer(bootstrap)
    try:
        with _answering(topic):
            return _acknowledged(producer, topic, payload)
    finally:
        producer.close(timeout=1)


def _answering(topic: str) -> AbstractContextManager[None]:
    return clients.errors_as("send-failed", f"{topic} rejected the records")


def _acknowledged(producer: KafkaProducer, topic: str, payload: Mapping[bytes, bytes]) -> list[Record]:
    futures = [(key, value, producer.send(topic, key=key, value=value)) for key, value in payload.items()]
    done = [(key, value, future.get(timeout=_SEND_TIMEOUT_S)) for key, value, future in futures]
    return [Record(meta.partition, meta.offset, key, value) for key, value, meta in done]


def _read(
    bootstrap: Sequence[str], topic: str, ends: Mapping[int, int], starts: Mapping[int, int] | None = None
) -> list[Record]:
    """Read a topic with a fresh consumer from `starts` (or the beginning) up to the offsets `ends`, inclusive."""
    from kafka import TopicPartition  # noqa: PLC0415 - slow, see backbone.clients

    partitions = {number: TopicPartition(topic, number) for number in ends}
    # What it looks for on events-topic is never committed.
    consumer = clients.consumer(bootstrap, isolation_level="read_uncommitted", fetch_max_wait_ms=50)
    with closing(consumer):
        consumer.assign(list(partitions.values()))
        for number, start in (starts or dict.fromkeys(ends, 0)).items():
            consumer.seek(partitions[number], start)
        read: dict[int, list[Record]] = defaultdict(list)
        deadline = time.monotonic() + _READ_TIMEOUT_S
        while time.monotonic() < deadline and any(not _reached(read[number], end) for number, end in ends.items()):
            for batch in consumer.poll(timeout_ms=200).values():
                for item in batch:
                    read[item.partition].append(Record(item.partition, item.offset, item.key, item.value))
    return [record for records in read.values() for record in records]


def _reached(records: Sequence[Record], end: int) -> bool:
    return bool(records) and records[-1].offset >= end


def last_offsets(sent: Sequence[Record]) -> dict[int, int]:
    """Return partition → the highest offset acknowledged in it."""
    return {number: max(r.offset for r in sent if r.partition == number) for number in {r.partition for r in sent}}


def first_offsets(sent: Sequence[Record]) -> dict[int, int]:
    """Return partition → the lowest offset acknowledged in it."""
    return {number: min(r.offset for r in sent if r.partition == number) for number in {r.partition for r in sent}}


def _leader(bootstrap: Sequence[str], topic: str, partitions: Iterable[int]) -> int:
    """Return a leader of these partitions: the active controller where it leads one, for the cluster has more to do.

    It is also back sooner. Another broker is let in again when its old session ends (broker.session.timeout.ms), a
    former controller at once: the new one starts without its session.
    """
    with clients.admin(bootstrap) as client:
        # Earlier restarts can have left the controller without a partition.
        client.elect_leaders(_PREFERRED, [topic])
        cluster = health.cluster_health(client)
    leaders = {item.leader for item in cluster.partitions if item.topic == topic and item.partition in set(partitions)}
    if not leaders:
        raise StackError("no-such-topic", f"there is no {topic}", hint="./invoke topics apply")
    return cluster.controller if cluster.controller in leaders else min(leaders)
