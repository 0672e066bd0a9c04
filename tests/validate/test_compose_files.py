from __future__ import annotations

import itertools
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from backbone.source import env_file
from backbone.stack import compose
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SUBSETS = [
    subset for size in range(len(compose.PROFILES) + 1) for subset in itertools.combinations(compose.PROFILES, size)
]
EXAMPLE = ROOT / ".env.example"
# A shell's environment without any variable of ours: each test says what it adds.
BARE = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
# Only these are interpolated by Compose; other YAML below infra/ has variables of its own.
FILES = [
    ROOT / "docker-compose.yml",
    *sorted((ROOT / "infra").rglob("docker-compose.yml")),
    *sorted((ROOT / "infra" / "common").glob("*.yml")),
    ROOT / "infra" / "05-messaging" / "lite.yml",
    *sorted((ROOT / "infra" / "05-messaging" / "security").glob("*/*.yml")),
    *sorted((ROOT / "infra").rglob("*.env")),
]
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::?-((?:[^{}]|\{[^}]*\})*))?(:?[?+][^}]*)?\}|(?<!\$)\$(\w+)")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout's Compose files in a folder without a .env."""
    folder = tmp_path_factory.mktemp("checkout")
    for path in FILES:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return folder


def rendered(file: Path, profiles: tuple[str, ...], env_file: Path | None) -> dict[str, Any]:
    done = compose.config(file, profiles=profiles, env_file=env_file, environ=BARE)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # not even a warning: a variable that is not set is one
    model: dict[str, Any] = yaml.safe_load(done.stdout)
    return model


def with_profile(profiles: tuple[str, ...]) -> set[str]:
    """Return the services of some profiles, by their own Compose files."""
    everything = yaml.safe_load(compose.config(FILES[0], profiles=["*"], env_file=EXAMPLE, environ=BARE).stdout)
    services = everything.get("services") or {}
    return {name for name, body in services.items() if set(body.get("profiles") or profiles) & set(profiles)}


def test_there_are_sixteen_subsets_of_the_standard_profiles() -> None:
    assert len(set(SUBSETS)) == 16


@pytest.mark.parametrize("profiles", SUBSETS, ids="+".join)
def test_every_subset_of_the_profiles_renders_with_the_example_and_without_any_env(
    copy: Path, profiles: tuple[str, ...]
) -> None:
    with_example = rendered(copy / "docker-compose.yml", profiles, EXAMPLE)
    assert rendered(copy / "docker-compose.yml", profiles, None) == with_example
    assert set(with_example.get("services") or {}) == with_profile(profiles)


def test_the_specifications_own_command_passes(tmp_path: Path) -> None:
    """VAL-MSG-001, word for word; `docker` hands over to the pinned Compose as it does to its plugin."""
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\n[ "$1" = compose ] && shift && exec {compose.binary()} "$@"\n', encoding="utf-8")
    docker.chmod(0o755)
    command = "COMPOSE_PROFILES=core,data,obs,messaging docker compose --env-file .env.example config -q"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        check=False,
        cwd=ROOT,
        env={**BARE, "PATH": f"{tmp_path}:{BARE['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


NESTED = re.compile(r"\$\{\w+:-([^${}]*)\}")  # a default that is a variable with a default


def uses() -> list[tuple[str, str, str | None]]:
    """Return (file, variable, default) of each use in the Compose files; None where there is no default."""
    found: list[tuple[str, str, str | None]] = []
    for path in FILES:
        lines = path.read_text(encoding="utf-8").splitlines()
        text = "\n".join("" if line.lstrip().startswith("#") else line for line in lines)
        file = str(path.relative_to(ROOT))
        found.extend((file, match[1] or match[4], match[2]) for match in VARIABLE.finditer(text))
    return found


def test_every_variable_has_its_default_in_the_compose_files_equal_to_the_example() -> None:
    example = env_file.read(EXAMPLE, {})
    differing = [
        f"{file}: {name} is {default!r} there and {example.get(name)!r} in .env.example"
        for file, name, default in uses()
        if default is None or NESTED.sub(r"\1", default) != example.get(name)
    ]
    assert differing == []
    assert len(uses()) > 20


def test_every_variable_of_the_example_is_used() -> None:
    assert set(env_file.read(EXAMPLE, {})) - {name for _, name, _ in uses()} == set()


def test_the_example_sets_and_explains_each_variable_once() -> None:
    names = re.findall(r"(?m)^([A-Z0-9_]+)=", EXAMPLE.read_text(encoding="utf-8"))
    assert [name for name in names if names.count(name) > 1] == []


def test_every_published_port_is_on_loopback_and_no_address_is_fixed() -> None:
    model = rendered(FILES[0], ("*",), EXAMPLE)
    for name, service in model["services"].items():
        assert {port["host_ip"] for port in service.get("ports") or ()} <= {"127.0.0.1"}, name
        assert "ipv4_address" not in str(service.get("networks")), name


def test_no_two_services_publish_the_same_port() -> None:
    services = rendered(FILES[0], ("*",), EXAMPLE)["services"].values()
    published = [port["published"] for service in services for port in service.get("ports") or ()]
    assert sorted(set(published)) == sorted(published)


def test_dependencies_stay_within_a_profile() -> None:
    services = rendered(FILES[0], ("*",), EXAMPLE)["services"]
    for name, service in services.items():
        for other in service.get("depends_on") or {}:
            assert set(service.get("profiles") or ()) <= set(services[other].get("profiles") or ()), (name, other)
