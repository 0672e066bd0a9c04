"""The embedded engine: starts, watches and stops the services of a model as processes of this user."""

from __future__ import annotations

import shlex
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from backbone import durable_file
from backbone.errors import ExitCode, StackError
from backbone.security import users
from backbone.source import reading
from backbone.stack import secure
from backbone.stack.compose import Model
from backbone.stack.engine import reach
from backbone.stack.engine.base import Progress, ServiceState, brokers
from backbone.stack.engine.embedded import aot, artifacts, launched, loopback, packages, preflight, process, tail
from backbone.stack.engine.embedded.local_service import LocalService
from backbone.stack.engine.embedded.members import FOLDER, Members
from backbone.stack.engine.embedded.probe import answers
from backbone.stack.engine.embedded.runtimes import RUNTIMES
from backbone.stack.engine.embedded.runtimes.kafka import inter_broker
from backbone.stack.engine.embedded.stopping import (
    Leaving,
    await_ends,
    await_saved,
    await_savers,
    dependents_first,
    records,
)
from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from backbone.stack.compose import Service
    from backbone.stack.engine.embedded.aot import Cache
    from backbone.stack.engine.embedded.artifacts import Downloads
    from backbone.stack.engine.embedded.local_service import Launch, Runtime
    from backbone.stack.settings import Settings

LOCK_FILE = Path("infra", "artifacts.lock.json")
_KILL_WAIT_S = 5.0
_START_TAKES_S = 120.0  # one that does not answer after so long is no longer starting


@dataclass
class EmbeddedEngine:
    """Processes on this machine, one a service, each known by pid and start time (Engine of base.py).

    model: what the Compose files say. renewed: services that come back as the files say now; any other that runs comes
    back as it ran. use_cache: start JVMs with their start-up caches, and record those that are missing. overlap: let
    services boot early that wait themselves for the brokers.
    """

    settings: Settings
    model: Model
    downloads: Downloads
    name: str = "embedded"
    renewed: frozenset[str] = frozenset()
    use_cache: bool = True
    overlap: bool = True
    runtimes: Mapping[str, Runtime] = field(default_factory=lambda: RUNTIMES)

    @cached_property
    def as_running(self) -> Model:
        """The model, with each service that runs as it was started."""
        services = dict(self.model.services)
        for name in self._members.find(self._local_names):
            if name not in self.renewed and (ran := launched.read(self._home / name, name)):
                services[name] = ran
        return Model(self.model.name, services, self.model.raw)

    @cached_property
    def places(self) -> dict[str, LocalService]:
        """Where each service that can run here lives."""
        hosts = loopback.addresses(self.as_running)
        return {
            name: LocalService(
                self.as_running[name],
                self._home / name,
                hosts,
                self.settings.cache_dir,
                self._jars,
                self.settings.root,
            )
            for name in self._local_names
        }

    @cached_property
    def _local_names(self) -> list[str]:
        return [one.name for one in self.model.services.values() if one.embedded.get("runtime") in self.runtimes]

    @property
    def _home(self) -> Path:
        return self.settings.root / FOLDER

    @property
    def _members(self) -> Members:
        return Members(self.settings.root)

    @cached_property
    def _lock(self) -> artifacts.Lock:
        return artifacts.read_lock(self.settings.root / LOCK_FILE)

    def preflight(self, services: Sequence[str], progress: Progress, *, again: bool = False) -> None:
        """Check ports, disk, memory and data of what is to start, and fetch what it needs.

        again: what runs of it, too. What an earlier task was stopping when it was killed is stopped to its end first.
        """
        self._members.adopt(self.places)
        self._finish_stops(services, progress)
        running = self._members.find(self.places)
        starting = [self.places[name] for name in services if name in self.places and (again or name not in running)]
        for local in starting:
            self._runtime(local).check(local)
            for words in moved_data(local, launched.read(local.home, local.service.name)):
                progress(words)
        stopping = [local for local in starting if local.service.name in running]
        held = {address for local in stopping for address in process.listeners(running[local.service.name])}
        preflight.check(starting, stopping=stopping, held=held)
        self._verify(starting)

    def _verify(self, starting: Sequence[LocalService]) -> None:
        """See that what is about to run is whole, and fetch what is not; before a restart just as before the first."""
        for package in dict.fromkeys(self._runtime(local).package for local in starting):
            packages.demand(package)
        sets = dict.fromkeys(name for local in starting for name in (*self._runtime(local).sets, *local.artifact_sets))
        needed = dict.fromkeys(item for name in sets for item in self._lock[name])
        artifacts.ensure(needed, self.settings.cache_dir, self.downloads)

    def can_run(self, service: str) -> bool:
        """Tell whether the service's block names a runtime."""
        return service in self.places

    def waves(self, services: Sequence[str]) -> list[list[str]]:
        """Return the services by `depends_on`; two cores start three brokers sooner than five JVMs."""
        return dependents_first({name: self.model[name].depends_on for name in services if name in self.places})[::-1]

    def early(self, services: Sequence[str]) -> list[str]:
        """Return those whose topics are in the data of every broker: such a one waits for a broker, and makes nothing.

        While a topic is missing it comes after the brokers: made while not all nodes are there, it would have too few
        copies.
        """
        if not self.overlap:
            return []
        chosen = [self.places[name] for name in services if name in self.places]
        found = {one.service.name: self._runtime(one).topics(one) for one in chosen}
        return [name for name, topics in found.items() if topics and self.places[name].finds(topics, self.places)]

    def start(self, services: Sequence[str], progress: Progress, *, as_ran: bool = False) -> None:
        """Start what doesn't run: configure all at once, then launch. What is paused goes on."""
        del as_ran  # what ran when this engine was opened has that definition here
        self._finish_stops(services, progress)
        running = self._members.find(name for name in services if name in self.places)
        for name, found in running.items():
            if _is_paused(found):
                progress(f"{name} was paused and goes on")
                process.send(found, signal.SIGCONT)
        self._restore(running)
        starting = [local for name, local in self.places.items() if name in services and name not in running]
        if not starting:
            return
        self._verify(starting)
        self._write_hosts()
        bootstrap = tuple(brokers(self.as_running).values())
        if made := secure.prepare((local.service for local in starting), bootstrap, now=time.time()):
            progress(f"made the certificates of {', '.join(made)}")
        secure.identify(self.as_running, bootstrap)
        progress("configuring " + ", ".join(local.service.name for local in starting))
        with ThreadPoolExecutor() as pool:
            launches = list(pool.map(self._prepare, starting))
        progress("starting " + ", ".join(local.service.name for local in starting))
        for local, launch in zip(starting, launches, strict=True):
            self._launch(local, launch)

    def let_in(self) -> None:
        """Give the administrator of a stack that asks for passwords his own (see base.py)."""
        secrets = secure.secrets(self.as_running)
        for local in self.places.values() if secrets else ():
            if (place := inter_broker(local)) and secrets:
                with suppress(OSError):
                    return users.admit(secrets, place, local.service.hostname)
        return None

    def stop(self, services: Sequence[str], progress: Progress) -> None:
        """Stop dependents first, each within its stop_grace_period; after that it is killed, and that is said."""
        running = self._members.find(name for name in services if name in self.places)
        for found in running.values():
            process.send(found, signal.SIGCONT)  # one that is paused could not hear
        for wave in dependents_first({name: self.model[name].depends_on for name in running}):
            for name in wave:
                with suppress(OSError, psutil.NoSuchProcess):  # a disk that takes nothing keeps nobody from stopping
                    process.mark_stopping(self.places[name].record_file, process.identify(running[name]))
            # In one go: Kafka nodes that stop together grant each other's controlled shutdown while they have a quorum.
            for name in wave:
                process.send(running[name], self.places[name].service.stop_signal)
            await_ends([self._leaving(name, running[name], running) for name in wave], progress)
            self._forget(wave)
        self._forget(name for name in services if name in self.places)

    def _forget(self, services: Iterable[str]) -> None:
        """Remove the records of services that have ended; where the disk does not let go of one, it says "stopping"."""
        for name in services:
            with suppress(OSError):
                self.places[name].record_file.unlink(missing_ok=True)

    def signal(self, service: str, number: signal.Signals) -> None:
        """Send a signal to the service's process; StackError("not-running") if there is none."""
        found = self._process(service)
        if found is None:
            raise StackError(
                "not-running", f"{service} does not run", hint="./invoke up", exit_code=ExitCode.ENVIRONMENT
            )
        process.send(found, number)
        if number == signal.SIGKILL:
            wait_until(
                lambda: process.has_ended(found),
                what=f"the end of {service}",
                timeout=_KILL_WAIT_S,
                interval=0.01,
            )

    def states(self, services: Sequence[str] | None = None) -> list[ServiceState]:
        """Return the state of these services, or of every one that is no part of another here (`covered_by`)."""
        asked = [
            name
            for name, service in self.model.services.items()
            if (services is None or name in services) and "covered_by" not in service.embedded
        ]
        running = self._members.find(name for name in asked if name in self.places)
        return [self._state(name, running.get(name)) for name in asked]

    def outdated(self) -> dict[str, list[str]]:
        """Return what runs with another configuration than the files say now, and what differs."""
        found = {
            name: launched.differences(ran, self.model[name])
            for name in self._members.find(self.places)
            if (ran := launched.read(self._home / name, name))
        }
        return {name: keys for name, keys in found.items() if keys}

    def logs(self, service: str, tail_lines: int, *, follow: bool = False) -> Iterator[str]:
        """Yield the end of the service's log (or of its output, while it has none)."""
        local = self._local(service)
        files = [local.log_file] if local.log_file.exists() else [local.output_file]
        return tail.lines(
            files[0], tail_lines, follow=follow, alive=lambda: self._members.recorded(service) is not None
        )

    def data_dirs(self) -> list[Path]:
        """Return the data folders of every service that can run here."""
        return [folder for local in self.places.values() for folder in local.data_dirs()]

    def take_over(self, folders: Sequence[Path]) -> None:
        """Do nothing: the processes are this user's, and so are their files."""

    def remove_data(self, progress: Progress) -> None:
        """Remove data, logs and generated configuration of all services."""
        await_saved(self._members.saving(), progress)
        for folder in [*self.data_dirs(), self._home]:
            if folder.exists():
                progress(f"removing {folder}")
                _remove(folder)

    def said(self, service: str) -> list[str]:
        """Return what a service has written since its last start: its output, then its log, which is older."""
        local = self._local(service)
        known = process.read(local.record_file)
        return [*tail.since(local.output_file), *tail.since(local.log_file, known.log if known else None)]

    def failure(self, service: str) -> str:
        """Return the log lines that most likely say why a service died: its errors, else its last words."""
        return tail.guilty(self.said(service))

    def unreachable(self, model: Model) -> list[str]:
        """Return the addresses that brokers advertise and nobody can connect to; the network is this machine."""
        known = loopback.addresses(self.as_running)
        return reach.unreachable(model, lambda _, host, port: reach.from_host(known.get(host, host), port))

    def _prepare(self, local: LocalService) -> Launch:
        shutil.rmtree(local.temporary, ignore_errors=True)  # libraries that a killed JVM had unpacked there
        for folder in (local.home, local.log_file.parent, local.temporary, *local.data_dirs()):
            preflight.make_folder(folder)
        return self._runtime(local).launch(local)

    def _launch(self, local: LocalService, launch: Launch) -> None:
        launched.write(local.home, local.service)
        flags = self._cache_flags(local, launch.cache) if launch.cache else []
        process.spawn(
            [launch.argv[0], *flags, *launch.argv[1:]],
            env=launch.env,
            cwd=local.home,
            output=local.output_file,
            record=local.record_file,
            log=local.log_file,
            owner=self._members.owner(local.service.name),
        )

    def _cache_flags(self, local: LocalService, cache: Cache) -> list[str]:
        """Use the cache, or record it if nobody does; one that this service's last start refused is no good."""
        if not self.use_cache:
            return []
        recorded = cache in map(records, self._members.find(self.places).values())
        return cache.start_flags(refused=aot.was_refused(reading.peek(local.output_file)), recorded=recorded)

    def _leaving(self, name: str, found: psutil.Process, leaving: Iterable[str]) -> Leaving:
        runtime = self._runtime(self._local(name))
        kin = {other for other, local in self.places.items() if other != name and self._runtime(local) is runtime}
        peers = frozenset(kin.intersection(leaving))
        # One that records a start-up cache is busy with that after its own end, for longer on a busy machine. One that
        # has no kin is all there is, and needs nobody's leave.
        unhurried = records(found) or not kin or self._members.find(kin - peers)
        alone = None if unhurried else runtime.alone
        return Leaving(name, found, self._local(name).service.stop_grace_period, peers, alone)

    def _state(self, name: str, found: psutil.Process | None) -> ServiceState:
        if name not in self.places:
            return ServiceState(name, "unavailable", detail="docker only")
        local = self.places[name]
        known = process.read(local.record_file)
        if found is None:
            if known is None or known.stopping:
                return ServiceState(name, "stopped")
            here = process.of_this_boot(known.identity)
            return ServiceState(name, "exited", detail="died" if here else "ended when this machine was restarted")
        try:
            with found.oneshot():
                paused, memory = _is_paused(found), found.memory_info().rss
            cache = records(found)
            age = process.uptime(found)
        except psutil.NoSuchProcess:  # it ended between two looks; a zombie is one that has
            return ServiceState(name, "exited", detail="died")
        runtime = self._runtime(local)
        # Who stands still cannot answer: waiting for that would make the pause of a fault longer than it is.
        up = not paused and answers(runtime.endpoint(local), runtime.user_file(local))
        gone = [folder for folder in local.data_dirs() if not folder.exists()]
        hangs = not up and age > _START_TAKES_S
        return ServiceState(
            name=name,
            phase="paused" if paused else "running" if up or hangs else "starting",
            identity=f"pid {found.pid}",
            pid=found.pid,
            ports=tuple(port.published for port in local.service.ports),
            uptime=age,
            memory=memory,
            health="unhealthy" if paused or hangs or gone else "healthy" if up else "starting",
            detail=_detail(gone, stopping=bool(known and known.stopping), hangs=hangs and not paused),
            data_gone=bool(gone),
            records=cache is not None,
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
        return self.runtimes[str(local.service.embedded["runtime"])]

    def _process(self, service: str) -> psutil.Process | None:
        self._local(service)
        return self._members.find([service]).get(service)

    def _await_ports(self, services: Sequence[str], progress: Progress) -> None:
        """Wait for JVMs whose service has ended, and whose agent holds its port while they save a start-up cache."""
        running = self._members.find(services)
        starting = [self.places[name] for name in services if name in self.places and name not in running]
        await_savers([(host, port) for _, host, port in preflight.taken_addresses(starting)], progress)

    def _finish_stops(self, services: Sequence[str], progress: Progress) -> None:
        """Wait for what was told to stop when its task was interrupted: it would end in the middle of this start."""
        if leaving := [name for name in services if name in self.places and self._members.leaving(name)]:
            progress(f"{', '.join(leaving)} was told to stop by a task that did not come to its end; waiting for that")
            self.stop(leaving, progress)
        self._await_ports(services, progress)

    def _jars(self, name: str) -> list[Path]:
        return [self.settings.cache_dir / "repository" / item.path for item in self._lock[name]]

    def _restore(self, running: Iterable[str]) -> None:
        """Put back what JVMs that run go on to read and write, if somebody has removed it."""
        for name in running:
            for folder in (self.places[name].log_file.parent, self.places[name].temporary):
                folder.mkdir(parents=True, exist_ok=True)
        if running and not (self._home / "hosts").exists():
            self._write_hosts()

    def _write_hosts(self) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        lines = [
            f"{address} {name}"
            for name, address in {"localhost": "127.0.0.1", **loopback.addresses(self.as_running)}.items()
        ]
        # JVMs that run read it at each look-up: it must never be there in part.
        durable_file.replace(self._home / "hosts", "\n".join(lines) + "\n")


def _is_paused(found: psutil.Process) -> bool:
    return bool(found.status() == psutil.STATUS_STOPPED)


def _detail(gone: Sequence[Path], *, stopping: bool, hangs: bool) -> str:
    if gone:
        return f"its data folder is gone (moved or removed while it ran): {', '.join(map(str, gone))}"
    return "was told to stop" if stopping else "does not answer" if hangs else ""


def moved_data(local: LocalService, before: Service | None) -> Iterator[str]:
    """Say where the data of a service's last start is, if this start would not find it."""
    if before is None:
        return
    old = replace(local, service=before).data_dirs()
    for now in local.data_dirs():
        if _has_files(now) or not old:
            continue
        name = local.service.name
        if now not in old and (left := [folder for folder in old if _has_files(folder)]):
            yield f"{name} starts with empty data in {now}; its data is in {', '.join(map(str, left))}"
        elif now in old:
            yield f"{name} starts with empty data: {now} was moved or emptied since its last start"


def _has_files(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        return False


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StackError(
            "not-removed",
            f"{folder} could not be removed",
            context=f"{error.filename}: {error.strerror}",
            hint=f"ls -ld {shlex.quote(str(folder))}\n./invoke nuke",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
