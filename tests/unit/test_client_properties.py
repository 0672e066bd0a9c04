"""A client.properties file means here what it means to Kafka's own tools, or is refused by name."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer

from backbone import client_properties, clients
from backbone.client_properties import PLAINTEXT, ClientSecurity
from backbone.errors import ExitCode, StackError
from tests.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

AWKWARD = 'p"q;r=s'
CANARY = "c4nary"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required"


def written(folder: Path, text: str) -> Path:
    file = folder / "client.properties"
    file.write_text(text, encoding="utf-8")
    return file


def refused(folder: Path, text: str) -> StackError:
    with pytest.raises(StackError, match="bad-client-properties") as caught:
        client_properties.read(written(folder, text))
    assert caught.value.exit_code is ExitCode.USAGE
    assert str(folder / "client.properties") in caught.value.message
    return caught.value


def test_a_login_over_tls(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    file = written(
        tmp_path,
        "bootstrap.servers=kafka.example:9093\n"
        "security.protocol=SASL_SSL\n"
        "sasl.mechanism=SCRAM-SHA-512\n"
        f'sasl.jaas.config={SCRAM} username="app" password="p\\\\"q;r=s";\n'
        "ssl.truststore.type=PEM\n"
        "ssl.truststore.location=ca.pem\n"
        "linger.ms=5\n",
    )
    assert client_properties.read(file) == ClientSecurity(
        protocol="SASL_SSL",
        mechanism="SCRAM-SHA-512",
        username="app",
        password=AWKWARD,
        ca_file=tmp_path / "ca.pem",
        file=file,
        bootstrap="kafka.example:9093",
    )


def test_a_certificate_of_ones_own(tmp_path: Path) -> None:
    store = tmp_path / "own.pem"
    store.touch()
    text = f"security.protocol=ssl\nssl.keystore.location={store}\nssl.key.password=x\n"
    found = client_properties.read(written(tmp_path, text + "ssl.endpoint.identification.algorithm=\n"))
    assert (found.certificate_file, found.key_file, found.key_password) == (store, store, "x")
    assert not found.verify_host_name
    assert found.ca_file is None


def test_an_empty_file_is_a_client_without_anything(tmp_path: Path) -> None:
    found = client_properties.read(written(tmp_path, "# nothing\n"))
    assert (found.protocol, found.tls, found.sasl) == ("PLAINTEXT", False, False)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("a=b", "b"),
        ("a = b ", "b"),
        ("a: b", "b"),
        ("a b", "b"),
        ("  a=b=c:d", "b=c:d"),
        ("a=b\\\n   c", "bc"),
        ("a=b\\\\\nx=1", "b\\"),
        ("a=\\u00e4\\t1", "ä\t1"),
        ("#x\n!y\n\na=b\r\n", "b"),
        ("\ufeffa=b", "b"),
        ("a=1\na=2", "2"),
        ("a=b\\\n# no comment", "b# no comment"),
        ("a", ""),
    ],
)
def test_the_form_is_that_of_java(line: str, value: str) -> None:
    assert client_properties.parse(line)["a"] == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("security.protocol=TLS", "security.protocol=TLS is none of PLAINTEXT"),
        ("security.protocol=SASL_SSL", "sasl.mechanism=GSSAPI is none of"),
        ("security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER", "OAUTHBEARER"),
        ("security.protocol=SASL_SSL\nsasl.mechanism=PLAIN", "has no username and no password"),
        (f'security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config={SCRAM} username="a";', "no password"),
        (
            'security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=x username="a=b" password="c";',
            "the user 'a=b' has a comma or =",
        ),
        ("security.protocol=SSL\nssl.truststore.location=none.pem", "there is no file"),
        ("security.protocol=SSL\nssl.truststore.location=store.jks", "is a JKS store"),
        ("security.protocol=SSL\nssl.keystore.location=a\nssl.keystore.type=PKCS12", "is a PKCS12 store"),
        ("security.protocol=SSL\nssl.truststore.certificates=x", "ssl.truststore.certificates is not understood"),
        ("config.providers=file", "config.providers is not understood"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, text: str, words: str) -> None:
    error = refused(tmp_path, text)
    assert words in error.message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(StackError, match="cannot be read") as caught:
            client_properties.read(path)
        assert str(path) in caught.value.message


def test_no_password_is_shown(tmp_path: Path) -> None:
    text = f'security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config={SCRAM} username="a" password="c4nary";'
    found = client_properties.read(written(tmp_path, text + "\nssl.key.password=c4nary\n"))
    assert CANARY not in repr(found)
    assert found.password == found.key_password == CANARY


def test_files_that_hold_something_else(tmp_path: Path) -> None:
    ours = Authority.make(tmp_path)
    (tmp_path / "words.pem").write_text("words", encoding="utf-8")
    words = tmp_path / "words.pem"
    with pytest.raises(StackError, match="holds no certificate in PEM"):
        client_properties.context(ClientSecurity("SSL", ca_file=words))
    with pytest.raises(StackError, match="is not a key with its certificate"):
        client_properties.context(ClientSecurity("SSL", ca_file=ours.ca, certificate_file=words, key_file=words))


def test_a_key_with_a_password_is_opened_by_it_and_nobody_is_asked(tmp_path: Path) -> None:
    ours = Authority.make(tmp_path)
    store = ours.sign("own", password=CANARY)
    security = ClientSecurity("SSL", ca_file=ours.ca, certificate_file=store, key_file=store, key_password=CANARY)
    client_properties.context(security)
    for wrong in ("", "other"):
        with pytest.raises(StackError, match="is not a key with its certificate"):
            client_properties.context(replace(security, key_password=wrong))


def test_a_process_and_what_it_starts_are_one_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(client_properties.CONFIG, "")
    assert client_properties.current() == PLAINTEXT
    security = client_properties.read(written(tmp_path, "security.protocol=SSL\n"))
    client_properties.use(security)
    assert os.environ[client_properties.CONFIG] == str(tmp_path / "client.properties")
    assert client_properties.current() == security
    client_properties.use(PLAINTEXT)
    assert client_properties.CONFIG not in os.environ


def test_the_java_client_is_the_same(tmp_path: Path) -> None:
    store = tmp_path / "own.pem"
    security = ClientSecurity(
        "SASL_SSL", "SCRAM-SHA-512", "app", AWKWARD + "\\", ca_file=store, certificate_file=store, key_file=store,
        key_password=CANARY, verify_host_name=False,
    )  # fmt: skip
    store.touch()
    text = "".join(
        f"{name}={value}\n".replace("\\", "\\\\") for name, value in client_properties.java(security).items()
    )
    found = client_properties.read(written(tmp_path, text))
    assert replace(found, file=None) == security
    plain = client_properties.java(ClientSecurity("SASL_PLAINTEXT", "PLAIN", "a", CANARY))
    assert set(plain) == {"security.protocol", "sasl.mechanism", "sasl.jaas.config"}
    assert "PlainLoginModule" in plain["sasl.jaas.config"]
    assert client_properties.java(PLAINTEXT) == {"security.protocol": "PLAINTEXT"}


def test_librdkafka_takes_what_it_is_given(tmp_path: Path) -> None:
    ours = Authority.make(tmp_path)
    store = ours.sign("own")
    security = ClientSecurity(
        "SASL_SSL", "SCRAM-SHA-512", "app", AWKWARD, ca_file=ours.ca, certificate_file=store, key_file=store,
        verify_host_name=False,
    )  # fmt: skip
    Producer({"bootstrap.servers": "127.0.0.1:1", **client_properties.librdkafka(security)}).purge()
    assert client_properties.librdkafka(PLAINTEXT) == {"security.protocol": "PLAINTEXT"}


def test_the_settings_of_a_client(tmp_path: Path) -> None:
    assert clients.identity(PLAINTEXT) == {"security_protocol": "PLAINTEXT"}
    security = ClientSecurity("SASL_SSL", "PLAIN", "a", "b", verify_host_name=False)
    found: dict[str, Any] = clients.identity(security)
    context = found.pop("ssl_context")
    assert not context.check_hostname
    assert found == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "a",
        "sasl_plain_password": "b",
    }
