"""Connector files: what is accepted, and that a fault is named with file, line and setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.events.connectors import files
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = files.SCHEMA_FILE
SINK = """doc: Moves orders into a table.
config:
  connector.class: io.example.SinkConnector
  tasks.max: "1"
  topics: orders, returns
"""


def write(folder: Path, text: str, name: str = "orders") -> Path:
    (folder / f"{name}.yml").write_text(text)
    return folder


def test_the_connectors_of_this_repository_are_sound_and_the_recipe_is_optional() -> None:
    found = {connector.name: connector for connector in files.load(ROOT / files.FOLDER, SCHEMA)}
    archive = found["postgres-archive"]
    assert archive.topics == ("events-topic",)
    assert archive.dead_letters == "events-topic.dead-letters"
    assert [connector.name for connector in files.select(found.values(), [])] == ["postgres-archive"]
    assert [c.name for c in files.select(found.values(), ["postgres-changes"])] == ["postgres-changes"]


def test_a_sinks_topics_are_a_list(tmp_path: Path) -> None:
    (connector,) = files.load(write(tmp_path, SINK), SCHEMA)
    assert (connector.name, connector.topics, connector.dead_letters) == (
        "orders",
        ("orders", "returns"),
        None,
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("doc: [", 1, "expected the node content"),
        (SINK.replace('"1"', "1"), 4, 'tasks.max: 1 is not of type "string"'),
        (SINK.replace("doc: Moves orders into a table.\n", ""), 1, '"doc" is a required property'),
        (SINK + "  errors.tolerance: all\n", 2, '"errors.deadletterqueue.topic.name" is a required property'),
        (SINK + "owner: me\n", 1, "'owner' was unexpected"),
    ],
)
def test_a_fault_names_file_line_and_setting(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(StackError, match="connectors-invalid") as caught:
        files.load(write(tmp_path, text), SCHEMA)
    assert f"orders.yml:{line}: " in (caught.value.context or "")
    assert words in (caught.value.context or "")
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_password_in_git_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(StackError) as caught:
        files.load(write(tmp_path, SINK + "  connection.password: hunter2\n"), SCHEMA)
    assert "orders.yml:6: connection.password is a reference" in (caught.value.context or "")
    assert "hunter2" not in (caught.value.context or "")


def test_an_unknown_name_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="unknown-connector") as caught:
        files.select(files.load(write(tmp_path, SINK), SCHEMA), ["order"])
    assert caught.value.context == "connectors: orders"


def test_an_empty_folder_is_nothing_to_work_on(tmp_path: Path) -> None:
    with pytest.raises(StackError) as caught:
        files.load(tmp_path, SCHEMA)
    assert caught.value.exit_code is ExitCode.NOTHING
