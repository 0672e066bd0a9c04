"""The smoke test: real messages through a real cluster, compared field by field (VAL-MSG-003, STORY-MSG-01).

It says "lost" of a record only when it has read past its place, or when the log ends before it: one that was not
reached in time is not judged. docs/verdicts.md lists what makes each check say no.
"""

from __future__ import annotations

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
from backbone.wait import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from kafka import KafkaProducer
    from kafka.admin import KafkaAdminClient

    from backbone.stack.health import ClusterHealth
    from backbone.wait import Clock

EVENTS_TOPIC = "events-topic"
_SEND_TIMEOUT_S = 30
_READ_TIMEOUT_S = 30
_PREFERRED = 0  # the election type of Kafka's ElectLeaders request
_SETTLE_S = 10  # how long a new topic may take until each broker holds its replicas
_SHOWN = 3  # how many differences are told; the rest is counted


@dataclass(frozen=True, slots=True)
class Record:
    """One record, with the place the cluster acknowledged."""

    partition: int
    offset: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Readback:
    """What was read of a topic, and how far.

    By partition, when reading stopped: the log's first offset, the next one to be read, and the log's end.
    """

    records: Sequence[Record]
    first: Mapping[int, int]
    position: Mapping[int, int]
    end: Mapping[int, int]

    def passed(self, record: Record) -> bool:
        """Tell whether a record would have been seen if it were there: reading went past it, or the log ends before."""
        return record.offset < self.position[record.partition] or record.offset >= self.end[record.partition]

    def removed(self, record: Record) -> bool:
        """Tell whether the log begins after a record: the topic's retention took it."""
        return record.offset < self.first[record.partition]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does. restart: stops and starts the broker with that id; None where that is not ours to do.

    events: send to events-topic as well; not to a topic of somebody else's, whose offsets would move.
    """

    bootstrap: Sequence[str]
    records: int
    restart: Callable[[int], None] | None
    partitions: int = 3
    ledger: Ledger = NO_LEDGER
    events: bool = True


def run(plan: Plan, clock: Clock = CLOCK) -> Verdict:
    """Carry out the smoke test and clean up after it, whatever happens; StackError("no-broker") if none answers."""
    with clients.admin(plan.bootstrap):
        pass
    checks = Checks("smoke")
    own = f"smoke-{uuid.uuid4().hex[:12]}"
    trace = leftovers.Trace("topic", own, tuple(plan.bootstrap), "smoke")
    plan.ledger.note(trace)
    try:
        try:
            _round_trip(plan, own, checks, clock)
            if plan.events:
                _archived(plan, checks, clock)
        finally:
            _clean_up(plan.ledger, trace, checks)
    except StepFailedError:
        pass
    return checks.verdict()


def _round_trip(plan: Plan, topic: str, checks: Checks, clock: Clock) -> None:
    """Own topic: replicas, acknowledged offsets, and every record read back in order."""
    with checks.step("topic is created with all replicas") as found, clients.admin(plan.bootstrap) as client:
        before = health.cluster_health(client)
        topics.create(client, topics.Topic(topic, plan.partitions))
        found.extend(replica_report(before, _settled(client, topic, clock), topic))
    with checks.step("records are acknowledged by all in-sync replicas") as found:
        sent = _send(plan.bootstrap, topic, _payload(plan.records), found)
        found.append(Line(f"{len(sent)} records, acks=all"))
    with checks.step("records are read back as they were sent") as found:
        found.extend(compare(sent, _read(plan.bootstrap, topic, last_offsets(sent), clock)))


def _archived(plan: Plan, checks: Checks, clock: Clock) -> None:
    """events-topic: what is sent is still readable for a fresh consumer when its leader was restarted.

    It goes in a transaction that is aborted in the end: an archive reads what is committed and never meets it.
    """
    producer = clients.producer(plan.bootstrap, transactional_id=f"smoke-{uuid.uuid4()}")
    try:
        with checks.step(f"records reach {EVENTS_TOPIC}") as found, _answering(EVENTS_TOPIC):
            producer.init_transactions()
            producer.begin_transaction()
            sent = _acknowledged(producer, EVENTS_TOPIC, _payload(min(plan.records, 30)), found)
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
                starts, ends = first_offsets(sent), last_offsets(sent)
                found.extend(compare(sent, _read(plan.bootstrap, EVENTS_TOPIC, ends, clock, starts)))
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


def _settled(client: KafkaAdminClient, topic: str, clock: Clock) -> ClusterHealth:
    """Return the cluster once all partitions of a topic are told with all replicas in sync, or as it is in the end."""
    deadline = clock.now() + _SETTLE_S
    while True:
        cluster = health.cluster_health(client)
        own = [item for item in cluster.partitions if item.topic == topic]
        if (own and all(set(item.isr) == set(item.replicas) for item in own)) or clock.now() >= deadline:
            return cluster
        clock.sleep(0.2)


def replica_report(before: ClusterHealth, cluster: ClusterHealth, topic: str) -> Iterator[Line]:
    """Say whether each partition has as many distinct, in-sync replicas as the cluster can hold (up to 3).

    before: the cluster when the topic was asked for. If brokers came or went meanwhile, nothing is said of replicas.
    """
    if before.brokers != cluster.brokers:
        yield Line(f"the brokers alive changed meanwhile, from {before.brokers} to {cluster.brokers}", ok=None)
        return
    wanted = min(3, len(cluster.brokers))
    partitions = [item for item in cluster.partitions if item.topic == topic]
    if not partitions:
        yield Line(f"{topic} has no partitions", ok=False)
    for item in partitions:
        if len(set(item.replicas)) != wanted or set(item.isr) != set(item.replicas):
            held = f"replicas {item.replicas}, in sync {item.isr}"
            yield Line(f"partition {item.partition}: {held}, wanted {wanted}", ok=False)
    yield Line(f"{len(partitions)} partitions × {wanted} replicas, all in sync")


def compare(sent: Sequence[Record], back: Readback) -> Iterator[Line]:
    """Say how what was read differs from what was acknowledged: lost, altered, moved, reordered, or nothing of these.

    Records of others between ours are allowed (events-topic is shared); ours must be where they were acknowledged.
    """
    read = back.records
    found = {(record.partition, record.offset): record for record in read}
    missing = [record for record in sent if (record.partition, record.offset) not in found]
    removed = [record for record in missing if back.removed(record)]
    lost = [record for record in missing if record not in removed and back.passed(record)]
    unread = [record for record in missing if record not in removed and not back.passed(record)]
    altered = [record for record in sent if record != found.get((record.partition, record.offset), record)]
    yield from _differences("lost", lost)
    yield from _differences("removed by the retention of the topic before they were read", removed, ok=None)
    yield from _differences(f"not reached in {_READ_TIMEOUT_S} s", unread, ok=None)
    yield from _differences("altered", altered)
    reordered = [now for before, now in _neighbours(read) if before.offset >= now.offset]
    yield from _differences("out of order", reordered)
    swapped = [now for before, now in _neighbours(sent) if before.offset >= now.offset]
    yield from _differences("not stored in the order they were sent", swapped)
    keys = {(record.key, record.value) for record in sent}
    places = {(record.partition, record.offset) for record in sent}
    again = [item for item in read if (item.key, item.value) in keys and (item.partition, item.offset) not in places]
    yield from _differences("stored twice", again)
    yield Line(f"{len(sent)} sent, {len(sent) - len(missing)} read, 0 lost, 0 altered, 0 reordered, 0 duplicated")


def _differences(kind: str, records: Sequence[Record], *, ok: bool | None = False) -> Iterator[Line]:
    if records:
        shown = ", ".join(f"{record.partition}@{record.offset}" for record in records[:_SHOWN])
        yield Line(f"{len(records)} {kind}: {shown}{'' if len(records) <= _SHOWN else ' …'}", ok=ok)


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


def _send(bootstrap: Sequence[str], topic: str, payload: Mapping[bytes, bytes], found: list[Line]) -> list[Record]:
    producer = clients.producer(bootstrap)
    try:
        with _answering(topic):
            return _acknowledged(producer, topic, payload, found)
    finally:
        producer.close(timeout=1)


def _answering(topic: str) -> AbstractContextManager[None]:
    return clients.errors_as("send-failed", f"it is not known whether {topic} took the records")


def _acknowledged(
    producer: KafkaProducer, topic: str, payload: Mapping[bytes, bytes], found: list[Line]
) -> list[Record]:
    """Send and return what was acknowledged. A rejection for good is told as found; any other error proves nothing."""
    from kafka import errors  # noqa: PLC0415 - slow, see backbone.clients

    futures = [(key, value, producer.send(topic, key=key, value=value)) for key, value in payload.items()]
    done = []
    for key, value, future in futures:
        try:
            meta = future.get(timeout=_SEND_TIMEOUT_S)
        except (errors.AuthorizationError, errors.InvalidRecordError, errors.MessageSizeTooLargeError) as error:
            found.append(Line(f"{topic} rejected a record: {error}"[:400], ok=False))
            raise StepFailedError from error
        done.append(Record(meta.partition, meta.offset, key, value))
    return done


def _read(
    bootstrap: Sequence[str], topic: str, ends: Mapping[int, int], clock: Clock, starts: Mapping[int, int] | None = None
) -> Readback:
    """Read a topic with a fresh consumer from `starts` (or the beginning) up to the offsets `ends`, inclusive.

    A broker that does not answer for a moment is waited for until the time is over.
    """
    from kafka import TopicPartition  # noqa: PLC0415 - slow, see backbone.clients
    from kafka.errors import KafkaError  # noqa: PLC0415

    partitions = {number: TopicPartition(topic, number) for number in ends}
    # What it looks for on events-topic is never committed.
    consumer = clients.consumer(bootstrap, isolation_level="read_uncommitted", fetch_max_wait_ms=50)
    with closing(consumer), clients.errors_as("kafka-request", f"{topic} could not be read to its end"):
        consumer.assign(list(partitions.values()))
        for number, start in (starts or dict.fromkeys(ends, 0)).items():
            consumer.seek(partitions[number], start)
        read: dict[int, list[Record]] = defaultdict(list)
        deadline = clock.now() + _READ_TIMEOUT_S
        while clock.now() < deadline and any(not _reached(read[number], end) for number, end in ends.items()):
            try:
                batches = consumer.poll(timeout_ms=200)
            except KafkaError as error:
                if not error.retriable:
                    raise
                clock.sleep(0.2)
                continue
            for batch in batches.values():
                for item in batch:
                    read[item.partition].append(Record(item.partition, item.offset, item.key, item.value))
        named = list(partitions.values())
        return Readback(
            [record for records in read.values() for record in records],
            first={each.partition: offset for each, offset in consumer.beginning_offsets(named).items()},
            position={number: consumer.position(each) for number, each in partitions.items()},
            end={each.partition: offset for each, offset in consumer.end_offsets(named).items()},
        )


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
