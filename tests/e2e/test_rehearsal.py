"""Kafka 4.3.1 to 4.4.0 and back on real brokers: rehearsed, stopped at the first doubt, killed, finalised."""

from __future__ import annotations

import json
import random
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from backbone.stack.engine.embedded import census
from backbone.wait import wait_until
from tests import outputs
from tests.e2e import checkout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.checkout import Checkout

OLD, NEW = "4.3.1", "4.4.0"
_REHEARSAL_S = 900
_LONGEST_S = 30.0  # a whole upgrade takes about as long

DIES = "KAFKA_NUM_IO_THREADS=none\n"
NEVER_WHOLE = "KAFKA_MAX_CONNECTIONS_PER_IP=0\nKAFKA_MAX_CONNECTIONS_PER_IP_OVERRIDES=203.0.113.1:1\n"
"""Starts, and takes no connection."""


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Checkout]:
    """Three brokers with one topic and a snapshot; what .env-NEW says only counts for brokers of that version.

    Shared by the tests in their order: each goes on where the one before ended.
    """
    folder, shift = tmp_path_factory.mktemp("upgrade"), checkout.free_shift()
    made = checkout.make(folder, cache, shift=shift, brokers_only=True, kafka=OLD)
    made.edit(
        "infra/05-messaging/kafka/docker-compose.yml",
        '${KAFKA_FAILOVER_PROFILE:-default}.env"]',
        '${KAFKA_FAILOVER_PROFILE:-default}.env", "infra/only-${KAFKA_VERSION}.env"]',
    )
    for version in (OLD, NEW):
        plant(made, version, "")
    made.run("up")
    made.run("topics", "create", "kept")
    made.run("smoke", "--records", "50")
    made.run("snapshot", "save", "now")
    yield made
    made.end()


def plant(made: Checkout, version: str, settings: str) -> None:
    """Give the brokers of one version properties that those of the other do not have."""
    (made.root / "infra" / f"only-{version}.env").write_text(settings, encoding="utf-8")


def running(made: Checkout) -> list[str | None]:
    return [each["runs"] for each in made.json("kafka", "versions")["brokers"]]


def rehearsed(made: Checkout, code: int) -> dict[str, Any]:
    """Rehearse, and return the report; see that the stack beside it is as before, and the clone gone."""
    before, pids = made.json("snapshot", "fingerprint"), made.pids()
    with made.going("upgrade", "--to", NEW, "--rehearse", "--json") as task:
        out, err = task.communicate(timeout=_REHEARSAL_S)
    assert task.returncode == code, err
    report: dict[str, Any] = json.loads(out)
    outputs.check(("upgrade",), report)
    assert made.pids() == pids
    assert made.json("snapshot", "fingerprint") == before
    demand_no_clone(made)
    return report


def demand_no_clone(made: Checkout) -> None:
    assert not (made.root / ".stack" / "clone").exists()
    assert not [each for each in census.find() if (made.root / ".stack") in each.folder.parents]


def test_a_rehearsal_goes_there_and_back_and_past_the_point_of_no_return_beside_the_stack(brokers: Checkout) -> None:
    report = rehearsed(brokers, 0)
    (run,) = report["runs"]
    claims = run["details"]["rehearsal"]["claims"]
    assert [each["what"] for each in claims if not each["holds"]] == []
    assert len(claims) == 5
    assert report["verdict"] == "valid", run["doubts"]
    assert not any(report["violations"].values())
    assert [fault["kind"] for fault in run["faults"]] == ["upgrade"] * 9
    assert running(brokers) == [OLD] * 3


def test_a_rehearsal_that_is_ended_leaves_nothing(brokers: Checkout) -> None:
    with brokers.going("upgrade", "--to", NEW, "--rehearse") as task:
        clone = brokers.root / ".stack" / "clone"
        wait_until(lambda: any(each.folder == clone for each in census.find()), timeout=120, what="the clone to run")
        task.send_signal(signal.SIGTERM)
        task.communicate(timeout=checkout.TASK_TIMEOUT_S)
    assert task.returncode
    demand_no_clone(brokers)
    assert brokers.json("status")["ok"]


def test_a_property_that_the_new_version_refuses_stops_the_rehearsal_and_the_roll_at_the_first_node(
    brokers: Checkout,
) -> None:
    plant(brokers, NEW, DIES)
    (claim,) = rehearsed(brokers, 1)["runs"][0]["details"]["rehearsal"]["claims"]
    assert not claim["holds"]
    assert "is not well with Kafka 4.4.0" in claim["seen"]
    before, bootstrap = brokers.pids(), brokers.json("endpoints")["KAFKA_BOOTSTRAP_SERVERS"]
    with brokers.going("failover", "--bootstrap", bootstrap, "--json") as load:
        assert load.stderr
        assert "traffic is on" in load.stderr.readline()
        stopped = brokers.run("upgrade", "--to", NEW, "--no-snapshot", "--yes", code=1)
        assert "is not well with Kafka 4.4.0" in stopped.stderr
        assert "num.io.threads" in stopped.stderr
        untouched = before.items() & brokers.pids().items()
        assert len(untouched) == 2
        assert sorted(running(brokers), key=str) == [OLD, OLD, None]
        brokers.run("upgrade", "--back", "--yes")
        load.send_signal(signal.SIGINT)
        report = json.loads(load.communicate(timeout=checkout.TASK_TIMEOUT_S)[0])
    assert running(brokers) == [OLD] * 3
    assert untouched <= brokers.pids().items()
    assert report["verdict"] == "valid", report
    assert report["counts"]["ok"] > 0
    assert not any(report["violations"].values())


def test_a_node_that_never_becomes_whole_stops_the_roll_too(brokers: Checkout) -> None:
    before = brokers.pids()
    plant(brokers, NEW, NEVER_WHOLE)
    stopped = brokers.run("upgrade", "--to", NEW, "--no-snapshot", "--yes", "--timeout", "25", code=1)
    assert "is not well with Kafka 4.4.0: the stack was not ready after 25 s" in stopped.stderr
    assert len(before.items() & brokers.pids().items()) == 2
    plant(brokers, NEW, "")
    brokers.run("upgrade", "--back", "--yes")
    assert running(brokers) == [OLD] * 3


def test_an_edit_that_waits_for_a_restart_is_not_carried_along(brokers: Checkout) -> None:
    as_shipped, edited = "KAFKA_HEAP_OPTS=-Xms256m -Xmx512m", "KAFKA_HEAP_OPTS=-Xms256m -Xmx500m"
    brokers.edit(".env", as_shipped, edited)
    refused = brokers.run("upgrade", "--to", NEW, "--no-snapshot", "--yes", code=1)
    assert "older configuration (KAFKA_HEAP_OPTS)" in refused.stderr
    assert running(brokers) == [OLD] * 3
    brokers.edit(".env", edited, as_shipped)


def test_killed_at_any_moment_the_next_call_goes_on_or_back(brokers: Checkout, pytestconfig: pytest.Config) -> None:
    choice = random.Random(pytestconfig.getoption("--chaos-seed"))
    for turn in range(pytestconfig.getoption("--upgrade-kills")):
        moment, on = choice.uniform(0.5, _LONGEST_S), choice.random() < 0.5
        with brokers.going("upgrade", "--to", NEW, "--no-snapshot", "--yes"):
            time.sleep(moment)  # the moment is the point, not a wait for anything
        found = running(brokers)
        if len({each for each in found if each}) > 1:
            assert "do not all run the same version" in brokers.run("upgrade", "--finalize", "--yes", code=1).stderr
        if on:
            brokers.run("upgrade", "--to", NEW, "--no-snapshot", "--yes")
            assert running(brokers) == [NEW] * 3, (turn, moment, found)
        brokers.run("upgrade", "--back", "--yes", code=None)  # it may have been killed before it had begun
        assert running(brokers) == [OLD] * 3, (turn, moment, found)
        assert brokers.json("status")["ok"]
        assert f"KAFKA_VERSION={OLD}" in (brokers.root / ".env").read_text(encoding="utf-8")


def test_a_plan_for_another_cluster_asks_and_changes_nothing(brokers: Checkout) -> None:
    bootstrap, pids = brokers.json("endpoints")["KAFKA_BOOTSTRAP_SERVERS"], brokers.pids()
    plan = brokers.json("upgrade", "--to", "4.4.0", "--bootstrap", bootstrap)
    leader = next(each["name"] for each in plan["brokers"] if each["controller"])
    assert sorted(plan["order"]) == sorted(bootstrap.split(","))
    assert plan["order"][-1] == leader
    assert plan["against"] == []
    assert "refuses" in brokers.json("upgrade", "--to", "4.2.0", "--bootstrap", bootstrap, code=1)["against"][0]
    assert brokers.pids() == pids


def test_after_finalising_there_is_no_way_back(brokers: Checkout) -> None:
    assert f"saved: before-{NEW}" in brokers.run("upgrade", "--to", NEW, "--yes").stderr
    assert "metadata.version 30 → 33" in brokers.run("upgrade", "--finalize", "--yes").stderr
    assert brokers.json("kafka", "versions")["finalized"]["release"] == "4.4"
    assert "only a snapshot leads back" in brokers.run("upgrade", "--back", "--yes", code=1).stderr
    brokers.edit(".env", f"KAFKA_VERSION={NEW}", f"KAFKA_VERSION={OLD}")
    assert "Unsupported metadata version" in brokers.run("restart", "kafka-1", "--renew", code=4).stderr
