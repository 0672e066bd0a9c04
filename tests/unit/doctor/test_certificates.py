"""What is seen of certificates: in the stores that the services' variables name, through their mounts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from backbone import client_properties, kafka_probe
from backbone.client_properties import PLAINTEXT, ClientSecurity
from backbone.doctor.gather import certificates
from backbone.stack import compose
from tests.certificates import Authority
from tests.servers.door import Door

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.doctor.evidence import Certificate

INSIDE = "/etc/kafka/certs"
DAY = 86_400


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    (tmp_path / "certs").mkdir()
    return Authority.make(tmp_path / "certs")


def look(folder: Path, **environment: str) -> tuple[Certificate, ...]:
    mount = {"type": "bind", "source": str(folder), "target": INSIDE}
    body = {"image": "apache/kafka:4.3.1", "environment": environment, "volumes": [mount]}
    return certificates.named(compose.parse({"name": "t", "services": {"kafka-1": body}}), time.time())


def test_a_store_is_read_through_its_mount(ours: Authority) -> None:
    file = ours.sign("kafka-1", ["kafka-1", "127.0.0.1"], days=20)
    (found,) = look(
        ours.folder,
        KAFKA_SSL_KEYSTORE_LOCATION=f"{INSIDE}/kafka-1.pem",
        KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="INTERNAL:SSL,EXTERNAL:SASL_SSL,OLD:PLAINTEXT",
        KAFKA_ADVERTISED_LISTENERS="INTERNAL://kafka-1:1,EXTERNAL://127.0.0.1:2,OLD://old:3",
    )
    assert (found.of, found.where, found.mode) == ("kafka-1", str(file), 0o600)
    assert found.days_left == pytest.approx(20, abs=0.1)
    assert found.names == {"kafka-1", "127.0.0.1"}
    assert found.advertised == ("kafka-1", "127.0.0.1")


def test_a_listener_has_a_store_of_its_own(ours: Authority) -> None:
    for name in ("inner", "outer"):
        ours.sign(name)
    found = look(
        ours.folder,
        KAFKA_SSL_KEYSTORE_LOCATION=f"{INSIDE}/inner.pem",
        KAFKA_LISTENER_NAME_MY__CLIENTS_SSL_KEYSTORE_LOCATION=f"{INSIDE}/outer.pem",
        KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="INTERNAL:SSL,MY_CLIENTS:SSL",
        KAFKA_ADVERTISED_LISTENERS="INTERNAL://in:1,MY_CLIENTS://out:2",
    )
    assert {each.where.rpartition("/")[2]: each.advertised for each in found} == {
        "inner.pem": ("in",),
        "outer.pem": ("out",),
    }


def test_of_those_that_are_trusted_one_has_to_hold_and_of_a_chain_all(ours: Authority) -> None:
    late, good = ours.sign("late", days=-2, ago=9).read_bytes(), ours.sign("good", days=50).read_bytes()
    both = ours.folder / "both.pem"
    both.write_bytes(good + late)
    (trusted,) = look(ours.folder, CONNECT_PRODUCER_SSL_TRUSTSTORE_LOCATION=f"{INSIDE}/both.pem")
    (chain,) = look(ours.folder, KAFKA_SSL_KEYSTORE_LOCATION=f"{INSIDE}/both.pem")
    assert trusted.days_left > 49
    assert chain.days_left < -1


def test_a_file_with_other_content_or_none(ours: Authority) -> None:
    (ours.folder / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", encoding="utf-8")
    for name, words in (("none.pem", "there is no such file"), ("key.pem", "there is no certificate in it")):
        (found,) = look(ours.folder, KAFKA_SSL_KEYSTORE_LOCATION=f"{INSIDE}/{name}")
        assert words in found.problem


def test_what_is_left_alone(ours: Authority) -> None:
    (ours.folder / "store.jks").write_bytes(b"\xfe\xed\xfe\xed")
    assert look(ours.folder, KAFKA_SSL_KEYSTORE_LOCATION=f"{INSIDE}/store.jks") == ()
    assert look(ours.folder, KAFKA_SSL_KEYSTORE_LOCATION="/opt/of-the-image.pem") == ()
    assert look(ours.folder / "not-made-yet", KAFKA_SSL_KEYSTORE_LOCATION=f"{INSIDE}/x.pem") == ()
    assert look(ours.folder, KAFKA_SSL_KEYSTORE_LOCATION="", KAFKA_NODE_ID="1") == ()


def test_a_broker_shows_when_its_certificate_ends(ours: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with Door(ours.sign("broker", days=5)).open() as address:
        security = ClientSecurity("SSL", ca_file=ours.ca)
        made = kafka_probe.certificate(address, security)
    assert dict(made["subjectAltName"]) == {"DNS": "localhost", "IP Address": "127.0.0.1"}
    assert made["notAfter"]
    with Door().open() as address:
        assert kafka_probe.certificate(address, PLAINTEXT) == {}
    monkeypatch.delenv(client_properties.CONFIG, raising=False)
    assert certificates.shown(["127.0.0.1:1"], 0.0) == ()
