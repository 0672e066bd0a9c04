"""A stack without passwords is not published to other machines unless somebody says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.stack import exposure
from backbone.stack.settings import Settings
from tests.fakes import model

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.stack.compose import Model

EVERY = "0.0.0.0"  # noqa: S104 - judged, never bound


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / ".env").touch()
    return Settings(tmp_path, {})


def published(*hosts: str) -> Model:
    ports = [{"host_ip": host, "published": str(9000 + n), "target": 1} for n, host in enumerate(hosts)]
    return model(a={"ports": ports})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_loopback_is_this_machine_only(host: str, settings: Settings) -> None:
    exposure.demand_loopback(published(host), settings)


@pytest.mark.parametrize("host", [EVERY, "::", "192.168.1.2", "", "my-laptop", "127.0.0.1.example.org"])
def test_another_address_is_refused_until_it_is_allowed(host: str, settings: Settings) -> None:
    with pytest.raises(StackError, match="exposed") as error:
        exposure.demand_loopback(published("127.0.0.1", host), settings)
    assert error.value.exit_code == ExitCode.USAGE
    assert "a: " in str(error.value.context)
    assert ":9001" in str(error.value.context)
    assert ":9000" not in str(error.value.context)
    settings.env_file.write_text("EXPOSE_PLAINTEXT=yes\n")
    exposure.demand_loopback(published(host), settings)


def test_who_reaches_a_node_of_the_secure_profile_is_asked(settings: Settings) -> None:
    mount = {"type": "bind", "source": "/secrets/kafka/a", "target": "/etc/tls", "read_only": True}
    ports = [{"host_ip": EVERY, "published": "9092", "target": 1}]
    exposure.demand_loopback(model(a={"ports": ports, "x-certificate": "/etc/tls", "volumes": [mount]}), settings)


def test_many_ports_are_counted_not_listed(settings: Settings) -> None:
    with pytest.raises(StackError) as error:
        exposure.demand_loopback(published(*[EVERY] * 9), settings)
    assert str(error.value.context).splitlines()[-1] == "and 4 more"
