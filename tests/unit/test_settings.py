from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from backbone.errors import ExitCode, StackError
from backbone.stack import compose
from backbone.stack.settings import Settings, ensure_env_file, new_cluster_id, read_env, shift_ports
from tests import ROOT

ENV_LINES = {
    "plain": "A=one",
    "spaces around": "  A =  one  ".replace(" =", "="),
    "export": "export A=one",
    "double quotes": 'A="one two"',
    "single quotes": "A='one two'",
    "empty": "A=",
    "equals inside": "A=-Dx=y -Dz=w",
    "comment after": "A=one # two",
    "hash without space": "A=one#two",
    "only a comment": "A= # two",
    "quotes and a comment": 'A="one" # two',
    "hash in quotes": 'A="one # two"',
    "a quote inside": "A=it's",
    "options": "A=-Xms256m -Xmx512m",
    "twice, the last counts": "A=one\nA=two",
}


@pytest.mark.parametrize("line", ENV_LINES.values(), ids=list(ENV_LINES))
def test_reads_an_env_file_as_compose_does(tmp_path: Path, line: str) -> None:
    env = tmp_path / ".env"
    env.write_text(f"# first\n\n{line}\n", encoding="utf-8")
    file = tmp_path / "docker-compose.yml"
    file.write_text("services:\n  s:\n    image: i\n    environment: {A: '${A}'}\n", encoding="utf-8")
    done = compose.config(file, env_file=env, environ={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    assert read_env(env) == {"A": yaml.safe_load(done.stdout)["services"]["s"]["environment"]["A"]}


def test_names_the_line_that_is_no_assignment(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n# fine\nKAFKA PORT 9092\n", encoding="utf-8")
    with pytest.raises(StackError) as caught:
        read_env(tmp_path / ".env")
    assert (caught.value.reference, caught.value.exit_code) == ("env-syntax", ExitCode.USAGE)
    assert "line 3" in caught.value.message
    assert caught.value.context == f"{tmp_path / '.env'}:3"
    assert caught.value.hint


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "not text"])
def test_says_that_an_env_file_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / ".env").write_bytes(content)
    with pytest.raises(StackError) as caught:
        read_env(tmp_path / ".env")
    assert (caught.value.reference, caught.value.exit_code) == ("env-unreadable", ExitCode.USAGE)


def test_the_environment_wins_over_the_file_and_the_file_over_the_example(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text("A=example\nB=example\n", encoding="utf-8")
    settings = Settings(tmp_path, {"B": "environment"})
    assert settings.variables() == {"A": "example", "B": "environment"}
    settings.env_file.write_text("A=file\n", encoding="utf-8")
    assert settings.variables() == {"A": "file", "B": "environment"}


def test_the_cache_follows_xdg() -> None:
    assert Settings(ROOT, {"XDG_CACHE_HOME": "/c"}).cache_dir == Path("/c/messaging-backbone")
    assert Settings(ROOT, {}).cache_dir.name == "messaging-backbone"


def test_every_path_of_a_checkout_is_below_its_root(tmp_path: Path) -> None:
    here = Settings(tmp_path, {})
    paths = [here.compose_file, here.env_file, here.env_example, here.state_dir, here.results_dir]
    assert {path.parent for path in paths} == {tmp_path}
    assert list(tmp_path.iterdir()) == []


def test_cluster_ids_are_kafka_uuids_that_no_command_line_takes_for_a_flag() -> None:
    ids = [new_cluster_id() for _ in range(500)]
    assert len(set(ids)) == 500
    for text in ids:
        assert len(text) == 22
        assert not text.startswith("-")
        assert len(base64.urlsafe_b64decode(text + "==")) == 16


def test_makes_env_from_the_example_with_its_own_cluster_id(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text("# words\nCLUSTER_ID=same-for-all\nA=1\n", encoding="utf-8")
    settings = Settings(tmp_path, {})
    assert ensure_env_file(settings)
    made = read_env(settings.env_file)
    assert made["A"] == "1"
    assert made["CLUSTER_ID"] != "same-for-all"
    assert settings.env_file.read_text(encoding="utf-8").startswith("# words\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", ".env.example"]


def test_never_touches_an_env_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=mine\n", encoding="utf-8")
    assert not ensure_env_file(Settings(tmp_path, {}))
    assert (tmp_path / ".env").read_text(encoding="utf-8") == "A=mine\n"


@pytest.mark.parametrize("example", ["A=1\n", "CLUSTER_ID=a\nCLUSTER_ID=b\n"])
def test_refuses_an_example_without_exactly_one_cluster_id(tmp_path: Path, example: str) -> None:
    (tmp_path / ".env.example").write_text(example, encoding="utf-8")
    with pytest.raises(StackError, match="env-example"):
        ensure_env_file(Settings(tmp_path, {}))
    assert not (tmp_path / ".env").exists()


def test_shifts_every_port_and_keeps_the_rest(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("# A_PORT=1\nA_PORT=9092\nB_PORT=9094 # mine\nC_PORTS=1\nD=9092\n", encoding="utf-8")
    assert shift_ports(env, 1000) == {"A_PORT": 10092, "B_PORT": 10094}
    assert env.read_text(encoding="utf-8") == "# A_PORT=1\nA_PORT=10092\nB_PORT=10094 # mine\nC_PORTS=1\nD=9092\n"


def test_a_shift_by_nothing_only_looks(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("A_PORT=9092\n", encoding="utf-8")
    before = env.stat()
    assert shift_ports(env, 0) == {"A_PORT": 9092}
    assert env.stat().st_ino == before.st_ino


@pytest.mark.parametrize("by", [60000, -9000])
def test_a_shift_out_of_range_changes_nothing(tmp_path: Path, by: int) -> None:
    env = tmp_path / ".env"
    env.write_text("A_PORT=9092\nB_PORT=19092\n", encoding="utf-8")
    with pytest.raises(StackError) as caught:
        shift_ports(env, by)
    assert (caught.value.reference, caught.value.exit_code) == ("port-out-of-range", ExitCode.USAGE)
    assert env.read_text(encoding="utf-8") == "A_PORT=9092\nB_PORT=19092\n"
