"""What PostgreSQL refuses goes aside and can be worked on: listed, shown, sent again once each, skipped by hand."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from backbone.events import reading
from backbone.events.archive.database import of_stack
from backbone.events.dead_letters import REPLAYED_FROM
from backbone.stack import endpoints
from backbone.wait import wait_until
from tests.e2e.sink_lab import model

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.events.archive.database import Database
    from tests.e2e.checkout import Checkout

WAIT_S = 120


def database(stack: Checkout) -> Database:
    return of_stack(model(stack), "events")


def execute(stack: Checkout, *statements: str) -> None:
    with database(stack).connect() as connection:
        for statement in statements:
            connection.execute(statement.encode())


def produce(stack: Checkout, tmp_path: Path, source: str, count: int, **values: Any) -> None:
    file = tmp_path / "events.jsonl"
    plain = {"event_type": "t", "source": source, "occurred_at": "2026-01-31T12:00:00Z", **values}
    file.write_text("\n".join(json.dumps({**plain, "event_id": f"{source}-{number}"}) for number in range(count)))
    stack.run("produce", "events-topic", "--file", str(file))


def await_rows(stack: Checkout, source: str, count: int) -> None:
    table = database(stack)
    wait_until(lambda: table.count(source) >= count, what=f"{count} rows of {source}", timeout=WAIT_S, interval=0.5)
    assert table.count(source) == count


def cause(stack: Checkout, name: str) -> dict[str, Any]:
    causes = stack.json("dead-letters", "list")["causes"]
    return next((each for each in causes if each["cause"] == name), {"letters": 0, "replayed": 0})


def await_letters(stack: Checkout, name: str, count: int) -> None:
    wait_until(
        lambda: cause(stack, name)["letters"] >= count, what=f"{count} letters of {name}", timeout=WAIT_S, interval=1
    )
    assert cause(stack, name)["letters"] == count


def waiting(stack: Checkout, key: str) -> list[str]:
    """Return the places of the dead letters with a key that were not sent again."""
    lines = stack.run("dead-letters", "show", "--key", key).stdout.splitlines()
    return [json.loads(line)["place"] for line in lines]


def failure(stack: Checkout) -> str:
    done = stack.run("connectors", "status", code=None)
    return done.stderr if done.returncode == 1 else ""


def test_after_the_fault_is_mended_each_is_sent_again_once_killed_or_not(data_stack: Checkout, tmp_path: Path) -> None:
    stack = data_stack
    produce(stack, tmp_path, "before", 1)
    await_rows(stack, "before", 1)
    execute(stack, "ALTER TABLE events ADD CONSTRAINT small CHECK (amount < 1000)")
    produce(stack, tmp_path, "big", 30, amount=5000)
    produce(stack, tmp_path, "behind", 3, amount=5)
    await_rows(stack, "behind", 3)
    await_letters(stack, "23514", 30)
    assert not failure(stack)
    (shown, *_) = stack.run("dead-letters", "show", "--cause", "23514", "--key", "big-7").stdout.splitlines()
    letter = json.loads(shown)
    assert (letter["key"], letter["value"]["amount"]) == ("big-7", 5000)
    assert "violates check constraint" in letter["reason"]

    execute(stack, "ALTER TABLE events DROP CONSTRAINT small")
    assert "30 records would be sent again" in stack.run("dead-letters", "replay", "--cause", "23514").stderr
    assert cause(stack, "23514")["replayed"] == 0
    with stack.going("dead-letters", "replay", "--cause", "23514", "--rate", "1", "--yes") as process:
        wait_until(lambda: cause(stack, "23514")["replayed"] >= 5, what="the first", timeout=WAIT_S, interval=0.2)
        process.kill()
    assert cause(stack, "23514")["replayed"] < 30
    stack.run("dead-letters", "replay", "--cause", "23514", "--yes")
    await_rows(stack, "big", 30)
    assert " 0 records sent again" in stack.run("dead-letters", "replay", "--cause", "23514", "--yes").stderr
    brokers = endpoints.bootstrap(model(stack))
    places = Counter(
        value
        for message in reading.consume(brokers, "events-topic", reading.Selection())
        for name, value in message.headers
        if name == REPLAYED_FROM and (message.key or b"").startswith(b"big-")  # other tests send others again
    )
    assert len(places) == 30
    assert set(places.values()) == {1}


def test_the_same_poison_is_not_sent_twice_in_a_row(data_stack: Checkout, tmp_path: Path) -> None:
    stack = data_stack
    produce(stack, tmp_path, "nul", 1, payload="a\0b")
    first = wait_until(lambda: waiting(stack, "nul-0"), what="the letter", timeout=WAIT_S, interval=1)
    assert "1 records sent again" in stack.run("dead-letters", "replay", "--key", "nul-0", "--yes").stderr

    def another() -> list[str] | None:
        found = waiting(stack, "nul-0")
        return found if found and found != first else None

    second = wait_until(another, what="the letter of the record that was sent again", timeout=WAIT_S, interval=1)
    said = stack.run("dead-letters", "replay", "--key", "nul-0", "--yes").stderr
    assert " 0 records sent again" in said
    assert "refused for the same cause" in said
    assert waiting(stack, "nul-0") == second


def test_a_failed_sink_names_the_record_and_is_brought_past_it_by_hand(data_stack: Checkout, tmp_path: Path) -> None:
    stack = data_stack
    produce(stack, tmp_path, "unstuck", 1)
    await_rows(stack, "unstuck", 1)
    # The stack's own user may do everything: this says what PostgreSQL says to one that may not.
    raises = "BEGIN RAISE insufficient_privilege USING MESSAGE = 'permission denied for table events'; END"
    execute(
        stack,
        f"CREATE FUNCTION deny() RETURNS trigger LANGUAGE plpgsql AS '{raises.replace(chr(39), chr(39) * 2)}'",
        "CREATE TRIGGER deny BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION deny()",
    )
    produce(stack, tmp_path, "stuck", 1, amount=1.5)
    said = wait_until(lambda: failure(stack), what="the sink to fail", timeout=WAIT_S, interval=1)
    assert re.search(r"events-topic-\d@\d+: .*permission denied", said)
    assert "grant the sink's user" in said
    (found,) = (each for each in stack.json("doctor", code=None)["checks"] if each["check"] == "D034")
    assert "events-topic-" in json.dumps(found)
    assert "nothing was done" in stack.run("connectors", "skip", "--name", "postgres-archive").stderr
    stack.run("connectors", "skip", "--name", "postgres-archive", "--yes")
    letters = stack.run("dead-letters", "show", "--key", "stuck-0").stdout.splitlines()
    assert len(letters) == 1
    # Sinks of other tests may run beside it; no step is due.
    assert {each["kind"] for each in stack.json("connectors", "plan")["changes"]} <= {"unknown"}
    execute(stack, "DROP TABLE events", "DROP FUNCTION deny")
    stack.run("connectors", "restart")
    produce(stack, tmp_path, "after", 1, amount=1.5)
    await_rows(stack, "after", 1)
