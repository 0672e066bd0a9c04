"""The embedded engine: starts, watches and stops the services of a model as processes of this user."""

from __future__ import annotations

import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from backbone.errors import ExitCode, StackError
from backbone.stack.engine import reach
from backbone.stack.engine.base import Progress, ServiceState
from backbone.stack.engine.embedded import aot, artifacts, preflight, process, tail
from backbone.stack.engine.embedded.local_service import LocalService, host_addresses
from backbone.stack.engine.embedded.probe import answers
from backbone.stack.engine.embedded.runtimes import RUNTIMES
from backbone.stack.engine.embedded.stopping import Leaving, await_ends, dependents_first, records, saves_cache
from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from backbone.stack.compose import Model
    from backbone.stack.engine.embedded.aot import Cache
    from backbone.stack.engine.embedded.artifacts import Downloads
    from backbone.stack.engine.embedded.local_service import Launch, Runtime
    from backbone.stack.settings import Settings

LOCK_FILE = Path("infra", "artifacts.lock.json")
_KILL_WAIT_S = 5.0


@dataclass
class EmbeddedEngine:
    """Processes on this machine, one a service, each known by pid and start time (Engine of base.py).

    use_cache: start JVMs with their start-up caches, and record those that are missing.
    """

    settings: Settings
    model: Model
    downloads: Downloads
    name: str = "embedded"
    use_cache: bool = True

    @cached_property
    def places(self) -> dict[str, LocalService]:
        """Where each service that can run here lives."""
        hosts = host_addresses(self.model)
        return {
            service.name: LocalService(
                service, self._home / service.name, hosts, self.settings.cache_dir, self._jars, self.settings.root
            )
            for service in self.model.services.values()
            if service.embedded.get("runtime") in RUNTIMES
        }

    @property
    def _home(self) -> Path:
        return self.settings.state_dir / "embedded"

    @cached_property
    def _lock(self) -> artifacts.Lock:
        return artifacts.read_lock(self.settings.root / LOCK_FILE)

    def preflight(self, services: Sequence[str]) -> None:
        """Check ports, disk, memory and data of the services that don't run yet, and fetch what they need."""
        self._adopt_orphans()
        starting = [self._local(name) for name in services if name in self.places and self._process(name) is None]
        for local in starting:
            self._runtime(local).check(local)
        preflight.check(starting)
        sets = dict.fromkeys(name for local in starting for name in (*self._runtime(local).sets, *local.artifact_sets))
        needed = dict.fromkeys(item for name in sets for item in self._lock[name])
        artifacts.ensure(needed, self.settings.cache_dir, self.downloads)

    def can_run(self, service: str) -> bool:
        """Tell whether the service's block names a runtime."""
        return service in self.places

    def waves(self, services: Sequence[str]) -> list[list[str]]:
        """Return the services by `depends_on`; two cores start three brokers sooner than five JVMs."""
        return dependents_first({name: self.model[name].depends_on for name in services if name in self.places})[::-1]

    def start(self, services: Sequence[str], progress: Progress) -> None:
        """Start what doesn't run: configure all at once, then launch."""
        starting = [
            local for local in map(self.places.get, services) if local and self._process(local.service.name) is None
        ]
        if not starting:
            return
        self._write_hosts()
        progress("configuring " + ", ".join(local.service.name for local in starting))
        with ThreadPoolExecutor() as pool:
            launches = list(pool.map(self._prepare, starting))
        progress("starting " + ", ".join(local.service.name for local in starting))
        for local, launch in zip(starting, launches, strict=True):
            self._launch(local, launch)

    def stop(self, services: Sequence[str], progress: Progress) -> None:
        """Stop dependents first, each within its stop_grace_period; after that it is killed, and that is said."""
        self._adopt_orphans()
        ours = [name for name in services if name in self.places]
        running = {name: found for name in ours if (found := self._process(name))}
        for found in running.values():
            process.send(found, signal.SIGCONT)  # one that is paused could not hear
        for wave in dependents_first({name: self.model[name].depends_on for name in running}):
            # In one go: Kafka nodes that stop together grant each other's controlled shutdown while they have a quorum.
            for name in wave:
                process.send(running[name], self.model[name].stop_signal)
            await_ends([self._leaving(name, running[name], running) for name in wave], progress)
        for name in ours:
            self._local(name).record_file.unlink(missing_ok=True)

    def signal(self, service: str, number: signal.Signals) -> None:
        """Send a signal to the service's process; StackError("not-running") if there is none."""
        found = self._process(service)
        if found is None:
            raise StackError("not-running", f"{service} does not run", exit_code=ExitCode.ENVIRONMENT)
        process.send(found, number)
        if number == signal.SIGKILL:
            wait_until(
                lambda: self._process(service) is None,
                what=f"the end of {service}",
                timeout=_KILL_WAIT_S,
                interval=0.01,
            )

    def states(self, services: Sequence[str] | None = None) -> list[ServiceState]:
        """Return the state of these services, or of every one that is no part of another here (`covered_by`)."""
        asked = (name for name in self.model.services if services is None or name in services)
        return [self._state(name) for name in asked if "covered_by" not in self.model[name].embedded]

    def logs(self, service: str, tail_lines: int, *, follow: bool = False) -> Iterator[str]:
        """Yield the end of the service's log (or of its output, while it has none)."""
        local = self._local(service)
        files = [local.log_file] if local.log_file.exists() else [local.output_file]
        return tail.lines(files[0], tail_lines, follow=follow, alive=lambda: self._process(service) is not None)

    def data_dirs(self) -> list[Path]:
        """Return the data folders of every service that can run here."""
        return [folder for local in self.places.values() for folder in local.data_dirs()]

    def remove_data(self, progress: Progress) -> None:
        """Remove data, logs and generated configuration of all services."""
        for folder in [*self.data_dirs(), self._home]:
            if folder.exists():
                progress(f"removing {folder}")
                shutil.rmtree(folder)

    def failure(self, service: str) -> str:
        """Return the log lines that most likely say why a service died: its errors, else its last words."""
        local = self._local(service)
        return tail.guilty([local.output_file, local.log_file])

    def unreachable(self, model: Model) -> list[str]:
        """Return the addresses that brokers advertise and nobody can connect to; the network is this machine."""
        known = host_addresses(self.model)
        return reach.unreachable(model, lambda _, host, port: reach.from_host(known.get(host, host), port))

    def _prepare(self, local: LocalService) -> Launch:
        for folder in (local.home, local.log_file.parent, *local.data_dirs()):
            preflight.make_folder(folder)
        return self._runtime(local).launch(local)

    def _launch(self, local: LocalService, launch: Launch) -> None:
        flags = self._cache_flags(local, launch.cache) if launch.cache else []
        process.spawn(
            [launch.argv[0], *flags, *launch.argv[1:]],
            env=launch.env,
            cwd=local.home,
            output=local.output_file,
            record=local.record_file,
            owner=self._owner(local.service.name),
        )

    def _cache_flags(self, local: LocalService, cache: Cache) -> list[str]:
        """Use the cache, or record it if nobody does; one that this service's last start refused is no good."""
        if not self.use_cache:
            return []
        recorded = cache in map(records, self._running())
        return cache.start_flags(refused=aot.was_refused(_text(local.output_file)), recorded=recorded)

    def _leaving(self, name: str, found: psutil.Process, running: Iterable[str]) -> Leaving:
        runtime = self._runtime(self._local(name))
        peers = frozenset(other for other in running if other != name and self._runtime(self._local(other)) is runtime)
        # One that records a start-up cache is busy with that after its own end, for longer on a busy machine.
        alone = None if records(found) else runtime.alone
        return Leaving(name, found, self._local(name).service.stop_grace_period, peers, alone)

    def _state(self, name: str) -> ServiceState:
        if name not in self.places:
            return ServiceState(name, "unavailable", detail="docker only")
        local = self.places[name]
        found = self._process(name)
        if found is None:
            died = local.record_file.exists()
            return ServiceState(name, "exited" if died else "stopped", detail="died" if died else "")
        try:
            with found.oneshot():
                status, created, memory = found.status(), found.create_time(), found.memory_info().rss
        except psutil.NoSuchProcess:  # it ended between two looks; a zombie is one that has
            return ServiceState(name, "exited", detail="died")
        up = answers(self._runtime(local).endpoint(local))
        return ServiceState(
            name=name,
            phase="paused" if status == psutil.STATUS_STOPPED else "running" if up else "starting",
            identity=f"pid {found.pid}",
            pid=found.pid,
            ports=tuple(port.published for port in local.service.ports),
            uptime=time.time() - created,
            memory=memory,
            health="healthy" if up else "unhealthy" if status == psutil.STATUS_STOPPED else "starting",
        )

    def _local(self, service: str) -> LocalService:
        self.model[service]  # an unknown name is the caller's mistake
        if service not in self.places:
            raise StackError(
                "docker-only",
                f"{service} runs on the docker engine only",
                hint="./invoke up --engine docker",
                exit_code=ExitCode.ENVIRONMENT,
            )
        return self.places[service]

    def _runtime(self, local: LocalService) -> Runtime:
        return RUNTIMES[str(local.service.embedded["runtime"])]

    def _process(self, service: str) -> psutil.Process | None:
        return process.find(process.read(self._local(service).record_file))

    def _running(self) -> list[psutil.Process]:
        return [found for name in self.places if (found := self._process(name))]

    def _owner(self, service: str) -> str:
        return f"{self.settings.root}::{service}"

    def _adopt_orphans(self) -> None:
        """Take back processes whose task died before it could write down who they are."""
        unknown = {name for name in self.places if self._process(name) is None}
        if not unknown:
            return
        for owner, identity in process.orphans(self._owner("")):
            name = owner.rpartition("::")[2]
            found = process.find(identity)
            if name in unknown and found and not saves_cache(found):
                self.places[name].home.mkdir(parents=True, exist_ok=True)
                process.adopt(self.places[name].record_file, identity)

    def _jars(self, name: str) -> list[Path]:
        return [self.settings.cache_dir / "repository" / item.path for item in self._lock[name]]

    def _write_hosts(self) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        lines = [
            f"{address} {name}" for name, address in {"localhost": "127.0.0.1", **host_addresses(self.model)}.items()
        ]
        (self._home / "hosts").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
