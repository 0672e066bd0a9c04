"""Files that are none: a reader of configuration neither waits for them nor takes in more than it can use."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIMIT = 1000


def fifo(path: Path) -> None:
    os.mkfifo(path)


def linked_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def a_byte_too_many(path: Path) -> None:
    path.write_bytes(b"x" * (LIMIT + 1))


def link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 2 * 1024**3)


KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "FIFO": (fifo, "it is a FIFO"),
    "link to a FIFO": (linked_fifo, "it is a FIFO"),
    "endless device": (link("/dev/zero"), "it is a device"),
    "terminal": (link("/dev/ptmx"), "it is a device"),
    "folder": (lambda path: path.mkdir(), "it is a folder"),
    "socket": (listening, "it is a socket"),
    "link to itself": (link("given"), "symbolic links lead in a circle"),
    "link to nothing": (link("gone"), "there is no such file"),
    "nothing": (lambda _: None, "there is no such file"),
    "2 GiB": (huge, "larger than"),
    "a byte too many": (a_byte_too_many, "larger than"),
    "endless kernel file": (link("/proc/self/mem"), ""),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_of_a_fitting_size_is_refused_at_once_with_its_kind(kind: str, tmp_path: Path) -> None:
    make, words = KINDS[kind]
    path = tmp_path / "given"
    make(path)
    with pytest.raises(StackError) as caught:
        reading.read_bytes(path, LIMIT)
    assert (caught.value.reference, caught.value.exit_code) == ("unreadable-file", ExitCode.USAGE)
    assert str(path) in caught.value.message
    assert words in (caught.value.context or "")
    assert reading.why_unreadable(path, LIMIT) == (caught.value.context if words else "")


def test_a_file_of_exactly_the_limit_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_bytes(b"x" * LIMIT)
    assert reading.read_bytes(path, LIMIT) == b"x" * LIMIT
    assert reading.why_unreadable(path, LIMIT) == ""


def test_a_kernel_file_that_says_it_is_empty_is_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.symlink_to("/proc/self/environ" if os.environ.get("PATH") else "/proc/self/maps")
    with pytest.raises(StackError, match="cannot read"):
        reading.read_bytes(path, limit=1)


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
def test_a_name_that_no_file_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot read"):
        reading.read_bytes(tmp_path / name)


def test_text_is_utf_8_or_the_byte_that_is_not(tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_bytes(b"caf\xe9")
    with pytest.raises(StackError) as caught:
        reading.read_text(path)
    assert caught.value.context == "byte 0xe9 at offset 3 is not UTF-8"


def test_what_is_only_looked_into_is_empty_where_it_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "x"
    assert reading.peek(file) == ""
    assert reading.peek(tmp_path) == ""
    file.write_bytes(b"a\xffb")
    assert reading.peek(file) == "a\N{REPLACEMENT CHARACTER}b"
    assert reading.peek(file, limit=2) == ""
