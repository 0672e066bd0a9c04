"""What a task has made for a while and will take away again: written down first, for it may be killed.

An entry whose task no longer runs is cleared by the next task that looks, with the same clients a user has.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import psutil

from backbone import client_properties, clients, durable_file
from backbone.errors import StackError
from backbone.source import reading
from backbone.stack import groups, topics
from backbone.stack.engine.embedded import process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FOLDER = "leftovers"
"""Below the state folder of a home."""

Kind = Literal["topic", "group", "rows"]
_WRITING_S = 5.0  # far more than writing an entry takes
_KINDS = ("topic", "group", "rows")
_CLEARED: dict[str, Callable[[Any, str], None]] = {"topic": topics.delete, "group": groups.delete}
_GONE_ALREADY = ("no-such-topic", "no-such-group")


@dataclass(frozen=True, slots=True)
class Trace:
    """One thing that a task has made. where: HOST:PORT of the brokers, or of the database that has the rows.

    client: the client.properties file that it was made with, "" if none was needed.
    """

    kind: Kind
    name: str
    where: tuple[str, ...]
    task: str
    client: str = field(default_factory=lambda: str(client_properties.current().file or ""))

    def __str__(self) -> str:
        return f"{self.kind} {self.name} of {self.task}"


@dataclass(frozen=True, slots=True)
class Ledger:
    """The traces of the tasks of a home, a file each. Without a folder nothing is kept account of."""

    folder: Path | None = None

    def note(self, trace: Trace) -> None:
        """Write down what is about to be made. A disk that takes no words is no reason not to make it."""
        if self.folder:
            with suppress(OSError):
                self.folder.mkdir(parents=True, exist_ok=True)
                by = asdict(process.identify(psutil.Process()))
                durable_file.replace(self._file(self.folder, trace), json.dumps({**asdict(trace), "by": by}))

    def strike(self, trace: Trace) -> None:
        """Forget what has been taken away."""
        if self.folder:
            with suppress(OSError):
                self._file(self.folder, trace).unlink(missing_ok=True)

    def orphaned(self) -> list[Trace]:
        """Return what tasks have left that no longer run."""
        return [trace for trace, by in self._entries() if process.find(by) is None]

    def sweep(self) -> None:
        """Remove entries that a killed task had begun to write: it had not made anything yet."""
        for file in self.folder.glob("*.partial") if self.folder else ():
            with suppress(OSError):
                if time.time() - file.stat().st_mtime > _WRITING_S:
                    file.unlink()

    def _entries(self) -> Iterator[tuple[Trace, process.Identity]]:
        for file in sorted(self.folder.glob("*.json")) if self.folder else ():
            try:
                raw = json.loads(reading.read_text(file))
                where = tuple(map(str, raw["where"]))
                trace = Trace(raw["kind"], str(raw["name"]), where, str(raw["task"]), str(raw.get("client", "")))
                by = process.Identity.of(raw["by"])
            except (StackError, *reading.NONSENSE):
                continue
            if trace.kind in _KINDS:
                yield trace, by

    @staticmethod
    def _file(folder: Path, trace: Trace) -> Path:
        name = hashlib.sha256(json.dumps(asdict(trace)).encode()).hexdigest()[:16]
        return folder / f"{trace.kind}-{name}.json"


NO_LEDGER = Ledger()
"""Where nobody keeps account."""


def take_away(ledger: Ledger, trace: Trace) -> None:
    """Delete a topic or a group and forget it; StackError if the cluster does not do so now."""
    try:
        security = client_properties.read(trace.client) if trace.client else client_properties.PLAINTEXT
        with clients.admin(trace.where, **clients.identity(security)) as client:
            _CLEARED[trace.kind](client, trace.name)
    except StackError as error:
        if error.reference not in _GONE_ALREADY:
            raise
    ledger.strike(trace)


def clear(ledger: Ledger, tell: Callable[[str], None]) -> None:
    """Take away the topics and groups that killed tasks have left; what cannot be now stays written down."""
    ledger.sweep()
    for trace in ledger.orphaned():
        if trace.kind in _CLEARED:
            try:
                take_away(ledger, trace)
            except StackError as error:
                tell(f"{trace} is left, and cannot be removed now: {error.message}")
            else:
                tell(f"removed {trace}, which was killed")
