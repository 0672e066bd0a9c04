"""Certificates as OpenSSL sees them: a server shows one, a client trusts the authority, both by Python's own ssl."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from backbone.errors import StackError
from backbone.security import certificates
from backbone.security.layout import Secrets

if TYPE_CHECKING:
    from pathlib import Path

DAY = 24 * 3600.0
NOW = time.time()
HOSTS = frozenset({"kafka-1", "localhost", "127.0.0.1", "::1"})


def shaken(server: Path, trusted: Path, host: str, client: Path | None = None) -> str:
    """Return the name that a server with a key store knows its client by, after a handshake in which both verify."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=trusted)
    serving.load_cert_chain(server)
    serving.verify_mode = ssl.CERT_REQUIRED if client else ssl.CERT_NONE
    asking = ssl.create_default_context(cafile=trusted)
    if client:
        asking.load_cert_chain(client)
    ours, theirs = socket.socketpair()
    names: list[str] = []

    def serve() -> None:
        try:
            with serving.wrap_socket(theirs, server_side=True) as connection:
                shown: Any = connection.getpeercert() or {}
                subject = dict(pair[0] for pair in shown.get("subject", ()))
                names.append(subject.get("commonName", ""))
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with asking.wrap_socket(ours, server_hostname=host):
            pass
    finally:
        ours.close()
        thread.join()
    return names[0]


def test_both_sides_know_each_other_by_what_was_made(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "kafka")
    for name, hosts in (("kafka-1", HOSTS), ("kafka-connect", frozenset())):
        assert certificates.ensure(secrets.folder, name, hosts, now=NOW)
    server, client = secrets.keystore("kafka-1"), secrets.keystore("kafka-connect")
    for host in HOSTS:
        assert shaken(server, secrets.ca, host, client) == "kafka-connect"
    assert shaken(server, client.with_name("ca.pem"), "kafka-1", client) == "kafka-connect"


def test_another_name_and_another_authority_are_refused(tmp_path: Path) -> None:
    here, there = Secrets(tmp_path / "here"), Secrets(tmp_path / "there")
    for secrets in (here, there):
        certificates.ensure(secrets.folder, "kafka-1", HOSTS, now=NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shaken(here.keystore("kafka-1"), here.ca, "kafka-2")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"unable to get local issuer|self-signed"):
        shaken(here.keystore("kafka-1"), there.ca, "kafka-1")


def test_one_that_has_ended_is_refused_and_made_again(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path)
    certificates.ensure(secrets.folder, "kafka-1", HOSTS, now=NOW - 91 * DAY)
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
        shaken(secrets.keystore("kafka-1"), secrets.ca, "kafka-1")
    assert certificates.ensure(secrets.folder, "kafka-1", HOSTS, now=NOW)
    assert shaken(secrets.keystore("kafka-1"), secrets.ca, "kafka-1") == ""


@pytest.mark.parametrize(("later", "again"), [(0.0, False), (59 * DAY, False), (61 * DAY, True), (100 * DAY, True)])
def test_it_is_made_again_a_month_before_its_end(tmp_path: Path, later: float, again: bool) -> None:
    certificates.ensure(tmp_path, "kafka-1", HOSTS, now=NOW)
    (before,) = certificates.holders(tmp_path)
    assert certificates.ensure(tmp_path, "kafka-1", HOSTS, now=NOW + later) is again
    (after,) = certificates.holders(tmp_path)
    assert (after.serial != before.serial) is again
    assert after.hosts == HOSTS
    assert round((before.ends - NOW) / DAY) == 90


def test_other_hosts_or_another_authority_make_it_anew(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, "kafka-1", HOSTS, now=NOW)
    assert certificates.ensure(tmp_path, "kafka-1", HOSTS | {"192.168.1.5"}, now=NOW)
    assert not certificates.ensure(tmp_path, "kafka-1", HOSTS | {"192.168.1.5"}, now=NOW)
    for name in ("ca.pem", "ca.key"):
        (tmp_path / name).unlink()
    assert certificates.ensure(tmp_path, "kafka-1", HOSTS | {"192.168.1.5"}, now=NOW)
    assert shaken(tmp_path / "kafka-1" / "keystore.pem", tmp_path / "ca.pem", "kafka-1") == ""


def test_keys_are_their_owners_alone_and_the_authority_s_key_is_in_no_holder_s_folder(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "kafka")
    certificates.ensure(secrets.folder, "kafka-1", HOSTS, now=NOW)
    for file in (secrets.keystore("kafka-1"), secrets.folder / "ca.key"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(secrets.folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in secrets.keystore("kafka-1").parent.iterdir()) == ["ca.pem", "keystore.pem"]
    authority = (secrets.folder / "ca.key").read_text(encoding="ascii").splitlines()[1]
    assert authority not in secrets.keystore("kafka-1").read_text(encoding="ascii")


def test_renewing_keeps_the_hosts(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, "kafka-1", HOSTS, now=NOW)
    (before,) = certificates.holders(tmp_path)
    after = certificates.renew(tmp_path, "kafka-1", now=NOW)
    assert after.hosts == before.hosts
    assert after.serial != before.serial
    with pytest.raises(StackError, match="no-certificate"):
        certificates.renew(tmp_path, "kafka-9", now=NOW)


@pytest.mark.parametrize("name", ["ca.pem", "ca.key"])
@pytest.mark.parametrize("content", [None, "", "-----BEGIN NONSENSE-----\n"])
def test_an_authority_that_cannot_be_used_is_told_and_kept(tmp_path: Path, name: str, content: str | None) -> None:
    certificates.ensure(tmp_path, "kafka-1", HOSTS, now=NOW)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(content, encoding="ascii")
    with pytest.raises(StackError, match="bad-authority"):
        certificates.ensure(tmp_path, "kafka-1", HOSTS, now=NOW)
    other = tmp_path / ("ca.key" if name == "ca.pem" else "ca.pem")
    assert other.read_text(encoding="ascii").startswith("-----BEGIN")


def test_the_key_of_another_authority_is_none(tmp_path: Path) -> None:
    for place in ("a", "b"):
        certificates.ensure(tmp_path / place, "kafka-1", HOSTS, now=NOW)
    (tmp_path / "a" / "ca.key").write_bytes((tmp_path / "b" / "ca.key").read_bytes())
    with pytest.raises(StackError, match="bad-authority") as caught:
        certificates.ensure(tmp_path / "a", "kafka-1", HOSTS, now=NOW)
    assert caught.value.context == "ValueError: ca.key is not the key of ca.pem"
