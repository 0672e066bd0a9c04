from __future__ import annotations

import hashlib
import re
import socket
import ssl
import stat
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from kafka.admin import ScramMechanism, UserScramCredentialDeletion
from kafka.protocol.admin import AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse

from backbone import client_properties
from backbone.errors import StackError
from backbone.security import certificates, users
from backbone.security.layout import Secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BOOTSTRAP = ("127.0.0.1:9092", "127.0.0.1:9094")


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    made = Secrets(tmp_path / "kafka")
    for name in ("kafka-1", "admin"):
        certificates.ensure(made.folder, name, {"127.0.0.1"}, now=time.time())
    return made


def test_the_file_of_a_user_is_what_a_client_takes(secrets: Secrets) -> None:
    read = client_properties.read(users.write(secrets, "app", BOOTSTRAP))
    assert (read.protocol, read.mechanism, read.username) == ("SASL_SSL", "SCRAM-SHA-512", "app")
    assert read.password == secrets.password("app").read_text(encoding="utf-8")
    assert read.ca_file == secrets.ca
    assert read.bootstrap == ",".join(BOOTSTRAP)


def test_a_password_stays_and_its_files_are_their_owners_alone(secrets: Secrets) -> None:
    file = users.write(secrets, "app", BOOTSTRAP)
    before = file.read_text(encoding="utf-8")
    assert users.write(secrets, "app", BOOTSTRAP) == file
    assert file.read_text(encoding="utf-8") == before
    users.write(secrets, "app", ("127.0.0.1:1",))
    assert client_properties.read(file).bootstrap == "127.0.0.1:1"
    for path in (file, secrets.password("app")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@dataclass
class Cluster:
    """Keeps the last that it is told of each user, and by which mechanisms they have a password; refuses `nobody`."""

    known: dict[str, Any] = field(default_factory=dict)
    ways: set[tuple[str, str]] = field(default_factory=set)

    def alter_user_scram_credentials(self, given: Sequence[Any]) -> dict[str, str | None]:
        for one in given:
            way = (one.user, one.mechanism.name)
            if isinstance(one, UserScramCredentialDeletion):
                self.ways.remove(way)
            elif one.user != "nobody":
                self.known[one.user] = one
                self.ways.add(way)
        return {one.user: "Unacceptable user" if one.user == "nobody" else None for one in given}

    def describe_user_scram_credentials(self, names: Sequence[str]) -> dict[str, Any]:
        return {
            name: {"credential_infos": [{"mechanism": ScramMechanism[way]} for user, way in self.ways if user == name]}
            for name in names
        }


def salted(secrets: Secrets, user: str, salt: bytes, iterations: int) -> bytes:
    password = secrets.password(user).read_bytes()
    return hashlib.pbkdf2_hmac("sha512", password, salt, iterations)


def test_a_new_password_comes_by_the_other_mechanism_and_the_old_one_stays_until_it_is_settled(
    secrets: Secrets,
) -> None:
    cluster = Cluster()
    users.write(secrets, "app", BOOTSTRAP)
    users.enter(cluster, secrets, ["app"])
    old = secrets.password("app").read_bytes()
    for mechanism, other in (("SCRAM-SHA-256", "SCRAM_SHA_512"), ("SCRAM-SHA-512", "SCRAM_SHA_256")):
        users.rotate(cluster, secrets, "app", BOOTSTRAP)
        read = client_properties.read(secrets.properties("app"))
        assert (read.mechanism, read.password.encode()) == (mechanism, secrets.password("app").read_bytes())
        assert secrets.password("app").read_bytes() != old
        assert cluster.ways == {("app", "SCRAM_SHA_256"), ("app", "SCRAM_SHA_512")}
        with pytest.raises(StackError, match="two-passwords"):
            users.rotate(cluster, secrets, "app", BOOTSTRAP)
        users.write(secrets, "app", BOOTSTRAP)
        users.enter(cluster, secrets, ["app"])
        assert cluster.known["app"].mechanism.name == mechanism.replace("-", "_")
        assert users.settle(cluster, secrets, "app")
        assert cluster.ways == {("app", ({"SCRAM_SHA_256", "SCRAM_SHA_512"} - {other}).pop())}
        assert not users.settle(cluster, secrets, "app")


def test_somebody_without_a_password_gets_no_other_one(secrets: Secrets) -> None:
    users.write(secrets, "app", BOOTSTRAP)
    with pytest.raises(StackError, match="no-such-user") as settled:
        users.settle(Cluster(), secrets, "theirs")
    with pytest.raises(StackError, match="no-such-user"):
        users.rotate(Cluster(), secrets, "theirs", BOOTSTRAP)
    assert settled.value.context == "users: app"


def test_the_cluster_learns_a_salted_hash(secrets: Secrets) -> None:
    cluster = Cluster()
    users.enter(cluster, secrets, ["app", "other"])
    assert cluster.known.keys() == {"app", "other"}
    one = cluster.known["app"]
    assert one.salted_password == salted(secrets, "app", one.salt, one.iterations)
    with pytest.raises(StackError, match="user-refused"):
        users.enter(cluster, secrets, ["nobody"])


@contextmanager
def node(secrets: Secrets, error: int = 0) -> Iterator[tuple[tuple[str, int], list[Any]]]:
    """A node's listener for the services: it wants a certificate, takes one request, and answers with an error code."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=secrets.ca)
    context.load_cert_chain(secrets.keystore("kafka-1"))
    context.verify_mode = ssl.CERT_REQUIRED
    told: list[Any] = []

    def serve() -> None:
        try:
            plain, _ = listening.accept()
            with context.wrap_socket(plain, server_side=True) as connection:
                shown: Any = connection.getpeercert() or {}
                subject = dict(pair[0] for pair in shown.get("subject", ()))
                size = int.from_bytes(connection.recv(4), "big")
                request = AlterUserScramCredentialsRequest.decode(connection.recv(size), version=0, header=True)
                told.append((subject["commonName"], request))
                result = AlterUserScramCredentialsResponse.AlterUserScramCredentialsResult(
                    user="admin", error_code=error, error_message="not now" if error else None
                )
                answer = AlterUserScramCredentialsResponse(throttle_time_ms=0, results=[result], version=0)
                answer.with_header(correlation_id=request.header.correlation_id)
                connection.sendall(answer.encode(framed=True, header=True))
        except OSError:
            return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname(), told
        thread.join()


def test_the_administrator_gets_in_by_his_certificate(secrets: Secrets) -> None:
    with node(secrets) as (address, told):
        users.admit(secrets, address, "kafka-1")
    ((shown, request),) = told
    (one,) = request.upsertions
    assert (shown, one.name, one.mechanism) == ("admin", "admin", 2)
    assert one.salted_password == salted(secrets, "admin", one.salt, one.iterations)


def test_a_node_that_cannot_yet_or_is_another_is_tried_again(secrets: Secrets) -> None:
    with node(secrets, error=7) as (address, _), pytest.raises(OSError, match="not now"):
        users.admit(secrets, address, "kafka-1")
    with node(secrets) as (address, told), pytest.raises(ssl.SSLCertVerificationError):
        users.admit(secrets, address, "kafka-2")
    assert told == []
    with pytest.raises(ConnectionError):
        users.admit(secrets, address, "kafka-1")


def test_no_password_stands_in_what_is_shown_of_a_client(secrets: Secrets) -> None:
    read = client_properties.read(users.write(secrets, "app", BOOTSTRAP))
    assert read.password
    assert not re.search(re.escape(read.password), repr(read))
