from __future__ import annotations

import base64
from pathlib import Path

import pytest

from backbone.errors import ExitCode, StackError
from backbone.source import env_file
from backbone.stack.settings import (
    Settings,
    check_places,
    ensure_env_file,
    make_lite,
    new_cluster_id,
    shift_ports,
    unmoved_ports,
)
from tests import ROOT


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "not text"])
def test_says_that_an_env_file_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / ".env").write_bytes(content)
    with pytest.raises(StackError) as caught:
        env_file.read(tmp_path / ".env", {})
    assert (caught.value.reference, caught.value.exit_code) == ("unreadable-file", ExitCode.USAGE)


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
    made = env_file.read(settings.env_file, {})
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


def test_an_exported_or_quoted_port_is_shifted_and_what_is_not_is_told(tmp_path: Path) -> None:
    settings = Settings(tmp_path, {})
    settings.env_example.write_text("A_PORT=1\nB_PORT=2\nC_PORT=3\nD_PORT=4\nHOST=x\n", encoding="utf-8")
    settings.env_file.write_text('export A_PORT=9092\nexport  B_PORT="9093" # b\nC_PORT=${X}\n', encoding="utf-8")
    assert shift_ports(settings.env_file, 10) == {"A_PORT": 9102, "B_PORT": 9103}
    assert (
        settings.env_file.read_text(encoding="utf-8") == 'export A_PORT=9102\nexport  B_PORT="9103" # b\nC_PORT=${X}\n'
    )
    assert unmoved_ports(settings) == {"C_PORT": "is ", "D_PORT": "is not in .env"}


@pytest.mark.parametrize(
    ("name", "value", "reference"),
    [
        ("DB_PORT", "tcp://172.17.0.2:5432", "bad-port"),
        ("DB_PORT", "99999", "bad-port"),
        ("DB_PORT", "0", "bad-port"),
        ("DB_PORT", "٥٤٣٢", "bad-port"),
        ("BIND_ADDRESS", "::1", "bad-address"),
        ("BIND_ADDRESS", "localhost", "bad-address"),
    ],
)
def test_what_cannot_be_listened_on_is_told_with_its_variable_and_where_it_was_set(
    name: str, value: str, reference: str, tmp_path: Path
) -> None:
    (tmp_path / ".env.example").write_text("DB_PORT=5432\nBIND_ADDRESS=127.0.0.1\n", encoding="utf-8")
    check_places(Settings(tmp_path, {name: ""}))
    check_places(Settings(tmp_path, {"NOT_OURS_PORT": "tcp://x"}))
    with pytest.raises(StackError) as caught:
        check_places(Settings(tmp_path, {name: value}))
    error = caught.value
    assert (error.reference, error.exit_code, error.hint) == (reference, ExitCode.USAGE, f"unset {name}")
    assert f"{name}={value}" in error.message
    assert "in this shell" in str(error.context)
    (tmp_path / ".env").write_text(f"{name}={value}\n", encoding="utf-8")
    with pytest.raises(StackError) as caught:
        check_places(Settings(tmp_path, {}))
    assert caught.value.context == f"in {tmp_path / '.env'}"


def test_a_stack_is_lite_when_its_env_file_says_so(tmp_path: Path) -> None:
    settings = Settings(tmp_path, {})
    settings.env_file.write_text("A=1\n", encoding="utf-8")
    assert (settings.lite, settings.overlays) == (False, ())
    make_lite(settings)
    assert settings.lite
    assert settings.overlays == (tmp_path / "infra/05-messaging/lite.yml",)
    assert env_file.read(settings.env_file, {}) == {"A": "1", "STACK_SIZE": "lite"}


def test_a_size_that_is_none_is_rejected(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STACK_SIZE=huge\n", encoding="utf-8")
    with pytest.raises(StackError) as caught:
        _ = Settings(tmp_path, {}).lite
    assert (caught.value.reference, caught.value.context) == ("unknown-size", "sizes: three, lite")
