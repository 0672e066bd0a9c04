"""Files that are read back are whole or as they were; those of the user stay what they were to others."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from backbone import durable_file
from backbone.stack import settings

if TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_that_is_written_again_keeps_its_readers_and_its_link(tmp_path: Path) -> None:
    real, link = tmp_path / "elsewhere" / "env", tmp_path / ".env"
    real.parent.mkdir()
    real.write_text("A=1\n", encoding="utf-8")
    real.chmod(0o600)
    link.symlink_to(real)
    durable_file.rewrite(link, "A=2\n")
    assert link.is_symlink()
    assert (real.read_text(encoding="utf-8"), mode(real)) == ("A=2\n", 0o600)


def test_a_port_is_moved_in_a_private_file_that_stays_private(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("A_PORT=9092\n", encoding="utf-8")
    env.chmod(0o600)
    settings.shift_ports(env, 10)
    assert (env.read_text(encoding="utf-8"), mode(env)) == ("A_PORT=9102\n", 0o600)


def test_what_cannot_be_written_leaves_the_old_file_alone(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("A=1\n", encoding="utf-8")
    (tmp_path / ".env.partial").mkdir()
    with pytest.raises(OSError, match="partial"):
        durable_file.rewrite(env, "A=2\n")
    assert env.read_text(encoding="utf-8") == "A=1\n"
