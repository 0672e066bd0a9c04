from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from backbone import client_properties
from backbone.errors import StackError
from backbone.security import certificates
from backbone.security.layout import Secrets
from backbone.stack import compose, secure
from backbone.stack.settings import Settings
from tests import ROOT
from tests.fakes import PLAIN, model

if TYPE_CHECKING:
    from pathlib import Path

BOOTSTRAP = ("127.0.0.1:9092",)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(client_properties.CONFIG, raising=False)


def node(root: Path, *, certificate: bool = True) -> dict[str, Any]:
    body: dict[str, Any] = {
        "hostname": "kafka-1",
        "environment": {
            "KAFKA_ADVERTISED_LISTENERS": "INTERNAL://kafka-1:19092,EXTERNAL://broker.example:9092",
        },
        **PLAIN,
    }
    if certificate:
        mount = {"type": "bind", "source": str(root / "kafka" / "kafka-1"), "target": "/etc/tls", "read_only": True}
        body |= {"x-certificate": "/etc/tls", "volumes": [mount]}
    return body


def test_a_stack_without_certificates_has_no_secrets_and_makes_none(tmp_path: Path) -> None:
    plain = model(k=node(tmp_path, certificate=False), web=PLAIN)
    assert secure.secrets(plain) is None
    assert secure.prepare(plain.services.values(), BOOTSTRAP, now=time.time()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_node_shows_every_name_by_which_clients_come(tmp_path: Path) -> None:
    found = model(k=node(tmp_path))
    assert secure.secrets(found) == Secrets(tmp_path / "kafka")
    assert secure.prepare(found.services.values(), BOOTSTRAP, now=time.time()) == ["kafka-1", "admin"]
    made = {one.name: one.hosts for one in certificates.holders(tmp_path / "kafka")}
    assert made["kafka-1"] == {"kafka-1", "localhost", "127.0.0.1", "broker.example"}
    assert secure.prepare(found.services.values(), BOOTSTRAP, now=time.time()) == []


def test_clients_are_the_administrator_once_there_is_one(tmp_path: Path) -> None:
    found = model(k=node(tmp_path))
    secure.identify(found, BOOTSTRAP)
    assert client_properties.CONFIG not in os.environ
    secure.prepare(found.services.values(), BOOTSTRAP, now=time.time())
    secure.identify(found, BOOTSTRAP)
    assert client_properties.current().username == "admin"
    secure.identify(model(k=node(tmp_path, certificate=False)), BOOTSTRAP)
    assert client_properties.CONFIG not in os.environ


def test_a_login_that_somebody_named_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = model(k=node(tmp_path))
    secure.prepare(found.services.values(), BOOTSTRAP, now=time.time())
    monkeypatch.setenv(client_properties.CONFIG, "remote.properties")
    for each in (found, model(k=node(tmp_path, certificate=False))):
        secure.identify(each, BOOTSTRAP)
        assert os.environ[client_properties.CONFIG] == "remote.properties"


def test_a_change_of_the_profile_wants_everything_stopped(tmp_path: Path) -> None:
    plain, safe = (model(k=node(tmp_path, certificate=one), web=PLAIN) for one in (False, True))
    for same in (plain, safe):
        secure.demand_one_kind(same, same)
    with pytest.raises(StackError, match="k run with KAFKA_SECURITY=plaintext, and the files say secure"):
        secure.demand_one_kind(plain, safe)
    with pytest.raises(StackError, match="k run with KAFKA_SECURITY=secure, and the files say plaintext"):
        secure.demand_one_kind(safe, plain)


@pytest.fixture(scope="module")
def profiles() -> dict[str, compose.Model]:
    return {
        kind: compose.load(Settings(ROOT, {**os.environ, "KAFKA_SECURITY": kind}), ["*"])
        for kind in ("plaintext", "secure")
    }


def test_the_files_say_who_shows_a_certificate(profiles: dict[str, compose.Model]) -> None:
    assert secure.secrets(profiles["plaintext"]) is None
    named = {name: own for name, one in profiles["secure"].services.items() if (own := secure.folder(one))}
    assert {name: own.name for name, own in named.items()} == {name: name for name in named}
    assert named.keys() == {
        *("kafka-1", "kafka-2", "kafka-3"),
        *("kafka-connect", "schema-registry", "kafka-rest", "kafka-exporter", "kafka-ui"),
    }


def test_the_one_shot_makes_what_the_files_mount(profiles: dict[str, compose.Model]) -> None:
    said = [str(word).split(",") for word in profiles["secure"]["kafka-certificates"].raw["command"]]
    held = {name for name, one in profiles["secure"].services.items() if secure.folder(one)}
    assert {name for name, *_ in said} == {*held, "admin"}
    for name, *hosts in said:
        wanted = secure.hosts(profiles["secure"][name]) if name in held else set()
        assert {name, *hosts} == {name, *wanted}, name


def test_who_shows_a_certificate_may_read_it_and_nobody_elses(profiles: dict[str, compose.Model]) -> None:
    script = (ROOT / "infra" / "05-messaging" / "security" / "make-certificates.sh").read_text(encoding="utf-8")
    (group,) = re.findall(r"(?m)^group=(\d+)$", script)
    services = profiles["secure"].services
    member = {name for name, one in services.items() if group in one.raw.get("group_add", ())}
    assert member == {name for name, one in services.items() if secure.folder(one)} | {"kafka-topics"}
    everything = secure.secrets(profiles["secure"])
    assert everything
    for name in member:
        one = services[name]
        hidden = [str(entry).partition(":")[0] for entry in one.raw.get("tmpfs", ())]
        for mount in one.mounts:
            if mount.kind == "bind" and everything.folder.is_relative_to(mount.source):
                inside = str(everything.folder.relative_to(mount.source))
                assert f"{mount.target}/{inside}" in hidden, name


def test_no_listener_of_the_secure_profile_is_without_tls(profiles: dict[str, compose.Model]) -> None:
    for name in ("kafka-1", "kafka-2", "kafka-3"):
        environment = profiles["secure"][name].environment
        assert environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"] == "INTERNAL:SSL,CONTROLLER:SSL,EXTERNAL:SASL_SSL"
        assert environment["KAFKA_SSL_PRINCIPAL_MAPPING_RULES"] == "RULE:^CN=([a-z0-9-]+)$/$1/"


def test_the_profiles_differ_only_in_who_asks_whom(profiles: dict[str, compose.Model]) -> None:
    for name, plain in profiles["plaintext"].services.items():
        changed = {
            key
            for key in plain.raw.keys() | profiles["secure"][name].raw.keys()
            if plain.raw.get(key) != profiles["secure"][name].raw.get(key)
        }
        assert changed <= {
            "environment",
            "configs",
            "volumes",
            "x-certificate",
            "command",
            "group_add",
            "tmpfs",
            "depends_on",
        }, name
