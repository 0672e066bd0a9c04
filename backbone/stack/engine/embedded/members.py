"""Which process runs which service of a home: by its record, else by the name that the process carries itself."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from backbone.stack.engine.embedded import process
from backbone.stack.engine.embedded.local_service import RECORD
from backbone.stack.engine.embedded.stopping import has_served

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

FOLDER = Path(".stack", "embedded")
"""What a home keeps of each service, a folder each."""


@dataclass(frozen=True, slots=True)
class Members:
    """The processes of one home. root: its folder."""

    root: Path

    def owner(self, service: str) -> str:
        """Return what the process of a service carries."""
        return process.name_owner(self.root, service)

    def find(self, services: Iterable[str]) -> dict[str, psutil.Process]:
        """Return service → its process, of those that run."""
        asked = list(services)
        found = {name: recorded for name in asked if (recorded := self.recorded(name))}
        if missing := {*asked} - found.keys():
            found |= self._orphans(missing)
        return {name: found[name] for name in asked if name in found}

    def recorded(self, service: str) -> psutil.Process | None:
        """Return the process that a service's record names, if it runs and is this home's."""
        known = process.read(self._record(self.root, service))
        found = process.find(known.identity) if known else None
        return found if found and not self._is_of_another(found, service) else None

    def leaving(self, service: str) -> bool:
        """Tell whether a service runs and was told to stop."""
        known = process.read(self._record(self.root, service))
        return bool(known and known.stopping and self.recorded(service))

    def saving(self) -> Iterator[tuple[str, psutil.Process]]:
        """Return the services that have stopped and whose JVM goes on to save a start-up cache, each with that JVM."""
        return ((name, found) for name, found in self._carriers() if has_served(found))

    def strays(self, services: Iterable[str]) -> Iterator[tuple[str, psutil.Process, str]]:
        """Yield the records of processes that are not this home's: service, who has the number now, and its home.

        The home is "" where the process has ended and its number was given anew, else the one this was copied from.
        """
        for name in services:
            known = process.read(self._record(self.root, name))
            if known is None:
                continue
            with suppress(psutil.NoSuchProcess):
                found = psutil.Process(known.identity.pid)
                if process.identify(found) != known.identity:
                    yield name, found, ""
                elif self._is_of_another(found, name):
                    yield name, found, process.split_owner(process.owner(found))[0]

    def adopt(self, services: Iterable[str]) -> None:
        """Take back processes whose task died before it could write down who they are."""
        for name, found in self.find(services).items():
            if self.recorded(name) is None:
                record = self._record(self.root, name)
                record.parent.mkdir(parents=True, exist_ok=True)
                with suppress(psutil.NoSuchProcess):
                    process.adopt(record, process.Record(process.identify(found)))

    def _is_of_another(self, found: psutil.Process, service: str) -> bool:
        """Tell a record that was copied from its original: a copy of a home is not the home that was moved.

        A process goes on to carry the place where it was started. Has that place a record of it, it lives there.
        """
        folder, name = process.split_owner(process.owner(found))
        if not folder or (folder, name) == (str(self.root), service):
            return False
        there = process.read(self._record(Path(folder), name))
        return name != service or bool(there and there.identity == process.identify(found))

    def _orphans(self, services: Collection[str]) -> dict[str, psutil.Process]:
        """Return those of these services whose process lives, though no record says so."""
        return {name: found for name, found in self._carriers() if name in services and not has_served(found)}

    def _carriers(self) -> Iterator[tuple[str, psutil.Process]]:
        """Yield every process that carries the name of a service of this home."""
        for owner, identity in process.orphans(self.owner("")):
            if found := process.find(identity):
                yield process.split_owner(owner)[1], found

    @staticmethod
    def _record(root: Path, service: str) -> Path:
        return root / FOLDER / service / RECORD
