"""A Connect worker with the behaviour that matters: it keeps what it is given and runs it, or says why not."""

from __future__ import annotations

from typing import Any, TypeAlias

Body: TypeAlias = Any
SINK = "io.debezium.connector.jdbc.JdbcSinkConnector"


class FakeWorker:
    """Kafka Connect's REST interface over a dictionary."""

    def __init__(self) -> None:
        self.configs: dict[str, dict[str, str]] = {}
        self.plugins = [SINK]
        self.traces: dict[str, str] = {}
        self.rebalances = 0
        self.restarted: list[str] = []
        self.pending = 0
        self.stale = 0
        """How often the state from before a restart is still told."""
        self._old = ""
        self.stopped: set[str] = set()
        self.committed: dict[tuple[str, int], int] = {}
        self.poison: tuple[str, int, int] | None = None
        """Topic, partition and offset of a record that the sink fails at, as long as it has not been moved past it."""

    def answer(self, method: str, path: str, body: Body) -> tuple[int, object]:  # noqa: C901, PLR0911 - one a route
        if self.rebalances:
            self.rebalances -= 1
            return 409, {"error_code": 409, "message": "Cannot complete request momentarily due to rebalance"}
        match [method, *path.strip("/").split("/")]:
            case ["GET", "connectors"]:
                return 200, list(self.configs)
            case ["GET", "connector-plugins"]:
                return 200, [{"class": name} for name in self.plugins]
            case ["PUT", "connector-plugins", _, "config", "validate"]:
                return 200, {"configs": [_judged(name, value) for name, value in body.items()]}
            case ["PUT", "connectors", name, "config"]:
                self.configs[name] = body
                return 201, {"name": name, "config": body}
            case ["GET", "connectors", name, "config"] if name in self.configs:
                return 200, {**self.configs[name], "name": name}
            case ["GET", "connectors", name, "status"] if name in self.configs:
                return self._status(name)
            case ["PUT", "connectors", name, "stop"]:
                self.stopped.add(name)
                return 204, None
            case ["PUT", "connectors", name, "resume"]:
                self.stopped.discard(name)
                return 202, None
            case ["GET", "connectors", _, "offsets"]:
                return 200, {"offsets": [_offset(*each) for each in self.committed.items()]}
            case ["PATCH", "connectors", name, "offsets"]:
                return self._move(name, body["offsets"])
            case ["POST", "connectors", name, "restart"] if name in self.configs:
                self.restarted.append(name)
                self._old = self.traces.pop(name, "")
                return 202, {}
        return 404, {"error_code": 404, "message": "Connector not found"}

    def _move(self, name: str, offsets: Body) -> tuple[int, object]:
        if name not in self.stopped:
            return 400, {"message": "Connectors must be in the STOPPED state before their offsets can be modified"}
        for each in offsets:
            place = each["partition"]
            self.committed[place["kafka_topic"], place["kafka_partition"]] = each["offset"]["kafka_offset"]
        return 200, {}

    def _fails(self, name: str) -> bool:
        """Read on from what is committed: in batches of one it is exact, else the whole batch is not."""
        if self.poison is None:
            return False
        topic, partition, offset = self.poison
        if self.committed.get((topic, partition), 0) > offset:
            return False
        if self.configs[name].get("consumer.override.max.poll.records") == "1":
            self.committed[topic, partition] = offset
        return True

    def _status(self, name: str) -> tuple[int, object]:
        if name in self.stopped:
            return 200, {"name": name, "type": "sink", "connector": {"state": "STOPPED"}, "tasks": []}
        if self.poison and self._fails(name):
            topic, partition, offset = self.poison
            self.traces[name] = f"a.ConnectException: {topic}-{partition}@{offset}: 42804 no\nCaused by: b.SQLError: no"
        if self.pending:
            self.pending -= 1
            return 404, {"error_code": 404, "message": f"No status found for connector {name}"}
        trace = self.traces.get(name)
        if self.stale:
            self.stale -= 1
            trace = self._old
        task = {"id": 0, "state": "FAILED", "trace": trace} if trace else {"id": 0, "state": "RUNNING"}
        return 200, {"name": name, "type": "sink", "connector": {"state": "RUNNING"}, "tasks": [task]}


def _offset(place: tuple[str, int], offset: int) -> dict[str, object]:
    return {
        "partition": {"kafka_topic": place[0], "kafka_partition": place[1]},
        "offset": {"kafka_offset": offset},
    }


def _judged(name: str, value: str) -> dict[str, object]:
    errors = ["must be a number"] if name == "batch.size" and not value.isdecimal() else []
    return {"value": {"name": name, "errors": errors}}
