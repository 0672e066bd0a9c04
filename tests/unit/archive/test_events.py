"""The events of a run and their comparison with the table."""

from __future__ import annotations

import json

from backbone.events.archive.events import compare, events
from backbone.events.contracts.values import Converter
from tests import ROOT

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


def test_equal_rows_in_any_order_are_no_difference() -> None:
    made = list(events("run", 5))
    assert compare(made, reversed(made)) == []


def test_a_lost_a_changed_and_a_strange_row_are_told_apart() -> None:
    made = list(events("run", 3))
    rows = [made[0], {**made[1], "amount": 7.0}, {**made[2], "event_id": "strange"}]
    assert sorted(str(each).partition(": ")[2] for each in compare(made, rows)) == [
        "amount is 7.0, sent was -999999.99",
        "not in the table",
        "was never sent",
    ]


def test_a_column_that_is_missing_is_a_difference() -> None:
    made = next(events("run", 1))
    (found,) = compare([made], [{key: value for key, value in made.items() if key != "source"}])
    assert (found.column, found.found) == ("source", None)
