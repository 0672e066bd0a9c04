"""The Connect worker over HTTP (Kafka Connect's REST interface)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from backbone import rest, secret_file
from backbone.errors import ExitCode, StackError
from backbone.stack import endpoints
from backbone.wait import CLOCK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.stack.compose import Model
    from backbone.wait import Clock

SERVICE = "kafka-connect"

Json: TypeAlias = Any
_UNAUTHORIZED = 401
_NOT_FOUND = 404
_BUSY = 409  # a rebalance is under way: Connect asks to come back
_BUSY_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Task:
    """One task as the worker sees it; `trace` is the Java stack trace of a failed one."""

    number: int
    state: str
    trace: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """One connector as the worker sees it: RUNNING, FAILED, PAUSED, UNASSIGNED and the like."""

    name: str
    kind: str
    state: str
    trace: str
    tasks: tuple[Task, ...]

    @property
    def running(self) -> bool:
        """True if the connector and at least one task run, and none has failed."""
        return self.state == "RUNNING" and bool(self.tasks) and all(task.state == "RUNNING" for task in self.tasks)

    @property
    def failed(self) -> bool:
        """True if the connector or one of its tasks has given up; while they restart, old failures don't count."""
        states = (self.state, *(task.state for task in self.tasks))
        return "FAILED" in states and "RESTARTING" not in states

    @property
    def first_trace(self) -> str:
        """The trace of whatever failed first, the connector itself before its tasks."""
        return next((trace for trace in (self.trace, *(task.trace for task in self.tasks)) if trace), "")


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker. Every method raises StackError("connect-unreachable"), "connect-password" or "connect-refused".

    user_file: says USER:PASSWORD, for a worker that wants to know who asks.
    """

    url: str
    user_file: Path | None = None
    timeout: float = 30.0
    clock: Clock = CLOCK

    def connectors(self) -> tuple[str, ...]:
        """Return the names of all connectors, sorted."""
        return tuple(sorted(self._call("GET", "/connectors")))

    def config(self, name: str) -> dict[str, str] | None:
        """Return a connector's configuration without its name, None if there is no such connector."""
        answer = self._call("GET", f"/connectors/{quote(name, safe='')}/config", none_if_missing=True)
        return None if answer is None else {key: value for key, value in answer.items() if key != "name"}

    def put(self, name: str, config: Mapping[str, str]) -> None:
        """Create a connector, or give it a new configuration."""
        self._call("PUT", f"/connectors/{quote(name, safe='')}/config", dict(config))

    def faults(self, name: str, config: Mapping[str, str]) -> list[str]:
        """Return what the plugin itself finds wrong with a configuration, as `setting: reason`.

        Raises StackError("plugin-missing") if the worker has no such plugin.
        """
        class_name = config["connector.class"]
        plugins = {plugin["class"] for plugin in self._call("GET", "/connector-plugins")}
        if class_name not in plugins:
            raise StackError(
                "plugin-missing",
                f"the worker has no plugin {class_name}",
                context="it has: " + ", ".join(sorted(plugins)),
                hint="./invoke connectors status\n./invoke logs kafka-connect",
                exit_code=ExitCode.ENVIRONMENT,
            )
        path = f"/connector-plugins/{quote(class_name, safe='')}/config/validate"
        answer = self._call("PUT", path, {**config, "name": name})
        values = [setting["value"] for setting in answer["configs"]]
        return [f"{value['name']}: {reason}" for value in values for reason in value["errors"]]

    def state(self, name: str) -> State | None:
        """Return a connector's state, None if there is no such connector or it has not been placed yet."""
        body = self._call("GET", f"/connectors/{quote(name, safe='')}/status", none_if_missing=True)
        if body is None:
            return None
        return State(
            name=body["name"],
            kind=body.get("type", ""),
            state=body["connector"]["state"],
            trace=body["connector"].get("trace", ""),
            tasks=tuple(Task(task["id"], task["state"], task.get("trace", "")) for task in body["tasks"]),
        )

    def restart(self, name: str) -> None:
        """Restart a connector and its tasks (KIP-745)."""
        self._call("POST", f"/connectors/{quote(name, safe='')}/restart?includeTasks=true")

    def stop(self, name: str) -> None:
        """Stop a connector: its tasks end, its configuration and offsets stay (KIP-875)."""
        self._call("PUT", f"/connectors/{quote(name, safe='')}/stop")

    def pause(self, name: str) -> None:
        """Let a connector's tasks wait where they are."""
        self._call("PUT", f"/connectors/{quote(name, safe='')}/pause")

    def resume(self, name: str) -> None:
        """Let a stopped or paused connector run again."""
        self._call("PUT", f"/connectors/{quote(name, safe='')}/resume")

    def offsets(self, name: str) -> dict[tuple[str, int], int]:
        """Return (topic, partition) → the offset that a sink goes on from, of those that it has committed."""
        return {
            (place["kafka_topic"], place["kafka_partition"]): each["offset"]["kafka_offset"]
            for each in self.places(name)
            if each["offset"] and "kafka_topic" in (place := each["partition"])
        }

    def places(self, name: str) -> list[dict[str, Json]]:
        """Return what a connector, source or sink, has committed: a `partition` and an `offset` each, in its terms."""
        return list(self._call("GET", f"/connectors/{quote(name, safe='')}/offsets")["offsets"])

    def move(self, name: str, topic: str, partition: int, offset: int) -> None:
        """Let a stopped sink go on from an offset (KIP-875)."""
        place = {"kafka_topic": topic, "kafka_partition": partition}
        body = {"offsets": [{"partition": place, "offset": {"kafka_offset": offset}}]}
        self._call("PATCH", f"/connectors/{quote(name, safe='')}/offsets", body)

    def _call(self, method: str, path: str, body: object | None = None, *, none_if_missing: bool = False) -> Json:
        service = rest.Service(
            "Kafka Connect",
            "connect",
            self.url,
            self.timeout,
            unreachable_hint="./invoke up --profile messaging\n./invoke logs kafka-connect",
            refused_hint="./invoke connectors plan",
            stranger_hint="KAFKA_CONNECT_PORT in .env: does another program use it?",
            credentials=lambda: secret_file.basic_auth(self.user_file) if self.user_file else {},
        )
        deadline = self.clock.now() + _BUSY_TIMEOUT_S
        while (answer := service.ask(method, path, body)).status == _BUSY and self.clock.now() < deadline:
            self.clock.sleep(0.2)
        if answer.status == _UNAUTHORIZED:
            raise self._unauthorized()
        if answer.status == _NOT_FOUND and none_if_missing:
            return None
        return service.read(method, path, answer)

    def _unauthorized(self) -> StackError:
        if self.user_file is None:
            what, hint = "wants a user and a password", "name a file that says USER:PASSWORD: --connect-user"
        else:
            what = f"does not accept the user of {self.user_file}"
            hint = "the worker reads the file when it starts\n./invoke restart kafka-connect"
        return StackError(
            "connect-password", f"Kafka Connect at {self.url} {what}", hint=hint, exit_code=ExitCode.ENVIRONMENT
        )


def of_stack(model: Model) -> Worker:
    """Return this stack's own worker, with the user file that it reads."""
    folder = next(mount.source for mount in model[SERVICE].mounts if Path(mount.target).name == "secrets")
    return Worker(endpoints.named(model, SERVICE, "KAFKA_CONNECT_URL").rstrip("/"), Path(folder, "connect", "user"))
