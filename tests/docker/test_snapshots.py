"""Time travel on containers: saved, exported, damaged, imported and restored, all is as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone import clients
from backbone.events.archive import database
from backbone.snapshots import fingerprint, operations
from backbone.stack import lifecycle, topics
from backbone.stack.engine import Stack, open_stack
from tests.docker import checkout, records
from tests.docker.conftest import UP_TIMEOUT_S, no_display, quiet

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.stack.settings import Settings

KEEPERS = ("kafka-folders", "kafka-1", "kafka-2", "kafka-3", "postgres-password", "postgres")


def opened(settings: Settings) -> Stack:
    """Open of the stack what has data, and nothing else."""
    whole = open_stack(settings, ["*"], "docker", no_display)
    return Stack(settings, whole.model.only(KEEPERS), whole.engine)


def sql(stack: Stack, statement: str) -> None:
    with database.of_stack(stack.model, "events").connect() as connection:
        connection.execute(statement.encode())


def test_what_is_damaged_comes_back_from_a_file(engine: dict[str, str], tmp_path: Path) -> None:
    home = opened(checkout.fresh(tmp_path / "home", "e2e-travel", environ=engine))
    try:
        lifecycle.up(home, timeout=UP_TIMEOUT_S, progress=print, watch=quiet)
        topic, _ = records.produce(home.bootstrap, 100)
        sql(home, "CREATE TABLE kept AS SELECT 7 AS number")
        before = fingerprint.of(home)
        operations.save(home, "one", timeout=UP_TIMEOUT_S, progress=print, watch=quiet)
        operations.of(home.settings).export("one", tmp_path / "file", print)
        operations.remove(home.settings, "one", print)
        records.produce(home.bootstrap, 1, topic)
        with clients.admin(home.bootstrap) as client:
            topics.create(client, topics.Topic("since", 1))
        sql(home, "DROP TABLE kept")
        damaged = fingerprint.of(home)
        assert {name for name in before if damaged[name] != before[name]} == {"all", "records", "tables", "topics"}
        operations.bring(home.settings, tmp_path / "file", print, "two")
        operations.restore(home, "two", timeout=UP_TIMEOUT_S, progress=print, watch=quiet)
        assert fingerprint.of(home) == before
    finally:
        lifecycle.nuke(home, print)
