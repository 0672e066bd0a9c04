"""What the pages show of a cluster, asked over one connection that stays open and is opened anew when it broke."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from backbone import clients
from backbone.errors import StackError
from backbone.stack import groups, health, topic_rules
from backbone.wait import CLOCK, Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from backbone.stack.groups import Group, Place
    from backbone.stack.health import ClusterHealth, PartitionState

Untyped: TypeAlias = Any
"""A value of kafka-python, which publishes no types."""

_SELDOM_S = 30.0
_READ_S = 0.3  # records whose time is not read by then are read at the next look
_ASK_MS = 1_500  # a page must say within 3 s that a broker is gone


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic in the list. per_second: records that came a second since the look before; lags: group → records."""

    name: str
    partitions: tuple[PartitionState, ...]
    bytes: int
    records: int
    per_second: float | None
    lags: Mapping[str, int]

    @property
    def internal(self) -> bool:
        """Whether Kafka, the registry or Connect keep their own memory in it."""
        return bool(topic_rules.memory(self.name))

    @property
    def replicas(self) -> int:
        """Copies of each partition."""
        return len(self.partitions[0].replicas)

    @property
    def trouble(self) -> str:
        """What is wrong with its partitions, in a word or two; "" if nothing is."""
        if any(each.leader < 0 for each in self.partitions):
            return "offline"
        if any(len(each.isr) < min(each.min_isr, len(each.replicas)) for each in self.partitions):
            return "under min ISR"
        return "under-replicated" if any(len(each.isr) < len(each.replicas) for each in self.partitions) else ""


@dataclass(frozen=True, slots=True)
class Follower:
    """A consumer group with its places, and how many records and seconds it is behind (None: unknown)."""

    group: Group
    places: tuple[Place, ...]
    seconds: float | None

    @property
    def lag(self) -> int:
        """Records it has not committed."""
        return sum(place.lag for place in self.places)


@dataclass(slots=True)
class _Seldom:
    """What is known of some things that change seldom; forgotten after half a minute."""

    _known: dict[Untyped, int] = field(default_factory=dict)
    _since: float = float("-inf")

    def of(
        self, things: Iterable[Untyped], ask: Callable[[list[Untyped]], Mapping[Untyped, int]], now: float
    ) -> dict[Untyped, int]:
        """Return what is known, after asking for those of these things that are not. now: in seconds."""
        if now - self._since > _SELDOM_S:
            self._known, self._since = {}, now
        self._known |= ask([each for each in things if each not in self._known])
        return self._known


@dataclass(slots=True)
class Cluster:
    """A cluster behind some addresses. Every method raises StackError; nothing joins a group or commits an offset."""

    bootstrap: Sequence[str]
    clock: Clock = CLOCK
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: ExitStack | None = None
    _client: Untyped = None
    _ends: dict[str, tuple[float, int]] = field(default_factory=dict)
    _stamps: groups.Stamps = field(default_factory=dict)
    _least: _Seldom = field(default_factory=_Seldom)
    _firsts: _Seldom = field(default_factory=_Seldom)
    _bytes: Mapping[str, int] = field(default_factory=dict)
    _bytes_at: float = float("-inf")

    def ask(self, question: Callable[[Untyped], Any]) -> Any:
        """Put a question to the cluster by the open admin client; one that failed is closed and forgotten."""
        with self._lock:
            try:
                if self._client is None:
                    self._open = ExitStack()
                    opening = clients.admin(self.bootstrap, request_timeout_ms=_ASK_MS, bootstrap_timeout_ms=_ASK_MS)
                    self._client = self._open.enter_context(opening)
                with clients.errors_as("kafka-request", "the cluster refused or did not answer a request"):
                    return question(self._client)
            except StackError:
                self._forget()
                raise

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open = self._client = None

    def health(self) -> ClusterHealth:
        """Return who is alive, who leads the quorum, and every partition."""
        found: ClusterHealth = self.ask(
            lambda client: health.cluster_health(client, lambda topics: self._min_isr(client, topics))
        )
        return found

    def _min_isr(self, client: Untyped, topics: Sequence[str]) -> Mapping[str, int]:
        """Return min.insync.replicas by topic, asked for again after half a minute: it changes seldom."""
        return self._least.of(topics, lambda unknown: health.min_isr(client, unknown), self.clock.now())

    def _bounds(self, client: Untyped, partitions: Collection[Untyped]) -> groups.Bounds:
        """Return first and end offset of partitions; the first ones change seldom, as above."""
        firsts = self._firsts.of(partitions, lambda unknown: groups.firsts(client, unknown), self.clock.now())
        return firsts, groups.ends(client, partitions)

    def _sizes(self) -> Mapping[str, int]:
        """Return bytes by topic, asked for again after half a minute: each broker looks at each of its folders."""
        if self.clock.now() - self._bytes_at > _SELDOM_S:
            self._bytes, self._bytes_at = self.ask(_sizes), self.clock.now()
        return self._bytes

    def topics(self) -> list[Topic]:
        """Return every topic with its size (bytes of all replicas), rate and the lag of its groups."""
        described = self.health()
        by_name: dict[str, list[PartitionState]] = {}
        for partition in described.partitions:
            by_name.setdefault(partition.topic, []).append(partition)
        first, end = self.ask(lambda client: self._bounds(client, _led(described.partitions)))
        ends = _records(first, end)
        sizes = self._sizes()
        held = self.ask(lambda client: groups.committed(client, groups.find(client)))
        lags = _lags(groups.placed(held, first, end))
        now = self.clock.now()
        return [
            Topic(
                name,
                tuple(partitions),
                sizes.get(name, 0),
                ends.get(name, (0, 0))[1],
                self._rate(name, now, ends.get(name, (0, 0))[0]),
                lags.get(name, {}),
            )
            for name, partitions in sorted(by_name.items())
        ]

    def _rate(self, topic: str, now: float, end: int) -> float | None:
        before = self._ends.get(topic)
        self._ends[topic] = (now, end)
        if before is None or now <= before[0]:
            return None
        return max(0.0, (end - before[1]) / (now - before[0]))

    def settings(self, topic: str) -> list[tuple[str, str, str]]:
        """Return (setting, value, where it was set) of a topic, those that were set for it first."""
        from kafka.admin import ConfigResource, ConfigResourceType  # noqa: PLC0415 - slow, see backbone.clients

        asked = [ConfigResource(ConfigResourceType.TOPIC, topic)]
        described = self.ask(lambda client: client.describe_configs(asked, config_filter="all"))["topic"][topic]
        found = [(name, str(each["value"]), str(each.get("config_source", ""))) for name, each in described.items()]
        return sorted(found, key=lambda each: ("TOPIC" not in each[2].upper(), each[0]))

    def places(self) -> Mapping[str, Sequence[Place]]:
        """Return where each group is, by name; share groups have no places."""
        found: Mapping[str, Sequence[Place]] = self.ask(
            lambda client: groups.places(client, groups.find(client), self._bounds)
        )
        return found

    def followers(self) -> list[Follower]:
        """Return every group, those that are farthest behind first."""

        def question(client: Untyped) -> list[Follower]:
            found = groups.find(client)
            places = groups.places(client, found, self._bounds)
            return [Follower(group, places.get(group.name, ()), None) for group in found]

        found: list[Follower] = self.ask(question)
        behind = {each.group.name: each.places for each in found if each.lag}
        seconds = self._waiting(behind) if behind else {}
        timed = [replace(each, seconds=seconds.get(each.group.name, 0.0)) for each in found]
        return sorted(timed, key=lambda each: (-each.lag, each.group.name))

    def _waiting(self, held: Mapping[str, Sequence[Place]]) -> Mapping[str, float | None]:
        behind = ((each.topic, each.partition, each.next) for own in held.values() for each in own if each.lag)
        if all(place in self._stamps for place in behind):
            return groups.waiting(None, held, time.time() * 1000, known=self._stamps)
        # Of each partition only its first record is wanted, and of many partitions at once.
        limits = {"fetch_max_wait_ms": 100, "max_partition_fetch_bytes": 64 << 10, "fetch_max_bytes": 8 << 20}
        with closing(clients.consumer(self.bootstrap, **limits)) as consumer:
            return groups.waiting(consumer, held, time.time() * 1000, self.clock, known=self._stamps, within=_READ_S)


def _led(partitions: Sequence[PartitionState]) -> list[Untyped]:
    """Return the partitions that have a leader, who alone tells offsets."""
    from kafka import TopicPartition  # noqa: PLC0415 - slow, see backbone.clients

    return [TopicPartition(each.topic, each.partition) for each in partitions if each.leader >= 0]


def _records(first: Mapping[Untyped, int], end: Mapping[Untyped, int]) -> dict[str, tuple[int, int]]:
    """Return topic → (sum of the end offsets, offsets between first and end)."""
    found: dict[str, tuple[int, int]] = {}
    for each, offset in end.items():
        ends, held = found.get(each.topic, (0, 0))
        # A topic that was made anew meanwhile begins before the first offset that was told of the former one.
        found[each.topic] = (ends + offset, held + max(0, offset - first[each]))
    return found


def _sizes(client: Untyped) -> dict[str, int]:
    """Return topic → bytes on the disks of all brokers (DescribeLogDirs, KIP-113)."""
    found: dict[str, int] = {}
    for broker in client.describe_log_dirs():
        for folder in broker["log_dirs"] if "log_dirs" in broker else broker["results"]:
            for topic in folder["topics"]:
                name = topic["name"]
                found[name] = found.get(name, 0) + sum(each["partition_size"] for each in topic["partitions"])
    return found


def _lags(places: Mapping[str, Sequence[Place]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for group, held in places.items():
        for place in held:
            of_topic = found.setdefault(place.topic, {})
            of_topic[group] = of_topic.get(group, 0) + place.lag
    return found
