"""The tasks on a running stack."""

from __future__ import annotations

import http.client
import signal
from contextlib import closing
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import psutil
import pytest

from backbone import clients
from backbone.bench.drivers.base import NAMES
from backbone.bench.session import Cell, measure
from backbone.bench.topics import Cluster
from backbone.bench.worker import Load
from backbone.source import env_file
from backbone.wait import wait_until
from scripts.tasks.bench import drivers_named
from tests.e2e.checkout import BROKERS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.checkout import Checkout


def test_up_again_changes_nothing(running: Checkout) -> None:
    before = running.pids()
    running.run("up")
    assert running.pids() == before
    assert set(BROKERS) <= set(before)


def test_what_runs_as_three_nodes_becomes_no_stack_of_one(running: Checkout) -> None:
    before = running.pids()
    assert "error[other-size]" in running.run("up", "--lite", code=2).stderr
    assert "STACK_SIZE" not in (running.root / ".env").read_text(encoding="utf-8")
    assert running.pids() == before


def test_status_tells_services_and_cluster(running: Checkout) -> None:
    status = running.json("status")
    assert status["ok"]
    assert status["cluster"]["brokers_registered"] == [1, 2, 3]
    assert status["cluster"]["controller"] in {1, 2, 3}
    assert status["cluster"]["offline"] == []
    assert status["cluster"]["under_min_isr"] == []
    by_name = {row["name"]: row for row in status["services"]}
    for name in BROKERS:
        assert by_name[name]["phase"] == "running"
        assert by_name[name]["health"] == "healthy"
        assert by_name[name]["memory"] > 100 << 20
        assert by_name[name]["uptime"] > 0


def test_each_client_of_the_benchmark_delivers_what_it_sent_by_one_clock(running: Checkout) -> None:
    brokers = tuple(str(running.json("endpoints")["KAFKA_BOOTSTRAP_SERVERS"]).split(","))
    for driver in drivers_named(",".join(NAMES)):
        cell = Cell(Load(200, 1024, 1.5), driver=driver, group=driver.name == "java")
        made = measure(Cluster(brokers), cell, 1, seed=1, settle=0.0)
        gates = {gate.name: gate.found for gate in made.gates if not gate.passed}
        assert not gates.keys() & {"clock", "complete", "topology"}, (driver.name, gates)
        assert len(made.measured) == 300


def test_nothing_listens_beyond_loopback(running: Checkout) -> None:
    for pid in running.pids().values():
        listening = [
            connection.laddr.ip
            for connection in psutil.Process(pid).net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening
        assert all(address.removeprefix("::ffff:").startswith("127.") for address in listening), listening


def test_no_thread_of_what_was_started_ended_by_an_exception(running: Checkout) -> None:
    outputs = list(running.root.glob(".stack/embedded/*/output.log"))
    assert {each.parent.name for each in outputs} >= {*BROKERS, "schema-registry", "kafka-connect"}
    assert [each for each in outputs if "Exception in thread" in each.read_text(encoding="utf-8")] == []


def test_each_broker_tells_its_metrics(running: Checkout) -> None:
    port = env_file.read(running.root / ".env", {})["KAFKA_METRICS_PORT"]
    for address in ("127.0.0.11", "127.0.0.12", "127.0.0.13"):
        with closing(http.client.HTTPConnection(address, int(port), timeout=10)) as connection:
            connection.request("GET", "/metrics")
            assert b"kafka_server" in connection.getresponse().read()


def test_smoke_proves_messages_get_through(running: Checkout, tmp_path: Path) -> None:
    report = tmp_path / "smoke.xml"
    verdict = running.json("smoke", "--records", "100", "--junit", str(report))
    assert verdict["ok"]
    assert any("restarted" in check["detail"] for check in verdict["checks"])
    assert ET.parse(report).getroot().get("failures") == "0"  # noqa: S314 - our own file
    names = [topic["name"] for topic in running.json("topics", "list")]
    assert "events-topic" in names
    assert not any(name.startswith("smoke-") for name in names)


def test_smoke_works_against_any_cluster(running: Checkout) -> None:
    lines = running.run("endpoints", "--format", "env").stdout.splitlines()
    servers = dict(line.split("=", 1) for line in lines)["KAFKA_BOOTSTRAP_SERVERS"]
    out = running.run("smoke", "--bootstrap", servers, "--records", "50").stdout
    assert out.startswith("smoke: PASS")
    assert "restarted" not in out


@pytest.mark.parametrize(
    "line", ["topics plan", "contracts plan", "connectors status", "connectors plan", "groups list", "doctor"]
)
def test_what_is_printed_of_a_running_stack_is_what_the_schema_promises(line: str, running: Checkout) -> None:
    running.json(*line.split(), code=None)


def test_topics_live_and_die(running: Checkout) -> None:
    running.run("topics", "create", "scratch", "--partitions", "2")
    assert running.json("topics", "describe", "scratch")["partitions"] == 2
    again = running.run("topics", "create", "scratch", code=2)
    assert "topic-exists" in again.stderr
    assert "not-confirmed" in running.run("topics", "delete", "scratch", code=2).stderr
    running.run("topics", "delete", "scratch", "--yes")
    assert "no-such-topic" in running.run("topics", "describe", "scratch", code=2).stderr


@pytest.mark.parametrize("name", ["__consumer_offsets", "events-topic.dead-letters"])
def test_what_others_are_kept_in_is_not_deleted(running: Checkout, name: str) -> None:
    assert "topic-protected" in running.run("topics", "delete", name, "--yes", code=2).stderr
    assert running.json("topics", "describe", name)["name"] == name


def test_groups_are_listed_moved_and_deleted(running: Checkout) -> None:
    servers = dict(line.split("=", 1) for line in running.run("endpoints", "--format", "env").stdout.splitlines())[
        "KAFKA_BOOTSTRAP_SERVERS"
    ].split(",")
    running.run("topics", "create", "grouped", "--partitions", "1")
    with closing(clients.producer(servers)) as producer:
        for number in range(10):
            producer.send("grouped", value=str(number).encode()).get(timeout=30)
    with closing(clients.consumer(servers, group_id="billing")) as consumer:
        clients.join(consumer, "grouped")

        def positions() -> list[int]:
            consumer.poll(timeout_ms=500)
            return [consumer.position(each) for each in consumer.assignment()]

        wait_until(lambda: positions() == [10], what="the group to read all records", timeout=60)
        consumer.commit()
        assert "group-active" in running.run("groups", "reset", "billing", "--to", "earliest", code=1).stderr
    billing = {row["name"]: row for row in running.json("groups", "list")}["billing"]
    assert (billing["state"], billing["members"], billing["lag_records"]) == ("Empty", 0, 0)
    running.run("groups", "reset", "billing", "--to", "4")
    assert running.json("status")["lag_records"]["billing"] == 0
    running.run("groups", "reset", "billing", "--to", "4", "--yes")
    assert running.json("status")["lag_records"]["billing"] == 6
    assert 0 < running.json("groups", "describe", "billing")["lag_seconds"] < 600
    assert "the group billing has offsets" in running.run("topics", "delete", "grouped", code=2).stderr
    running.run("groups", "delete", "billing", "--yes")
    assert "billing" not in [row["name"] for row in running.json("groups", "list")]
    running.run("topics", "delete", "grouped", "--yes")


def test_topics_follow_their_file(running: Checkout) -> None:
    running.run("topics", "plan")
    running.edit("infra/05-messaging/kafka/topics.yml", "partitions: 3", "partitions: 4")
    assert "3 → 4" in running.run("topics", "plan", code=1).stdout
    running.run("topics", "apply")
    assert running.json("topics", "describe", "events-topic")["partitions"] == 4
    running.edit("infra/05-messaging/kafka/topics.yml", "partitions: 4", "partitions: 3")
    assert "topic-refused" in running.run("topics", "apply", code=1).stderr
    running.edit("infra/05-messaging/kafka/topics.yml", "partitions: 3", "partitions: 4")
    running.run("topics", "plan")


def test_an_export_equals_what_runs_until_something_differs(running: Checkout, tmp_path: Path) -> None:
    folder = str(tmp_path / "kubernetes")
    running.run("export", "strimzi", "--out", folder)
    # Nobody has applied the archive's connector to this stack, so it is the one thing that differs.
    (stopped,) = running.json("export", "--check", folder, code=1)["differences"]
    assert (stopped["path"], stopped["found"], stopped["expected"]) == ("spec.state", "(nothing)", "stopped")
    running.run("topics", "create", "strange", "--partitions", "2")
    pool = tmp_path / "kubernetes" / "cluster" / "node-pools.yaml"
    pool.write_text(pool.read_text(encoding="utf-8").replace("replicas: 3", "replicas: 5"), encoding="utf-8")
    found = running.json("export", "--check", folder, code=1)
    running.run("topics", "delete", "strange", "--yes")
    differences = {(each["path"], each["found"], each["expected"]) for each in found["differences"]}
    assert ("spec.replicas", "5", "3") in differences
    assert ("KafkaTopic", "(nothing)", "KafkaTopic strange") in differences
    assert len(differences) == 4  # and the kustomization of the topics


def test_another_cluster_is_asked_about_itself_and_nothing_is_changed(running: Checkout) -> None:
    lines = running.run("endpoints", "--format", "env").stdout.splitlines()
    servers = dict(line.split("=", 1) for line in lines)["KAFKA_BOOTSTRAP_SERVERS"]
    running.run(
        "topics", "create", "risky", "--set", "min.insync.replicas=1", "--set", "unclean.leader.election.enable=true"
    )
    running.run("topics", "create", "lonely", "--replicas", "1")
    before = running.json("topics", "list")
    said = running.json("doctor", "--bootstrap", servers, code=1)
    assert running.json("topics", "list") == before
    running.run("topics", "delete", "risky", "--yes")
    running.run("topics", "delete", "lonely", "--yes")
    found = {each["check"]: each["findings"][0]["evidence"] for each in said["checks"] if each["findings"]}
    assert set(found) == {"D050", "D051", "D052"}
    assert "risky" in found["D050"]
    assert "risky" in found["D052"]
    assert "lonely" in found["D051"]


def test_logs_show_the_end(running: Checkout) -> None:
    lines = running.run("logs", "kafka-2", "--tail", "5").stdout.splitlines()
    assert len(lines) == 5
    assert all("INFO" in line or "WARN" in line for line in lines)
    assert "unknown-service" in running.run("logs", "kafka-9", code=2).stderr


def test_a_killed_broker_is_told_and_healed(running: Checkout) -> None:
    before = running.pids()
    psutil.Process(before["kafka-3"]).send_signal(signal.SIGKILL)
    status = running.json("status", code=1)
    assert {row["name"]: row["phase"] for row in status["services"]}["kafka-3"] == "exited"
    wait_until(lambda: running.alive() == [1, 2], what="broker 3 to be given up", timeout=30)
    running.run("up")
    after = running.pids()
    assert after["kafka-3"] != before["kafka-3"]
    assert after["kafka-1"] == before["kafka-1"]


def test_restart_gives_a_service_a_new_process(running: Checkout) -> None:
    before = running.pids()
    running.run("restart", "kafka-1")
    after = running.pids()
    assert after["kafka-1"] != before["kafka-1"]
    assert after["kafka-2"] == before["kafka-2"]
    assert running.json("status")["ok"]
