"""Events that keep their contract and land in PostgreSQL, on a real stack, with everything that can go wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from backbone import clients
from backbone.errors import StackError
from backbone.events.archive.database import Database, of_stack
from backbone.events.contracts.registry import Registry
from backbone.stack import endpoints
from backbone.stack.settings import Settings
from backbone.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.stack.compose import Model
    from tests.e2e.checkout import Checkout

EVENT = {"event_id": "e2e-1", "event_type": "t", "source": "e2e", "occurred_at": "2026-01-31T12:00:00Z", "amount": 1.5}


@pytest.fixture
def stack(data_stack: Checkout) -> Checkout:
    return data_stack


def model(stack: Checkout) -> Model:
    return endpoints.model(Settings(stack.root, stack.env))


def database(stack: Checkout) -> Database:
    return of_stack(model(stack), "events")


def execute(stack: Checkout, *statements: str) -> None:
    with database(stack).connect() as connection:
        for statement in statements:
            connection.execute(statement.encode())


def await_count(stack: Checkout, source: str, count: int) -> None:
    table = database(stack)
    wait_until(lambda: table.count(source) >= count, what=f"{count} rows of {source}", timeout=60)
    assert table.count(source) == count


def produce(stack: Checkout, tmp_path: Path, *events: dict[str, Any], code: int = 0) -> str:
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(map(json.dumps, events)))
    return stack.run("produce", "events-topic", "--file", str(file), code=code).stderr


def consumed(stack: Checkout, source: str) -> list[str]:
    out = stack.run("consume", "events-topic", "--format", "value", code=None).stdout
    rows = map(json.loads, out.splitlines())
    return [row["event_id"] for row in rows if row.get("source") == source]


def test_archive_proves_the_story_with_poison_and_restarts(stack: Checkout, tmp_path: Path) -> None:
    report = tmp_path / "archive.xml"
    verdict = stack.json("archive", "--events", "500", "--junit", str(report))
    assert verdict["ok"]
    assert {"409" in verdict["checks"][1]["detail"], len(verdict["checks"])} == {True, 10}
    assert verdict["figures"]["rows_per_s"] > 0
    assert ET.parse(report).getroot().get("failures") == "0"  # noqa: S314 - our own file
    assert len(list((stack.root / "results/archive").glob("*/index.html"))) == 1


def test_subjects_ids_and_levels_survive_a_restart_of_the_registry(stack: Checkout) -> None:
    produced_before = stack.run("contracts", "drift").stderr
    stack.run("restart", "schema-registry")
    assert stack.run("contracts", "drift").stderr == produced_before
    assert stack.json("contracts", "plan") == {"changes": []}


def test_what_is_produced_is_consumed_and_in_the_table(stack: Checkout, tmp_path: Path) -> None:
    events = [{**EVENT, "event_id": f"round-{n}", "source": "round"} for n in range(3)]
    produce(stack, tmp_path, *events)
    await_count(stack, "round", 3)
    assert sorted(consumed(stack, "round")) == ["round-0", "round-1", "round-2"]


def test_an_invalid_record_stops_the_whole_file(stack: Checkout, tmp_path: Path) -> None:
    good = {**EVENT, "source": "refused"}
    said = produce(stack, tmp_path, good, {**good, "amount": "much"}, code=1)
    assert 'line 2: amount: expected a number, found "much", or null' in said
    assert consumed(stack, "refused") == []


def test_an_unknown_topic_and_one_without_contract_are_told(stack: Checkout, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("{}")
    assert "no-contract" in stack.run("produce", "nowhere", "--file", str(file), code=2).stderr
    assert "no-topic" in stack.run("consume", "nowhere", code=2).stderr


def test_a_version_that_breaks_the_promise_is_stopped_offline_and_by_apply(stack: Checkout) -> None:
    folder = stack.root / "schemas/contracts/events-topic-value"
    broken = json.loads((folder / "v2.avsc").read_text())
    broken["fields"].append({"name": "tenant", "type": "string", "doc": "Whose it is."})
    third = folder / "v3.avsc"
    third.write_text(json.dumps(broken, indent=2))
    try:
        (finding, *_) = stack.json("contracts", "check", code=1)["findings"]
        assert (finding["file"], finding["rule"]) == ("schemas/contracts/events-topic-value/v3.avsc", "incompatible")
        assert "tenant" in finding["message"]
        assert "contracts-invalid" in stack.run("contracts", "apply", code=1).stderr
    finally:
        third.unlink()


def test_without_a_stack_every_task_says_what_is_missing(fresh: Checkout, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text(json.dumps(EVENT))
    for words, reference in (
        (("contracts", "plan"), "registry-unreachable"),
        (("produce", "events-topic", "--file", str(file)), "no-broker"),
        (("connectors", "status"), "connect-unreachable"),
        (("consume", "events-topic"), "no-broker"),
        (("archive", "--events", "1"), "registry-unreachable"),
    ):
        assert reference in fresh.run(*words, code=4).stderr


def test_a_table_of_another_type_stops_nothing_and_nothing_is_lost(stack: Checkout, tmp_path: Path) -> None:
    columns = "event_type text, source text, occurred_at timestamp, amount boolean, payload text, trace_id text"
    execute(stack, "DROP TABLE IF EXISTS events", f"CREATE TABLE events (event_id text PRIMARY KEY, {columns})")
    produce(stack, tmp_path, {**EVENT, "source": "typed"})
    said = wait_until(lambda: _aside(stack, "42804"), what="the dead letter", timeout=90, interval=1)
    assert 'column "amount" is of type boolean but expression is of type double precision' in said
    assert "drop the table" in stack.run("dead-letters", "list").stderr
    execute(stack, "DROP TABLE events")
    stack.run("dead-letters", "replay", "--cause", "42804", "--yes")
    await_count(stack, "typed", 1)
    assert _aside(stack, "42804") == ""


def test_a_changed_password_is_explained_and_nothing_is_lost(stack: Checkout, tmp_path: Path) -> None:
    password = (stack.root / "secrets/postgres_password").read_text()
    execute(stack, "ALTER USER backbone PASSWORD 'another'")
    stack.run("connectors", "restart", code=None)
    produce(stack, tmp_path, {**EVENT, "source": "locked-out"})
    said = wait_until(lambda: _failure(stack), what="the sink to fail", timeout=90, interval=1)
    assert "secrets/postgres_password" in said
    (stack.root / "secrets/postgres_password").write_text("another")
    execute(stack, f"ALTER USER backbone PASSWORD '{password}'")
    (stack.root / "secrets/postgres_password").write_text(password)
    stack.run("connectors", "restart")
    await_count(stack, "locked-out", 1)


def _aside(stack: Checkout, cause: str) -> str:
    """Return what `connectors status` says of the dead letters, if it is about a cause; no connector may fail."""
    said = stack.run("connectors", "status").stderr
    return said if cause in said else ""


def _failure(stack: Checkout) -> str:
    done = stack.run("connectors", "status", code=None)
    return done.stderr if done.returncode == 1 else ""


def test_changes_of_a_table_become_events(stack: Checkout) -> None:
    execute(
        stack,
        "CREATE TABLE orders (id int PRIMARY KEY, state text)",
        "INSERT INTO orders VALUES (1, 'open')",
    )
    stack.run("connectors", "apply", "--name", "postgres-changes")
    execute(stack, "UPDATE orders SET state = 'paid' WHERE id = 1")
    consumer = clients.consumer(endpoints.bootstrap(model(stack)), consumer_timeout_ms=60_000)
    clients.join(consumer, "changes.public.orders")
    states = [json.loads(message.value)["state"] for message, _ in zip(consumer, range(2), strict=False)]
    consumer.close()
    assert states == ["open", "paid"]


@pytest.mark.parametrize("page", ["send-an-event", "events-into-a-table"])
def test_every_command_of_the_page_works(stack: Checkout, page: str) -> None:
    text = (stack.root / f"docs/{page}.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        script = block.replace("./invoke", f"{sys.executable} -m invoke")
        done = subprocess.run(
            ["sh", "-euc", script], cwd=stack.root, env=stack.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"


def test_the_python_of_the_page_works_with_the_addresses_that_the_stack_prints(stack: Checkout) -> None:
    page = (stack.root / "docs/events-into-a-table.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (export,) = re.findall(r"`(export [^`]+)`", page)
    script = export.replace("./invoke", f"{sys.executable} -m invoke") + f'\n{sys.executable} -c "$CODE"'
    env = stack.env | {"CODE": code}
    done = subprocess.run(["sh", "-euc", script], cwd=stack.root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_contract_in_json_schema_is_kept_too(stack: Checkout, tmp_path: Path) -> None:
    folder = stack.root / "schemas/contracts/orders-value"
    folder.mkdir()
    (folder / "contract.yml").write_text(
        "topic: orders\nkey: order_id\nowner: shop-team\ndoc: Orders as they come in.\ncompatibility: BACKWARD\n"
    )
    text = {"type": "string", "description": "Text."}
    first = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"order_id": text, "total": {"type": "number", "description": "In euros."}},
        "required": ["order_id"],
        "additionalProperties": False,
    }
    (folder / "v1.json").write_text(json.dumps(first, indent=2))
    stack.run("topics", "create", "orders")
    stack.run("contracts", "apply")
    file = tmp_path / "orders.jsonl"
    file.write_text('{"order_id": "o-1", "total": 12.5}\n')
    stack.run("produce", "orders", "--file", str(file))
    assert json.loads(stack.run("consume", "orders", "--format", "value").stdout) == {"order_id": "o-1", "total": 12.5}
    file.write_text('{"order_id": "o-2", "total": "much"}\n')
    assert (
        'line 1: total: "much" is not of type "number"'
        in stack.run("produce", "orders", "--file", str(file), code=1).stderr
    )
    registry = Registry(endpoints.named(model(stack), "schema-registry", "SCHEMA_REGISTRY_URL"))
    broken = {**first, "properties": {"order_id": text, "total": text}}
    with pytest.raises(StackError, match="contract-incompatible"):
        registry.register("orders-value", json.dumps(broken))


def test_psql_reaches_the_database_without_a_password_in_sight(stack: Checkout) -> None:
    assert "42" in stack.run("psql", "--sql", "SELECT 6 * 7").stdout
    lines = stack.run("endpoints", "--profile", "data", "--format", "env").stdout
    assert "POSTGRES_URL=postgresql://" in lines
    assert database(stack).password_file.read_text(encoding="utf-8") not in lines
