"""Files with holes: same content, same digest, and no more disk than the content needs."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone.snapshots import sparse

if TYPE_CHECKING:
    from pathlib import Path

KB = 1024
MB = 1024 * KB


def holed(path: Path, size: int, writes: dict[int, bytes]) -> Path:
    with path.open("wb") as file:
        for offset, content in writes.items():
            file.seek(offset)
            file.write(content)
        file.truncate(size)
    return path


def test_a_hole_stays_one(tmp_path: Path) -> None:
    source = holed(tmp_path / "a", 64 * MB, {5 * MB: b"x", 40 * MB + 3: b"yz"})
    digest = sparse.copy(source, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == source.read_bytes()
    assert (tmp_path / "b").stat().st_blocks * 512 <= 128 * KB
    assert digest == sparse.digest(source) == sparse.digest(tmp_path / "b")


def test_zeros_that_were_written_are_like_holes(tmp_path: Path) -> None:
    (tmp_path / "full").write_bytes(bytes(MB) + b"end")
    assert sparse.digest(tmp_path / "full") == sparse.digest(holed(tmp_path / "hole", MB + 3, {MB: b"end"}))


def test_from_a_stream_it_is_the_same_file(tmp_path: Path) -> None:
    content = bytes(200 * KB) + b"a" * 7 + bytes(3 * MB)
    digest = sparse.write(io.BytesIO(content), len(content), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == content
    assert digest == sparse.digest(tmp_path / "a")


def test_a_stream_that_ends_early_is_told(tmp_path: Path) -> None:
    with pytest.raises(EOFError):
        sparse.write(io.BytesIO(b"abc"), 4, tmp_path / "a")


@given(size=st.integers(1, 100 * KB), at=st.integers(0), bit=st.integers(0, 7), seed=st.binary(max_size=40 * KB))
def test_one_bit_anywhere_is_another_digest(
    tmp_path_factory: pytest.TempPathFactory, size: int, at: int, bit: int, seed: bytes
) -> None:
    folder = tmp_path_factory.mktemp("bit")
    content = bytearray(seed[:size].ljust(size, b"\0"))
    (folder / "a").write_bytes(content)
    content[at % size] ^= 1 << bit
    (folder / "b").write_bytes(content)
    assert sparse.digest(folder / "a") != sparse.digest(folder / "b")


def test_length_counts(tmp_path: Path) -> None:
    assert sparse.digest(holed(tmp_path / "a", 5, {})) != sparse.digest(holed(tmp_path / "b", 6, {}))
