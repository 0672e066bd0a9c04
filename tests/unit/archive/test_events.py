"""The events of a run and their comparison with the table."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from backbone.events.archive.events import compare, events
from backbone.events.contracts.values import Converter
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SCHEMA = json.loads((ROOT / "schemas/contracts/events-topic-value/v2.avsc").read_text())


def test_events_follow_the_contract_use_its_nulls_and_are_the_same_each_time() -> None:
    made = list(events("run-1", 60))
    assert made == list(events("run-1", 60))
    assert made[40:] == list(events("run-1", 20, first=40))
    assert [Converter(SCHEMA).convert(event)[1] for event in made] == [[]] * 60
    assert len({event["event_id"] for event in made}) == 60
    for optional in ("amount", "payload", "trace_id"):
        assert {event[optional] is None for event in made} == {True, False}


def test_runs_do_not_share_ids() -> None:
    first, second = ({event["event_id"] for event in events(name, 10)} for name in ("run-1", "run-2"))
    assert not first & second


def told(made: Sequence[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]], ahead: int = 100_000) -> list[str]:
    """Return what is told of rows beside events, without their ids."""
    return sorted(str(each).partition(": ")[2] for each in compare(lambda: iter(made), rows, ahead))


@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_equal_rows_in_any_order_are_no_difference(ahead: int) -> None:
    made = list(events("run", 20))
    mixed = random.Random(1).sample(made, len(made))
    assert told(made, made, ahead) == told(made, reversed(made), ahead) == told(made, mixed, ahead) == []


@pytest.mark.parametrize("ahead", [1, 2, 100])
def test_a_lost_a_changed_a_strange_and_a_doubled_row_are_told_apart(ahead: int) -> None:
    made = list(events("run", 30))
    rows = [made[0], {**made[1], "amount": 7.0}, {**made[2], "event_id": "strange"}, *made[3:], made[4], made[4]]
    for mixed in (rows, rows[::-1], random.Random(1).sample(rows, len(rows))):
        assert told(made, mixed, ahead) == [
            "amount is 7.0, sent was -999999.99",
            "is there twice",
            "not there",
            "was never sent",
        ]


def test_a_column_that_is_missing_is_a_difference() -> None:
    made = list(events("run", 1))
    (found,) = compare(lambda: iter(made), [{key: value for key, value in made[0].items() if key != "source"}])
    assert (found.column, found.found) == ("source", None)


def test_what_is_compared_is_not_held() -> None:
    """Of events and rows that come in the same order, a few strange and lost ones among them, only a few are there."""
    held = max_held = 0

    class Row(dict[str, Any]):
        def __init__(self, values: Mapping[str, Any]) -> None:
            nonlocal held, max_held
            super().__init__(values)
            held += 1
            max_held = max(max_held, held)

        def __del__(self) -> None:
            nonlocal held
            held -= 1

    def rows() -> Iterator[Row]:
        for number, event in enumerate(events("run", 5_000)):
            if number % 1_000 == 0:
                yield Row({**event, "event_id": f"strange {number}"})
            else:
                yield Row(event)

    differences = compare(lambda: map(Row, events("run", 5_000)), rows(), ahead=100)
    assert sum(1 for _ in differences) == 10
    assert max_held < 150
