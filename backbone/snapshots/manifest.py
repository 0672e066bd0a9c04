"""What a snapshot says of itself: which cluster, which versions, and every file with its size and digest."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from backbone import json_schema, resources
from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

FORMAT = 1
SCHEMA = resources.schema("snapshot.schema.json")
SECRETS = "secrets"
"""The part that holds passwords and keys; in a snapshot only on request."""

_SEAL = "sha256"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose data it is, and what may read it.

    nodes: Kafka service → node id. parts: the names of the data folders (a service each). postgres: major version,
    user and database, "" without one. config: service → hash of its effective configuration.
    """

    cluster_id: str
    nodes: Mapping[str, str]
    parts: tuple[str, ...]
    kafka: str
    postgres: str
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file (or, without a digest, a folder): its place below the snapshot's data, mode bits, size in bytes."""

    path: str
    mode: int
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A snapshot. created: ISO 8601, UTC. metadata_version: Kafka's own level of the data, None if not formatted yet.

    secrets: whether passwords and keys are in it.
    """

    name: str
    created: str
    program: str
    engine: str
    identity: Identity
    metadata_version: int | None
    secrets: bool
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of all files, holes counted as if they were filled."""
        return sum(entry.size for entry in self.entries)

    def dump(self) -> bytes:
        """Return the manifest as a file, with a digest of itself."""
        body = {"format": FORMAT, **asdict(self)}
        return json.dumps({**body, _SEAL: _seal(body)}, indent=1).encode() + b"\n"


def load(text: bytes, where: str) -> Manifest:
    """Return the manifest of a file.

    Raises StackError("snapshot-newer") for another format, "snapshot-damaged" for one that is altered or cut off.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(where, f"its manifest is no JSON: {error}") from error
    found = body.get("format") if isinstance(body, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise StackError(
            "snapshot-newer",
            f"{where} has the format {found}; this version reads up to {FORMAT}",
            hint="python -m pip install --upgrade messaging-backbone",
            exit_code=ExitCode.USAGE,
        )
    if faults := json_schema.departures(SCHEMA, body):
        raise damaged(where, "\n".join(map(str, faults[:5])))
    sealed = body.pop(_SEAL)
    if sealed != _seal(body):
        raise damaged(where, "its manifest does not have the digest that it names")
    del body["format"]
    identity = body.pop("identity")
    entries = tuple(Entry(**entry) for entry in body.pop("entries"))
    parts = {*identity["parts"], *([SECRETS] if body["secrets"] else [])}
    if strange := [entry.path for entry in entries if not _inside(entry.path, parts)]:
        raise damaged(where, f"it names a file outside of it: {strange[0]!r}")
    if len({entry.path for entry in entries}) < len(entries):
        raise damaged(where, "it names a file twice")
    folders = {""}
    for entry in entries:
        if entry.path.rpartition("/")[0] not in folders:
            raise damaged(where, f"it names no folder for {entry.path!r}")
        if not entry.sha256:
            folders.add(entry.path)
    return Manifest(identity=Identity(**{**identity, "parts": tuple(identity["parts"])}), entries=entries, **body)


def damaged(where: str, evidence: str) -> StackError:
    """Return the error for a snapshot that is not what was saved."""
    return StackError(
        "snapshot-damaged",
        f"{where} is not as it was written; nothing was touched",
        context=evidence,
        hint="take another copy of the file, or another snapshot:\n./invoke snapshot list",
        exit_code=ExitCode.USAGE,
    )


def _seal(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _inside(path: str, parts: Container[str]) -> bool:
    steps = PurePosixPath(path).parts
    try:
        named = "\0" not in path and bool(os.fsencode(path))
    except UnicodeEncodeError:
        return False
    return named and "/".join(steps) == path and steps[0] in parts and ".." not in steps
