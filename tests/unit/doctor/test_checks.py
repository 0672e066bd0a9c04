"""Each check fires on what it is for, says so in words that name it, and is silent on a healthy stack."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from backbone.doctor.checks import CHECKS, ELSEWHERE, diagnose
from backbone.doctor.evidence import (
    Certificate,
    EngineFacts,
    Evidence,
    Limits,
    PortUse,
    Settings,
    Stray,
    Topic,
    Upgrade,
)
from backbone.doctor.gather import configuration
from backbone.events.dead_letters import Letter, Place, Waiting
from backbone.stack import settings
from backbone.stack.engine.embedded import artifacts
from backbone.stack.health import PartitionState
from tests import ROOT, fakes
from tests.unit.doctor.conftest import CLUSTER, GIB, cluster, folder, model, partition, running

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

UNCLEAN = "unclean.leader.election.enable"
OTHER = "TWVzc2FnaW5nQmFja2JvbQ"
ALONE = partition(isr=(1,))


LETTER = Letter(Place("t.dead-letters", 0, 7), Place("t", 0, 42), 0, None, None, "42804", "42804 ERROR: no", {}, ())


def _metas(**changes: dict[str, str]) -> Mapping[str, Mapping[str, str]]:
    whole = {f"kafka_{node}": {"cluster.id": CLUSTER, "node.id": str(node)} for node in (1, 2, 3)}
    return {name: whole[name] | changes.get(name, {}) for name in whole}


def store(**changes: Any) -> Certificate:
    values: dict[str, Any] = {"days_left": 90.0, "names": frozenset({"kafka-1", "127.0.0.1"}), "mode": 0o600}
    return Certificate("kafka-1", "/certs/k.pem", **(values | changes))


# Check → (what is changed in the healthy evidence, words that the findings must contain).
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "D001": ({"engine": None, "unseen": {"engine": "nothing at unix:///x"}}, "unix:///x"),
    "D002": ({"engine": EngineFacts("19.03.5", 16 * GIB)}, "19.03.5"),
    "D003": ({"compose_version": "v2.20.2"}, "2.23.1"),
    "D004": ({"engine": EngineFacts("28.2.2", 2 * GIB)}, "1280 + kafka-2 1280 + kafka-3 1280 = 3840 MiB > 2048"),
    "D005": ({"ports": (PortUse("kafka-1", "127.0.0.1", 9092, "pid 7 (nginx)"),)}, "is taken by pid 7 (nginx)"),
    "D006": ({"model": model(ports=[{"published": "9092", "target": 9092}])}, "kafka-1 0.0.0.0:9092"),
    "D007": ({"engine": EngineFacts("28.2.2", 16 * GIB, clock_skew=-340.2)}, "-340.2 s"),
    "D008": ({"limits": Limits(20_000)}, "kafka-1 asks for 100000 open files, this machine allows 20000"),
    "D009": ({"limits": Limits(1 << 20, map_count=4096)}, "vm.max_map_count is 4096"),
    "D010": ({"model": model(logging={"driver": "loki"})}, "docker plugin install grafana/loki-docker-driver"),
    "D011": ({"env": {"CLUSTER_ID": CLUSTER, "BIND_ADDRESS": "x", "KAFKA_TYPO": "1"}}, ".env sets KAFKA_TYPO"),
    "D012": ({"env": {"CLUSTER_ID": CLUSTER}}, ".env lacks BIND_ADDRESS"),
    "D013": ({"model": model(environment={"CLUSTER_ID": "my-cluster"})}, "'my-cluster'"),
    "D014": ({"env": {"CLUSTER_ID": OTHER, "BIND_ADDRESS": "127.0.0.1"}}, "default of every checkout"),
    "D015": ({"shell": {"BIND_ADDRESS": "10.0.0.1"}}, "unset BIND_ADDRESS"),
    "D016": ({"lock": {"apache/kafka:4.4.0": "4.3.1"}}, "image apache/kafka:4.4.0, locked artifact 4.3.1"),
    "D017": ({"secret_modes": {"/secrets/p": 0o644}}, "/secrets/p has mode 0644"),
    "D018": ({"model": model(environment={"KAFKA_HEAP_OPTS": "-Xmx1g"})}, "heap 1024 MiB in a limit of 1280 MiB"),
    "D019": ({"folders": (folder("kafka-1", free=GIB // 2),)}, "0.5 of 200.0 GiB free"),
    "D020": ({"topics": (Topic("big", 100, 3, GIB),)}, "big 100 × 3 × 1024 MiB = 300.0 GiB > 100.0 GiB"),
    "D021": ({"meta": _metas(kafka_2={"cluster.id": OTHER})}, OTHER),
    "D022": ({"meta": _metas(kafka_2={"cluster.id": OTHER})}, f"CLUSTER_ID={OTHER} in .env"),
    "D023": ({"meta": _metas(kafka_2={"node.id": "1"})}, "kafka_2: node.id=1"),
    "D024": ({"meta": {"a": {"cluster.id": CLUSTER, "node.id": "1"}, "b": {}}}, "b: no meta.properties"),
    "D025": ({"folders": (folder("kafka-1", owner=0),)}, "belongs to user 0"),
    "D026": ({"unreachable": ("INTERNAL://kafka-2:19092 of kafka-2 cannot be reached",)}, "kafka-2:19092"),
    "D027": ({"cluster": cluster(brokers=(1, 3))}, "kafka-2 (id 2) is not registered"),
    "D028": ({"cluster": cluster(controller=-1)}, "the quorum has no leader"),
    "D029": ({"cluster": cluster(partition(isr=(), leader=-1))}, "1 partitions: events-topic-0"),
    "D030": ({"cluster": cluster(ALONE)}, "acks=all are refused"),
    "D031": ({"cluster": cluster(partition(isr=(1, 2)))}, "1 partitions: events-topic-0"),
    "D032": ({"cluster": cluster(identity=OTHER)}, f"the cluster that answers is {OTHER}"),
    "D033": ({"compatibility": "NONE"}, "compatibility level is NONE"),
    "D034": ({"connectors": {"archive": {"connector": "RUNNING", "task 0": "FAILED"}}}, "archive: task 0 FAILED"),
    "D035": ({"services": (running(phase="exited", health="", exit_code=137, out_of_memory=True),)}, "exit code 137"),
    "D036": ({"services": (running(restarts=4),)}, "restarted 4 times"),
    "D037": ({"services": (running(health="unhealthy", health_output="refused"),)}, "unhealthy: refused"),
    "D038": ({"services": (running(image="messaging-backbone/kafka:4.2.0"),)}, "kafka:4.2.0"),
    "D039": ({"services": (running(first_error="ERROR disk"),)}, "kafka-1: ERROR disk"),
    "D045": ({"meta": {"/data/kafka-1": {"version": "1"}}}, "mv /data/kafka-1 /data/kafka-1.damaged"),
    "D046": ({"services": (running(outdated=("KAFKA_LISTENERS", "ports")),)}, "./invoke restart kafka-1 --renew"),
    "D047": ({"services": (running(data_gone=True, health_output="its data folder is gone: /d"),)}, "is gone: /d"),
    "D048": ({"damaged": ("/cache/unpacked/registry",)}, "/cache/unpacked/registry: a file is missing"),
    "D049": ({"leftovers": ("topic smoke-1 of smoke",)}, "topic smoke-1 of smoke is left"),
    "D050": ({"cluster": cluster(partition(min_isr=1))}, "min.insync.replicas is 1 for events-topic"),
    "D051": ({"cluster": cluster(partition(isr=(1,), replicas=(1,), min_isr=1))}, "one copy of events-topic"),
    "D052": ({"settings": Settings({1: {UNCLEAN: "true"}}, {"t": {UNCLEAN: "true"}})}, "true on broker 1, t"),
    "D053": ({"settings": Settings({1: {"auto.create.topics.enable": "true"}}, {})}, "true on broker 1"),
    "D054": (
        {"settings": Settings({1: {"log.retention.ms": "5", "node.id": "1"}, 2: {"node.id": "2"}}, {})},
        "log.retention.ms: broker 1 5, broker 2 (not set)",
    ),
    "D055": ({"letters": (Waiting("t.dead-letters", 2, LETTER),)}, "2 records wait in t.dead-letters"),
    "D056": ({"levels": {"events-value": ("NONE", "FULL")}}, "events-value has NONE, its contract says FULL"),
    "D057": ({"strays": (Stray("kafka-1", 7, "java"),)}, "names process 7, which is now java"),
    "D058": ({"cache": folder("cache", read_only=True)}, "/data/cache cannot be written to"),
    "D060": ({"certificates": (store(problem="no such file"),)}, "kafka-1: /certs/k.pem: no such file"),
    "D061": ({"certificates": (store(days_left=-3.0),)}, "/certs/k.pem expired 3 days ago"),
    "D062": ({"certificates": (store(mode=0o644),)}, "chmod 0640 /certs/k.pem"),
    "D063": ({"certificates": (store(advertised=("127.0.0.1", "kafka.example")),)}, "and kafka.example is advertised"),
    "D070": ({"upgrade": Upgrade({"kafka-1": "4.3.1", "kafka-2": "4.4.0"})}, "kafka-2 runs 4.4.0"),
    "D071": ({"upgrade": Upgrade({"kafka-1": "4.4.0"}, {"metadata.version": (30, 33)}, 2.0)}, "version 30 → 33"),
    "D072": ({"newer": ("kafka-1: finalised at Kafka 4.4, the files say 4.3.1",)}, "set KAFKA_VERSION in .env"),
}  # fmt: skip


def test_every_check_has_a_fixture_that_makes_it_fire() -> None:
    names = [check.name for check in CHECKS]
    assert names == sorted(set(names))
    assert names == sorted(BROKEN)
    assert len(names) >= 25


def test_the_page_lists_every_check() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| D")] == [
        [f"| {check.name}", check.title] for check in CHECKS
    ]


def test_an_upgrade_may_wait_a_day_and_a_mixed_cluster_is_told_once(healthy: Evidence) -> None:
    raisable = {"metadata.version": (30, 33)}
    never_upgraded = Upgrade({"kafka-1": "4.3.1"}, {"kraft.version": (0, 1)}, 9.0)
    for found in (
        never_upgraded,
        Upgrade({"kafka-1": "4.4.0"}, raisable, 0.9),
        Upgrade({"a": "4.3.1", "b": "4.4.0"}, raisable, 2.0),
    ):
        assert diagnose(replace(healthy, upgrade=found), ["D071"])[0].status == "ok"


def test_a_healthy_stack_has_no_findings(healthy: Evidence) -> None:
    assert {result.check.name: result.status for result in diagnose(healthy) if result.status != "ok"} == {}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_check_fires_on_what_it_is_for(name: str, healthy: Evidence) -> None:
    changes, words = BROKEN[name]
    (result,) = (item for item in diagnose(replace(healthy, **changes)) if item.check.name == name)
    assert result.status in ("error", "warning")
    said = "\n".join(f"{item.evidence}\n{item.cause}\n{item.remedy}" for item in result.findings)
    assert words in said
    assert all(item.evidence and item.cause and item.remedy for item in result.findings)


def test_too_few_open_files_are_told_without_docker(healthy: Evidence) -> None:
    low = replace(healthy, limits=Limits(256), engine_name="embedded")
    (result,) = (item for item in diagnose(low) if item.check.name == "D008")
    assert result.findings[0].evidence.startswith("a process may open 256 files")


def test_a_certificate_that_expires_soon_is_told_before(healthy: Evidence) -> None:
    for days, status in ((13.9, "warning"), (14.0, "ok"), (-0.1, "error")):
        looked = replace(healthy, certificates=(store(days_left=days),))
        assert [result.status for result in diagnose(looked, ["D061"])] == [status]


def test_who_runs_another_cluster_has_to_renew_its_certificate(healthy: Evidence) -> None:
    theirs = replace(healthy, certificates=(Certificate("k.example:9093", "its certificate", 2.0, shown=True),))
    (result,) = diagnose(theirs, ["D061"])
    assert "./invoke" not in result.findings[0].remedy
    assert "k.example:9093" in result.findings[0].evidence


def test_what_cannot_be_seen_is_said_and_not_judged(healthy: Evidence) -> None:
    blind = replace(healthy, cluster=None, unseen={"cluster": "no broker answers"})
    unknown = {result.check.name: result.reason for result in diagnose(blind) if result.status == "unknown"}
    assert set(unknown) == {"D027", "D028", "D029", "D030", "D031", "D032", "D050", "D051"}
    assert set(unknown.values()) == {"no broker answers"}


def test_a_cluster_of_others_is_put_to_what_it_can_be_asked_alone(healthy: Evidence) -> None:
    asked = Evidence(model(), "", {}, {}, cluster=healthy.cluster, settings=healthy.settings, certificates=())
    assert {result.check.name: result.status for result in diagnose(asked, ELSEWHERE)} == dict.fromkeys(ELSEWHERE, "ok")
    worse = replace(asked, cluster=cluster(partition(isr=(1, 2), min_isr=1)))
    found = {result.check.name for result in diagnose(worse, ELSEWHERE) if result.findings}
    assert found == {"D031", "D050"}


def test_what_is_somebodys_own_memory_is_not_judged_as_a_topic_of_users(healthy: Evidence) -> None:
    journal = PartitionState("kafkasql-journal", 0, 1, (1,), (1,), 1)
    fine = replace(healthy, cluster=cluster(journal))
    assert [result for result in diagnose(fine, ["D050", "D051"]) if result.findings] == []


def test_every_need_is_a_field_of_the_evidence() -> None:
    known = {field.name for field in fields(Evidence)}
    assert {need for check in CHECKS for need in check.needs} <= known


def test_the_embedded_engine_needs_no_docker(healthy: Evidence) -> None:
    without = replace(healthy, engine_name="embedded", engine=None, unseen={"engine": "no Docker"})
    statuses = {result.check.name: result.status for result in diagnose(without)}
    assert statuses["D001"] == "ok"
    assert statuses["D004"] == "unknown"


def test_a_folder_of_another_user_is_an_error_only_where_it_cannot_be_written(healthy: Evidence) -> None:
    here = replace(healthy, engine_name="embedded", folders=(folder("kafka-1", owner=1000, writable=False),))
    (result,) = (item for item in diagnose(here) if item.check.name == "D025")
    assert "cannot be written to" in result.findings[0].evidence


def test_a_disk_that_is_mounted_read_only_is_not_somebody_elses_folder(healthy: Evidence) -> None:
    here = replace(healthy, engine_name="embedded", folders=(folder("kafka-1", writable=False, read_only=True),))
    (result,) = (item for item in diagnose(here) if item.check.name == "D025")
    (found,) = result.findings
    assert "mounted read-only" in found.evidence
    assert "chown" not in found.remedy


def test_a_copied_home_is_told_as_one(healthy: Evidence) -> None:
    (result,) = diagnose(replace(healthy, strays=(Stray("kafka-1", 7, "java", "/home/first"),)), ["D057"])
    assert "process 7, which serves /home/first" in result.findings[0].evidence


def test_a_frozen_service_is_told_as_one(healthy: Evidence) -> None:
    here = replace(healthy, services=(running(phase="paused", health="unhealthy"),))
    (result,) = (item for item in diagnose(here) if item.check.name == "D037")
    assert "kafka-1 is frozen" in result.findings[0].evidence


def test_a_home_that_leaves_parts_out_has_no_lock_of_theirs(tmp_path: Path) -> None:
    lock = tmp_path / "infra" / "artifacts.lock.json"
    lock.parent.mkdir()
    artifacts.write_lock(lock, artifacts.Lock({}, {}))
    assert configuration.lock(settings.Settings(tmp_path, {}), fakes.model(kafka={"image": "x"})) == {}
