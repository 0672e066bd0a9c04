"""The Compose files hold the same defaults as .env.example, and every set of profiles stands by itself."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from backbone.source import env_file
from backbone.stack import compose, diagram
from backbone.stack.settings import Settings
from tests import ROOT

_REFERENCE = re.compile(r"\$\{([A-Z0-9_]+):-((?:[^{}]|\$\{[^}]*\})*)\}")
SUBSETS = [subset for size in range(5) for subset in combinations(compose.PROFILES, size)]


def defaults() -> dict[str, set[str]]:
    """Return variable → every default that the Compose files give it."""
    found: dict[str, set[str]] = {}
    for file in (ROOT / "docker-compose.yml", *(ROOT / "infra").rglob("*.yml")):
        for name, value in _REFERENCE.findall(file.read_text(encoding="utf-8")):
            found.setdefault(name, set()).add(_REFERENCE.sub(r"\2", value))
    return found


def test_the_compose_files_and_env_example_agree() -> None:
    example = env_file.read(ROOT / ".env.example", {})
    given = defaults()
    assert {name: values for name, values in given.items() if values != {example.get(name)}} == {}


def test_env_example_sets_every_variable_once_and_none_in_vain() -> None:
    names = re.findall(r"(?m)^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"))
    assert sorted(names) == sorted(set(names))
    assert set(names) == set(defaults())


@pytest.mark.parametrize("profiles", SUBSETS, ids=lambda subset: "+".join(subset) or "none")
def test_every_subset_of_the_profiles_renders_and_is_bounded(profiles: tuple[str, ...]) -> None:
    done = compose.config(
        ROOT / "docker-compose.yml", profiles=profiles, env_file=ROOT / ".env.example", environ={"HOME": "/"}
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr


def test_every_service_is_bounded_watched_and_logged() -> None:
    model = diagram.with_defaults(Settings())
    for name, service in model.services.items():
        once = service.raw.get("restart") == "no"
        assert service.profiles, name
        assert service.mem_limit > 0, name
        assert float(service.raw["cpus"]) > 0, name
        assert service.raw["logging"]["options"]["max-size"], name
        assert once or "test" in service.raw["healthcheck"], name
        assert all(port.host_ip == "127.0.0.1" for port in service.ports), name


def test_every_one_shot_is_waited_for_by_something_that_stays() -> None:
    model = diagram.with_defaults(Settings())
    once = {name for name, service in model.services.items() if service.raw.get("restart") == "no"}
    adopted = {
        other
        for name, service in model.services.items()
        if name not in once
        for other, condition in service.depends_on.items()
        if condition == "service_completed_successfully"
    }
    assert once <= adopted


def test_the_picture_is_what_the_compose_files_say() -> None:
    page = ROOT / "docs" / "architecture.md"
    text = page.read_text(encoding="utf-8")
    assert diagram.render(text, diagram.with_defaults(Settings())) == text
    assert "kafka-1 -.-> kafka-folders" in text


def test_no_secret_is_mounted_before_it_is_made() -> None:
    """An engine makes a folder of a bind mount whose source is missing, and a password cannot be put there then."""
    model = diagram.with_defaults(Settings())
    mounts = [mount.source for service in model.services.values() for mount in service.mounts]
    made = ("postgres_password", "user", "30-user.conf")
    assert [source for source in mounts if source.endswith(made)] == []
    assert any(source.endswith("/secrets/connect") for source in mounts)


def test_a_worker_that_is_stopped_waits_no_longer_for_brokers_than_it_is_given() -> None:
    text = (ROOT / "infra/05-messaging/connect/connect-distributed.properties").read_text(encoding="utf-8")
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    waits = int(values["delivery.timeout.ms"]) + int(values.get("task.shutdown.graceful.timeout.ms", "5000"))
    grace = compose.load(Settings(ROOT, {"PATH": "/usr/bin:/bin"}), ["messaging"])["kafka-connect"].stop_grace_period
    assert waits / 1000 <= grace - 5, "it is killed while it waits for what no broker can acknowledge"
    assert int(values["request.timeout.ms"]) < int(values["delivery.timeout.ms"]), "Kafka refuses that"


def test_the_registry_commits_nothing_for_which_a_stop_would_wait() -> None:
    registry = compose.load(Settings(ROOT, {"PATH": "/usr/bin:/bin"}), ["messaging"])["schema-registry"]
    assert registry.environment["APICURIO_KAFKA_COMMON_ENABLE_AUTO_COMMIT"] == "false"
