"""Every refusal of a real broker is told as what it is, and who is let in by the probe is served by the clients.

One node with a listener for each way in; what stands for a stranger's cluster is reached by a client.properties file.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests
from confluent_kafka.admin import AdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from backbone import client_properties, clients, kafka_probe, wait
from backbone.failover import wire
from backbone.stack.engine.embedded import jre
from tests import ROOT
from tests.certificates import Authority
from tests.e2e import checkout
from tests.e2e.checkout import KAFKA_JARS, classpath

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from backbone.errors import StackError
    from tests.e2e.checkout import Checkout

SCRAM = "SCRAM-SHA-512"
MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"
PLAIN_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
PROTOCOLS = {
    "CONTROLLER": "PLAINTEXT",
    "PLAIN": "PLAINTEXT",
    "TLS": "SSL",
    "MUTUAL": "SSL",
    "LATE": "SSL",
    "OTHER": "SSL",
    "LOGIN": "SASL_SSL",
    "BARE": "SASL_PLAINTEXT",
}
LOG4J = "rootLogger.level=INFO\nrootLogger.appenderRef.o.ref=O\nappender.o.type=Console\nappender.o.name=O\n"
START_S = 120
USERS = ("app", "viewer")
"""The first may do everything, the second what it is given."""

FLAGS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass(frozen=True)
class Broker:
    """A running broker: its address by listener, who signed what it shows, and its log."""

    ports: Mapping[str, int]
    ours: Authority
    foreign: Authority
    log: Path

    def at(self, listener: str) -> str:
        return f"127.0.0.1:{self.ports[listener]}"

    def client(self, protocol: str, *more: str, ca: Path | None = None) -> Path:
        """Return a client.properties file, without a trust store for a client without TLS."""
        trust = ("ssl.truststore.type=PEM", f"ssl.truststore.location={ca or self.ours.ca}")
        lines = (f"security.protocol={protocol}", *(trust if protocol.endswith("SSL") else ()), *more)
        number = len(list(self.ours.folder.glob("*.properties")))
        file = self.ours.folder / f"client-{number}.properties"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file


def login(user: str, password: str, mechanism: str = SCRAM) -> tuple[str, str]:
    module = PLAIN_MODULE if mechanism == "PLAIN" else MODULE
    jaas = f'sasl.jaas.config={module} required username="{user}" password="{password}";'
    return f"sasl.mechanism={mechanism}", jaas


def mine(store: Path) -> tuple[str, str]:
    return "ssl.keystore.type=PEM", f"ssl.keystore.location={store}"


def properties(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _free_ports(names: Mapping[str, str]) -> dict[str, int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: int(each.getsockname()[1]) for name, each in zip(names, sockets, strict=True)}
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("broker")
    ours, foreign = Authority.make(folder, "ours"), Authority.make(folder, "foreign")
    ports = _free_ports(PROTOCOLS)
    listeners = [f"{name}://127.0.0.1:{port}" for name, port in ports.items()]
    late, other = ours.sign("late", days=-1, ago=30), ours.sign("other", ["elsewhere.example"])
    settings = {
        "node.id": "1",
        "process.roles": "broker,controller",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@127.0.0.1:{ports['CONTROLLER']}",
        "listeners": ",".join(listeners),
        "advertised.listeners": ",".join(each for each in listeners if not each.startswith("CONTROLLER")),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in PROTOCOLS.items()),
        "inter.broker.listener.name": "PLAIN",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(ours.sign("broker")),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ours.ca),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.late.ssl.keystore.location": str(late),
        "listener.name.other.ssl.keystore.location": str(other),
        "sasl.enabled.mechanisms": SCRAM,
        "listener.name.login.scram-sha-512.sasl.jaas.config": f"{MODULE} required;",
        "listener.name.bare.scram-sha-512.sasl.jaas.config": f"{MODULE} required;",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:app;User:CN=client",
        "log.dirs": str(folder / "data"),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "log.cleaner.dedupe.buffer.size": "4194304",
    }
    file = folder / "server.properties"
    file.write_text(properties(settings), encoding="utf-8")
    (folder / "log4j2.properties").write_text(LOG4J, encoding="utf-8")
    log4j = f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}"
    java = [str(jre.java()), *FLAGS, log4j, "-cp", classpath(KAFKA_JARS)]
    form = ["kafka.tools.StorageTool", "format", "--cluster-id", "TWVzc2FnaW5nQmFja2JvbQ", "--config", str(file)]
    users = [part for name in USERS for part in ("--add-scram", f"{SCRAM}=[name={name},password=right]")]
    done = subprocess.run([*java, *form, *users], capture_output=True, text=True, check=False, timeout=START_S)
    assert done.returncode == 0, done.stdout + done.stderr
    log = folder / "output"
    with log.open("wb") as stream:
        process = subprocess.Popen([*java, "kafka.Kafka", str(file)], stdout=stream, stderr=subprocess.STDOUT)
        try:
            wait.wait_until(
                lambda: process.poll() is not None or b"Kafka Server started" in log.read_bytes(),
                what="the broker to start",
                timeout=START_S,
            )
            assert process.poll() is None, log.read_text(encoding="utf-8")
            yield Broker(ports, ours, foreign, log)
        finally:
            process.kill()
            process.wait()


def told(broker: Broker, listener: str, file: Path) -> StackError:
    began = time.monotonic()
    found = kafka_probe.refusal(broker.at(listener), client_properties.read(file))
    assert time.monotonic() - began <= kafka_probe.ANSWER_S
    assert found
    return found


def test_tls_that_does_not_fit(broker: Broker) -> None:
    assert told(broker, "TLS", broker.client("PLAINTEXT")).reference == "tls-wanted"
    assert told(broker, "LOGIN", broker.client("SASL_PLAINTEXT", *login("app", "right"))).reference == "tls-wanted"
    assert told(broker, "PLAIN", broker.client("SSL")).reference == "tls-not-spoken"
    assert told(broker, "BARE", broker.client("SASL_SSL", *login("app", "right"))).reference == "tls-not-spoken"


def test_a_certificate_that_does_not_hold(broker: Broker) -> None:
    assert told(broker, "TLS", broker.client("SSL", ca=broker.foreign.ca)).reference == "unknown-ca"
    assert told(broker, "LATE", broker.client("SSL")).reference == "certificate-expired"
    assert told(broker, "OTHER", broker.client("SSL")).reference == "wrong-host-name"


def test_a_certificate_of_the_client(broker: Broker) -> None:
    assert told(broker, "MUTUAL", broker.client("SSL")).reference == "client-certificate-wanted"
    rogue, past = broker.foreign.sign("rogue"), broker.ours.sign("past", days=-1, ago=30)
    for store in (rogue, past):
        assert told(broker, "MUTUAL", broker.client("SSL", *mine(store))).reference == "client-certificate-refused"


def test_a_login(broker: Broker) -> None:
    for listener, protocol in (("LOGIN", "SASL_SSL"), ("BARE", "SASL_PLAINTEXT")):
        wrong = told(broker, listener, broker.client(protocol, *login("app", "wrong")))
        assert wrong.reference == "login-refused"
        assert "invalid credentials" in str(wrong.context)
        assert told(broker, listener, broker.client(protocol, *login("ghost", "x"))).reference == "login-refused"
        plain = told(broker, listener, broker.client(protocol, *login("app", "right", "PLAIN")))
        assert (plain.reference, plain.context) == ("mechanism-not-offered", f"it takes {SCRAM}")
    assert told(broker, "LOGIN", broker.client("SSL")).reference == "login-wanted"
    assert told(broker, "BARE", broker.client("PLAINTEXT")).reference == "login-wanted"
    assert told(broker, "TLS", broker.client("SASL_SSL", *login("app", "right"))).reference == "login-not-taken"


def test_nothing_listens(broker: Broker) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    found = kafka_probe.refusal(f"127.0.0.1:{port}", client_properties.read(broker.client("SSL")))
    assert found
    assert found.reference == "no-broker"


def ways_in(broker: Broker) -> dict[str, Path]:
    return {
        "PLAIN": broker.client("PLAINTEXT"),
        "TLS": broker.client("SSL"),
        "MUTUAL": broker.client("SSL", *mine(broker.ours.sign("client"))),
        "LOGIN": broker.client("SASL_SSL", *login("app", "right")),
        "BARE": broker.client("SASL_PLAINTEXT", *login("app", "right")),
    }


def test_who_is_let_in_is_served(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    for listener, file in ways_in(broker).items():
        security = client_properties.read(file)
        assert kafka_probe.refusal(broker.at(listener), security) is None
        monkeypatch.setenv(client_properties.CONFIG, str(file))
        with clients.admin([broker.at(listener)]) as admin:
            assert admin.describe_cluster()["cluster_id"] == "TWVzc2FnaW5nQmFja2JvbQ"
        connection = wire.Connection(broker.at(listener))
        assert wire.controller(connection)[0] == 1
        connection.close()
    said = broker.log.read_text(encoding="utf-8")
    assert "IllegalSaslState" not in said


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Checkout:
    """A checkout whose own stack does not run."""
    return checkout.make(tmp_path_factory.mktemp("home"), cache, shift=checkout.free_shift())


def test_the_tasks_take_the_file(broker: Broker, home: Checkout) -> None:
    file = str(broker.client("SASL_SSL", *login("app", "right"), f"bootstrap.servers={broker.at('LOGIN')}"))
    for name in ("events-topic", "orders"):
        home.run("topics", "create", name, "--partitions", "1", "--replicas", "1", "--command-config", file)
    listed = home.json("topics", "list", "--command-config", file)
    assert [each["name"] for each in listed] == ["events-topic", "orders"]
    home.run("groups", "list", "--command-config", file)
    status = home.json("status", "--command-config", file)
    assert status["cluster"]["brokers_registered"] == [1]
    home.run("consume", "orders", "--command-config", file)
    found = {
        each["check"]: each["status"] for each in home.json("doctor", "--command-config", file, code=None)["checks"]
    }
    assert found["D028"] == "ok"
    home.run("smoke", "--command-config", file, "--records", "30")
    with home.going("console", "--port", "0", "--no-open", "--command-config", file) as process:
        assert process.stdout
        page = requests.get(process.stdout.readline().strip(), timeout=30)
    assert page.ok
    assert broker.at("LOGIN") in page.text


def test_a_task_is_let_in_or_says_each_reason_at_once(broker: Broker, home: Checkout) -> None:
    let_in = ways_in(broker)
    for listener, file in let_in.items():
        home.run("topics", "list", "--bootstrap", broker.at(listener), "--command-config", str(file))
    rogue, past = broker.foreign.sign("rogue"), broker.ours.sign("past", days=-1, ago=30)
    for reference, listener, file in (
        ("login-refused", "LOGIN", broker.client("SASL_SSL", *login("app", "wrong"))),
        ("login-refused", "LOGIN", broker.client("SASL_SSL", *login("ghost", "x"))),
        ("login-wanted", "LOGIN", broker.client("SSL")),
        ("tls-wanted", "LOGIN", broker.client("PLAINTEXT")),
        ("tls-not-spoken", "PLAIN", broker.client("SSL")),
        ("unknown-ca", "TLS", broker.client("SSL", ca=broker.foreign.ca)),
        ("certificate-expired", "LATE", let_in["TLS"]),
        ("wrong-host-name", "OTHER", let_in["TLS"]),
        ("client-certificate-wanted", "MUTUAL", let_in["TLS"]),
        ("client-certificate-refused", "MUTUAL", broker.client("SSL", *mine(rogue))),
        ("client-certificate-refused", "MUTUAL", broker.client("SSL", *mine(past))),
    ):
        words = ("topics", "list", "--bootstrap", broker.at(listener), "--command-config", str(file))
        assert f"error[{reference}]" in home.refused(*words), listener


@pytest.mark.parametrize(
    "words", [("topics", "list"), ("groups", "list"), ("doctor",), ("status",), ("consume", "orders")]
)
def test_the_tasks_say_why(broker: Broker, home: Checkout, words: tuple[str, ...]) -> None:
    file = str(broker.client("SASL_SSL", *login("app", "c4nary")))
    done = home.run(*words, "--bootstrap", broker.at("LOGIN"), "--command-config", file, code=4)
    assert "error[login-refused]" in done.stderr
    assert "c4nary" not in done.stdout + done.stderr
    assert "error[tls-wanted]" in home.run(*words, "--bootstrap", broker.at("LOGIN"), code=4).stderr


def test_to_look_needs_no_more_than_the_right_to_describe(broker: Broker, home: Checkout) -> None:
    everything = {"topic": "*", "group": "*", "cluster": "kafka-cluster"}
    rights = {
        "topic": ("DESCRIBE", "DESCRIBE_CONFIGS"),
        "group": ("DESCRIBE",),
        "cluster": ("DESCRIBE", "DESCRIBE_CONFIGS"),
    }
    acls = [
        ACL(
            "User:viewer",
            "*",
            ACLOperation[right],
            ACLPermissionType.ALLOW,
            ResourcePattern(ResourceType[kind.upper()], name),
        )
        for kind, name in everything.items()
        for right in rights[kind]
    ]
    with clients.admin([broker.at("PLAIN")]) as admin:
        assert not admin.create_acls(acls)["failed"]
        before = admin.describe_topics(), admin.list_groups()
    said = len(broker.log.read_bytes())
    file = str(broker.client("SASL_SSL", *login("viewer", "right"), f"bootstrap.servers={broker.at('LOGIN')}"))
    for words in (("doctor",), ("status",), ("topics", "list"), ("topics", "plan"), ("groups", "list")):
        done = home.run(*words, "--command-config", file, code=None)
        assert done.returncode in (0, 1), done.stderr
        assert "error[" not in done.stderr
    asked = home.json("doctor", "--command-config", file, code=None)["checks"]
    assert "unknown" not in {each["status"] for each in asked}
    with clients.admin([broker.at("PLAIN")]) as admin:
        assert (admin.describe_topics(), admin.list_groups()) == before
    denied = [line for line in broker.log.read_bytes()[said:].decode().splitlines() if "is Denied" in line]
    assert denied == []
    # … and a right that is missing would be seen there.
    home.run("topics", "create", "denied", "--partitions", "1", "--replicas", "1", "--command-config", file, code=4)
    assert b"is Denied" in broker.log.read_bytes()[said:]


def test_clients_of_other_makers_log_in_by_the_same_file(broker: Broker) -> None:
    for listener, file in ways_in(broker).items():
        security = client_properties.read(file)
        librdkafka: dict[str, Any] = {
            "bootstrap.servers": broker.at(listener),
            **client_properties.librdkafka(security),
        }
        assert AdminClient(librdkafka).list_topics(timeout=20).brokers
    for listener in ("MUTUAL", "LOGIN"):
        text = properties(client_properties.java(client_properties.read(ways_in(broker)[listener])))
        file = broker.log.with_name("java.properties")
        file.write_text(text, encoding="utf-8")
        words = ("--bootstrap-server", broker.at(listener), "--command-config", str(file), "--describe")
        java = [str(jre.java()), *FLAGS, "-cp", classpath("tools")]
        argv = [*java, "org.apache.kafka.tools.TopicCommand", *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=START_S)
        assert done.returncode == 0, done.stderr


def test_workers_are_the_same_client(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(client_properties.CONFIG, "")
    client_properties.use(client_properties.read(ways_in(broker)["LOGIN"]))
    code = "import sys; from backbone import clients; clients.consumer(sys.argv[1:]).close(); print('in')"
    argv = [sys.executable, "-c", code, broker.at("LOGIN")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    assert done.stdout == "in\n", done.stderr


def test_the_doctor_sees_what_their_certificates_are_for(broker: Broker, home: Checkout) -> None:
    words = ("doctor", "--bootstrap", broker.at("OTHER"), "--command-config")
    file = broker.client("SSL", "ssl.endpoint.identification.algorithm=")
    found = {each["check"]: each["status"] for each in home.json(*words, str(file), code=None)["checks"]}
    assert (found["D060"], found["D061"], found["D063"]) == ("ok", "ok", "ok")
    refused = home.run(*words, str(broker.client("SSL")), code=4)
    assert "error[wrong-host-name]" in refused.stderr
