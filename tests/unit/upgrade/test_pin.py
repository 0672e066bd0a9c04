"""Data stays with the Kafka it is on, where `.env` is from before there was a choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.stack import kafka_versions
from backbone.stack.settings import Settings
from backbone.upgrade import pin
from tests.fakes import FakeEngine, model, stack
from tests.unit.snapshots.test_metadata import LEVEL_30, LEVEL_33, segment

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.stack.engine.base import Stack


@pytest.fixture
def home(tmp_path: Path) -> Stack:
    (tmp_path / ".env").write_text("CLUSTER_ID=x\n", encoding="utf-8")
    (tmp_path / "infra").mkdir()
    lock = (
        '{"sets": {"kafka@4.3.1": {"roots": [], "files": []}, "kafka@4.4.0": {"roots": [], "files": []}}, "files": {}}'
    )
    (tmp_path / "infra" / "artifacts.lock.json").write_text(lock, encoding="utf-8")
    node = {
        "x-embedded": {"runtime": "kafka", "jars": "kafka@4.4.0"},
        "environment": {"KAFKA_PROCESS_ROLES": "broker", "KAFKA_NODE_ID": "1"},
        "volumes": [{"type": "bind", "source": str(tmp_path / "data"), "target": "/data"}],
    }
    return stack(tmp_path, FakeEngine(model(kafka=node)))


@pytest.mark.parametrize(("level", "version"), [(LEVEL_30, "4.3.1"), (LEVEL_33, "4.4.0")])
def test_the_version_of_the_data_is_written_down(home: Stack, level: bytes, version: str) -> None:
    segment(home.settings.root / "data" / "bootstrap.checkpoint", level)
    assert pin.keep(home.settings, lambda: home) == version
    assert f"KAFKA_VERSION={version}" in home.settings.env_file.read_text(encoding="utf-8")


def test_so_is_it_where_env_is_gone(home: Stack) -> None:
    segment(home.settings.root / "data" / "bootstrap.checkpoint", LEVEL_30)
    home.settings.env_file.unlink()
    home.settings.env_example.write_text("CLUSTER_ID=x\nKAFKA_VERSION=4.4.0\n", encoding="utf-8")
    assert pin.keep(home.settings, lambda: home) == "4.3.1"
    assert "KAFKA_VERSION=4.3.1" in home.settings.env_file.read_text(encoding="utf-8")


def test_new_data_begins_with_what_the_files_say(home: Stack) -> None:
    assert pin.keep(home.settings, lambda: home) == ""
    assert "KAFKA_VERSION" not in home.settings.env_file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "environ", "named"),
    [
        (None, {}, False),
        (None, {"KAFKA_VERSION": "4.4.0"}, True),
        ("CLUSTER_ID=x\n", {}, False),
        ("CLUSTER_ID=x\n", {"KAFKA_VERSION": "4.4.0"}, True),
        ("KAFKA_VERSION=4.3.1\n", {}, True),
    ],
)
def test_only_an_older_env_file_names_none_or_none_that_is_there(
    text: str | None, environ: dict[str, str], named: bool, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / ".env").write_text(text, encoding="utf-8")
    assert kafka_versions.named(Settings(tmp_path, environ)) is named
