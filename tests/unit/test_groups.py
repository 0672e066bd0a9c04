"""Consumer groups, on a cluster that answers and refuses as Kafka does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from kafka import TopicPartition
from kafka.admin import OffsetSpec, OffsetTimestamp
from kafka.errors import NoError, TopicAuthorizationFailedError, UnknownMemberIdError
from kafka.structs import OffsetAndMetadata, OffsetAndTimestamp

from backbone.errors import StackError
from backbone.stack import groups
from backbone.stack.groups import Group, Member, Move, Place
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

A0, A1, B0, GONE = (TopicPartition(*each) for each in (("a", 0), ("a", 1), ("b", 0), ("gone", 0)))


@dataclass
class FakeRecord:
    offset: int
    timestamp: int


@dataclass
class FakeCluster:
    """The admin client and a consumer of a cluster. logs: each partition's records; ends: behind the last marker."""

    logs: dict[TopicPartition, list[FakeRecord]]
    listed: list[dict[str, str]] = field(default_factory=list)
    committed: dict[str, dict[TopicPartition, int]] = field(default_factory=dict)
    joins: bool = False
    """A member joins between the look and the commit."""
    members: dict[str, list[Any]] = field(default_factory=dict)
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    paused: set[TopicPartition] = field(default_factory=set)
    markers: int = 0

    def list_groups(self) -> list[dict[str, str]]:
        return self.listed

    def describe_groups(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: {"error": None, "members": self.members.get(name, [])} for name in names}

    async def _find_coordinator_ids(self, names: Sequence[str]) -> dict[str, int]:
        return {name: len(name) % 3 for name in names}

    @property
    def _manager(self) -> FakeCluster:
        return self

    def run(self, ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return asyncio.run(ask())

    async def send(self, request: Any, node_id: int) -> Any:
        """Describe groups of the newer protocols; a coordinator knows its own only, and of the kind asked for."""
        kinds = {each["group_id"]: each["group_type"] for each in self.listed}
        asked = "share" if request.API_KEY == 77 else "consumer"
        return SimpleNamespace(
            groups=[
                SimpleNamespace(
                    group_id=name,
                    error_code=0 if (kinds.get(name), len(name) % 3) == (asked, node_id) else 69,
                    members=self.members.get(name, []),
                )
                for name in request.group_ids
            ]
        )

    def list_group_offsets(self, names: Sequence[str]) -> dict[str, dict[TopicPartition, OffsetAndMetadata]]:
        assert not any(each["group_type"] == "share" for each in self.listed if each["group_id"] in names)
        return {
            name: {where: OffsetAndMetadata(at, "", None) for where, at in self.committed.get(name, {}).items()}
            for name in names
        }

    def describe_topics(self) -> list[dict[str, Any]]:
        names = sorted({each.topic for each in self.logs})
        return [{"name": name, "partitions": [each for each in self.logs if each.topic == name]} for name in names]

    def list_partition_offsets(self, specs: Mapping[TopicPartition, Any]) -> dict[TopicPartition, OffsetAndTimestamp]:
        return {where: OffsetAndTimestamp(self._offset(where, spec), -1, None) for where, spec in specs.items()}

    def _offset(self, where: TopicPartition, spec: Any) -> int:
        log = self.logs[where]
        if isinstance(spec, OffsetTimestamp):
            return next((record.offset for record in log if record.timestamp >= spec), -1)
        return log[0].offset if spec == OffsetSpec.EARLIEST else self._end(where)

    def _end(self, where: TopicPartition) -> int:
        return self.logs[where][-1].offset + 1 + self.markers

    def alter_group_offsets(self, name: str, wanted: Mapping[TopicPartition, OffsetAndMetadata]) -> dict[Any, Any]:
        if self.joins:
            return dict.fromkeys(wanted, UnknownMemberIdError)
        self.committed.setdefault(name, {}).update({where: each.offset for where, each in wanted.items()})
        return dict.fromkeys(wanted, NoError)

    def delete_groups(self, names: Sequence[str]) -> dict[str, str]:
        if self.joins:
            return dict.fromkeys(names, "NonEmptyGroupError")
        self.listed = [each for each in self.listed if each["group_id"] not in names]
        return dict.fromkeys(names, "OK")

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        self.positions = dict.fromkeys(partitions, 0)
        self.paused.clear()

    def seek(self, where: TopicPartition, offset: int) -> None:
        self.positions[where] = offset

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused |= set(partitions)

    def position(self, where: TopicPartition) -> int:
        return self.positions[where]

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[FakeRecord]]:
        """Answer with what one partition has, as a broker may; markers move the position and are not given."""
        assert timeout_ms
        for where, position in self.positions.items():
            if where not in self.paused and position < self._end(where):
                self.positions[where] = self._end(where)
                if found := [record for record in self.logs[where] if record.offset >= position]:
                    return {where: found}
        return {}


def group(name: str, state: str = "Empty", kind: str = "classic", protocol: str = "consumer") -> dict[str, str]:
    return {"group_id": name, "group_state": state, "group_type": kind, "protocol_type": protocol}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster(
        {
            A0: [FakeRecord(offset, offset * 1000) for offset in range(10, 20)],
            A1: [FakeRecord(offset, offset * 1000) for offset in range(5)],
            B0: [FakeRecord(0, 50_000)],
        },
        [group("slow"), group("done"), group("busy", "Stable"), group("shared", "Stable", "share", "share")],
        {
            "slow": {A0: 15, A1: 5, GONE: 3},
            "done": {A0: 20, A1: 5},
            "busy": {A0: 3, B0: -1},
        },
    )


def test_all_groups_are_found_share_groups_among_them(cluster: FakeCluster) -> None:
    found = groups.find(cluster)
    assert [(each.name, each.kind, each.active) for each in found] == [
        ("busy", "classic", True),
        ("done", "classic", False),
        ("shared", "share", True),
        ("slow", "classic", False),
    ]


def test_places_count_what_is_unread_and_still_there(cluster: FakeCluster) -> None:
    found = groups.places(cluster, groups.find(cluster))
    assert found["slow"] == (Place("a", 0, 15, 10, 20), Place("a", 1, 5, 0, 5))
    assert {name: sum(place.lag for place in held) for name, held in found.items()} == {
        "slow": 5,
        "done": 0,
        "busy": 10,  # it stands before the first record that retention has left
    }
    assert groups.places(cluster, []) == {}
    assert groups.lags(cluster) == {"slow": 5, "done": 0, "busy": 10}


def test_groups_on_a_topic_are_those_with_an_offset_there(cluster: FakeCluster) -> None:
    assert groups.reading(cluster, "a") == ["busy", "done", "slow"]
    assert groups.reading(cluster, "b") == []


def test_seconds_are_the_age_of_the_oldest_unread_record(cluster: FakeCluster) -> None:
    held = groups.places(cluster, groups.find(cluster))
    found = groups.waiting(cluster, held, 100_000, FakeClock())
    assert found == {"slow": 85.0, "done": 0.0, "busy": 90.0}


def test_records_without_a_time_and_markers_alone_have_no_age(cluster: FakeCluster) -> None:
    cluster.markers = 1
    found = groups.waiting(cluster, {"a": [Place("b", 0, 1, 0, 2)]}, 100_000, FakeClock())
    assert found == {"a": 0.0}
    cluster.logs[B0] = [FakeRecord(0, -1)]
    assert groups.waiting(cluster, {"a": [Place("b", 0, 0, 0, 2)]}, 100_000, FakeClock()) == {"a": None}


def test_a_broker_that_gives_nothing_is_not_waited_for_without_end(cluster: FakeCluster) -> None:
    clock = FakeClock()

    class Silent(FakeCluster):
        def poll(self, timeout_ms: int) -> dict[TopicPartition, list[FakeRecord]]:
            clock.sleep(timeout_ms / 1000)
            return {}

    silent = Silent(cluster.logs)
    assert groups.waiting(silent, {"a": [Place("b", 0, 0, 0, 1)]}, 0, clock) == {"a": None}
    assert clock.time < 10


def test_who_may_not_read_a_topic_is_not_told_since_when_its_records_wait(cluster: FakeCluster) -> None:
    class Refusing(FakeCluster):
        def poll(self, timeout_ms: int) -> dict[TopicPartition, list[FakeRecord]]:
            raise TopicAuthorizationFailedError({"b"}, timeout_ms)

    assert groups.waiting(Refusing(cluster.logs), {"a": [Place("b", 0, 0, 0, 1)]}, 0, FakeClock()) == {"a": None}


def test_what_was_read_of_a_place_is_not_read_again(cluster: FakeCluster) -> None:
    held = groups.places(cluster, groups.find(cluster))
    known: groups.Stamps = {}
    first = groups.waiting(cluster, held, 100_000, FakeClock(), known=known)
    later = groups.waiting(None, held, 110_000, FakeClock(), known=known)
    assert later == {name: seconds and seconds + 10 for name, seconds in first.items()}
    assert groups.waiting(None, {}, 110_000, FakeClock(), known=known) == {}
    assert not known, "places that nobody is at any more are forgotten"


def test_members_are_shown_with_what_they_read(cluster: FakeCluster) -> None:
    assigned = {"assigned_partitions": [{"topic": "a", "partitions": [0, 1]}]}
    cluster.members["busy"] = [
        {"client_id": "c", "client_host": "/127.0.0.1", "member_assignment": assigned},
        {"client_id": "new", "client_host": "/127.0.0.1", "member_assignment": b""},
    ]
    found = groups.members(cluster, [*groups.find(cluster), Group("connect", "classic", "Stable", "connect")])
    assert found["busy"] == (Member("c", "127.0.0.1", ("a-0", "a-1")), Member("new", "127.0.0.1", ()))
    assert set(found) == {"busy", "done", "slow", "shared"}


def test_members_of_the_newer_protocols_are_asked_of_their_coordinators(cluster: FakeCluster) -> None:
    assigned = SimpleNamespace(topic_partitions=[SimpleNamespace(topic_name="a", partitions=[0, 1])])
    worker = SimpleNamespace(client_id="w", client_host="/127.0.0.1", assignment=assigned)
    cluster.listed += [group("next", "Stable", "consumer"), group("nobody", "Empty", "consumer")]
    cluster.members |= {"next": [worker], "shared": [worker, worker]}
    gone = Group("went meanwhile", "share", "Stable")
    found = groups.members(cluster, [*groups.find(cluster), gone])
    member = Member("w", "127.0.0.1", ("a-0", "a-1"))
    assert (found["next"], found["shared"], found["nobody"]) == ((member,), (member, member), ())
    assert gone.name not in found


@pytest.mark.parametrize(
    ("to", "after"),
    [
        ("earliest", {A0: 10, A1: 0}),
        ("latest", {A0: 20}),
        ("12", {A0: 12}),
        ("1", {A0: 10, A1: 1}),
        ("999", {A0: 20}),
        ("1970-01-01T00:00:03+00:00", {A0: 10, A1: 3}),
        ("2100-01-01T00:00:00Z", {A0: 20}),
    ],
)
def test_a_reset_is_planned_and_then_done(cluster: FakeCluster, to: str, after: dict[Any, int]) -> None:
    before = dict(cluster.committed["slow"])
    moves = groups.plan_reset(cluster, "slow", to)
    assert {TopicPartition(move.topic, move.partition): move.after for move in moves} == after
    assert cluster.committed["slow"] == before
    groups.reset(cluster, "slow", moves)
    assert cluster.committed["slow"] == before | after
    assert groups.plan_reset(cluster, "slow", to) == ()


def test_a_reset_keeps_to_topic_and_partitions(cluster: FakeCluster) -> None:
    assert groups.plan_reset(cluster, "slow", "earliest", topic="a", partitions={1}) == (Move("a", 1, 5, 0),)
    assert groups.plan_reset(cluster, "slow", "latest", topic="b") == (Move("b", 0, None, 1),)


@pytest.mark.parametrize(
    ("name", "to", "where", "reference"),
    [
        ("nobody", "earliest", {}, "no-such-group"),
        ("shared", "earliest", {}, "share-group"),
        ("busy", "earliest", {}, "group-active"),
        ("slow", "yesterday", {}, "unknown-start"),
        ("slow", "9" * 30, {}, "unknown-start"),
        ("slow", "earliest", {"topic": "none"}, "no-group-place"),
        ("slow", "earliest", {"partitions": {7}}, "no-partition"),
    ],
)
def test_what_cannot_be_reset_is_refused(
    cluster: FakeCluster, name: str, to: str, where: dict[str, Any], reference: str
) -> None:
    with pytest.raises(StackError) as caught:
        groups.plan_reset(cluster, name, to, **where)
    assert caught.value.reference == reference


def test_a_member_that_joins_meanwhile_wins(cluster: FakeCluster) -> None:
    moves = groups.plan_reset(cluster, "slow", "earliest")
    cluster.joins = True
    with pytest.raises(StackError) as caught:
        groups.reset(cluster, "slow", moves)
    assert caught.value.reference == "group-active"
    assert "a-0: UnknownMemberIdError" in str(caught.value.context)
    with pytest.raises(StackError) as caught:
        groups.delete(cluster, "slow")
    assert caught.value.reference == "group-refused"


def test_only_an_idle_group_is_deleted(cluster: FakeCluster) -> None:
    for name, reference in (("busy", "group-active"), ("shared", "share-group"), ("nobody", "no-such-group")):
        with pytest.raises(StackError) as caught:
            groups.delete(cluster, name)
        assert caught.value.reference == reference
    groups.delete(cluster, "done")
    assert [each.name for each in groups.find(cluster)] == ["busy", "shared", "slow"]


def test_many_partitions_cost_no_question_each(cluster: FakeCluster) -> None:
    """A consumer looks through all that it has for each it is moved in; asked for a position it changes threads."""

    @dataclass
    class Counting(FakeCluster):
        most: int = 0
        asked: int = 0

        def assign(self, partitions: Sequence[TopicPartition]) -> None:
            super().assign(partitions)
            self.most = max(self.most, len(partitions))

        def position(self, where: TopicPartition) -> int:
            self.asked += 1
            return super().position(where)

    many = Counting({TopicPartition("m", number): [FakeRecord(0, 90_000)] for number in range(500)})
    held = {"a": [Place("m", number, 0, 0, 1) for number in range(500)]}
    assert groups.waiting(many, held, 100_000, FakeClock()) == {"a": 10.0}
    assert many.most <= 200
    assert many.asked == 0
