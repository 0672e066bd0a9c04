"""Dead letters: one place counts once, causes are grouped, and each record is sent again once."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from backbone.errors import StackError
from backbone.events import dead_letters, replaying
from backbone.events.dead_letters import MARK, REPLAYED_FROM, Box, Letter, Place
from tests.fake_kafka import FakeKafka

if TYPE_CHECKING:
    from collections.abc import Iterable

TOPIC = "t.dead-letters"
NUL = "22021 ERROR: invalid byte sequence for encoding"


class Cluster:
    """A topic and its dead letters: what is sent again is refused with the reason that `refuse` gives for its value."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.topic: list[tuple[bytes | None, list[tuple[str, bytes]]]] = []
        self.refuse: dict[bytes, str] = {}
        self._time = count(1_000, 1_000)

    def put_aside(
        self, offset: int, reason: str = NUL, *, key: bytes = b"k", own: Any = (), value: bytes = b"v"
    ) -> None:
        told = {"topic": "t", "partition": "0", "offset": str(offset), "exception.message": reason}
        headers = [*own, *((f"__connect.errors.{name}", text.encode()) for name, text in told.items())]
        self._append(key, value, headers)

    def box(self) -> Box:
        return dead_letters.read(TOPIC, self.messages)

    def send(self, letters: Iterable[Letter]) -> None:
        for letter in letters:
            origin = str(letter.origin).encode()
            own = [(REPLAYED_FROM, origin)]
            self.topic.append((letter.key, own))
            self._append(letter.key, None, [(MARK, origin)])
            if letter.value in self.refuse:
                offset = 1_000 + len(self.topic)
                self.put_aside(offset, self.refuse[letter.value], own=own, value=letter.value)

    def _append(self, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        self.messages.append(
            SimpleNamespace(
                topic=TOPIC,
                partition=0,
                offset=len(self.messages),
                timestamp=next(self._time),
                key=key,
                value=value,
                headers=headers,
            )
        )


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    """A topic and its dead letters in a cluster in memory."""
    made = FakeKafka().patch(monkeypatch)
    made.make("t", 1)
    made.make(TOPIC, 1)
    return made


def letter_headers(offset: int, reason: str = NUL) -> list[tuple[str, bytes]]:
    told = {"topic": "t", "partition": "0", "offset": str(offset), "exception.message": reason}
    return [(f"__connect.errors.{name}", text.encode()) for name, text in told.items()]


def test_what_waits_is_told_with_the_newest_and_what_was_sent_again_is_not(kafka: FakeKafka) -> None:
    assert dead_letters.waiting(["b"], [TOPIC, None, "gone"]) == ()
    for offset, reason in enumerate((NUL, "42804 ERROR: another type")):
        kafka.append(TOPIC, b"k", b"v", headers=letter_headers(offset, reason))
    (found,) = dead_letters.waiting(["b"], [TOPIC, TOPIC])
    assert str(found) == (
        f"2 records wait in {TOPIC}, the newest since 1970-01-01 00:00:01 UTC: 42804 ERROR: another type"
    )
    replaying.send_again(["b"], TOPIC, {}, rate=100, again=False, dry=False)
    assert dead_letters.waiting(["b"], [TOPIC, None, "gone"]) == ()


def test_a_record_whose_header_is_null_is_sent_again(kafka: FakeKafka) -> None:
    kafka.append(TOPIC, b"k", b"v", headers=[("own", None), (REPLAYED_FROM, None), *letter_headers(7)])
    replaying.send_again(["b"], TOPIC, {}, rate=100, again=False, dry=False)
    (sent,) = kafka.messages("t")
    assert (sent.key, sent.value) == (b"k", b"v")
    assert sent.headers == [("own", b""), (REPLAYED_FROM, b"t-0@7")]


def test_records_without_key_or_value_are_sent_again_and_discarded(kafka: FakeKafka) -> None:
    for offset, (key, value) in enumerate([(None, b"v"), (b"k", None), (None, None)]):
        kafka.append(TOPIC, key, value, headers=letter_headers(offset))
    due = replaying.send_again(["b"], TOPIC, {}, rate=100, again=False, dry=False)
    assert [(each.key, each.value) for each in kafka.messages("t")] == [(None, b"v"), (b"k", None)]
    assert [letter.origin for letter in due.homeless] == [Place("t", 0, 2)]
    assert replaying.discard(["b"], TOPIC, Box.waiting) == 1
    assert dead_letters.waiting(["b"], [TOPIC]) == ()
    (group,) = dead_letters.groups(dead_letters.open_box(["b"], TOPIC))
    assert (group.letters, group.replayed, group.discarded) == (3, 2, 1)


def again(cluster: Cluster, **options: Any) -> int:
    """Send again what is due, as the task does."""
    box = cluster.box()
    return replaying.replay(dead_letters.due(box, box.waiting(), **options).send, cluster.send, rate=1e6)


def test_a_place_that_lies_there_twice_counts_once() -> None:
    cluster = Cluster()
    for offset in (4, 4, 5):
        cluster.put_aside(offset)
    box = cluster.box()
    assert [letter.origin for letter in box.waiting()] == [Place("t", 0, 4), Place("t", 0, 5)]
    assert box.copies == 1


def test_causes_are_grouped_with_counts_first_and_last() -> None:
    cluster = Cluster()
    cluster.put_aside(1)
    cluster.put_aside(2, "artifact reference cannot be null")
    cluster.put_aside(3)
    cluster.messages[1].headers.append(("__connect.errors.exception.class.name", b"org.apache.Failure$Deep"))
    first, second = dead_letters.groups(cluster.box())
    assert (first.cause, first.letters, first.replayed, first.reason) == ("22021", 2, 0, NUL)
    assert (first.first.timestamp(), first.last.timestamp()) == (1, 3)
    assert (second.cause, second.letters) == ("Deep", 1)


def test_a_key_that_is_no_text_is_chosen_as_the_shell_gives_it() -> None:
    cluster = Cluster()
    cluster.put_aside(1, key=b"\xff")
    assert len(dead_letters.select(cluster.box().waiting(), key="\udcff")) == 1


def test_letters_are_chosen_by_cause_key_and_place() -> None:
    cluster = Cluster()
    cluster.put_aside(1, key=b"a")
    cluster.put_aside(2, "23514 ERROR: check", key=b"b")
    letters = cluster.box().waiting()
    for only in ({"cause": "23514"}, {"key": "b"}, {"place": "t-0@2"}, {"place": f"{TOPIC}-0@1"}):
        assert [letter.key for letter in dead_letters.select(letters, **only)] == [b"b"]


def test_each_is_sent_again_once_with_its_key_and_where_it_came_from() -> None:
    cluster = Cluster()
    for offset in (1, 2):
        cluster.put_aside(offset, key=b"k%d" % offset)
    assert [again(cluster), again(cluster)] == [2, 0]
    assert cluster.topic == [
        (b"k1", [(REPLAYED_FROM, b"t-0@1")]),
        (b"k2", [(REPLAYED_FROM, b"t-0@2")]),
    ]
    assert [group.replayed for group in dead_letters.groups(cluster.box())] == [2]


def test_one_that_was_killed_in_the_middle_goes_on_where_it_was() -> None:
    cluster = Cluster()
    for offset in range(10):
        cluster.put_aside(offset)

    def killed(letters: Iterable[Letter]) -> None:
        if len(cluster.topic) == 6:
            raise KeyboardInterrupt
        cluster.send(letters)

    with pytest.raises(KeyboardInterrupt):
        replaying.replay(cluster.box().waiting(), killed, rate=3, sleep=lambda _: None)
    assert again(cluster) == 4
    assert len({headers[0][1] for _, headers in cluster.topic}) == len(cluster.topic) == 10


def test_the_same_poison_is_not_sent_twice_in_a_row_unless_asked() -> None:
    cluster = Cluster()
    cluster.put_aside(1)
    cluster.refuse = {b"v": NUL}
    assert [again(cluster), again(cluster), again(cluster, again=True), again(cluster)] == [1, 0, 1, 0]
    assert len(cluster.box().waiting()) == 1


def test_one_that_is_refused_for_another_cause_may_be_sent_again() -> None:
    cluster = Cluster()
    cluster.put_aside(1)
    cluster.refuse = {b"v": "23514 ERROR: check"}
    assert again(cluster) == 1
    cluster.refuse = {}
    assert [again(cluster), again(cluster)] == [1, 0]


def test_one_without_a_place_is_told_and_left() -> None:
    cluster = Cluster()
    cluster.put_aside(1)
    cluster.messages[0].headers = []
    box = cluster.box()
    sorted_ = dead_letters.due(box, box.waiting())
    assert (len(sorted_.send), len(sorted_.homeless)) == (0, 1)
    assert dead_letters.groups(box)[0].reason == "no reason in its headers"


def test_the_rate_is_kept() -> None:
    cluster, slept = Cluster(), []
    for offset in range(250):
        cluster.put_aside(offset)
    time = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        time[0] += seconds

    replaying.replay(cluster.box().waiting(), cluster.send, rate=100, now=lambda: time[0], sleep=sleep)
    assert slept == [0.0, 1.0, 1.0]
    with pytest.raises(StackError, match="bad-rate"):
        replaying.replay([], cluster.send, rate=0)
