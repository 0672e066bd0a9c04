"""The secure profile on a real stack: what is allowed works, and each refusal is seen with its exact reason.

The clients are librdkafka's and Python's ssl, which say why they were refused and share no code with ours.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
import time
import uuid
from itertools import chain
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import requests
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from kafka.protocol.admin import CreateTopicsRequest
from kafka.protocol.parser import KafkaProtocol

from backbone import client_properties, kafka_probe
from backbone.security import access, certificates, users
from backbone.security.layout import Secrets
from backbone.source import env_file
from backbone.stack import compose
from tests.e2e import checkout
from tests.e2e.logins import TOPIC, WAIT_S, code, librdkafka, read_by, written

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from tests.e2e.checkout import Checkout

BROKERS = ("kafka-1", "kafka-2", "kafka-3")
EVENT = {"event_id": "s-1", "event_type": "t", "source": "e2e", "occurred_at": "2026-01-31T12:00:00Z", "amount": 1.5}
TOPIC_AUTHORIZATION_FAILED = 29
INDEXES = (".index", ".timeindex")
LEASES = """
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tests.e2e.logins import WAIT_S, code, read_by, written

def shown(lease):
    env = lease.env()
    return {
        "bootstrap.servers": env["KAFKA_BOOTSTRAP_SERVERS"],
        "security.protocol": env["KAFKA_SECURITY_PROTOCOL"],
        "sasl.mechanism": env["KAFKA_SASL_MECHANISM"],
        "sasl.username": env["KAFKA_SASL_USERNAME"],
        "sasl.password": env["KAFKA_SASL_PASSWORD"],
        "ssl.ca.location": env["KAFKA_SSL_CA_LOCATION"],
        "socket.timeout.ms": "8000",
    }

def test_leases(backbone, lease):
    mine = lease.topic("orders")
    me = shown(lease)
    admin = AdminClient(me)
    with backbone.lease() as other:
        theirs = other.topic("orders")
        for one in (lease, other):
            one.produce(one.name("orders"), "one")
            (record,) = one.consume(one.name("orders"), group=one.group("readers"))
            one.await_lag(one.group("readers"))
        assert written(me, mine) is None
        assert read_by(me, lease.group("others"), mine) is None
        Producer({**me, "transactional.id": lease.name("tx")}).init_transactions(WAIT_S)
        admin.create_topics([NewTopic(lease.name("more"), 1)])[lease.name("more")].result(WAIT_S)
        assert {mine} <= set(admin.list_topics(timeout=WAIT_S).topics) <= {mine, lease.name("more")}
        assert code(written(me, theirs)) == KafkaError.TOPIC_AUTHORIZATION_FAILED
        assert code(read_by(me, lease.group("others"), theirs)) == KafkaError.TOPIC_AUTHORIZATION_FAILED
        assert code(read_by(me, other.group("readers"), mine)) == KafkaError.GROUP_AUTHORIZATION_FAILED
        with pytest.raises(KafkaException) as refused:
            Producer({**me, "transactional.id": other.name("tx")}).init_transactions(WAIT_S)
        assert code(refused.value.args[0]) == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        for name in (other.name("x"), "events-topic-2"):
            with pytest.raises(KafkaException) as refused:
                admin.create_topics([NewTopic(name, 1)])[name].result(WAIT_S)
            assert code(refused.value.args[0]) == KafkaError.TOPIC_AUTHORIZATION_FAILED
        they = shown(other)
    assert code(written(they, theirs)) == KafkaError._AUTHENTICATION
"""
"""Two leases of one test: what each may do, and what ends with it."""

COLLEAGUES = """
  works:
    login: password
    may:
      - {do: [read, write, create, delete, describe_configs], topics: [events-topic, works-*]}
      - {do: [read, delete], groups: [works]}
      - {do: [write, describe], transactional_ids: [produce-events-topic-*]}

  looks:
    login: password
    may:
      - {do: [describe, describe_configs], topics: [events-topic, works-*]}
      - {do: [describe], groups: [works]}
      - {do: [write, describe], transactional_ids: [produce-events-topic-*]}
"""
"""Rules for what the tasks do, and for looking at it."""


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Checkout]:
    """The whole stack with KAFKA_SECURITY=secure."""
    made = checkout.make(tmp_path_factory.mktemp("secure"), cache, shift=checkout.free_shift())
    made.edit(".env", "KAFKA_SECURITY=plaintext", "KAFKA_SECURITY=secure")
    try:
        made.run("up", "--profile", "messaging", "--profile", "data")
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def secrets(secure: Checkout) -> Secrets:
    return Secrets(secure.root / "secrets" / "kafka")


def test_every_task_works_over_it(secure: Checkout, tmp_path: Path) -> None:
    secure.run("smoke")
    secure.run("topics", "create", "scratch")
    assert "scratch" in secure.run("topics", "list").stdout
    (tmp_path / "events.jsonl").write_text(json.dumps(EVENT), encoding="utf-8")
    secure.run("produce", TOPIC, "--file", str(tmp_path / "events.jsonl"))
    assert "s-1" in secure.run("consume", TOPIC, "--max", "1", "--from", "earliest").stdout
    assert secure.json("status")["ok"]
    secure.json("groups", "list")
    secure.json("contracts", "plan")


def test_events_come_into_the_table(secure: Checkout) -> None:
    secure.run("connectors", "apply")
    secure.run("archive", "--events", "200", "--no-restart")


def test_the_user_of_the_file_may_do_what_it_says_and_nothing_else(secure: Checkout, secrets: Secrets) -> None:
    secure.run("topics", "create", "private")
    settings = librdkafka(secrets)
    assert written(settings, TOPIC) is None
    assert read_by(settings, "app-reader") is None
    assert code(written(settings, "private")) == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert code(read_by(settings, "app-reader", "private")) == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert code(read_by(settings, "other")) == KafkaError.GROUP_AUTHORIZATION_FAILED
    admin = AdminClient(settings)
    made = admin.create_topics([NewTopic("of-my-own", 1)])["of-my-own"]
    with pytest.raises(KafkaException) as refused:
        made.result(WAIT_S)
    assert code(refused.value.args[0]) == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_a_lease_is_a_user_whose_rules_end_at_its_prefix(secure: Checkout, secrets: Secrets) -> None:
    assert "1 passed" in checkout.ended(secure.pytest(LEASES))
    assert secure.json("access", "drift") == []
    assert [file.name for file in secrets.folder.glob("users/lease-*")] == []
    admin = AdminClient(librdkafka(secrets, "admin"))
    known: Any = admin.describe_user_scram_credentials()
    assert known.result(WAIT_S).keys() == {"app", "admin"}


@pytest.fixture(scope="module")
def colleagues(secure: Checkout) -> None:
    """One who may do with a topic and a group what the tasks do, and one who may look at them."""
    with (secure.root / access.FILE).open("a", encoding="utf-8") as file:
        file.write(COLLEAGUES)
    secure.run("access", "apply")
    for name in ("private", "works-on"):
        secure.run("topics", "create", name, code=None)  # another test may have made it
    me = librdkafka(Secrets(secure.root / "secrets" / "kafka"), "works")
    for name in (TOPIC, "works-on"):
        assert written(me, name) is None
    assert read_by(me, "works") is None


NOT_ALLOWED = "error[not-allowed]: the cluster does not allow that to {}"


@pytest.mark.parametrize(
    ("user", "words", "code", "said"),
    [
        ("app", ("produce", TOPIC), 4, NOT_ALLOWED),  # the transactional id that the task takes is none of app's
        ("looks", ("produce", TOPIC), 4, NOT_ALLOWED),
        ("looks", ("consume", "works-on", "--max", "1"), 4, NOT_ALLOWED),
        ("looks", ("groups", "reset", "works", "--to", "earliest", "--topic", TOPIC, "--yes"), 4, NOT_ALLOWED),
        ("looks", ("topics", "create", "works-too"), 4, NOT_ALLOWED),
        ("looks", ("topics", "delete", "works-on", "--yes"), 4, NOT_ALLOWED),
        # What somebody may not even describe is not there for them: neither topic nor group.
        ("app", ("consume", "private", "--max", "1"), 2, "error[no-topic]"),
        ("app", ("groups", "delete", "works", "--yes"), 2, "error[no-such-group]"),
    ],
)
@pytest.mark.usefixtures("colleagues")
def test_the_tasks_tell_what_the_rules_do_not_allow(
    secure: Checkout, secrets: Secrets, tmp_path: Path, user: str, words: tuple[str, ...], code: int, said: str
) -> None:
    if words[0] == "produce":
        (tmp_path / "events.jsonl").write_text(json.dumps(EVENT), encoding="utf-8")
        words = (*words, "--file", str(tmp_path / "events.jsonl"))
    assert said.format(user) in secure.refused(*words, "--command-config", str(secrets.properties(user)), code=code)
    secure.run(*words, "--command-config", str(secrets.properties("admin" if "private" in words else "works")))


def test_everybody_reads_contracts_and_only_who_knows_the_password_writes_them(secure: Checkout) -> None:
    url = secure.json("endpoints")["SCHEMA_REGISTRY_URL"]
    subject = f"{url}/subjects/{TOPIC}-value"
    schema = requests.get(f"{subject}/versions/latest", timeout=10).json()["schema"]
    assert requests.post(subject, json={"schema": schema}, timeout=10).ok  # the id of a schema: serializers ask for it
    file = secure.root / "secrets" / "registry" / "user.properties"
    user, _, password = file.read_text(encoding="ascii").partition(":")
    attempts: tuple[tuple[str, str, object], ...] = (
        ("POST", f"{url}/subjects/by-hand-value/versions", {"schema": '"string"'}),
        ("POST", f"{url}/subjects/by-hand-value/versions/", {"schema": '"string"'}),
        ("PUT", f"{url}/config/{TOPIC}-value", {"compatibility": "NONE"}),
        ("PUT", f"{url}/config", {"compatibility": "NONE"}),
        ("POST", url.replace("ccompat/v7", "registry/v3/groups"), {"groupId": "by-hand"}),
        ("DELETE", subject, None),
    )
    for method, place, body in attempts:
        for login in (None, (user, "wrong")):
            assert requests.request(method, place, json=body, auth=login, timeout=10).status_code == 401, place
    level = attempts[2]
    assert requests.request(level[0], level[1], json=level[2], auth=(user, password), timeout=10).ok
    found = {each["check"]: each for each in secure.json("doctor", code=1)["checks"]}
    assert f"{TOPIC}-value has NONE" in str(found["D056"])
    secure.run("contracts", "apply")
    assert secure.json("contracts", "plan") == {"changes": []}


def test_rules_follow_their_file(secure: Checkout, secrets: Secrets) -> None:
    assert secure.json("access", "drift") == []
    line = "{do: [read, write, describe_configs], topics: [events-topic]}"
    more = line.replace("events-topic", "events-topic, mine.*")
    secure.run("topics", "create", "mine.first")
    assert code(written(librdkafka(secrets), "mine.first")) == KafkaError.TOPIC_AUTHORIZATION_FAILED
    secure.edit(str(access.FILE), line, more)
    steps = secure.json("access", "plan", code=1)
    assert {(step["kind"], step["user"], step["name"], step["pattern"]) for step in steps} == {
        ("allow", "app", "mine.", "prefixed")
    }
    secure.run("access", "apply")
    assert written(librdkafka(secrets), "mine.first") is None
    secure.edit(str(access.FILE), more, line)
    assert {step["kind"] for step in secure.json("access", "apply")} == {"revoke"}
    assert code(written(librdkafka(secrets), "mine.first")) == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_certificates_are_shown_and_exported(secure: Checkout, secrets: Secrets, tmp_path: Path) -> None:
    shown = {row["name"]: row["days_left"] for row in secure.json("certs", "show")}
    assert {name for name, days in shown.items() if days == 89} == {
        *BROKERS,
        "admin",
        "kafka-connect",
        "schema-registry",
    }
    secure.run("certs", "export", "--out", str(tmp_path / "ca.pem"))
    assert (tmp_path / "ca.pem").read_bytes() == secrets.ca.read_bytes()
    values = secure.json("env")
    assert values["KAFKA_CLIENT_PROPERTIES"] == str(secrets.properties("app"))
    assert "KAFKA_SASL_PASSWORD" not in values


def test_transactions_are_for_the_ids_of_the_user(secrets: Secrets) -> None:
    mine = Producer({**librdkafka(secrets), "transactional.id": "app-1"})
    mine.init_transactions(WAIT_S)
    mine.begin_transaction()
    mine.produce(TOPIC, b"in a transaction")
    mine.abort_transaction(WAIT_S)
    with pytest.raises(KafkaException) as refused:
        Producer({**librdkafka(secrets), "transactional.id": "theirs"}).init_transactions(WAIT_S)
    assert code(refused.value.args[0]) == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def test_who_is_not_who_they_say_is_refused(secrets: Secrets) -> None:
    for changes in ({"sasl__password": "wrong"}, {"sasl__username": "nobody"}):
        refused = written(librdkafka(secrets, **changes), TOPIC)
        assert code(refused) == KafkaError._AUTHENTICATION, refused  # noqa: SLF001 - its name
        assert "invalid credentials" in str(refused)


def test_a_client_without_tls_gets_no_word(secrets: Secrets) -> None:
    sasl: dict[str, None] = {
        "sasl__mechanism": None,
        "sasl__username": None,
        "sasl__password": None,
        "ssl__ca__location": None,
    }
    refused = written(librdkafka(secrets, "app", security__protocol="PLAINTEXT", **sasl), TOPIC)
    assert code(refused) in {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}, refused  # noqa: SLF001


def test_a_client_with_another_authority_refuses_the_cluster(secrets: Secrets, tmp_path: Path) -> None:
    certificates.open_authority(tmp_path, now=time.time())
    refused = written(librdkafka(secrets, ssl__ca__location=str(tmp_path / "ca.pem")), TOPIC)
    # The fault of the handshake itself, or, when that was told before, the connection that ended by it.
    assert code(refused) in {KafkaError._SSL, KafkaError._TRANSPORT}, refused  # noqa: SLF001 - their names
    assert "certificate verify failed" in str(refused)


@pytest.fixture(scope="module")
def internal(secure: Checkout) -> tuple[str, int]:
    """Where kafka-1 listens to the stack's services."""
    return "127.0.0.11", int(env_file.read(secure.root / ".env", {})["KAFKA_INTERNAL_PORT"])


@pytest.fixture(scope="module")
def impostors(secrets: Secrets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the administrator's certificates of another authority (rogue), and that has expired (past)."""
    made = tmp_path_factory.mktemp("impostors")
    (made / "past").mkdir()
    for name in ("ca.pem", "ca.key"):
        (made / "past" / name).write_bytes((secrets.folder / name).read_bytes())
    certificates.ensure(made / "past", "admin", (), now=time.time() - 100 * 24 * 3600)
    certificates.ensure(made / "rogue", "admin", (), now=time.time())
    return made


def ask(address: tuple[str, int], secrets: Secrets, keystore: Path | None, *, host: str = "kafka-1") -> int:
    """Ask the listener of the services to make a topic; return Kafka's error code, or raise what TLS says."""
    context = ssl.create_default_context(cafile=secrets.ca)
    if keystore:
        context.load_cert_chain(keystore)
    protocol = KafkaProtocol(client_id="e2e")
    topic = CreateTopicsRequest.CreatableTopic(
        name=f"x-{uuid.uuid4()}", num_partitions=1, replication_factor=1, assignments=[], configs=[]
    )
    protocol.send_request(CreateTopicsRequest(topics=[topic], timeout_ms=5000, validate_only=True, version=4))
    with (
        socket.create_connection(address, 5) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        connection.sendall(protocol.send_bytes())
        answers: list[Any] = []
        while not answers:
            answers = protocol.receive_bytes(connection.recv(4096))
    return int(answers[0][1].topics[0].error_code)


def test_a_service_shows_a_certificate_of_this_authority_or_gets_no_word(
    internal: tuple[str, int], secrets: Secrets, impostors: Path
) -> None:
    assert ask(internal, secrets, secrets.keystore("admin")) == 0
    assert ask(internal, secrets, secrets.keystore("schema-registry")) == TOPIC_AUTHORIZATION_FAILED
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"):
        ask(internal, secrets, None)
    with pytest.raises((ssl.SSLError, ConnectionError)) as rogue:
        ask(internal, secrets, impostors / "rogue" / "admin" / "keystore.pem")
    assert re.search("(?i)certificate|unknown.ca|reset", str(rogue.value))
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.(expired|unknown)"):
        ask(internal, secrets, impostors / "past" / "admin" / "keystore.pem")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        ask(internal, secrets, secrets.keystore("admin"), host="kafka-2")


BY_CERTIFICATE = {
    "bootstrap.servers": "{internal}",
    "security.protocol": "SSL",
    "ssl.keystore.type": "PEM",
    "ssl.endpoint.identification.algorithm": "",  # an address of this machine is in no certificate for INTERNAL
}


@pytest.mark.parametrize(
    ("reference", "changes"),
    [
        ("login-refused", {"sasl.jaas.config": users.jaas("app", "wrong")}),
        ("login-refused", {"sasl.jaas.config": users.jaas("nobody", "wrong")}),
        ("login-wanted", {"security.protocol": "SSL"}),
        ("tls-wanted", {"security.protocol": "PLAINTEXT"}),
        ("unknown-ca", {"ssl.truststore.location": "{impostors}/rogue/ca.pem"}),
        ("wrong-host-name", {"bootstrap.servers": "{internal}"}),
        ("client-certificate-wanted", BY_CERTIFICATE),
        (
            "client-certificate-refused",
            {**BY_CERTIFICATE, "ssl.keystore.location": "{impostors}/rogue/admin/keystore.pem"},
        ),
        (
            "client-certificate-refused",
            {**BY_CERTIFICATE, "ssl.keystore.location": "{impostors}/past/admin/keystore.pem"},
        ),
    ],
)
def test_the_tasks_tell_why_somebody_is_not_let_in(
    secure: Checkout,
    secrets: Secrets,
    internal: tuple[str, int],
    impostors: Path,
    tmp_path: Path,
    reference: str,
    changes: dict[str, str],
) -> None:
    right = secrets.properties("app")
    file = tmp_path / "client.properties"
    values = client_properties.parse(right.read_text(encoding="utf-8")) | changes
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    address = f"{internal[0]}:{internal[1]}"
    file.write_text(text.format(internal=address, impostors=impostors), encoding="utf-8")
    assert f"error[{reference}]" in secure.refused("topics", "list", "--command-config", str(file))
    if changes.get("ssl.keystore.location"):
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r"(?m)^(ssl.keystore.location)=.*", rf"\1={secrets.keystore('admin')}", text))
        assert kafka_probe.refusal(address, client_properties.read(file)) is None
    else:
        secure.run("topics", "list", "--command-config", str(right))


def hidden(secure: Checkout, secrets: Secrets) -> set[bytes]:
    """Return the passwords and keys of a stack, each with what an HTTP client sends of it."""
    found = {path.read_bytes().strip() for path in secrets.folder.glob("users/*.password")}
    for path in (*secrets.folder.glob("*/keystore.pem"), secrets.folder / "ca.key"):
        found.add(path.read_bytes().splitlines()[1])
    for file in ("registry/user.properties", "connect/user"):
        user = (secure.root / "secrets" / file).read_bytes()
        found |= {user.partition(b":")[2], base64.b64encode(user)}
    found.add((secure.root / "secrets" / "postgres_password").read_bytes().strip())
    assert len(found) >= 13
    return found


def told(secure: Checkout) -> Iterator[tuple[str, bytes]]:
    """Yield what the tasks and Compose say of a stack, and each file of its checkout but the secrets."""
    resolved = compose.config(secure.root / "docker-compose.yml", profiles=["*"], environ=secure.env)
    assert "ANONYMOUS_READ_ACCESS" in resolved.stdout
    yield "compose config", resolved.stdout.encode()
    for words in (
        ("status", "--json"),
        ("endpoints", "--json"),
        ("doctor", "--json"),
        ("env",),
        ("certs", "show", "--json"),
        ("contracts", "plan", "--json"),
        ("access", "plan", "--json"),
        ("connectors", "plan", "--json"),
    ):
        said = secure.run(*words, code=None)
        yield " ".join(words), (said.stdout + said.stderr).encode()
    own = secure.root / ".stack" / "pgpass"  # PostgreSQL's password as its clients want it (docs/adr/0062)
    for path in secure.root.rglob("*"):
        # An index of Kafka's is numbers, and 10 MiB of nothing.
        if path.is_file() and not path.is_relative_to(secure.root / "secrets") and path.suffix not in INDEXES:
            yield str(path), b"" if path == own else path.read_bytes()
    assert not own.exists() or own.stat().st_mode & 0o777 == 0o600


def leaks(shown: Iterable[tuple[str, bytes]], words: Collection[bytes]) -> list[str]:
    """Return the places that show one of some words."""
    return [place for place, content in shown if any(word in content for word in words)]


def test_no_password_and_no_key_is_anywhere_but_in_its_file(secure: Checkout, secrets: Secrets) -> None:
    shown: dict[str, bytes] = {}
    for pid in secure.pids().values():
        process = psutil.Process(pid)
        shown[f"arguments of {pid}"] = " ".join(process.cmdline()).encode()
        shown[f"environment of {pid}"] = repr(process.environ()).encode()
    assert len(shown) > len(BROKERS)
    assert leaks(chain(shown.items(), told(secure)), hidden(secure, secrets)) == []


def test_an_export_has_the_users_and_rules_that_the_cluster_has(secure: Checkout, tmp_path: Path) -> None:
    folder = str(tmp_path / "kubernetes")

    def of_users() -> list[tuple[str, str]]:
        found = secure.json("export", "--check", folder, code=None)["differences"]
        return [(each["file"], each["expected"]) for each in found if each["file"].startswith("users/")]

    secure.run("export", "strimzi", "--out", folder)
    assert of_users() == []
    line = "{do: [read, delete], groups: [app*]}"
    secure.edit(str(access.FILE), line, line.replace("delete", "describe"))
    secure.run("access", "apply")
    secure.edit(str(access.FILE), line.replace("delete", "describe"), line)
    # The file is as it was exported; what is in force is not.
    assert of_users()
    secure.run("access", "apply")
    assert of_users() == []
