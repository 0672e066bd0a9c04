"""A second, secure stack as if it were not ours: tasks look at it, planted faults are found, and all stays as it is."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import requests
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from backbone import client_properties
from backbone.security import access, certificates
from backbone.security.layout import Secrets
from backbone.wait import wait_until
from tests.e2e import checkout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.e2e.checkout import Checkout

USERS = """
  viewer:
    login: password
    may:
      - {do: [describe, describe_configs], topics: ["*"]}
      - {do: [describe], groups: ["*"]}
      - {do: [describe, describe_configs], cluster: true}
  operator:
    login: password
    may:
      - {do: [all], topics: [smoke-*, bench.*]}
      - {do: [describe], cluster: true}
"""
"""Who may only look, and who may do everything with topics of their own names."""

WAIT_S = 30.0
LOOKING = (
    ("doctor",),
    ("status",),
    ("topics", "list"),
    ("topics", "plan"),
    ("access", "plan"),
    ("access", "drift"),
    ("kafka", "versions"),
)


@dataclass(frozen=True)
class Theirs:
    """Their stack, our checkout that does not run, and where their registry answers."""

    stack: Checkout
    home: Checkout
    registry: str
    secrets: Secrets

    def file(self, user: str) -> str:
        return str(self.secrets.properties(user))

    def admin(self) -> AdminClient:
        read = client_properties.read(self.secrets.properties("admin"))
        return AdminClient({"bootstrap.servers": read.bootstrap, **client_properties.librdkafka(read)})

    def fingerprint(self) -> Mapping[str, Any]:
        """Return all that a task could have changed: topics, settings, groups, rules, versions, contracts."""
        admin = self.admin()
        topics = admin.list_topics(timeout=WAIT_S)
        asked = [[ConfigResource(ResourceType.TOPIC, name) for name in topics.topics]]
        asked += [[ConfigResource(ResourceType.BROKER, str(each))] for each in topics.brokers]  # each tells its own
        settings = {
            str(resource): {name: each.value for name, each in future.result(WAIT_S).items()}
            for resources in asked
            for resource, future in admin.describe_configs(resources).items()
        }
        subjects = requests.get(f"{self.registry}/subjects", timeout=WAIT_S).json()
        return {
            "topics": {name: len(each.partitions) for name, each in topics.topics.items()},
            "settings": settings,
            "groups": sorted(each.group_id for each in admin.list_consumer_groups().result(WAIT_S).valid),
            "rules": self.stack.json("access", "drift"),
            "versions": self.stack.json("kafka", "versions"),
            "ends": [self.ends(each) for each in ("events-topic", "events-topic.dead-letters")],
            "subjects": {each: self._versions(each) for each in sorted(subjects)},
        }

    def ends(self, topic: str) -> list[Any]:
        read = client_properties.read(self.secrets.properties("admin"))
        settings = {"bootstrap.servers": read.bootstrap, **client_properties.librdkafka(read), "group.id": "unused"}
        consumer = Consumer(settings)
        partitions = consumer.list_topics(topic, timeout=WAIT_S).topics[topic].partitions
        return [consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=WAIT_S) for number in partitions]

    def _versions(self, subject: str) -> Any:
        return requests.get(f"{self.registry}/subjects/{subject}/versions", timeout=WAIT_S).json()

    def found(self, *more: str) -> Mapping[str, Mapping[str, Any]]:
        """Return what the doctor says of it to who may only look, by check."""
        said = self.home.json("doctor", "--command-config", self.file("viewer"), *more, code=None)
        return {each["check"]: each for each in said["checks"]}

    def denied(self) -> int:
        """Return how often a broker has refused somebody for want of a right."""
        return sum(
            self.stack.run("logs", name, "--tail", "100000").stdout.count("is Denied") for name in checkout.BROKERS
        )


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Theirs]:
    stack = checkout.make(tmp_path_factory.mktemp("theirs"), cache, shift=checkout.free_shift())
    stack.edit(".env", "KAFKA_SECURITY=plaintext", "KAFKA_SECURITY=secure")
    rules = stack.root / access.FILE
    rules.write_text(rules.read_text(encoding="utf-8").rstrip("\n") + "\n" + USERS, encoding="utf-8")
    kafka = "infra/05-messaging/kafka/docker-compose.yml"
    stack.edit(kafka, 'KAFKA_AUTO_CREATE_TOPICS_ENABLE: "false"', 'KAFKA_AUTO_CREATE_TOPICS_ENABLE: "true"')
    home = checkout.make(tmp_path_factory.mktemp("ours"), cache, shift=checkout.free_shift())
    try:
        stack.run("up")
        registry = stack.json("endpoints")["SCHEMA_REGISTRY_URL"]
        yield Theirs(stack, home, registry, Secrets(stack.root / "secrets" / "kafka"))
    finally:
        stack.end()


@contextmanager
def unchanged(theirs: Theirs) -> Iterator[None]:
    before = theirs.fingerprint()
    yield
    assert theirs.fingerprint() == before


def test_to_look_with_every_task_changes_nothing_and_asks_for_no_right_that_is_missing(theirs: Theirs) -> None:
    denied = theirs.denied()
    with unchanged(theirs):
        for words in LOOKING:
            done = theirs.home.run(*words, "--command-config", theirs.file("viewer"), code=None)
            assert done.returncode in (0, 1), done.stderr
            assert "error[" not in done.stderr
        for action in ("plan", "drift"):
            theirs.home.run("contracts", action, "--registry", theirs.registry, code=None)
        with theirs.home.going(
            "console", "--port", "0", "--no-open", "--command-config", theirs.file("viewer")
        ) as going:
            assert going.stdout
            page = requests.get(going.stdout.readline().strip(), timeout=WAIT_S)
        assert page.ok
    assert "unknown" not in {each["status"] for each in theirs.found().values()}
    assert theirs.denied() == denied
    # How long a record has been waiting stands in the record: who may not read it is not told.
    assert {
        row["lag_seconds"] for row in theirs.home.json("groups", "list", "--command-config", theirs.file("viewer"))
    } <= {0.0, None}
    steps = theirs.home.json("access", "plan", "--command-config", theirs.file("viewer"), code=1)
    assert {step["user"] for step in steps if step["kind"] == "revoke"} == {"viewer", "operator"}
    assert "usage" in theirs.home.run("access", "apply", "--command-config", theirs.file("viewer"), code=2).stderr


def test_smoke_and_bench_keep_to_topics_of_their_own(theirs: Theirs) -> None:
    with unchanged(theirs):
        theirs.home.run("smoke", "--command-config", theirs.file("operator"), "--records", "60")
        words = ("bench", "--quick", "--repeats", "1", "--command-config", theirs.file("operator"), "--rate")
        assert "not-confirmed" in theirs.home.run(*words, "200", code=2).stderr
        assert "too-much-for-theirs" in theirs.home.run(*words, "20000", "--yes", code=2).stderr
        report = json.loads(theirs.home.run(*words, "200", "--yes", "--json", code=None).stdout)
    (cell,) = report["cells"]
    assert cell["spans"]["end_to_end"]["count"] == 200 * 12
    assert report["engine"] == "remote"


def test_planted_faults_are_found(theirs: Theirs) -> None:
    theirs.stack.run("topics", "create", "thin", "--set", "min.insync.replicas=1")
    theirs.stack.run("topics", "create", "unclean", "--set", "unclean.leader.election.enable=true")
    by_hand = {"schema": json.dumps({"type": "record", "name": "ByHand", "fields": []})}
    user = (theirs.stack.root / "secrets" / "registry" / "user.properties").read_text(encoding="ascii").strip()
    login = user.partition(":")[::2]
    subject = f"{theirs.registry}/subjects/by-hand-value/versions"
    assert requests.post(subject, json=by_hand, auth=login, timeout=WAIT_S).ok
    with unchanged(theirs):
        drift = theirs.home.run("contracts", "drift", "--registry", theirs.registry, "--json", code=1)
    assert "by-hand-value" in drift.stdout
    third = psutil.Process(theirs.stack.pids()["kafka-3"])
    third.suspend()
    try:
        wait_until(lambda: theirs.stack.alive() == [1, 2], what="broker 3 to be given up", timeout=4 * WAIT_S)
        found = theirs.found()
    finally:
        third.resume()
        wait_until(lambda: theirs.stack.json("status", code=None)["ok"], what="broker 3 to be back", timeout=60)
    assert found["D031"]["status"] in {"error", "warning"}, found["D031"]
    for check, word in (("D050", "thin"), ("D052", "unclean"), ("D053", "broker 1")):
        assert word in found[check]["findings"][0]["evidence"], found[check]


def test_an_expired_certificate_is_found(theirs: Theirs, tmp_path: Path) -> None:
    keystore = theirs.secrets.keystore("kafka-2")
    for name in ("ca.pem", "ca.key"):
        (tmp_path / name).write_bytes((theirs.secrets.folder / name).read_bytes())
    held = certificates.leaf(keystore)
    assert held
    certificates.ensure(tmp_path, "kafka-2", held.hosts, now=time.time() - 100 * 86_400)
    keystore.with_name("expired.pem").write_bytes((tmp_path / "kafka-2" / keystore.name).read_bytes())
    # Shown to clients alone: no other node would talk to one that shows it inside.
    shown = "    environment:\n      <<: *kafka-secure\n"
    more = f"{shown}      KAFKA_LISTENER_NAME_EXTERNAL_SSL_KEYSTORE_LOCATION: /etc/kafka/tls/expired.pem\n"
    volume = "    volumes:\n      - ${SECRETS_DIR:-./secrets}/kafka/kafka-2:"
    theirs.stack.edit("infra/05-messaging/security/secure/kafka.yml", shown + volume, more + volume)
    theirs.stack.run("restart", "kafka-2", "--renew", code=None)
    found = theirs.found()
    assert found["D060"]["status"] == "error", found["D060"]
    (told,) = found["D060"]["findings"]
    assert "expired" in told["evidence"]
    (second,) = [
        each for each in client_properties.read(theirs.file("viewer")).bootstrap.split(",") if each in told["evidence"]
    ]
    only = theirs.home.run("doctor", "--bootstrap", second, "--command-config", theirs.file("viewer"), code=4)
    assert "error[certificate-expired]" in only.stderr
