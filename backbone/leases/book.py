"""Who has which prefix: a file for each lease, so that what a killed process leaves can be found and removed.

The file is there before anything with its prefix is, and goes after all of it has gone. So whatever has the form of a
lease's name, and no file, is nobody's.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import psutil

from backbone import durable_file
from backbone.errors import StackError
from backbone.source import reading
from backbone.stack.engine.embedded import process
from backbone.stack.engine.embedded.process import Identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """One lease: the process that owns it, and until when it holds, in seconds since 1970."""

    prefix: str
    owner: Identity
    until: float


@dataclass(frozen=True, slots=True)
class Book:
    """The leases of a home, a file each. now: seconds since 1970."""

    folder: Path
    now: Callable[[], float] = time.time

    def open(self, lasting: float) -> Entry:
        """Write down a new lease of this process, for so many seconds."""
        entry = Entry(f"lease-{secrets.token_hex(6)}", process.identify(psutil.Process()), self.now() + lasting)
        self.folder.mkdir(parents=True, exist_ok=True)
        durable_file.replace(self._file(entry.prefix), json.dumps(asdict(entry)), mode=0o600)
        return entry

    def close(self, prefix: str) -> None:
        """Strike a lease whose names are all gone."""
        self._file(prefix).unlink(missing_ok=True)

    def entries(self) -> list[Entry]:
        """Return all leases; one that cannot be read counts as none."""
        found = []
        for file in sorted(self.folder.glob("lease-*.json")):
            try:
                body = json.loads(reading.read_text(file))
                found.append(Entry(str(body["prefix"]), Identity.of(body["owner"]), float(body["until"])))
            except (StackError, *reading.NONSENSE):
                continue
        return found

    def live(self) -> set[str]:
        """Return the prefixes of leases whose owner still runs and whose time is not over."""
        return {entry.prefix for entry in self.entries() if entry.until > self.now() and process.find(entry.owner)}

    def _file(self, prefix: str) -> Path:
        return self.folder / f"{prefix}.json"
