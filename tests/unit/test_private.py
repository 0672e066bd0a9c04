"""Private stacks: homes by name, each with ports that no other has, and that stay."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from backbone.errors import StackError
from backbone.source import env_file
from backbone.stack import home, private

if TYPE_CHECKING:
    from pathlib import Path


def environ(root: Path) -> dict[str, str]:
    return {"XDG_DATA_HOME": str(root), "PATH": os.environ["PATH"]}


def ports(root: Path, name: str) -> set[int]:
    values = env_file.read(private.folder(environ(root)) / name / ".env", {})
    return {int(value) for key, value in values.items() if key.endswith("_PORT")}


def test_each_has_ports_of_its_own_and_keeps_them(tmp_path: Path) -> None:
    one = private.ensure("pr-1", environ(tmp_path))
    private.ensure("pr-2", environ(tmp_path))
    assert home.is_home(one.root)
    before = ports(tmp_path, "pr-1")
    assert not before & ports(tmp_path, "pr-2")
    assert one.variables()["COMPOSE_PROJECT_NAME"] == "backbone-pr-1"
    private.ensure("pr-1", environ(tmp_path))
    assert ports(tmp_path, "pr-1") == before


def test_a_port_that_somebody_has_is_not_taken(tmp_path: Path) -> None:
    free = ports_of_first(tmp_path / "a")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", min(free)))
        busy.listen()
        private.ensure("one", environ(tmp_path / "b"))
    assert min(free) not in ports(tmp_path / "b", "one")


def ports_of_first(root: Path) -> set[int]:
    private.ensure("one", environ(root))
    return ports(root, "one")


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "A", "x" * 42])
def test_a_name_that_is_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="stack-name"):
        private.ensure(name, environ(tmp_path))
