"""Time travel and a lite stack on containers: brokers and PostgreSQL come back, and a file begins another home."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone import clients
from backbone.events.archive import database
from backbone.snapshots import operations
from backbone.stack import lifecycle, topics
from backbone.stack.engine import Stack, open_stack
from tests.docker import checkout
from tests.docker.conftest import UP_TIMEOUT_S, no_display, quiet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from backbone.stack.settings import Settings

KEEPERS = ("kafka-folders", "kafka-1", "kafka-2", "kafka-3", "postgres-password", "postgres")
BEFORE, SINCE = "before", "since"


def opened(settings: Settings, *names: str) -> Stack:
    """Open of the stack what has data, and nothing else: no other image is needed."""
    whole = open_stack(settings, ["*"], "docker", no_display)
    return Stack(settings, whole.model.only(names), whole.engine)


def up(stack: Stack) -> None:
    lifecycle.up(stack, timeout=UP_TIMEOUT_S, progress=print, watch=quiet)


def topic(stack: Stack, name: str) -> None:
    with clients.admin(stack.bootstrap) as client:
        topics.create(client, topics.Topic(name, 1))


def names(stack: Stack) -> set[str]:
    with clients.admin(stack.bootstrap) as client:
        return {BEFORE, SINCE} & set(client.list_topics())


def sql(stack: Stack, statement: str) -> list[tuple[object, ...]]:
    with database.of_stack(stack.model, "events").connect() as connection:
        found = connection.execute(statement.encode())
        return [tuple(row) for row in found] if found.description else []


@pytest.fixture
def home(engine: dict[str, str], tmp_path: Path) -> Iterator[Stack]:
    """Yield three brokers and PostgreSQL with something in them."""
    stack = opened(checkout.fresh(tmp_path / "home", "e2e-travel", environ=engine), *KEEPERS)
    try:
        up(stack)
        topic(stack, BEFORE)
        sql(stack, "CREATE TABLE kept AS SELECT 7 AS number")
        yield stack
    finally:
        lifecycle.nuke(stack, print)


def test_containers_travel_in_time_and_a_file_begins_another_home(
    home: Stack, engine: dict[str, str], tmp_path: Path
) -> None:
    store = operations.of(home.settings)
    saved = operations.save(home, "one", timeout=UP_TIMEOUT_S, progress=print, watch=quiet)
    assert saved.engine == "docker"
    topic(home, SINCE)
    sql(home, "DROP TABLE kept")
    operations.restore(home, "one", timeout=UP_TIMEOUT_S, progress=print, watch=quiet)
    assert names(home) == {BEFORE}
    assert sql(home, "SELECT number FROM kept") == [(7,)]
    store.export("one", tmp_path / "file", print)
    lifecycle.down(home, print)

    other = opened(checkout.fresh(tmp_path / "other", "e2e-travelled", environ=engine), *KEEPERS)
    try:
        operations.bring(other.settings, tmp_path / "file", print)
        operations.adopt(other, "one", print)
        other = opened(other.settings, *KEEPERS)  # its CLUSTER_ID is the snapshot's now
        up(other)
        assert names(other) == {BEFORE}
        assert sql(other, "SELECT number FROM kept") == [(7,)], "with the password of this home"
    finally:
        lifecycle.nuke(other, print)


def test_a_lite_stack_is_one_container_of_kafka(engine: dict[str, str], tmp_path: Path) -> None:
    settings = checkout.fresh(tmp_path / "lite", "e2e-lite", environ=engine)
    checkout.assign(settings, STACK_SIZE="lite")
    stack = opened(settings, "kafka-folders", "kafka-1")
    try:
        up(stack)
        topic(stack, BEFORE)
        assert names(stack) == {BEFORE}
        assert list(stack.brokers) == ["kafka-1"]
        assert "kafka-2" not in stack.engine.model.services
    finally:
        lifecycle.nuke(stack, print)
