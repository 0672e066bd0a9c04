"""Every Kafka client comes from one place, with the same cure and the same error when no broker answers."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailedError,
)
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from backbone import client_properties, clients
from backbone.errors import ExitCode, StackError
from backbone.kafka_network import NetClient
from tests.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent.parent


class Recorder:
    """Stands in for a class of kafka-python and keeps the settings that it is made with."""

    made: dict[str, Any]

    def __init__(self, **settings: Any) -> None:
        Recorder.made = settings

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("name", "open_client"),
    [
        ("kafka.KafkaProducer", clients.producer),
        ("kafka.KafkaConsumer", clients.consumer),
        ("kafka.admin.KafkaAdminClient", lambda bootstrap: clients.admin(bootstrap).__enter__()),
    ],
)
def test_every_client_has_the_cured_network(
    name: str, open_client: Callable[[list[str]], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name, Recorder)
    with socket.create_server(("127.0.0.1", 0)) as broker:
        address = f"127.0.0.1:{broker.getsockname()[1]}"
        open_client([address])
    assert Recorder.made["kafka_client"] is NetClient
    assert Recorder.made["bootstrap_servers"] == [address]


def test_no_other_module_makes_a_client() -> None:
    files = [path for folder in ("backbone", "scripts", "tests") for path in (ROOT / folder).rglob("*.py")]
    makers = {path.relative_to(ROOT).as_posix() for path in files if "bootstrap_servers=" in path.read_text()}
    # The second opinion on the lint rules, and the programs of the table of clients, are strangers' clients.
    strangers = {
        "tests/unit/failover/test_clients.py",
        "tests/unit/test_clients.py",
        "tests/e2e/test_lint_truth_live.py",
        "scripts/maintain/client_programs/kafka_python.py",
    }
    assert makers - strangers == {"backbone/clients.py"}


@pytest.mark.parametrize("open_client", [clients.producer, clients.consumer])
def test_without_a_broker_the_addresses_are_told(open_client: Callable[..., object]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(StackError, match="no-broker") as caught:
        open_client([address], bootstrap_timeout_ms=100)
    assert caught.value.exit_code is ExitCode.ENVIRONMENT
    assert address in caught.value.message
    assert "Connection refused" in str(caught.value.context)  # asked once, and not again until the time is up


def test_what_the_library_raises_becomes_one_error() -> None:
    with (
        pytest.raises(StackError, match="not-sent: nothing was sent") as caught,
        clients.errors_as("not-sent", "nothing was sent"),
    ):
        raise KafkaTimeoutError("expired")
    assert caught.value.context == "KafkaTimeoutError: expired"


@pytest.mark.parametrize(
    "refused",
    [
        TopicAuthorizationFailedError("orders"),
        TransactionalIdAuthorizationFailedError("orders"),
        KafkaError("we are in an error state: [Error 29] TopicAuthorizationFailedError: {'orders'}"),
    ],
)
def test_what_no_rule_allows_is_told_as_that_with_who_asked(
    refused: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "app.properties"
    login = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="app" password="secret";'
    file.write_text(f"security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config={login}\n")
    monkeypatch.setenv(client_properties.CONFIG, str(file))
    with pytest.raises(StackError) as caught, clients.errors_as("not-sent", "nothing was sent"):
        raise refused
    assert str(caught.value) == "not-allowed: the cluster does not allow that to app"
    assert caught.value.exit_code is ExitCode.ENVIRONMENT
    assert "orders" in str(caught.value.context)


def test_a_name_that_is_no_text_is_told() -> None:
    with pytest.raises(StackError, match="no-text") as caught, clients.errors_as("not-sent", "nothing was sent"):
        "\udcff".encode()
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_codec_without_its_library_is_named_whoever_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=DefaultRecordBatchBuilder.CODEC_ZSTD,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1_000_000,
    )
    builder.append(0, 0, b"key", b"value" * 1000, [])
    batch = DefaultRecordBatch(builder.build())
    monkeypatch.setattr("kafka.codec.zstd", None)
    with pytest.raises(StackError) as raised, clients.errors_as("kafka-request", "no broker answers"):
        next(iter(batch))
    assert (raised.value.reference, raised.value.exit_code) == ("unsupported-codec", ExitCode.ENVIRONMENT)
    assert "zstd" in str(raised.value.context)


def test_a_producer_of_many_records_keeps_the_promises_of_any_other() -> None:
    changed = {name for name, value in clients.BULK_PRODUCER.items() if clients.PRODUCER.get(name) != value}
    assert changed == {"linger_ms", "batch_size"}


def test_an_address_that_takes_the_connection_and_says_nothing_leaves_time_for_the_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        frozen = [f"127.0.0.1:{server.getsockname()[1]}" for server in (one, other)]
        with pytest.raises(StackError, match="no-broker"), clients.admin(frozen, bootstrap_timeout_ms=1_000):
            pass
        for server in (one, one, other):  # the first one by the look whether anybody listens, too
            server.settimeout(0)
            server.accept()[0].close()  # raises where nobody has connected


def test_a_frozen_broker_behind_tls_ends_the_wait_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca = Authority.make(tmp_path).ca
    file = tmp_path / "client.properties"
    text = f"security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location={ca}\n"
    file.write_text(text, encoding="utf-8")
    monkeypatch.setenv(client_properties.CONFIG, str(file))
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        frozen = [f"127.0.0.1:{server.getsockname()[1]}" for server in (one, other)]
        with pytest.raises(StackError, match="no-broker"), clients.admin(frozen, bootstrap_timeout_ms=1_000):
            pass
        for server in (one, one, other):  # the first one by the look whether anybody listens, too
            server.settimeout(0)
            server.accept()[0].close()  # raises where nobody has connected
