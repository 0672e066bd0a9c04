"""Start-up caches of the JVM (JEP 514): classes loaded, linked and profiled once, mapped at every later start.

A cache belongs to one JRE, one set of jars and one set of flags. The first service that starts without one records
it (-XX:AOTCacheOutput) and the JVM writes it after that service's own shutdown, so nobody waits for it.
A cache that is missing, cut short or altered is ignored by the JVM (-XX:+VerifySharedSpaces) and removed here.
One that nothing has started with for a month (jars of an older version, flags that were tried) goes too.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FOLDER = "aot"
"""Where the caches are, below the folder of downloads."""

UNFINISHED = ".config"
"""How the name of a cache ends while a JVM writes it, or after that JVM was killed."""

_REFUSED = ("[aot] An error has occurred while processing the AOT cache", "[aot] Unable to use AOT cache")
_WRITING_S = 120.0  # far more than the ten seconds a JVM takes to write a cache
_FORGOTTEN_S = 30 * 24 * 3600.0
_HEAP_FLAGS = ("-Xms", "-Xmx")  # the one pair of flags a cache does not depend on


@dataclass(frozen=True, slots=True)
class Cache:
    """The place of one cache, whether or not it is there yet."""

    path: Path

    @property
    def ready(self) -> bool:
        """True when the JVM has finished writing it."""
        return self.path.is_file() and not self.recording.exists()

    @property
    def recording(self) -> Path:
        """The JVM's intermediate file: appears when the recorded program has ended, goes when the cache is whole."""
        return self.path.with_name(self.path.name + UNFINISHED)

    def use_flags(self) -> list[str]:
        """Return the flags to start with the cache."""
        return [f"-XX:AOTCache={self.path}", "-XX:+VerifySharedSpaces"]

    def record_flags(self) -> list[str]:
        """Return the flags to start without it and have it written at the end."""
        return [f"-XX:AOTCacheOutput={self.path}"]

    def start_flags(self, *, refused: bool, recorded: bool, now: float | None = None) -> list[str]:
        """Return the flags for one more start. refused: its last start could not use the cache; recorded: another does.

        now: seconds since the epoch, to tell a recording that is being written from one that was cut short.
        """
        now = time.time() if now is None else now
        if self.ready and not refused:
            with suppress(OSError):  # a read-only one is used all the same
                os.utime(self.path, (now, now))  # its last use
            return self.use_flags()
        if recorded or self._being_written(now) or not os.access(self.path.parent, os.W_OK):
            return []
        self.discard()
        for other in self.path.parent.glob("*.aot"):
            with suppress(FileNotFoundError):  # another checkout had the same thought
                if now - other.stat().st_mtime > _FORGOTTEN_S:
                    other.unlink()
        return self.record_flags()

    def _being_written(self, now: float) -> bool:
        try:
            return now - self.recording.stat().st_mtime < _WRITING_S
        except OSError:
            return False

    def discard(self) -> None:
        """Remove it and what is left of an unfinished recording."""
        self.path.unlink(missing_ok=True)
        self.recording.unlink(missing_ok=True)


def cache_for(folder: Path, *, name: str, jre: str, classpath: Iterable[Path], flags: Sequence[str]) -> Cache:
    """Return the cache of a program: `jre` is the JVM's own version text, `flags` those it will run with."""
    digest = hashlib.sha256()
    parts = [jre, *sorted(flag for flag in flags if not flag.startswith(_HEAP_FLAGS))]
    for part in (*parts, *(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in classpath)):
        digest.update(part.encode() + b"\0")
    with suppress(OSError):  # a disk that takes nothing gets no cache
        folder.mkdir(parents=True, exist_ok=True)
    return Cache(folder / f"{name}-{digest.hexdigest()[:16]}.aot")


def was_refused(output: str) -> bool:
    """Tell from what a JVM printed whether it could not use its cache."""
    return any(words in output for words in _REFUSED)
