"""The fingerprint: another one for every single thing that is another."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from backbone.snapshots import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE: dict[str, Any] = {
    "topics": {"events-topic": [3, 3, {"retention.ms": "1000"}]},
    "brokers": {"1": {}, "": {"log.cleaner.threads": "1"}},
    "groups": {"billing": ["classic", {"events-topic-0": 7}]},
    "users": {"app": [["SCRAM-SHA-512", 4096]]},
    "acls": ["<ACL principal=User:app>"],
    "records": {"events-topic-0": [0, 8, 8, 123456]},
    "schemas": {"": "BACKWARD", "events-topic-value": ["FULL", [[1, 1, "{}"]]]},
    "connectors": {"archive": [{"a": "b"}, "RUNNING", [{"partition": {"p": 0}, "offset": {"o": 5}}]]},
    "tables": {"public.events": ["r", ["id bigint true"], 99]},
    "roles": [["backbone", True]],
}


def mutants(value: Any) -> Iterator[Any]:
    """Yield the value with one thing changed: a leaf, a name, or something missing."""
    if isinstance(value, dict):
        for key, held in value.items():
            yield {name: other for name, other in value.items() if name != key}
            yield {f"{name}x" if name == key else name: other for name, other in value.items()}
            yield from ({**value, key: mutant} for mutant in mutants(held))
    elif isinstance(value, list):
        for index, held in enumerate(value):
            yield value[:index] + value[index + 1 :]
            yield from ([*value[:index], mutant, *value[index + 1 :]] for mutant in mutants(held))
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    else:
        yield f"{value}x"


def test_every_single_change_is_seen_where_it_is_and_in_the_whole() -> None:
    before = fingerprint.digests(STATE)
    seen = 0
    for part, held in STATE.items():
        for mutant in mutants(held):
            after = fingerprint.digests({**copy.deepcopy(STATE), part: mutant})
            assert {what for what in before if before[what] != after[what]} == {part, "all"}, mutant
            seen += 1
    assert seen > 60


class Record(NamedTuple):
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


RECORDS = st.builds(
    Record,
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 1),
    st.none() | st.binary(max_size=9),
    st.none() | st.binary(max_size=9),
    st.lists(st.tuples(st.text(max_size=3), st.none() | st.binary(max_size=3)), max_size=2),
)


@given(RECORDS, RECORDS)
def test_records_are_alike_only_if_every_byte_is(one: Record, other: Record) -> None:
    assert (fingerprint.record_crc(0, one) == fingerprint.record_crc(0, other)) == (one == other)


def test_a_record_counts_with_those_before_it() -> None:
    one, two = Record(0, 0, 0, None, b"a", []), Record(1, 0, 0, None, b"b", [])
    forth = fingerprint.record_crc(fingerprint.record_crc(0, one), two)
    assert forth != fingerprint.record_crc(fingerprint.record_crc(0, two), one)
