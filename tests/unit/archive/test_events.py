"""The events of a run and their comparison with the table."""

from __future__ import annotations

import itertools
import json
import random
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from backbone.events.archive.events import Events, compare
from backbone.events.contracts.values import Converter
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA = json.loads((ROOT / "schemas/contracts/events-topic-value/v2.avsc").read_text())
RUN = Events("run")


def made(count: int, events: Events = RUN) -> list[dict[str, Any]]:
    return [events[number] for number in range(count)]


def test_events_follow_the_contract_use_its_nulls_and_are_the_same_each_time() -> None:
    found = made(60)
    assert found == made(60, Events("run"))
    assert [Converter(SCHEMA).convert(event)[1] for event in found] == [[]] * 60
    assert len({event["event_id"] for event in found}) == 60
    for optional in ("amount", "payload", "trace_id"):
        assert {event[optional] is None for event in found} == {True, False}


@pytest.mark.parametrize("number", [0, 1, 7, 10**6, 10**9])
def test_an_id_tells_the_number_of_its_event_and_of_no_other_source(number: int) -> None:
    event_id = RUN[number]["event_id"]
    assert RUN.number(event_id) == number
    assert Events("run-2").number(event_id) is None


@pytest.mark.parametrize("other", ["", "strange", "run/0/unread", str(uuid.UUID(int=7))])
def test_what_is_no_id_of_an_event_has_no_number(other: str) -> None:
    assert RUN.number(other) is None


def test_ids_of_neighbours_lie_far_apart() -> None:
    """As random ids would: an index whose keys ascend is another load for a database."""
    ids = [event["event_id"] for event in made(1000)]
    assert sum(a < b for a, b in itertools.pairwise(ids)) in range(300, 700)


def told(count: int, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what is told of rows beside so many events, without their ids."""
    return sorted(str(each).partition(": ")[2] for each in compare(RUN, count, rows))


def test_equal_rows_in_any_order_are_no_difference() -> None:
    rows = made(20)
    mixed = random.Random(1).sample(rows, len(rows))
    assert told(20, rows) == told(20, reversed(rows)) == told(20, mixed) == []


def test_a_lost_a_changed_a_strange_and_a_doubled_row_are_told_apart() -> None:
    sent = made(31)
    rows = [sent[0], {**sent[1], "amount": 7.0}, {**sent[2], "event_id": "strange"}, *sent[3:], sent[4]]
    for mixed in (rows, rows[::-1], random.Random(1).sample(rows, len(rows))):
        assert told(30, mixed) == [
            "amount is 7.0, sent was -999999.99",
            "is there twice",
            "not there",
            "was never sent",
            "was never sent",
        ]


def test_a_column_that_is_missing_is_a_difference() -> None:
    (found,) = compare(RUN, 1, [{key: value for key, value in RUN[0].items() if key != "source"}])
    assert (found.column, found.found) == ("source", None)


def test_what_is_compared_is_not_held() -> None:
    """Rows come one after another, whatever their order is and however many are strange."""
    held = most = 0

    class Row(dict[str, Any]):
        def __init__(self, values: Mapping[str, Any]) -> None:
            nonlocal held, most
            super().__init__(values)
            held += 1
            most = max(most, held)

        def __del__(self) -> None:
            nonlocal held
            held -= 1

    numbers = random.Random(1).sample(range(2_000), 2_000)
    rows = (Row({**RUN[number], "event_id": "x"} if number % 10 == 0 else RUN[number]) for number in numbers)
    assert sum(1 for _ in compare(RUN, 2_000, rows)) == 400
    assert most < 10
