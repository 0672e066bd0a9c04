"""Consumer groups: who they are, how far behind, and moving or deleting their places.

Lag in records is the end of a partition less the committed offset; markers of transactions count, as in Kafka's own
tool. Lag in seconds is the age of the first record that the group has not committed yet, by that record's timestamp
(the producer's clock, KIP-32): how long the oldest unread record has been waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeAlias

from backbone.errors import ExitCode, StackError
from backbone.wait import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from backbone.wait import Clock

Untyped: TypeAlias = Any
"""A value of kafka-python, which publishes no types."""

Stamps: TypeAlias = dict[tuple[str, int, int], "int | None"]
"""(topic, partition, offset) → timestamp in ms of the first record at or behind it; None: only markers are left."""

Bounds: TypeAlias = "tuple[dict[Untyped, int], dict[Untyped, int]]"
"""First offset, and that of the next record, of partitions."""

SHARE = "share"
_CLASSIC = "classic"
_IDLE = frozenset({"Empty", "Dead"})
_READ_S = 5.0
_AT_ONCE = 200  # partitions read from at a time: moving to a place costs the consumer a look at all that it has
_LIST_HINT = "./invoke groups list"


@dataclass(frozen=True, slots=True)
class Group:
    """A group as its coordinator knows it. kind: classic, consumer (KIP-848) or share (KIP-932).

    protocol: what its members are: consumer, connect (the workers of Kafka Connect), share; "" when it has none yet.
    """

    name: str
    kind: str
    state: str
    protocol: str = "consumer"

    @property
    def active(self) -> bool:
        """Whether it has members, or is just getting some."""
        return self.state not in _IDLE


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a group, and the partitions it reads (TOPIC-PARTITION)."""

    client: str
    host: str
    partitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a group is in a partition. first: the oldest offset there is; end: that of the next record."""

    topic: str
    partition: int
    committed: int
    first: int
    end: int

    @property
    def lag(self) -> int:
        """Records it has not committed; those that retention took before it read them are no lag any more."""
        return max(0, self.end - self.next)

    @property
    def next(self) -> int:
        """Return the offset that the group would read next."""
        return max(self.committed, self.first)


@dataclass(frozen=True, slots=True)
class Move:
    """One place that a reset changes. before: None where the group has none yet."""

    topic: str
    partition: int
    before: int | None
    after: int


def find(client: Untyped) -> tuple[Group, ...]:
    """Return all groups by name, share groups among them."""
    listed = {each["group_id"]: each for each in client.list_groups()}
    return tuple(
        Group(
            name,
            each.get("group_type") or _CLASSIC,
            each.get("group_state") or "Unknown",
            each.get("protocol_type") or "",
        )
        for name, each in sorted(listed.items())
    )


def named(client: Untyped, name: str) -> Group:
    """Return one group; StackError("no-such-group") if there is none."""
    found = next((group for group in find(client) if group.name == name), None)
    if found is None:
        raise StackError("no-such-group", f"there is no group {name}", hint=_LIST_HINT, exit_code=ExitCode.USAGE)
    return found


def members(client: Untyped, groups: Sequence[Group]) -> dict[str, tuple[Member, ...]]:
    """Return the members of those groups that can be asked for them: consumers of either protocol, and share groups.

    What the workers of Kafka Connect and of other protocols hand each other is theirs alone.
    """
    from backbone.stack import newer_groups  # noqa: PLC0415 - slow, see backbone.clients

    found: dict[str, tuple[Member, ...]] = {}
    if names := [group.name for group in groups if group.kind == _CLASSIC and group.protocol in {"consumer", ""}]:
        described = client.describe_groups(names)
        found |= {name: tuple(map(_member, each["members"])) for name, each in described.items() if not each["error"]}
    for kind in newer_groups.REQUESTS:
        if names := [group.name for group in groups if group.kind == kind]:
            described = newer_groups.members(client, kind, names)
            found |= {name: tuple(map(_newer_member, each)) for name, each in described.items()}
    return found


def _member(body: Mapping[str, Any]) -> Member:
    assignment = body.get("member_assignment") or {}
    assigned = assignment.get("assigned_partitions", ()) if isinstance(assignment, dict) else ()
    partitions = (f"{each['topic']}-{number}" for each in assigned for number in each["partitions"])
    return Member(body["client_id"], body["client_host"].removeprefix("/"), tuple(partitions))


def _newer_member(body: Untyped) -> Member:
    assigned = body.assignment.topic_partitions
    partitions = (f"{each.topic_name}-{number}" for each in assigned for number in each.partitions)
    return Member(body.client_id, body.client_host.removeprefix("/"), tuple(partitions))


def places(
    client: Untyped, groups: Sequence[Group], look: Callable[[Untyped, Collection[Untyped]], Bounds] | None = None
) -> dict[str, tuple[Place, ...]]:
    """Return where each group is, by name: every partition with a committed offset whose topic is still there.

    Share groups commit no offsets of this kind; they have no places. look: tells the bounds of partitions.
    """
    held = committed(client, groups)
    if not held:
        return {}
    existing = _partitions(client)
    wanted = {each for found in held.values() for each in found if tuple(each) in existing}
    return placed(held, *(look or bounds)(client, wanted))


def committed(client: Untyped, groups: Sequence[Group]) -> dict[str, dict[Untyped, int]]:
    """Return the offset that each group has committed in each partition, by name; share groups commit none."""
    names = [group.name for group in groups if group.kind != SHARE]
    found = client.list_group_offsets(names) if names else {}
    return {
        name: {each: place.offset for each, place in sorted(places.items()) if place.offset >= 0}
        for name, places in found.items()
    }


def placed(
    committed: Mapping[str, Mapping[Untyped, int]], first: Mapping[Untyped, int], end: Mapping[Untyped, int]
) -> dict[str, tuple[Place, ...]]:
    """Return where each group is, of the partitions whose first and end offset are known."""
    return {
        name: tuple(
            Place(each.topic, each.partition, offset, first[each], end[each])
            for each, offset in held.items()
            if each in end
        )
        for name, held in committed.items()
    }


def lags(client: Untyped) -> dict[str, int]:
    """Return how many records each group has not committed; share groups are not in it."""
    return {name: sum(place.lag for place in held) for name, held in places(client, find(client)).items()}


def reading(client: Untyped, topic: str) -> list[str]:
    """Return the groups that have an offset on a topic."""
    found = places(client, find(client))
    return sorted(name for name, held in found.items() if any(place.topic == topic for place in held))


def _partitions(client: Untyped) -> set[tuple[str, int]]:
    described = client.describe_topics()
    return {(topic["name"], number) for topic in described for number in range(len(topic["partitions"]))}


def bounds(client: Untyped, partitions: Collection[Untyped]) -> Bounds:
    """Return the first offset, and that of the next record, of each partition."""
    return firsts(client, partitions), ends(client, partitions)


def firsts(client: Untyped, partitions: Collection[Untyped]) -> dict[Untyped, int]:
    """Return the first offset of each partition, which only retention and who deletes records move."""
    from kafka.admin import OffsetSpec  # noqa: PLC0415 - slow, see backbone.clients

    return _offsets(client, partitions, OffsetSpec.EARLIEST)


def ends(client: Untyped, partitions: Collection[Untyped]) -> dict[Untyped, int]:
    """Return the offset of each partition's next record."""
    from kafka.admin import OffsetSpec  # noqa: PLC0415 - slow, see backbone.clients

    return _offsets(client, partitions, OffsetSpec.LATEST)


def _offsets(client: Untyped, partitions: Collection[Untyped], spec: Untyped) -> dict[Untyped, int]:
    found = client.list_partition_offsets(dict.fromkeys(partitions, spec)) if partitions else {}
    return {each: place.offset for each, place in found.items()}


def waiting(
    consumer: Untyped,
    held: Mapping[str, Sequence[Place]],
    now_ms: float,
    clock: Clock = CLOCK,
    *,
    known: Stamps | None = None,
    within: float = _READ_S,
) -> dict[str, float | None]:
    """Return for each group how many seconds its oldest unread record has been waiting: 0 for none, None if unknown.

    consumer: one without a group. It reads one record at each place; nothing is committed. known: what was read before,
    to which what is read now is added, and in which only that stays. within: seconds that reading may take.
    """
    wanted = {(p.topic, p.partition, p.next): p for held_ in held.values() for p in held_ if p.lag}
    stamps: Stamps = {place: stamp for place, stamp in (known or {}).items() if place in wanted}
    new = [place for key, place in wanted.items() if key not in stamps]
    if new:
        stamps |= _timestamps(consumer, new, clock, within)
    if known is not None:  # markers may be followed by a record any time
        known.clear()
        known |= {place: stamp for place, stamp in stamps.items() if stamp is not None}
    found: dict[str, float | None] = {}
    for name, own in held.items():
        behind = [stamps.get((p.topic, p.partition, p.next), -1) for p in own if p.lag]
        timed = [stamp for stamp in behind if stamp is not None]  # None: nothing but markers is left there
        unknown = any(stamp < 0 for stamp in timed)
        found[name] = None if unknown else max((max(0.0, (now_ms - stamp) / 1000) for stamp in timed), default=0.0)
    return found


def _timestamps(consumer: Untyped, wanted: Sequence[Place], clock: Clock, within: float) -> Stamps:
    """Return the timestamp (ms) of the first record at or behind each place, None where only markers are left."""
    from kafka import TopicPartition  # noqa: PLC0415 - slow, see backbone.clients
    from kafka.errors import TopicAuthorizationFailedError  # noqa: PLC0415

    found: Stamps = {}
    rounds: list[dict[Untyped, Place]] = []  # two groups may be at two places of one partition: one a round
    for place in wanted:
        each = TopicPartition(place.topic, place.partition)
        free = next((some for some in rounds if each not in some and len(some) < _AT_ONCE), None)
        if free is None:
            rounds.append(free := {})
        free[each] = place
    deadline = clock.now() + within
    for missing in takewhile(lambda _: clock.now() < deadline, rounds):
        consumer.assign(list(missing))
        for each, place in missing.items():
            consumer.seek(each, place.next)
        while missing and clock.now() < deadline:
            try:
                came = {each: messages[0].timestamp for each, messages in consumer.poll(timeout_ms=200).items()}
            except TopicAuthorizationFailedError as error:
                # Who may only describe is told how many records wait, and not since when.
                for each in [each for each in missing if each.topic in error.args[0]]:
                    del missing[each]
                    consumer.pause(each)
                continue
            # A position is asked for only when nothing more comes: it costs more than a record.
            over = came or [each for each, place in missing.items() if consumer.position(each) >= place.end]
            for each in [each for each in over if each in missing]:
                place = missing.pop(each)
                found[place.topic, place.partition, place.next] = came.get(each)
                consumer.pause(each)
    return found


def plan_reset(
    client: Untyped, name: str, to: str, *, topic: str = "", partitions: Collection[int] = ()
) -> tuple[Move, ...]:
    """Return what moving a group would change: to earliest, latest, an offset, or a moment (ISO 8601).

    topic, partitions: only there. Offsets beyond what a partition holds become its first or its end. Raises
    StackError("no-such-group"), "share-group", "group-active", "no-group-place", "no-partition" or "unknown-start".
    """
    from kafka import TopicPartition  # noqa: PLC0415 - slow, see backbone.clients

    group = named(client, name)
    _refuse_share(group)
    _refuse_active(group)
    held = {(place.topic, place.partition): place.committed for place in places(client, [group]).get(name, ())}
    chosen = _chosen(_partitions(client), held, name, topic, partitions)
    asked = [TopicPartition(*each) for each in chosen]
    first, end = bounds(client, asked)
    targets = _targets(client, asked, to, first, end)
    return tuple(
        Move(each.topic, each.partition, held.get(tuple(each)), targets[each])
        for each in asked
        if held.get(tuple(each)) != targets[each]
    )


def _chosen(
    existing: set[tuple[str, int]],
    held: Mapping[tuple[str, int], int],
    name: str,
    topic: str,
    partitions: Collection[int],
) -> list[tuple[str, int]]:
    of_topic = {each for each in existing if each[0] == topic} if topic else set(held)
    if not of_topic:
        where = f"there is no topic {topic}" if topic else f"group {name} has no place in any topic"
        raise StackError("no-group-place", where, hint="./invoke topics list", exit_code=ExitCode.USAGE)
    if unknown := sorted(set(partitions) - {number for _, number in of_topic}):
        raise StackError("no-partition", f"there is no partition {unknown[0]} to move", exit_code=ExitCode.USAGE)
    return sorted(each for each in of_topic if not partitions or each[1] in partitions)


def _targets(
    client: Untyped, asked: Sequence[Untyped], to: str, first: Mapping[Untyped, int], end: Mapping[Untyped, int]
) -> Mapping[Untyped, int]:
    from kafka.admin import OffsetTimestamp  # noqa: PLC0415 - slow, see backbone.clients

    if to == "earliest":
        return first
    if to == "latest":
        return end
    if to.isascii() and to.isdigit() and len(to) < len(str(2**63)):
        return {each: min(max(int(to), first[each]), end[each]) for each in asked}
    try:
        moment = max(0, int(datetime.fromisoformat(to).timestamp() * 1000))
    except (ValueError, OverflowError, OSError) as error:
        raise StackError(
            "unknown-start",
            f"cannot move a group to {to[:60]!r}",
            hint="--to takes earliest, latest, an offset such as 42, or a moment such as 2026-01-31T12:00:00Z",
            exit_code=ExitCode.USAGE,
        ) from error
    found = client.list_partition_offsets({each: OffsetTimestamp(moment) for each in asked})
    # -1: every record is older, so the group goes on with the next one.
    return {each: end[each] if found[each].offset < 0 else found[each].offset for each in asked}


def reset(client: Untyped, name: str, moves: Sequence[Move]) -> None:
    """Commit the places of a plan; StackError("group-active") if a member came meanwhile: the broker refuses then.

    Raises Kafka's AuthorizationError for what no rule allows.
    """
    from kafka import TopicPartition  # noqa: PLC0415 - slow, see backbone.clients
    from kafka.errors import AuthorizationError  # noqa: PLC0415 - as above
    from kafka.structs import OffsetAndMetadata  # noqa: PLC0415 - as above

    wanted = {TopicPartition(m.topic, m.partition): OffsetAndMetadata(m.after, "", None) for m in moves}
    said = client.alter_group_offsets(name, wanted)
    refused = {each: error for each, error in said.items() if error.errno}
    for error in refused.values():
        if issubclass(error, AuthorizationError):
            raise error(name)
    if refused:
        words = "\n".join(f"{each.topic}-{each.partition}: {error.__name__}" for each, error in refused.items())
        raise StackError(
            "group-active",
            f"{len(refused)} of {len(said)} places of {name} were not moved",
            context=words,
            hint=f"./invoke groups describe {quote(name)}",
        )


def delete(client: Untyped, name: str) -> None:
    """Delete a group with its places; StackError("no-such-group"), "share-group", "group-active", "group-refused"."""
    group = named(client, name)
    _refuse_share(group)
    _refuse_active(group)
    said = client.delete_groups([name]).get(name, "OK")
    if said != "OK":
        raise StackError("group-refused", f"the cluster did not delete {name}: {said}", hint=_LIST_HINT)


def _refuse_share(group: Group) -> None:
    if group.kind == SHARE:
        raise StackError(
            "share-group",
            f"{group.name} is a share group: it has no offsets that can be moved or deleted from here",
            context="bin/kafka-share-groups.sh of Kafka's distribution does it",
            exit_code=ExitCode.USAGE,
        )


def _refuse_active(group: Group) -> None:
    if group.active:
        raise StackError(
            "group-active",
            f"group {group.name} has members (its state is {group.state}), which would write their own places over it",
            context="stop its consumers first; a connector's group is connect-NAME",
            hint=f"./invoke groups describe {quote(group.name)}",
        )
