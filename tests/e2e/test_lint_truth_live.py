"""The linter's rules on what is reached, and on nodes that do not fit together, against Kafka as it runs.

One node runs for the whole module; a test starts another where its rule is about two. What stands for a container's
own address is 127.0.0.2, what stands for its loopback is 127.0.0.1.
"""

from __future__ import annotations

import re
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from backbone import wait
from backbone.lint import engine
from backbone.lint.kafka import properties
from backbone.stack.engine.embedded import jre
from tests.e2e.checkout import KAFKA_JARS, classpath
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

RULES = engine.load_rules()
CLUSTER_ID = "TWVzc2FnaW5nQmFja2JvbQ"
OTHER_CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"
LOOPBACK, ADDRESS = "127.0.0.1", "127.0.0.2"
LOG4J = "rootLogger.level=INFO\nrootLogger.appenderRef.o.ref=O\nappender.o.type=Console\nappender.o.name=O\n"
START_S = 120
FLAGS = ("-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass(frozen=True)
class Node:
    """A process of Kafka: its port by listener, and its output so far."""

    process: subprocess.Popen[bytes]
    ports: Mapping[str, int]
    output: Path

    def said(self) -> str:
        return " ".join(self.output.read_text(encoding="utf-8", errors="replace").split())

    def ended(self) -> str:
        """Wait until the node has ended, and return what it said."""
        self.process.wait(START_S)
        return self.said()


def quoted(code: str) -> list[str]:
    """Return the pieces of the sentence that a rule quotes; an ellipsis or a number stands for a value."""
    sentence = re.search(r'"([^"]+)"', " ".join(RULES[code].doc.why.split()))
    assert sentence
    return [piece.strip() for piece in re.split(r"…|\d+", sentence[1]) if piece.strip()]


@pytest.fixture(scope="module")
def jars() -> str:
    return classpath(KAFKA_JARS)


@contextmanager
def running(
    jars: str, folder: Path, change: Mapping[str, str], ports: Mapping[str, int], cluster_id: str = CLUSTER_ID
) -> Iterator[Node]:
    """Format a node's folder, as the images do, start it, and end it."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "node.id": "1",
        "process.roles": "broker,controller",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@{LOOPBACK}:{ports['CONTROLLER']}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,MOVED:PLAINTEXT,NAMED:PLAINTEXT",
        "log.dirs": str(folder / "data"),
        "auto.create.topics.enable": "false",
        "log.cleaner.dedupe.buffer.size": "4194304",
        **change,
    }
    file = folder / "server.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
    (folder / "log4j2.properties").write_text(LOG4J, encoding="utf-8")
    java = [str(jre.java()), *FLAGS, f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}", "-cp", jars]
    tool = [*java, "kafka.tools.StorageTool", "format", "--ignore-formatted", "--cluster-id", cluster_id]
    done = subprocess.run([*tool, "--config", str(file)], capture_output=True, text=True, check=False, timeout=START_S)
    assert done.returncode == 0, done.stdout + done.stderr
    output = folder / "output"
    with output.open("wb") as stream:
        process = subprocess.Popen([*java, "kafka.Kafka", str(file)], stdout=stream, stderr=subprocess.STDOUT)
        try:
            yield Node(process, ports, output)
        finally:
            process.kill()
            process.wait()


def is_open(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def node(jars: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    names = ("CONTROLLER", "PLAINTEXT", "MOVED", "NAMED", "CLOSED")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    hosts = {"CONTROLLER": LOOPBACK, "PLAINTEXT": LOOPBACK, "MOVED": LOOPBACK, "NAMED": ADDRESS}
    change = {
        "listeners": ",".join(f"{name}://{host}:{ports[name]}" for name, host in hosts.items()),
        # MOVED tells its clients to go on where nobody listens.
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{ports['PLAINTEXT']},MOVED://{LOOPBACK}:{ports['CLOSED']},"
        f"NAMED://{ADDRESS}:{ports['NAMED']}",
        "advertsed.listeners": "PLAINTEXT://nowhere:1",
    }
    with running(jars, tmp_path_factory.mktemp("node"), change, ports) as started:
        probe = lambda: is_open(LOOPBACK, ports["PLAINTEXT"]) or started.process.poll() is not None  # noqa: E731
        wait.wait_until(probe, what="Kafka listens", timeout=START_S)
        assert started.process.poll() is None, started.said()[-2_000:]
        yield started


def test_a_client_is_sent_where_the_node_advertises(node: Node) -> None:
    # KC127, KC128, KC129, KC130: the first connection succeeds, what follows goes to the advertised address.
    first = f"{LOOPBACK}:{node.ports['MOVED']}"
    assert is_open(LOOPBACK, node.ports["MOVED"])
    with pytest.raises(KafkaError):
        KafkaAdminClient(
            bootstrap_servers=first, request_timeout_ms=3_000, api_version_auto_timeout_ms=3_000
        ).list_topics()
    with pytest.raises(KafkaError):
        KafkaProducer(bootstrap_servers=first, max_block_ms=3_000).send("any", b"x").get(5)


def test_nobody_answers_at_another_port(node: Node) -> None:
    # KC131, also KC107 and KC112 by the same socket.
    with pytest.raises(KafkaError):
        KafkaAdminClient(bootstrap_servers=f"{LOOPBACK}:{node.ports['CLOSED']}", bootstrap_timeout_ms=2_000)


def test_what_is_bound_to_the_loopback_is_not_reached_by_the_address(node: Node) -> None:
    # KC135: Docker hands what is published to the container's address.
    assert is_open(LOOPBACK, node.ports["PLAINTEXT"])
    assert not is_open(ADDRESS, node.ports["PLAINTEXT"])


def test_what_is_bound_to_the_name_is_not_reached_by_localhost(node: Node) -> None:
    # KC407: the health check asks localhost.
    assert is_open(ADDRESS, node.ports["NAMED"])
    assert not is_open(LOOPBACK, node.ports["NAMED"])


def test_kafka_reads_past_a_property_it_does_not_know(node: Node) -> None:
    # KC006: the node runs, and the value that was meant is not in effect.
    assert "advertsed.listeners" not in properties.known("broker")
    assert node.process.poll() is None
    assert "nowhere" not in node.said().partition("advertised.listeners = ")[2].partition("alter.")[0]


def test_kafka_refuses_more_copies_than_brokers_in_the_words_the_rule_quotes(node: Node) -> None:
    # KC141.
    said = topic_command(node, "--create", "--topic", "three", "--replication-factor", "3")
    for piece in quoted("KC141"):
        assert piece in said


def test_kafka_4_takes_writes_that_wait_for_more_copies_than_there_are(node: Node) -> None:
    # Why KC142 is a warning from Kafka 4 on: the copies that are there are enough.
    words = ("--replication-factor", "1", "--config", "min.insync.replicas=2")
    topic_command(node, "--create", "--topic", "waits", *words)
    producer = KafkaProducer(bootstrap_servers=f"{LOOPBACK}:{node.ports['PLAINTEXT']}", acks="all")
    assert producer.send("waits", b"x").get(20).offset == 0
    producer.close(5)


def topic_command(node: Node, *words: str) -> str:
    """Run Kafka's own topic tool and return what it says."""
    server = f"{LOOPBACK}:{node.ports['PLAINTEXT']}"
    java = [str(jre.java()), *FLAGS, "-cp", classpath("tools")]
    argv = [*java, "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", server]
    done = subprocess.run([*argv, *words], capture_output=True, text=True, check=False, timeout=START_S)
    return " ".join((done.stdout + done.stderr).split())


def a_broker(node: Node, number: int) -> tuple[dict[str, str], dict[str, int]]:
    """Return what makes one more broker of the node's cluster, and its ports."""
    (port,) = free_ports(1)
    change = {
        "node.id": str(number),
        "process.roles": "broker",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
    }
    return change, {"CONTROLLER": node.ports["CONTROLLER"], "PLAINTEXT": port}


def test_the_second_node_with_an_id_is_refused(node: Node, jars: str, tmp_path: Path) -> None:
    # KC102.
    change, ports = a_broker(node, 2)
    with running(jars, tmp_path / "a", change, ports) as first:
        wait.wait_until(lambda: is_open(LOOPBACK, ports["PLAINTEXT"]), what="the first listens", timeout=START_S)
        other, others = a_broker(node, 2)
        with running(jars, tmp_path / "b", other, others) as second:
            wait.wait_until(lambda: "DUPLICATE_BROKER_REGISTRATION" in second.said() or "Duplicate" in second.said(),
                            what="the second is refused", timeout=START_S)  # fmt: skip
        assert first.process.poll() is None


def test_a_node_of_another_cluster_id_never_joins(node: Node, jars: str, tmp_path: Path) -> None:
    # KC109.
    change, ports = a_broker(node, 3)
    with running(jars, tmp_path, change, ports, OTHER_CLUSTER_ID) as other:
        wait.wait_until(lambda: "INCONSISTENT_CLUSTER_ID" in other.said() or "InconsistentClusterId" in other.said()
                        or None, what="the id is refused", timeout=START_S)  # fmt: skip


def test_a_node_whose_voters_are_nowhere_never_registers(node: Node, jars: str, tmp_path: Path) -> None:
    # KC106: a name that nobody has; KC107: a port where no controller listens.
    change, ports = a_broker(node, 4)
    change["controller.quorum.voters"] = f"1@{LOOPBACK}:{node.ports['CLOSED']}"
    with running(jars, tmp_path, change, ports) as other:
        wait.wait_until(lambda: f":{node.ports['CLOSED']}) could not be established" in other.said() or None,
                        what="the controller is not reached", timeout=START_S)  # fmt: skip
        assert not is_open(LOOPBACK, ports["PLAINTEXT"])


def test_two_nodes_in_one_folder_end_in_the_words_the_rule_quotes(node: Node, jars: str, tmp_path: Path) -> None:
    # KC148: the second cannot lock the folder of the first.
    change, ports = a_broker(node, 5)
    with running(jars, tmp_path / "a", change, ports):
        wait.wait_until(lambda: is_open(LOOPBACK, ports["PLAINTEXT"]), what="the first listens", timeout=START_S)
        other, others = a_broker(node, 5)
        other["log.dirs"] = str(tmp_path / "a" / "data")
        with running(jars, tmp_path / "b", other, others) as second:
            assert quoted("KC148")[0] in second.ended()


def test_settings_of_a_listener_that_is_not_there_are_read_by_nobody(node: Node, jars: str, tmp_path: Path) -> None:
    # KC137: the JAAS configuration is under another listener's name, so the one that needs it has none.
    change, ports = a_broker(node, 6)
    change["listener.security.protocol.map"] = "CONTROLLER:PLAINTEXT,PLAINTEXT:SASL_PLAINTEXT"
    change["sasl.mechanism.inter.broker.protocol"] = "PLAIN"
    change["listener.name.external.sasl.enabled.mechanisms"] = "PLAIN"
    change["listener.name.external.plain.sasl.jaas.config"] = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required;"
    )
    with running(jars, tmp_path, change, ports) as other:
        said = other.ended()
        assert all(piece in said for piece in quoted("KC137"))


def an_authorized_node(super_users: str) -> tuple[dict[str, str], dict[str, int]]:
    """Return what makes a node that asks for an identity, and its ports."""
    names = ("CONTROLLER", "PLAINTEXT")
    ports = dict(zip(names, free_ports(2), strict=True))
    listeners = {name: f"{name}://{LOOPBACK}:{port}" for name, port in ports.items()}
    return {
        "listeners": ",".join(listeners.values()),
        "advertised.listeners": listeners["PLAINTEXT"],
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": super_users,
    }, ports


def test_a_broker_that_shows_no_identity_is_refused_by_its_controller(jars: str, tmp_path: Path) -> None:
    # KC178, and KC180: with a comma it is one name, and nobody is a super user.
    change, ports = an_authorized_node("User:admin,User:ANONYMOUS")
    with running(jars, tmp_path / "a", change, ports) as node:
        wait.wait_until(lambda: quoted("KC178")[0] in node.said(), what="the refusal", timeout=START_S)
        assert "Kafka Server started" not in node.said()
    change, ports = an_authorized_node("User:admin;User:ANONYMOUS")
    with running(jars, tmp_path / "b", change, ports) as node:
        wait.wait_until(lambda: "Kafka Server started" in node.said(), what="the start", timeout=START_S)


def test_a_super_user_without_a_type_ends_the_node(jars: str, tmp_path: Path) -> None:
    # KC180.
    change, ports = an_authorized_node("admin")
    with running(jars, tmp_path, change, ports) as node:
        said = node.ended()
        assert all(piece in said for piece in quoted("KC180"))
