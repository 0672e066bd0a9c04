"""Every state of a stack with every command: the right words, the documented exit code, nothing left running."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode
from tests.matrix import lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.matrix.lab import Lab

COMMANDS = {
    "up": ("up", "--timeout", "60"),
    "down": ("down",),
    "status": ("status",),
    "restart": ("restart", "kafka-2", "--timeout", "60"),
    "doctor": ("doctor",),
    "nuke": ("nuke", "--yes"),
    "smoke": ("smoke", "--records", "30"),
}
LOOKING = ("status", "doctor", "smoke")
"""What changes nothing: one home of a state serves for all three."""

ALL = "123"
KEPT = "the data is kept"
REMOVED = "all data of the stack is removed"


@dataclass(frozen=True)
class Cell:
    """What a command has to answer: its exit code, words among all that it says, and the nodes that run after it."""

    code: int
    says: str
    runs: str


TABLE: dict[str, dict[str, Cell]] = {
    "nothing": {
        "up": Cell(0, "ready after", ALL),
        "down": Cell(0, KEPT, ""),
        "status": Cell(1, "no broker answers", ""),
        "restart": Cell(4, "not-running", ""),
        "doctor": Cell(0, "0 errors", ""),
        "nuke": Cell(0, REMOVED, ""),
        "smoke": Cell(4, "no broker runs", ""),
    },
    "half_started": {
        "up": Cell(0, "starting kafka-3", ALL),
        "down": Cell(0, KEPT, ""),
        "status": Cell(1, "kafka-3\tstopped", "12"),
        "restart": Cell(0, "kafka-2 is back", "12"),
        "doctor": Cell(1, "kafka-3 (id 3) is not registered", "12"),
        "nuke": Cell(0, REMOVED, ""),
        "smoke": Cell(3, "smoke: UNKNOWN", "12"),
    },
    "running": {
        "up": Cell(0, "ready after 0", ALL),
        "down": Cell(0, KEPT, ""),
        "status": Cell(0, "brokers 1, 2, 3", ALL),
        "restart": Cell(0, "kafka-2 is back", ALL),
        "doctor": Cell(0, "0 errors", ALL),
        "nuke": Cell(0, REMOVED, ""),
        "smoke": Cell(3, "3 partitions × 3 replicas, all in sync", ALL),  # it keeps no records
    },
    "killed": {
        "up": Cell(0, "starting kafka-1, kafka-2, kafka-3", ALL),
        "down": Cell(0, KEPT, ""),
        "status": Cell(1, "died", ""),
        "restart": Cell(4, "kafka-1, kafka-3 have died", ""),
        "doctor": Cell(1, "kafka-1 ended", ""),
        "nuke": Cell(0, REMOVED, ""),
        "smoke": Cell(4, "no broker answers", ""),
    },
    "paused": {
        "up": Cell(0, "kafka-2 was paused and goes on", ALL),
        "down": Cell(0, KEPT, ""),
        "status": Cell(1, "kafka-2\tpaused", ALL),
        "restart": Cell(0, "kafka-2 is back", ALL),
        "doctor": Cell(1, "kafka-2 is frozen", ALL),
        "nuke": Cell(0, REMOVED, ""),
        "smoke": Cell(3, "smoke: UNKNOWN", ALL),
    },
    "orphaned": {
        "up": Cell(0, "ready after 0", ALL),
        "down": Cell(0, KEPT, ""),
        "status": Cell(0, "brokers 1, 2, 3", ALL),
        "restart": Cell(0, "kafka-2 is back", ALL),
        "doctor": Cell(0, "0 errors", ALL),
        "nuke": Cell(0, REMOVED, ""),
        "smoke": Cell(3, "3 partitions × 3 replicas, all in sync", ALL),
    },
    "foreign": {
        "up": Cell(4, "foreign-data", ""),
        "down": Cell(0, KEPT, ""),
        "status": Cell(1, "no broker answers", ""),
        "restart": Cell(4, "not-running", ""),
        "doctor": Cell(1, "One cluster id in all log directories", ""),
        "nuke": Cell(0, REMOVED, ""),
        "smoke": Cell(4, "no broker runs", ""),
    },
    "read_only": {
        "up": Cell(4, "folder-not-writable", ALL),
        "down": Cell(0, "stopping without", ""),
        "status": Cell(0, "brokers 1, 2, 3", ALL),
        "restart": Cell(4, "folder-not-writable", ALL),
        "doctor": Cell(1, "mounted read-only", ALL),
        "nuke": Cell(4, "not-removed", ""),
        "smoke": Cell(3, "3 partitions × 3 replicas, all in sync", ALL),
    },
    "full": {
        "up": Cell(0, "ready after 0", ALL),
        "down": Cell(0, KEPT, ""),
        "status": Cell(0, "brokers 1, 2, 3", ALL),
        "restart": Cell(4, "disk-full", ALL),
        "doctor": Cell(1, "D019", ALL),
        "nuke": Cell(0, REMOVED, ""),
        "smoke": Cell(3, "smoke: UNKNOWN", ALL),
    },
    "died_of_it": {
        "up": Cell(4, "disk-full", ""),
        "down": Cell(0, KEPT, ""),
        "status": Cell(1, "died", ""),
        "restart": Cell(4, "kafka-1, kafka-3 have died", ""),
        "doctor": Cell(1, "D019", ""),
        "nuke": Cell(0, REMOVED, ""),
        "smoke": Cell(4, "no broker answers", ""),
    },
    "data_moved": {
        "up": Cell(4, "data-gone", ALL),
        "down": Cell(0, KEPT, ""),
        "status": Cell(1, "its data folder is gone", ALL),
        "restart": Cell(0, "kafka-2 starts with empty data", ALL),
        "doctor": Cell(1, "its data folder is gone", ALL),
        "nuke": Cell(0, REMOVED, ""),
        "smoke": Cell(3, "smoke: UNKNOWN", ALL),
    },
    "home_moved": {
        "up": Cell(4, "data-gone", ALL),
        "down": Cell(0, KEPT, ""),
        "status": Cell(1, "its data folder is gone", ALL),
        "restart": Cell(4, "data-gone", ALL),
        "doctor": Cell(1, "its data folder is gone", ALL),
        "nuke": Cell(0, REMOVED, ""),
        "smoke": Cell(4, "no broker answers", ALL),
    },
}

CHANGING = [(state, command) for state in lab.STATES for command in COMMANDS if command not in LOOKING]


@pytest.fixture(scope="session")
def java(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lab.fake_java(tmp_path_factory.mktemp("java"))


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in lab.STATES])
def looked_at(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, java: Path
) -> Iterator[tuple[str, Lab]]:
    """A state, and a home in it."""
    with lab.made(tmp_path_factory.mktemp(request.param) / "lab", java, request.param) as made:
        yield request.param, made


def judge(made: Lab, state: str, command: str) -> None:
    cell = TABLE[state][command]
    said = made.run(*COMMANDS[command])
    assert "Traceback" not in said.text, said.text
    assert said.code in set(ExitCode), said.text
    found = Cell(said.code, cell.says if cell.says in said.text else said.text, nodes(made))
    assert found == cell, f"{state} × {command}:\n{said.text}"


def nodes(made: Lab) -> str:
    return "".join(sorted(name[-1] for name in made.pids()))


@pytest.mark.parametrize("command", LOOKING)
def test_what_looks_says_how_it_is_and_changes_nothing(looked_at: tuple[str, Lab], command: str) -> None:
    state, made = looked_at
    judge(made, state, command)


@pytest.mark.parametrize(("state", "command"), CHANGING)
def test_what_changes_something_ends_well_or_says_why(state: str, command: str, tmp_path: Path, java: Path) -> None:
    with lab.made(tmp_path / "lab", java, state) as made:
        judge(made, state, command)
        ended = made.run("down")
        assert "Traceback" not in ended.text, ended.text
        assert (ended.code, nodes(made)) == (0, ""), ended.text


def test_the_table_has_a_cell_for_each() -> None:
    assert {state: set(row) for state, row in TABLE.items()} == {state: set(COMMANDS) for state in lab.STATES}
    assert len(lab.STATES) * len(COMMANDS) >= 60
