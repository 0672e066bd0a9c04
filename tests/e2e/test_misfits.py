"""What misfits a table that somebody else made goes aside with the database's words; every other table is filled."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from backbone import clients
from backbone.events.connectors import columns
from tests.e2e.sink_lab import Lab

if TYPE_CHECKING:
    from tests.e2e.checkout import Checkout

REFUSING = """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''not on a Sunday''; END'"""
TAKEN = "INSERT INTO \"{table}\" VALUES ('zero', 'taken')"
TRIGGER = 'CREATE TRIGGER refuse BEFORE INSERT ON "{table}" FOR EACH ROW EXECUTE FUNCTION refuse()'

# part → (the columns of the table, the field's type, its value, SQLSTATE, words of the database)
MISFITS: dict[str, tuple[str, Any, Any, str, str]] = {
    "type": ("id text PRIMARY KEY, v boolean", "double", 1.5, "42804", 'column "v" is of type boolean'),
    "key-type": ("id integer PRIMARY KEY, v text", "string", "a", "42804", 'column "id" is of type integer'),
    "own-enum": ("id text PRIMARY KEY, v mood", "string", "sad", "42804", 'column "v" is of type mood'),
    "range": ("id text PRIMARY KEY, v smallint", "int", 70_000, "22003", "smallint out of range"),
    "length": ("id text PRIMARY KEY, v varchar(3)", "string", "long", "22001", "value too long"),
    "not-null": ("id text PRIMARY KEY, v text, tenant text NOT NULL", "string", "a", "23502", "null value in column"),
    "unique": ("id text PRIMARY KEY, v text UNIQUE", "string", "taken", "23505", "duplicate key value"),
    "check": ("id text PRIMARY KEY, v int CHECK (v > 0)", "int", -1, "23514", "violates check constraint"),
    "foreign": ("id text PRIMARY KEY, v text REFERENCES known", "string", "a", "23503", "violates foreign key"),
    "no-key": ("id text, v text", "string", "a", "42P10", "no unique or exclusion constraint"),
    "generated": (
        "id text PRIMARY KEY, v text GENERATED ALWAYS AS (id) STORED",
        "string",
        "a",
        "428C9",
        "non-DEFAULT value",
    ),
    "trigger": ("id text PRIMARY KEY, v text", "string", "a", "P0001", "not on a Sunday"),
}


def schema(part: str, kind: Any) -> dict[str, Any]:
    name = "R_" + part.replace("-", "_")
    fields = [{"name": "id", "type": "string"}, {"name": "v", "type": kind}]
    return {"type": "record", "name": name, "fields": fields}


@pytest.fixture(scope="module")
def lab(data_stack: Checkout) -> Lab:
    """A table for each case, made before the sink comes, and one case that the sink makes a table for."""
    made = Lab(data_stack, "misfits")
    made.make_topics([*MISFITS, "fit", "tombstone"])
    with made.database.connect() as connection:
        for statement in (
            "CREATE TYPE mood AS ENUM ('happy')",
            "CREATE TABLE known (name text PRIMARY KEY)",
            REFUSING,
            *(f'CREATE TABLE "{made.topic(part)}" ({found})' for part, (found, *_) in MISFITS.items()),
            TRIGGER.format(table=made.topic("trigger")),
            TAKEN.format(table=made.topic("unique")),
        ):
            connection.execute(statement.encode())
    encoders = {part: made.register(part, schema(part, kind)) for part, (_, kind, *_) in MISFITS.items()}
    fit = made.register("fit", schema("fit", "string"))
    made.send(
        {
            **{part: [(encoders[part], {"id": "one", "v": value})] for part, (_, _, value, *_) in MISFITS.items()},
            "fit": [(fit, {"id": f"{number}", "v": "a"}) for number in range(100)],
        }
    )
    with closing(clients.producer(made.brokers)) as producer:
        producer.send(made.topic("tombstone"), key=b"gone", value=None).get(timeout=30)
    made.sent["tombstone"] = [{"id": "gone"}]
    made.start()
    made.await_all()
    return made


@pytest.mark.parametrize("part", MISFITS)
def test_what_the_table_refuses_is_a_dead_letter_with_the_databases_words(lab: Lab, part: str) -> None:
    _, kind, _, state, words = MISFITS[part]
    assert list(columns.unfit(schema(part, kind))) == []
    letter = lab.letters()[part, 0]
    assert letter.cause == state
    assert words in letter.reason


def test_a_record_without_a_value_is_a_dead_letter(lab: Lab) -> None:
    letter = lab.letters()["tombstone", 0]
    assert (letter.key, letter.value) == (b"gone", None)
    assert "no value" in letter.reason


def test_the_other_tables_are_filled(lab: Lab) -> None:
    assert len(lab.rows("fit", "id")) == 100
    assert lab.letters().keys() == {(part, 0) for part in (*MISFITS, "tombstone")}
