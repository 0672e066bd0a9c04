"""The level of metadata.version in a Kafka node's data, read from the files of a node that does not run.

The metadata log (KRaft, KIP-595) holds it as a FeatureLevelRecord: a frame version, the number of the kind of record
(12), its version, then the feature's name and level (metadata/src/main/resources/common/metadata of Kafka's sources).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FEATURE_LEVEL = bytes((1, 12, 0))
_NAME = b"metadata.version"
_LOG = "__cluster_metadata-0"


def level(folder: Path) -> int | None:
    """Return the last level that a log directory's metadata sets, None if it sets none."""
    files = sorted(folder.glob(f"{_LOG}/*.checkpoint")) + sorted(folder.glob(f"{_LOG}/*.log"))
    found = None
    for file in [folder / "bootstrap.checkpoint", *files]:
        for value in _values(file):
            found = _level(value) or found
    return found


def _level(value: bytes) -> int | None:
    head = _FEATURE_LEVEL + bytes((len(_NAME) + 1,)) + _NAME
    return int.from_bytes(value[len(head) : len(head) + 2], "big") if value.startswith(head) else None


def _values(file: Path) -> Iterator[bytes]:
    from kafka.record import MemoryRecords  # noqa: PLC0415 - slow, see backbone.clients

    if not file.exists():
        return
    records = MemoryRecords(file.read_bytes())
    while records.has_next():
        batch = records.next_batch()
        if not batch.is_control_batch:
            yield from (record.value for record in batch if record.value)
