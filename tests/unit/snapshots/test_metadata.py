"""The level of metadata.version, read from the files of a node as Kafka writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kafka.record import MemoryRecordsBuilder

from backbone.snapshots import metadata

if TYPE_CHECKING:
    from pathlib import Path

LEVEL_30 = b"\x01\x0c\x00\x11metadata.version\x00\x1e\x00"
"""As Kafka 4.3.1 has written it; so are the next two."""
OTHER_FEATURE = b"\x01\x0c\x00\x0egroup.version\x00\x01\x00"
LEVEL_33 = b"\x01\x0c\x00\x11metadata.version\x00\x21\x00"


def segment(path: Path, *values: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    builder = MemoryRecordsBuilder(magic=2, compression_type=0, batch_size=1 << 16)
    for number, value in enumerate(values):
        builder.append(timestamp=number, key=None, value=value)
    builder.close()
    path.write_bytes(builder.buffer())


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"bootstrap.checkpoint": [OTHER_FEATURE]}, None),
        ({"bootstrap.checkpoint": [LEVEL_30]}, 30),
        ({"bootstrap.checkpoint": [LEVEL_30], "__cluster_metadata-0/0000.log": [b"x", OTHER_FEATURE, LEVEL_33]}, 33),
        ({"__cluster_metadata-0/0007-0001.checkpoint": [LEVEL_30], "__cluster_metadata-0/0007.log": [LEVEL_33]}, 33),
    ],
)
def test_the_last_level_counts(files: dict[str, list[bytes]], expected: int | None, tmp_path: Path) -> None:
    for name, values in files.items():
        segment(tmp_path / name, *values)
    assert metadata.level(tmp_path) == expected
