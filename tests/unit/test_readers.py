"""Every file that the product reads may be anything: it is read, or refused in a sentence; nothing else is raised."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backbone import results, secret_file
from backbone.bench import results as bench_results
from backbone.bench import samples
from backbone.bench.document import VERSION
from backbone.capacity import knee
from backbone.doctor import fixes
from backbone.doctor.evidence import Evidence
from backbone.errors import StackError
from backbone.events import records
from backbone.events.connectors import files as connectors
from backbone.events.contracts import repository
from backbone.failover import journal, plan
from backbone.leases.book import Book
from backbone.lint import baseline, policy
from backbone.lint.engine import Result, load_rules
from backbone.security import access as cluster_access
from backbone.security import certificates
from backbone.snapshots import metadata
from backbone.snapshots.manifest import Entry, Identity, Manifest
from backbone.snapshots.store import Store
from backbone.source import env_file
from backbone.stack import leftovers, postgres, rabbitmq, swap, topics
from backbone.stack import settings as stack_settings
from backbone.stack.engine.embedded import artifacts, launched, process, seals, tail
from backbone.stack.engine.embedded.runtimes import kafka
from backbone.strimzi import access, crd, intake, layout, manifest, rules
from backbone.testing.shared import Users
from scripts.maintain import traceability
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

CONTRACTS = ROOT / repository.FOLDER
SUBJECT = "events-topic-value"


@dataclass(frozen=True)
class Reader:
    """A file of a folder, what it looks like when it is sound (None: anything), and how the product reads it."""

    file: str
    read: Callable[[Path], Any]
    sound: Path | str | None = None

    @property
    def example(self) -> bytes:
        return self.sound.read_bytes() if isinstance(self.sound, Path) else (self.sound or "").encode()


def contract(folder: Path, file: Path) -> object:
    """Read contracts of which one file is the one in question."""
    for sound in CONTRACTS.rglob("*.*"):
        target = folder / sound.relative_to(CONTRACTS)
        if sound.is_file() and target != file:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(sound.read_bytes())
    return repository.check(folder, repository.SCHEMA_FILE)


def fixed(path: Path) -> None:
    text = path.parent / ".env"
    home = stack_settings.Settings(path.parent, {})
    assert text == home.env_file
    for fix in (fixes.comment_stale_keys, fixes.add_missing_keys):
        fix(Evidence(model=None, engine_name="", env={}, env_example={"NEW": "1"}), home)  # type: ignore[arg-type]


def requirements(path: Path) -> object:
    root = path.parents[1]
    target = root / traceability.SCHEMA_FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / traceability.SCHEMA_FILE, target)
    return traceability.trace(root, load_rules())


def tail_of(path: Path) -> list[str]:
    return list(tail.lines(path, 5, follow=False, alive=lambda: False))


def imported(path: Path) -> object:
    found = manifest.read(path.parent)
    return rules.judge(found), intake.changes(intake.read(found), path.parent / "home")


def judged(path: Path) -> object:
    """Judge a resource by CRDs of which nothing is sure."""
    return crd.judge([manifest.Manifest("topic.yaml", json.loads(TOPIC))], crd.read(path.parent))


def rules_of_users(path: Path) -> object:
    root = path.parents[len(access.FILE.parts) - 1]
    (root / ".env").write_text("KAFKA_SECURITY=secure\n", encoding="utf-8")
    return access.of_home(stack_settings.Settings(root, {}))


def resource(kind: str, spec: object) -> str:
    labels = {"strimzi.io/cluster": "backbone"}
    return json.dumps(
        {"apiVersion": "kafka.strimzi.io/v1", "kind": kind, "metadata": {"name": "a", "labels": labels}, "spec": spec}
    )


CLEAN = Result(())
RECORD = '{"identity": {"pid": 1, "started": "x"}, "stopping": false, "log": {"inode": 1, "size": 2}}'
LEFT = '{"kind": "topic", "name": "x", "where": ["127.0.0.1:1"], "task": "t", "by": {"pid": 999999, "started": "x"}}'
LEASE = json.dumps({"prefix": "lease-0123456789ab", "owner": {"pid": 1, "started": "x"}, "until": 1e10})
SNAPSHOT = Manifest(
    *("one", "2026-01-01T00:00:00+00:00", "1", "embedded"),
    Identity("x", {"kafka-1": "1"}, ("kafka-1",), "4.3.1", "", {}),
    *(25, False, (Entry("kafka-1", 0o755), Entry("kafka-1/a", 0o644, 1, "0" * 64))),
)
TOPIC = resource("KafkaTopic", {"partitions": 1, "replicas": 3, "config": {"retention.ms": 1}})
ACL = {"resource": {"type": "topic", "name": "x", "patternType": "prefix"}, "operations": ["Read"], "host": "*"}
USER = resource("KafkaUser", {"authentication": {"type": "tls"}, "authorization": {"type": "simple", "acls": [ACL]}})
CONNECTOR = resource("KafkaConnector", {"class": "org.x.Sink", "tasksMax": 1, "config": {"topics": "x"}})
CRD = """{"kind": "CustomResourceDefinition", "spec": {
    "group": "kafka.strimzi.io", "names": {"kind": "KafkaTopic"}, "versions": [{"name": "v1", "schema": {
        "openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-validations":
            [{"rule": "self.partitions > 0", "message": "m"}]}}}}}]}}"""
SWEEP = f"""{{"version": {VERSION}, "started": "x", "brokers": ["a"], "machine": {{"cpus": 2}}, "cells": [
    {{"valid": true, "spans": {{"end_to_end": {{"p95": 5}}}}, "replicas": 3,
     "load": {{"size": 1024, "rate": 100, "arrivals": "poisson"}}}}]}}"""
SIZE = '{"brokers": 3, "controllers": 3, "cpus": 2, "memory": 1, "heap": ["1g", "1g"], "storage": 1, "source": "x"}'
FLAGS = {"name": "a", "namespace": "b", "brokers": 3, "controllers": 3, "size": json.loads(SIZE)}
RULES_OF_USERS = {"users": {"a": {"login": "password", "may": [{"topics": ["x*"], "do": ["read"]}]}}}

READERS: dict[str, Reader] = {
    "a record of a process": Reader("process.json", process.read, RECORD),
    "what a service was started with": Reader(
        "service.json", lambda path: launched.read(path.parent, "kafka-1"), '{"environment": {"A": "1"}, "ports": []}'
    ),
    "a leftover": Reader("topic-1.json", lambda path: leftovers.Ledger(path.parent).orphaned(), LEFT),
    "seals": Reader(
        "x.seal", lambda path: seals.Seals.read(path, path.parent).digest("x.seal"), '{"x": [[1, 2, 3, 4], "ab"]}'
    ),
    "the lock of jars": Reader("artifacts.lock.json", artifacts.read_lock, ROOT / "infra/artifacts.lock.json"),
    "topics": Reader("topics.yml", topics.read, ROOT / "infra/05-messaging/kafka/topics.yml"),
    "topics to add to": Reader(
        "topics.yml", lambda path: topics.add(path, "new"), ROOT / "infra/05-messaging/kafka/topics.yml"
    ),
    "levels of the registry": Reader(
        "registry.yml", lambda path: contract(path.parent, path), CONTRACTS / "registry.yml"
    ),
    "a contract": Reader(
        f"{SUBJECT}/contract.yml", lambda path: contract(path.parents[1], path), CONTRACTS / SUBJECT / "contract.yml"
    ),
    "a schema": Reader(
        f"{SUBJECT}/v1.avsc", lambda path: contract(path.parents[1], path), CONTRACTS / SUBJECT / "v1.avsc"
    ),
    "a connector": Reader(
        "sink.yml",
        lambda path: connectors.load(path.parent, connectors.SCHEMA_FILE),
        ROOT / connectors.FOLDER / "postgres-archive.yml",
    ),
    "a policy": Reader("policy.toml", lambda path: policy.load(path, load_rules()), ROOT / "policy.toml"),
    "a policy in pyproject.toml": Reader("pyproject.toml", lambda path: policy.find(path.parent), "[tool.kafka-lint]"),
    "a baseline": Reader("baseline.json", lambda path: baseline.compare(path, CLEAN), '{"version": 1, "findings": []}'),
    "requirements": Reader(traceability.DATA_FILE, requirements, ROOT / traceability.DATA_FILE),
    "a plan of faults": Reader("plan.json", plan.read, json.dumps(plan.dump(plan.QUICK))),
    "a journal": Reader("run.jsonl", lambda path: journal.load(path.parent), '["ok",1,"p0.0",0,1,7]\n'),
    "a report": Reader("report.json", lambda path: results.found(path.parent), '{"version": 1}'),
    "a report of a benchmark": Reader("report.json", lambda path: bench_results.load(path.parent), '{"version": 1}'),
    "samples": Reader("x.samples", samples.load, None),
    "variables": Reader(".env", lambda path: env_file.load(path, {}), ROOT / ".env.example"),
    "ports": Reader(".env", lambda path: stack_settings.shift_ports(path, 1), ROOT / ".env.example"),
    "variables to mend": Reader(".env", fixed, ROOT / ".env.example"),
    "records to send": Reader("records.jsonl", lambda path: list(records.lines(path)), '{"a": 1}\n'),
    "an account of RabbitMQ": Reader("conf", rabbitmq.read_account, "default_user = a\ndefault_pass = b\n"),
    "a password": Reader(
        "password", lambda path: postgres.Server("h", 1, "n", "u", path).passfile(path.parent / "made"), "secret"
    ),
    "a file of passwords": Reader(
        "pgpass", lambda path: postgres.Server("h", 1, "n", "u", ROOT / "LICENSE").passfile(path.parent), "h:1:n:u:p\n"
    ),
    "who owns a log directory": Reader(
        "meta.properties", lambda path: kafka.meta_properties(path.parent), "cluster.id=x\nnode.id=1\n"
    ),
    "a snapshot": Reader(
        "one/manifest.json", lambda path: Store(path.parents[1]).load("one"), SNAPSHOT.dump().decode()
    ),
    "an exported snapshot": Reader("one.tar.zst", lambda path: Store(path.parent / "s").bring(path, lambda _: None)),
    "the journal of a restore": Reader(
        "swap.json", lambda path: swap.finish(path.parent), '{"committed": false, "live": ["kafka-1"]}'
    ),
    "Kafka's metadata": Reader("bootstrap.checkpoint", lambda path: metadata.level(path.parent)),
    "a lease": Reader("lease-0123456789ab.json", lambda path: Book(path.parent).live(), LEASE),
    "a user of a stack": Reader("7.json", lambda path: Users(path.parent).others(), RECORD),
    "the user of Connect": Reader("user", secret_file.basic_auth, "connect:secret"),
    "a sweep": Reader("report.json", lambda path: knee.measured(path.parent, 1024), SWEEP),
    "a topic of Kubernetes": Reader("topic.yaml", imported, TOPIC),
    "a user of Kubernetes": Reader("user.yaml", imported, USER),
    "a connector of Kubernetes": Reader("connector.yml", imported, CONNECTOR),
    "a CRD": Reader("crd.yaml", judged, CRD),
    "rules of users": Reader(str(access.FILE), rules_of_users, json.dumps(RULES_OF_USERS)),
    "rules of a secure stack": Reader("access.yml", cluster_access.read, json.dumps(RULES_OF_USERS)),
    "an authority": Reader("ca.pem", lambda path: certificates.open_authority(path.parent, now=0.0)),
    "a certificate": Reader("keystore.pem", certificates.leaf),
    "a size": Reader("size.json", layout.read_size, SIZE),
    "flags of an export": Reader(layout.FLAGS_FILE, lambda path: layout.read_flags(path.parent), json.dumps(FLAGS)),
    "a log": Reader("service.log", lambda path: (tail.guilty(tail.since(path)), tail_of(path)), "ERROR x\n"),
}


def read(reader: Reader, make: Callable[[Path], object]) -> None:
    """Make the file and read it; StackError is an answer, another exception is the bug."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "home", reader.file)
        path.parent.mkdir(parents=True)
        make(path)
        try:
            reader.read(path)
        except StackError as error:
            assert error.message  # noqa: PT017 - both ways are right


def written(body: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(body)


def as_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket has room for 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


FORMS: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a FIFO": os.mkfifo,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "a terminal's device": lambda path: path.symlink_to("/dev/tty"),
    "nothing": lambda path: path.symlink_to("/dev/null"),
    "of the kernel": lambda path: path.symlink_to("/proc/self/mem"),
    "a socket": as_socket,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "missing": lambda _: None,
    "empty": written(b""),
    "no text": written(b"\xff\xfe\x00\x80"),
    "zero bytes": written(b"\0" * 4096),
    "deep JSON": written(b"[\n" * 200_000),
    "deep objects": written(b'{"a":' * 100_000),
    "deep YAML": written(b"- " * 5_000),
    "deep flow YAML": written(b"[\n" * 5_000 + b"]" * 5_000),
    "deep TOML": written(b"a = " + b"[" * 20_000),
    "many names": written(b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n"),
    "itself in itself": written(b"&a [*a]\n"),
    "a tag": written(b"!!python/object/apply:os.system [false]\n"),
    "a number too long": written(b"9" * 10_000),
    "a date that is none": written(b"a: 2001-99-99\n"),
    "a name that cannot be one": written(b"? [a]\n: b\n? {b: c}\n: d\n"),
    "a number without end": written(b'{"version": 1e999, "pid": NaN, "steps": [Infinity]}'),
    "one half of a letter": written(b'{"\\ud800": "\\udfff", "name": "\\ud800"}'),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_none_is_refused(name: str, form: str) -> None:
    read(READERS[name], FORMS[form])


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_nobody_may_read_is_refused(name: str) -> None:
    """Root may read all: what keeps him out stands for it, a file that is gone between two looks is in FORMS."""

    def shut(path: Path) -> None:
        path.write_bytes(READERS[name].example)
        path.chmod(0)

    read(READERS[name], shut)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FEW = settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", READERS)
@FEW
@given(body=st.binary(max_size=200))
@example(body=b"\r\n\xc2\x85\xe2\x80\xa8=")
def test_any_bytes_are_read_or_refused(name: str, body: bytes) -> None:
    read(READERS[name], written(body))


@pytest.mark.parametrize("name", READERS)
@FEW
@given(data=st.data())
def test_a_sound_file_with_other_values_is_read_or_refused(name: str, data: st.DataObject) -> None:
    """Put values of any type in the place of those of a sound file: what JSON, YAML and lines allow."""
    try:
        body = json.loads(READERS[name].example)
    except ValueError:
        body = None
    where = body
    if isinstance(body, dict | list) and body:
        while isinstance(where, dict | list) and where:
            key = data.draw(st.sampled_from(sorted(where) if isinstance(where, dict) else range(len(where))))
            inner = where[key]
            if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
                where[key] = data.draw(VALUES)
                break
            where = inner
    else:
        body = data.draw(VALUES)
    read(READERS[name], written(json.dumps(body).encode()))


@pytest.mark.parametrize("name", READERS)
@FEW
@given(data=st.data())
def test_a_sound_file_that_was_damaged_is_read_or_refused(name: str, data: st.DataObject) -> None:
    """Cut it, or write something else over a part, as a crash in the middle of a write does."""
    sound = READERS[name].example
    at = data.draw(st.integers(0, len(sound)))
    over = data.draw(st.binary(max_size=12))
    rest = b"" if data.draw(st.booleans()) else sound[at + len(over) :]
    read(READERS[name], written(sound[:at] + over + rest))
