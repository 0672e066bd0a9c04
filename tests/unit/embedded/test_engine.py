from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from scripts.console import download
from scripts.engine.embedded.engine import EmbeddedEngine
from scripts.errors import ExitCode, StackError
from scripts.settings import Settings
from tests.fakes import model

if TYPE_CHECKING:
    from pathlib import Path

NODE = {
    "environment": {"KAFKA_LISTENERS": "INTERNAL://kafka-1:1", "KAFKA_NODE_ID": "1"},
    "x-embedded": {"runtime": "kafka"},
}


@pytest.fixture
def engine(tmp_path: Path) -> EmbeddedEngine:
    data = {"volumes": [{"type": "bind", "source": str(tmp_path / "data"), "target": "/data"}]}
    services: dict[str, dict[str, Any]] = {"kafka-1": {**NODE, **data}, "ui": {"image": "x"}}
    return EmbeddedEngine(Settings(tmp_path, {}), model(**services), download)


def test_every_service_has_a_state_and_none_is_silently_missing(engine: EmbeddedEngine) -> None:
    assert [(state.name, state.phase) for state in engine.states()] == [("kafka-1", "stopped"), ("ui", "unavailable")]
    assert [state.name for state in engine.states(["ui"])] == ["ui"]


def test_a_record_without_its_process_means_that_the_service_died(engine: EmbeddedEngine) -> None:
    site = engine.sites["kafka-1"]
    site.home.mkdir(parents=True)
    site.record_file.write_text('{"pid": 4194304, "started": 1.0}', encoding="utf-8")
    site.output_file.write_text("Error: could not reserve enough space\n", encoding="utf-8")
    assert engine.states(["kafka-1"])[0].phase == "exited"
    assert engine.failure("kafka-1") == "Error: could not reserve enough space"
    engine.stop(["kafka-1"], print)
    assert engine.states(["kafka-1"])[0].phase == "stopped"


def test_a_service_for_docker_only_says_how_to_run_it(engine: EmbeddedEngine) -> None:
    with pytest.raises(StackError) as caught:
        engine.failure("ui")
    error = caught.value
    assert (error.reference, error.exit_code) == ("docker-only", ExitCode.ENVIRONMENT)
    assert "--engine docker" in str(error.hint)


def test_a_signal_to_what_does_not_run_is_told(engine: EmbeddedEngine) -> None:
    with pytest.raises(StackError) as caught:
        engine.signal("kafka-1", signal.SIGKILL)
    assert (caught.value.reference, caught.value.exit_code) == ("not-running", ExitCode.ENVIRONMENT)


def test_removing_takes_data_and_state_and_nothing_else(engine: EmbeddedEngine, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "kept").touch()
    engine.sites["kafka-1"].home.mkdir(parents=True)
    said: list[str] = []
    engine.remove_data(said.append)
    assert said[0] == f"removing {tmp_path / 'data'}"
    assert not (tmp_path / "data").exists()
    assert engine.sites["kafka-1"].home.exists() is False
    assert (tmp_path / "kept").exists()
    engine.remove_data(said.append)
    assert len(said) == 2
