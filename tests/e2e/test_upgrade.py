"""Kafka 4.3.1 to 4.4.0 and back under load, on real brokers: nothing lost, and no way back after finalising."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from backbone.wait import wait_until
from scripts.maintain import kafka_version
from tests.e2e import checkout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.checkout import Checkout

OLD, NEW = "4.3.1", "4.4.0"


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Checkout]:
    """Three brokers with one topic, shared by the tests in their order: each goes on where the one before ended."""
    folder, shift = tmp_path_factory.mktemp("upgrade"), checkout.free_shift()
    made = checkout.make(folder, cache, shift=shift, brokers_only=True, kafka=OLD)
    made.run("up")
    made.run("topics", "create", "kept")
    yield made
    made.end()


def running(made: Checkout) -> set[str | None]:
    return {each["runs"] for each in made.json("kafka", "versions")["brokers"]}


def test_nodes_roll_forward_and_back_while_records_flow_and_none_is_lost(brokers: Checkout) -> None:
    bootstrap = brokers.json("endpoints")["KAFKA_BOOTSTRAP_SERVERS"]
    with brokers.going("failover", "--bootstrap", bootstrap, "--json") as load:
        assert load.stderr
        assert "traffic is on" in load.stderr.readline()
        brokers.run("upgrade", "--to", NEW, "--no-snapshot", "--yes")
        assert running(brokers) == {NEW}
        brokers.run("upgrade", "--back", "--yes")
        assert running(brokers) == {OLD}
        load.send_signal(signal.SIGINT)
        report = json.loads(load.communicate(timeout=checkout.TASK_TIMEOUT_S)[0])
    assert report["verdict"] == "valid", report
    assert report["counts"]["ok"] > 0
    assert not any(report["violations"].values())


def test_an_edit_that_waits_for_a_restart_is_not_carried_along(brokers: Checkout) -> None:
    as_shipped, edited = "KAFKA_HEAP_OPTS=-Xms256m -Xmx512m", "KAFKA_HEAP_OPTS=-Xms256m -Xmx500m"
    brokers.edit(".env", as_shipped, edited)
    refused = brokers.run("upgrade", "--to", NEW, "--no-snapshot", "--yes", code=1)
    assert "older configuration (KAFKA_HEAP_OPTS)" in refused.stderr
    assert running(brokers) == {OLD}
    brokers.edit(".env", edited, as_shipped)


def test_a_killed_upgrade_leaves_a_mixed_cluster_which_is_not_finalised_and_goes_back(brokers: Checkout) -> None:
    with brokers.going("upgrade", "--to", NEW, "--no-snapshot", "--yes") as task:
        wait_until(lambda: NEW in running(brokers), timeout=120, what="the first node to have changed")
    assert task.poll() is not None
    refused = brokers.run("upgrade", "--finalize", "--yes", code=1)
    assert "do not all run the same version" in refused.stderr
    brokers.run("upgrade", "--back", "--yes")
    assert running(brokers) == {OLD}


def test_after_finalising_there_is_no_way_back(brokers: Checkout) -> None:
    assert f"saved: before-{NEW}" in brokers.run("upgrade", "--to", NEW, "--yes").stderr
    brokers.run("topics", "create", "after-the-snapshot")
    assert "metadata.version 30 → 33" in brokers.run("upgrade", "--finalize", "--yes").stderr
    assert brokers.json("kafka", "versions")["finalized"]["release"] == "4.4"
    assert "only a snapshot leads back" in brokers.run("upgrade", "--back", "--yes", code=1).stderr


def test_the_older_program_refuses_finalised_data_and_the_snapshot_leads_back(brokers: Checkout) -> None:
    brokers.edit(".env", f"KAFKA_VERSION={NEW}", f"KAFKA_VERSION={OLD}")
    died = brokers.run("restart", "kafka-1", "--renew", code=4)
    assert "Unsupported metadata version" in died.stderr
    brokers.edit(".env", f"KAFKA_VERSION={OLD}", f"KAFKA_VERSION={NEW}")
    brokers.run("snapshot", "restore", f"before-{NEW}", "--yes")
    brokers.run("up")
    assert {each["name"] for each in brokers.json("topics", "list")} >= {"kept"}
    assert "after-the-snapshot" not in {each["name"] for each in brokers.json("topics", "list")}
    brokers.run("upgrade", "--back", "--yes")
    assert running(brokers) == {OLD}


def test_data_stays_with_its_kafka_whatever_new_data_begins_with(brokers: Checkout) -> None:
    kafka_version.begin_with(brokers.root, NEW)  # as a newer state of these files would
    brokers.run("down")
    brokers.edit(".env", "kafka:${KAFKA_VERSION}", f"kafka:{OLD}")  # as a .env from before that variable has it
    for words in (("up",), ("restart", "kafka-1", "--renew")):
        brokers.edit(".env", f"KAFKA_VERSION={OLD}\n", "")
        assert f"the data here is of Kafka {OLD}" in brokers.run(*words).stderr
        assert running(brokers) == {OLD}
