"""What `--bootstrap` and `--command-config` make a task work on, and as whom."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from backbone import client_properties
from backbone.client_properties import CONFIG
from backbone.errors import ExitCode, StackError
from scripts.tasks import targets
from tests.servers.door import Door

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG, "")  # so that it is put back
    monkeypatch.delenv(CONFIG)


def login(folder: Path, *more: str, password: str = "right") -> str:  # noqa: S107 - of a fake
    file = folder / "client.properties"
    jaas = f'sasl.jaas.config={MODULE} required username="app" password="{password}";'
    lines = ("security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", jaas, *more)
    file.write_text("\n".join(lines), encoding="utf-8")
    return str(file)


def door() -> Door:
    return Door(mechanisms=("PLAIN",), users={"app": "right"})


def test_no_flag_names_no_other_cluster() -> None:
    assert targets.remote("", "") == targets.remote(None, None) == ()
    assert CONFIG not in os.environ


def test_the_addresses_are_those_of_the_flag_else_of_the_file(tmp_path: Path) -> None:
    with door().open() as one, door().open() as other:
        file = login(tmp_path, f"bootstrap.servers={one},{other}")
        assert targets.remote("", file) == (one, other)
        assert targets.remote(other, file) == (other,)
        assert client_properties.current().username == "app"


def test_a_file_of_the_shell_counts_where_no_flag_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with door().open() as address:
        monkeypatch.setenv(CONFIG, login(tmp_path, f"bootstrap.servers={address}"))
        assert targets.remote("", "") == (address,)


def test_a_file_without_addresses_is_a_login_at_ones_own_stack(tmp_path: Path) -> None:
    assert targets.remote("", login(tmp_path)) == ()
    assert os.environ[CONFIG] == login(tmp_path)


def test_what_the_cluster_refuses_is_told_at_once(tmp_path: Path) -> None:
    with door().open() as address:
        with pytest.raises(StackError, match="login-refused"):
            targets.remote(address, login(tmp_path, password="wrong"))  # noqa: S106 - of a fake
        with pytest.raises(StackError, match="login-wanted") as caught:
            targets.bootstrap(address, str(plain(tmp_path)))
        assert caught.value.exit_code is ExitCode.ENVIRONMENT


def test_ones_own_brokers_are_asked_where_a_login_is_named(tmp_path: Path) -> None:
    with door().open() as address:
        own: Any = SimpleNamespace(bootstrap=(address,))
        assert targets.own_brokers(own) == (address,), "nobody is asked without a login"
        targets.remote("", login(tmp_path))
        assert targets.own_brokers(own) == (address,)
        targets.remote("", login(tmp_path, password="wrong"))  # noqa: S106 - of a fake
        with pytest.raises(StackError, match="login-refused"):
            targets.own_brokers(own)


def plain(folder: Path) -> Path:
    file = folder / "plain.properties"
    file.write_text("", encoding="utf-8")
    return file


def test_nonsense_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="bad-client-properties"):
        targets.remote("127.0.0.1:1", str(tmp_path / "none"))
    with pytest.raises(StackError, match="bad-address"):
        targets.remote("127.0.0.1", "")
    with pytest.raises(StackError, match="bad-address"):
        targets.remote("", login(tmp_path, "bootstrap.servers=kafka"))
