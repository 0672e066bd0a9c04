"""Why a client is not let in: each refusal is told as what it is, against listeners as they are in the wild."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from backbone import kafka_probe
from backbone.client_properties import PLAINTEXT, ClientSecurity
from backbone.errors import ExitCode, StackError
from tests import ROOT
from tests.certificates import Authority
from tests.servers.door import Door

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRAM = "SCRAM-SHA-512"
RIGHT = "right"
USERS = {"app": RIGHT}


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("foreign"), "foreign")


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


def file(folder: Path) -> Path:
    return folder / "client.properties"


def tls(authority: Authority, store: Path | None = None) -> ClientSecurity:
    known = file(authority.folder)
    return ClientSecurity("SSL", ca_file=authority.ca, certificate_file=store, key_file=store, file=known)


def login(security: ClientSecurity, password: str = RIGHT, user: str = "app", mechanism: str = SCRAM) -> ClientSecurity:
    return replace(
        security, protocol=f"SASL_{security.protocol}", mechanism=mechanism, username=user, password=password
    )


def told(door: Door, security: ClientSecurity) -> StackError:
    with door.open() as address:
        found = kafka_probe.refusal(address, security)
    assert found
    assert address in found.message
    assert found.exit_code is ExitCode.ENVIRONMENT
    return found


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", SCRAM])
@pytest.mark.parametrize("encrypted", [False, True])
def test_who_has_the_password_is_let_in(ours: Authority, mechanism: str, encrypted: bool) -> None:
    door = Door(ours.sign("broker") if encrypted else None, mechanisms=("PLAIN", "SCRAM-SHA-256", SCRAM), users=USERS)
    with door.open() as address:
        security = login(tls(ours) if encrypted else PLAINTEXT, mechanism=mechanism)
        assert kafka_probe.refusal(address, security) is None


def test_who_needs_no_password_is_let_in(ours: Authority) -> None:
    with Door().open() as plain, Door(ours.sign("broker")).open() as encrypted:
        assert kafka_probe.refusal(plain, PLAINTEXT) is None
        assert kafka_probe.refusal(encrypted, tls(ours)) is None


def test_who_shows_a_certificate_is_let_in(ours: Authority) -> None:
    with Door(ours.sign("broker"), trusted=ours.ca).open() as address:
        assert kafka_probe.refusal(address, tls(ours, ours.sign("client"))) is None


def test_plaintext_against_tls(ours: Authority) -> None:
    assert told(Door(ours.sign("broker")), PLAINTEXT).reference == "tls-wanted"
    door = Door(ours.sign("broker"), mechanisms=(SCRAM,), users=USERS)
    assert told(door, login(PLAINTEXT)).reference == "tls-wanted"


def test_tls_against_plaintext(ours: Authority) -> None:
    assert "security.protocol=PLAINTEXT" in str(told(Door(), tls(ours)).hint)
    error = told(Door(mechanisms=(SCRAM,), users=USERS), login(tls(ours)))
    assert error.reference == "tls-not-spoken"
    assert "security.protocol=SASL_PLAINTEXT" in str(error.hint)


def test_a_certificate_of_somebody_else(ours: Authority, foreign: Authority) -> None:
    error = told(Door(foreign.sign("broker")), tls(ours))
    assert error.reference == "unknown-ca"
    assert str(ours.ca) in error.message
    assert str(file(ours.folder)) in str(error.hint)


@pytest.mark.parametrize(("days", "ago", "words"), [(-1, 30, "has expired"), (30, -1, "is not valid yet")])
def test_a_certificate_at_the_wrong_time(ours: Authority, days: float, ago: float, words: str) -> None:
    error = told(Door(ours.sign("late", days=days, ago=ago)), tls(ours))
    assert error.reference == "certificate-expired"
    assert words in error.message


def test_a_certificate_for_another_name(ours: Authority) -> None:
    door = Door(ours.sign("other", ["elsewhere.example"]))
    assert told(door, tls(ours)).reference == "wrong-host-name"
    with door.open() as address:
        assert kafka_probe.refusal(address, replace(tls(ours), verify_host_name=False)) is None


def test_a_listener_that_wants_a_certificate(ours: Authority) -> None:
    error = told(Door(ours.sign("broker"), trusted=ours.ca), tls(ours))
    assert error.reference == "client-certificate-wanted"
    assert "ssl.keystore.location" in str(error.hint)


def test_a_client_certificate_of_somebody_else(ours: Authority, foreign: Authority) -> None:
    rogue = foreign.sign("rogue")
    error = told(Door(ours.sign("broker"), trusted=ours.ca), tls(ours, rogue))
    assert error.reference == "client-certificate-refused"
    assert str(rogue) in error.message


def test_a_mechanism_that_is_not_there() -> None:
    error = told(Door(mechanisms=("PLAIN", "OAUTHBEARER"), users=USERS), login(PLAINTEXT))
    assert error.reference == "mechanism-not-offered"
    assert error.context == "it takes PLAIN, OAUTHBEARER"


@pytest.mark.parametrize(("user", "password"), [("app", "wrong"), ("nobody", "right")])
@pytest.mark.parametrize("mechanism", ["PLAIN", SCRAM])
def test_a_wrong_password_and_an_unknown_user(user: str, password: str, mechanism: str) -> None:
    error = told(Door(mechanisms=(mechanism,), users=USERS), login(PLAINTEXT, password, user, mechanism))
    assert error.reference == "login-refused"
    assert user in error.message
    assert "invalid credentials" in str(error.context)
    assert password not in f"{error.message}{error.context}{error.hint}"


def test_no_login_where_one_is_wanted(ours: Authority) -> None:
    error = told(Door(ours.sign("broker"), mechanisms=(SCRAM,), users=USERS), tls(ours))
    assert error.reference == "login-wanted"
    assert "SASL_SSL" in str(error.hint)


def test_a_login_where_none_is_taken(ours: Authority) -> None:
    error = told(Door(ours.sign("broker")), login(tls(ours)))
    assert error.reference == "login-not-taken"
    assert str(error.hint).endswith("security.protocol=SSL")


def test_a_broker_that_does_not_know_the_password() -> None:
    door = Door(mechanisms=(SCRAM,), users=USERS, signs=False)
    assert told(door, login(PLAINTEXT)).reference == "broker-not-proved"


def test_the_page_lists_every_refusal() -> None:
    source = (ROOT / "backbone" / "refusals.py").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "other-clusters.md").read_text(encoding="utf-8")
    told = set(re.findall(r'_refusal\(\s*"([a-z-]+)"', source))
    listed = set(re.findall(r"(?m)^\| `([a-z-]+)` \|", page))
    assert listed == told - {"broker-silent"} | {"bad-client-properties"}


def test_something_else_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        # What an HTTP server says to what it does not understand, at once and for both looks.
        def answer() -> None:
            for _ in range(2):
                with server.accept()[0] as stream:
                    stream.recv(1)
                    stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    stream.recv(1 << 16)

        threading.Thread(target=answer, daemon=True).start()
        found = kafka_probe.refusal(f"127.0.0.1:{server.getsockname()[1]}", PLAINTEXT)
    assert found
    assert found.reference == "not-kafka"
    assert "HTTP" in str(found.context)


@pytest.mark.parametrize("encrypted", [False, True])
def test_silence_proves_nothing(ours: Authority, silent: str, encrypted: bool) -> None:
    security = tls(ours) if encrypted else PLAINTEXT
    found = kafka_probe.refusal(silent, security, timeout=0.4)
    assert found
    assert found.reference == "broker-silent"
    kafka_probe.demand([silent], security, timeout=0.4)


def test_one_broker_that_lets_us_in_is_enough(nobody: str, silent: str) -> None:
    with Door().open() as address:
        kafka_probe.demand([nobody, silent, address], PLAINTEXT)


def test_who_lets_us_in_counts_more_than_who_does_not(ours: Authority) -> None:
    with Door(ours.sign("broker")).open() as other, Door().open() as address:
        kafka_probe.demand([other, address], PLAINTEXT)


def test_a_reason_counts_more_than_silence(nobody: str, silent: str, ours: Authority) -> None:
    with Door(ours.sign("broker")).open() as address, pytest.raises(StackError, match="tls-wanted"):
        kafka_probe.demand([nobody, silent, address], PLAINTEXT, timeout=1.0)


def test_nothing_listens(nobody: str, silent: str) -> None:
    with pytest.raises(StackError, match="no-broker") as caught:
        kafka_probe.demand([nobody, nobody], PLAINTEXT)
    assert nobody in caught.value.message
    kafka_probe.demand([nobody, silent], PLAINTEXT, timeout=0.4)


def test_only_where_every_address_refuses_is_it_in_vain_to_wait(nobody: str, silent: str) -> None:
    assert "refused" in kafka_probe.refused([nobody, nobody])
    assert not kafka_probe.refused([nobody, silent])
    assert not kafka_probe.refused([nobody, "no such host.invalid:9092"])
    assert not kafka_probe.refused([nobody, "localhost"])


def test_a_connection_stays_open_for_who_goes_on(ours: Authority) -> None:
    door = Door(ours.sign("broker"), mechanisms=(SCRAM,), users=USERS)
    with door.open() as address:
        with kafka_probe.connect(address, login(tls(ours)), timeout=2.0) as stream:
            stream.sendall(bytes.fromhex("0000000a0012000000000007ffff"))  # ApiVersions, correlation id 7
            assert stream.recv(8)[4:] == (7).to_bytes(4, "big")
        with pytest.raises(StackError, match="login-refused"):
            kafka_probe.connect(address, login(tls(ours), "wrong"), timeout=2.0)
