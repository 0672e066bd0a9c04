"""The Docker engine: the services of a model as containers (backbone/stack/engine/base.py: Engine)."""

from __future__ import annotations

import re
import signal
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, ContainerError, NotFound

from backbone.errors import ExitCode, StackError
from backbone.stack import secure
from backbone.stack.engine import reach
from backbone.stack.engine.base import Progress, ServiceState, brokers
from backbone.stack.engine.docker import connection, data, preflight
from backbone.stack.engine.docker.cli import ComposeCli
from backbone.stack.engine.docker.containers import ContainerView, used_memory
from backbone.stack.engine.docker.stopping import LastNode
from backbone.stack.engine.embedded.runtimes import RUNTIMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from docker import DockerClient
    from docker.models.containers import Container

    from backbone.stack.compose import Model
    from backbone.stack.settings import Settings

_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_TOOLS = "x-network-tools"
_LOG_LINES = 400
_KAFKA = "kafka"
_LATELY = timedelta(minutes=10)
_EVER = 1  # seconds since the epoch: the API takes no 0
_GONE = frozenset({"exited", "dead", "created"})


@dataclass
class DockerEngine:
    """Containers of one Compose project, found by Compose's own labels."""

    settings: Settings
    model: Model
    name: str = "docker"

    @cached_property
    def client(self) -> DockerClient:
        """The engine's API; StackError("no-docker-engine") if nothing answers."""
        return connection.connect(self.settings)

    @cached_property
    def compose(self) -> ComposeCli:
        """Docker Compose on the same engine."""
        return ComposeCli(self.settings, connection.address(self.settings))

    @property
    def as_running(self) -> Model:
        """The model as the files say it: Compose itself makes a container anew where it differs."""
        return self.model

    def preflight(self, services: Sequence[str], progress: Progress, *, again: bool = False) -> None:
        """Check engine, ports, memory and identity of the data for the services that don't run yet."""
        del progress, again  # none of this takes time, and a container that is started again keeps what it has
        running = [name for name, container in self.containers().items() if container.status not in _GONE]
        starting = [self.model[name] for name in services if name not in running]
        known = [self.model[name] for name in running if name in self.model.services]
        preflight.check(self.client.info(), starting, [*known, *starting])

    def can_run(self, service: str) -> bool:
        """Tell that every service of the model has an image."""
        return service in self.model.services

    def waves(self, services: Sequence[str]) -> list[list[str]]:
        """Return all in one: Compose itself waits for what others depend on."""
        return [list(services)]

    def early(self, services: Sequence[str]) -> list[str]:
        """Return none: Compose starts a service when what it depends on is as its file says."""
        del services
        return []

    def start(self, services: Sequence[str], progress: Progress, *, as_ran: bool = False) -> None:
        """Run `compose up`: it builds or pulls, makes what is missing, and waits for what others depend on.

        as_ran: containers stay the ones they are; else Compose makes those anew whose configuration has changed.

        Ends at the first service that fails, with its exit code, OOM flag, last health output and log lines.
        """
        before = {name: container.id for name, container in self.containers().items()}
        data.renew_passwords(self.client, [self.model[name] for name in services])
        self.compose.run(
            ["up", "--detach", "--quiet-pull", *(["--no-recreate"] if as_ran else []), *services],
            progress=progress,
            watch=lambda: self._guilty(before),
        )
        secure.identify(self.model, tuple(brokers(self.model).values()))

    def let_in(self) -> None:
        """Do nothing: a one-shot of the Compose files does it."""

    def stop(self, services: Sequence[str], progress: Progress) -> None:
        """Stop within each grace period; if that was all, remove the containers and the network too."""
        known = [name for name in services if name in self.containers()]
        if not known:
            return
        for container in self.containers().values():
            if container.status == "paused" and container.labels[_SERVICE] in known:
                container.unpause()  # one that is paused could not hear
        verb = ["down", "--remove-orphans"] if set(self.containers()) <= set(known) else ["stop", *known]
        nodes = frozenset(name for name in known if self.model[name].embedded.get("runtime") == _KAFKA)
        last = LastNode(nodes, RUNTIMES[_KAFKA].alone or 0.0)
        self.compose.run(verb, progress=progress, watch=lambda: self._release(last, progress))

    def signal(self, service: str, number: signal.Signals) -> None:
        """Kill, pause or unpause a container; any other signal goes to its main process."""
        container = self._container(service)
        actions = {signal.SIGSTOP: container.pause, signal.SIGCONT: container.unpause}
        try:
            actions.get(number, lambda: container.kill(number.name))()
        except APIError as error:
            raise StackError(
                "signal-refused",
                f"{service} cannot get {number.name} now",
                context=str(error.explanation),
                exit_code=ExitCode.ENVIRONMENT,
            ) from error

    def disconnect(self, service: str) -> None:
        """Cut a container off the stack's network: its connections are not closed, they fall silent."""
        for network in self._networks(service):
            network.disconnect(self._container(service), force=True)

    def reconnect(self, service: str) -> None:
        """Undo `disconnect`, with the name that the others know it by."""
        hostname = self.model[service].hostname
        for network in self._project_networks():
            network.connect(self._container(service), aliases=[service, hostname])

    def mute(self, service: str, peers: Sequence[str]) -> None:
        """Let what a container sends to others go nowhere."""
        self._route("add", service, peers)

    def unmute(self, service: str, peers: Sequence[str]) -> None:
        """Undo `mute`."""
        self._route("del", service, peers)

    def drops_packets(self) -> bool:
        """Tell whether the image with iptables is here: it is nobody's wish that a test downloads it."""
        here = {tag for image in self.client.images.list() for tag in image.tags}
        return any(self._tools(service) in here for service in self.model.services)

    def drop_packets(self, service: str, share: float) -> None:
        """Drop a share of what a container receives and sends, each packet by chance; its loopback is spared."""
        chance = f"--match statistic --mode random --probability {share} --jump DROP"
        ways = ("INPUT ! --in-interface lo", "OUTPUT ! --out-interface lo")
        self._beside(service, self._tools(service), *(f"iptables --append {way} {chance}" for way in ways))

    def dropped_packets(self, service: str) -> int:
        """Return how many packets the rules of `drop_packets` have met, by the kernel's own count."""
        said = self._beside(service, self._tools(service), "iptables-save --counters --table filter")
        return sum(map(int, re.findall(r"^\[(\d+):\d+\] -A .* -j DROP$", said, re.MULTILINE)))

    def pass_packets(self, service: str) -> None:
        """Undo `drop_packets`."""
        self._beside(service, self._tools(service), "iptables --flush")

    def throttle(self, service: str, cpus: float | None) -> None:
        """Limit a running container to so many processors; None: to what the model says."""
        given = float(self.model[service].raw["cpus"]) if cpus is None else cpus
        # The SDK's update_container knows quotas only, which a limit set by `cpus` refuses.
        url = (
            f"{self.client.api.base_url}/v{self.client.api.api_version}/containers/{self._container(service).id}/update"
        )
        self.client.api.post(url, json={"NanoCpus": int(given * 1e9)}).raise_for_status()

    def starved_periods(self, service: str) -> int:
        """Return in how many scheduling periods a container has used up its processors."""
        stats = self.client.api.stats(str(self._container(service).id), stream=False, one_shot=True)
        return int(stats["cpu_stats"]["throttling_data"]["throttled_periods"])

    def exhaust_memory(self, service: str) -> None:
        """Fill a container's memory; the kernel is told to take the main process first, and the rest goes with it."""
        hog = 'echo 1000 > /proc/1/oom_score_adj; x=$(head -c "$0" /dev/zero | tr "\\0" x)'
        command = ["bash", "-c", hog, str(2 * self.model[service].mem_limit)]
        created = self.client.api.exec_create(str(self._container(service).id), command)
        self.client.api.exec_start(str(created["Id"]), detach=True)

    def memory_kills(self, service: str) -> int:
        """Return how often the kernel has killed a container for its memory lately."""
        return len(self._events(self._container(service), "oom"))

    def states(self, services: Sequence[str] | None = None) -> list[ServiceState]:
        """Return the state of these services, or of every one, in the model's order."""
        now = datetime.now(UTC)
        views = self.views(memory=services is None)
        return [
            views[name].as_state(now) if name in views else ServiceState(name, "stopped")
            for name in self.model.services
            if services is None or name in services
        ]

    def outdated(self) -> dict[str, list[str]]:
        """Return what runs with other variables or ports than the files say: service → what differs."""
        found = {
            name: view.differences(self.model[name])
            for name, view in self.views().items()
            if name in self.model.services and view.phase in ("running", "starting", "paused")
        }
        return {name: keys for name, keys in found.items() if keys}

    def logs(self, service: str, tail: int, *, follow: bool = False) -> Iterator[str]:
        """Yield the last lines of a container's log, then the new ones as they come if asked to follow."""
        container = self._container(service)
        if follow:
            return _lines(container.logs(tail=tail, stream=True, follow=True))
        said = b"".join(container.logs(tail=tail, stream=True, follow=False))
        return iter(said.decode(errors="replace").splitlines())

    def data_dirs(self) -> list[Path]:
        """Return the folders of this machine that the services write their data to."""
        return data.folders(self.model)

    def take_over(self, folders: Sequence[Path]) -> None:
        """Give folders that belong to the images' users to this one; the images take theirs back when they start."""
        for folder in folders:
            if not data.ours(folder):
                data.give(self.client, folder, [service.image for service in self.model.services.values()])

    def remove_data(self, progress: Progress) -> None:
        """Remove containers, named volumes and data folders."""
        self.compose.run(["down", "--volumes", "--remove-orphans"], progress=progress)
        for folder in self.data_dirs():
            if folder.exists():
                progress(f"removing {folder}")
                data.remove(self.client, folder, [service.image for service in self.model.services.values()])

    def said(self, service: str) -> list[str]:
        """Return the last lines that a container has written since its start; or lately, if its policy restarts it."""
        container = self._container(service)
        view = ContainerView(service, container.attrs)
        since = view.started or _EVER
        if view.restarts:  # it said why before it began again
            since = min(since, int((datetime.now(UTC) - _LATELY).timestamp()))
        lines: list[str] = container.logs(tail=_LOG_LINES, since=since).decode(errors="replace").splitlines()
        return lines

    def failure(self, service: str) -> str:
        """Say why a service failed: exit code, OOM flag, last health output, telling log lines."""
        container = self._container(service)
        return ContainerView(service, container.attrs).verdict(self.said(service), self._last_exit(container))

    def unreachable(self, model: Model) -> list[str]:
        """Return the addresses that brokers advertise and nobody can connect to from where their clients are."""
        return reach.unreachable(model, self.connects)

    def containers(self) -> dict[str, Container]:
        """Return service → container of this project, running or not."""
        found = self.client.containers.list(
            all=True, filters={"label": f"{_PROJECT}={self.model.name}"}, ignore_removed=True
        )
        return {container.labels[_SERVICE]: container for container in found if _SERVICE in container.labels}

    def views(self, *, memory: bool = False) -> dict[str, ContainerView]:
        """Return service → what the engine says of its container."""
        return {
            name: ContainerView(name, container.attrs, self._memory(container) if memory else None)
            for name, container in self.containers().items()
        }

    def exec(self, service: str, argv: Sequence[str]) -> tuple[int, str]:
        """Run a command in a container; return its exit code and output."""
        api = self.client.api
        command = api.exec_create(str(self._container(service).id), list(argv))
        said: bytes = api.exec_start(str(command["Id"]))
        return int(api.exec_inspect(command["Id"])["ExitCode"]), said.decode(errors="replace")

    def connects(self, service: str, host: str, port: int) -> bool:
        """Tell whether a container can open a connection."""
        argv = ["timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{host}/{port}"]
        try:
            return self.exec(service, argv)[0] == 0
        except (StackError, APIError):
            return False

    def _guilty(self, before: Mapping[str, str | None]) -> StackError | None:
        """Return an error for the first container that failed since; an earlier failure is no news."""
        for name, view in self.views().items():
            old = before.get(name) == view.attributes["Id"] and view.phase == "exited"
            if view.failed and not old:
                return StackError(
                    "service-failed",
                    f"{name} does not come up",
                    context=self.failure(name),
                    hint=f"./invoke logs {name}",
                    exit_code=ExitCode.ENVIRONMENT,
                )
        return None

    def _release(self, last: LastNode, progress: Progress) -> None:
        """Kill the last node once it has waited in vain; the next start recovers its log."""
        running = {name: item for name, item in self.containers().items() if item.status == "running"}
        if name := last.overdue(running):
            progress(f"{name} is the last node: nobody is left to grant its shutdown, so it is killed")
            running[name].kill()

    def _last_exit(self, container: Container) -> int | None:
        """Return the exit code of a container's last end, None if it has not ended lately."""
        codes = [int(end["Actor"]["Attributes"]["exitCode"]) for end in self._events(container, "die")]
        return codes[-1] if codes else None

    def _events(self, container: Container, kind: str) -> list[dict[str, Any]]:
        now = datetime.now(UTC)
        wanted = {"container": str(container.id), "event": kind}
        return list(self.client.api.events(since=now - _LATELY, until=now, filters=wanted, decode=True))

    def _route(self, verb: str, service: str, peers: Sequence[str]) -> None:
        """Add or delete a route to nowhere for each peer."""
        networks = [self._container(peer).attrs["NetworkSettings"]["Networks"] for peer in peers]
        addresses = [str(found["IPAddress"]) for each in networks for found in each.values()]
        commands = (f"ip route {verb} blackhole {address}" for address in addresses)
        self._beside(service, self.model[service].image, *commands)

    def _tools(self, service: str) -> str:
        """Return the image with iptables that a service's Compose block names."""
        return str(self.model[service].raw.get(_TOOLS))

    def _beside(self, service: str, image: str, *commands: str) -> str:
        """Run commands in a container's network, by a helper with a right that the container has not."""
        try:
            said: bytes = self.client.containers.run(
                image,
                ["-c", " && ".join(commands)],
                entrypoint="sh",
                user="root",
                cap_add=["NET_ADMIN"],
                network_mode=f"container:{self._container(service).id}",
                remove=True,
            )
        except (APIError, ContainerError) as error:
            raise StackError(
                "network-unchanged",
                f"the network of {service} cannot be changed",
                context=str(error),
                exit_code=ExitCode.ENVIRONMENT,
            ) from error
        return said.decode(errors="replace")

    def _memory(self, container: Container) -> int | None:
        if container.status not in ("running", "paused"):
            return None
        try:
            stats: dict[str, Any] = self.client.api.stats(str(container.id), stream=False, one_shot=True)
        except APIError:
            return None
        return used_memory(stats)

    def _container(self, service: str) -> Container:
        self.model[service]  # an unknown name is the caller's mistake
        try:
            return self.containers()[service]
        except (KeyError, NotFound) as error:
            raise StackError(
                "not-running",
                f"{service} has no container",
                hint="./invoke up",
                exit_code=ExitCode.ENVIRONMENT,
            ) from error

    def _project_networks(self) -> list[Any]:
        return list(self.client.networks.list(filters={"label": f"{_PROJECT}={self.model.name}"}))

    def _networks(self, service: str) -> list[Any]:
        names = set(self._container(service).attrs["NetworkSettings"]["Networks"])
        return [network for network in self._project_networks() if network.name in names]


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Yield whole lines of a stream that comes in pieces."""
    pending: deque[bytes] = deque([b""])
    for chunk in chunks:
        *whole, rest = (pending.pop() + chunk).split(b"\n")
        pending.append(rest)
        yield from (line.decode(errors="replace") for line in whole)
