"""Log files are cut where a batch begins, and nowhere else."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from backbone.failover.segments import CLEAN_SHUTDOWN, batches, cut_from, cut_tail

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two partitions of topic t: offsets 0, 1, 4 in an older and 9, 10, 12 in the active segment; one empty."""
    (tmp_path / CLEAN_SHUTDOWN).touch()
    for partition, active in ((0, (9, 10, 12)), (1, ())):
        folder = tmp_path / f"t-{partition}"
        folder.mkdir()
        (folder / f"{0:020}.log").write_bytes(b"".join(map(batch, (0, 1, 4))))
        (folder / f"{9:020}.log").write_bytes(b"".join(map(batch, active)))
    other = tmp_path / "t-other-0"
    other.mkdir()
    (other / f"{0:020}.log").write_bytes(batch(0))
    return tmp_path


def batch(offset: int) -> bytes:
    """Return a batch of 50 + offset bytes in all."""
    return struct.pack(">qi", offset, 38 + offset) + bytes(38 + offset)


def active(data: Path, partition: int = 0) -> Path:
    return data / f"t-{partition}" / f"{9:020}.log"


def test_batches_and_their_places(data: Path) -> None:
    assert list(batches(active(data))) == [(9, 0), (10, 59), (12, 119)]


def test_a_torn_batch_is_none(data: Path) -> None:
    active(data).write_bytes(batch(9) + batch(10)[:-1])
    assert [offset for offset, _ in batches(active(data))] == [9]
    active(data).write_bytes(batch(9) + bytes(40))
    assert [offset for offset, _ in batches(active(data))] == [9]


def test_the_last_batches_of_every_partition_are_cut(data: Path) -> None:
    assert cut_tail(data, "t", 2) == {"t-0": 60 + 62}
    assert [offset for offset, _ in batches(active(data))] == [9]
    assert not (data / CLEAN_SHUTDOWN).exists()
    assert (data / "t-other-0" / f"{0:020}.log").stat().st_size == 50


def test_no_more_is_cut_than_there_is(data: Path) -> None:
    assert cut_tail(data, "t", 99) == {"t-0": 59 + 60 + 62}
    assert cut_tail(data, "t", 99) == {}


@pytest.mark.parametrize(("offset", "kept"), [(9, []), (10, [9]), (11, [9, 10]), (12, [9, 10])])
def test_cut_from_an_offset(data: Path, offset: int, kept: list[int]) -> None:
    assert cut_from(data, "t", 0, offset) > 0
    assert [base for base, _ in batches(active(data))] == kept
    assert not (data / CLEAN_SHUTDOWN).exists()


def test_nothing_is_cut_behind_the_end(data: Path) -> None:
    assert cut_from(data, "t", 0, 13) == 0
    assert len(list(batches(active(data)))) == 3
