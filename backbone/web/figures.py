"""Figures that a cluster tells of itself: from the brokers' own exporters, or from the Prometheus that scrapes them.

Both answer in the text format of https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

from backbone import rest
from backbone.errors import StackError
from backbone.stack.engine.embedded import loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from backbone.events.connectors.worker import Worker
    from backbone.stack.compose import Model
    from backbone.web.cluster import Cluster

JOB = "kafka"
"""The scrape job of the brokers, and the one of the consumers' lag: as prometheus.yml calls them."""
LAG_JOB = "kafka-exporter"
_TIMEOUT_S = 8.0  # as in prometheus.yml: thousands of topics take an exporter seconds
_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{((?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*)\})?\s+(\S+)(?:\s+(-?\d+))?\s*", re.ASCII)
_LABEL = re.compile(r"([a-zA-Z_]\w*)=\"((?:[^\"\\]|\\.)*)\"", re.ASCII)
_ESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
_LAG = "kafka_consumergroup_lag"
_FAILED = "kafka_connect_worker_connector_connector_failed_task_count"


@dataclass(frozen=True, slots=True)
class Figure:
    """One value of one series. at: when it was taken, in seconds since 1970; None: now."""

    name: str
    labels: Mapping[str, str]
    value: float
    at: float | None = None


class Source(Protocol):
    """Where figures come from."""

    def tells(self, name: str) -> bool:
        """Tell whether a metric of this name would come from here if it existed."""

    def read(self, names: Collection[str]) -> list[Figure]:
        """Return what the series of these names say now; what does not answer has none, and `up` 0."""

    def close(self) -> None:
        """Keep no connection."""


def parse(text: str, more: Mapping[str, str]) -> Iterator[Figure]:
    """Yield the figures of a text, each with more labels; a line that is none is left out."""
    for line in text.splitlines():
        if not line.startswith("#") and (found := _LINE.fullmatch(line)):
            name, labels, value, at = found.groups()
            own = {key: re.sub(r"\\.", _plain, each) for key, each in _LABEL.findall(labels or "")}
            try:
                yield Figure(name, {**own, **more}, float(value), int(at) / 1000 if at else None)
            except ValueError:
                continue


def _plain(escaped: re.Match[str]) -> str:
    return _ESCAPED.get(escaped[0], escaped[0])


@dataclass(frozen=True, slots=True)
class Exporters:
    """The exporters in the brokers themselves. targets: service → HOST:PORT."""

    targets: Mapping[str, str]

    @classmethod
    def of(cls, model: Model) -> Exporters:
        """Return the exporters of the Kafka nodes of a model that run without Docker (`x-embedded: listens`)."""
        hosts = loopback.addresses(model)
        found = {}
        for name, service in model.services.items():
            if "broker" in service.environment.get("KAFKA_PROCESS_ROLES", ""):
                for listens in service.embedded.get("listens") or ():
                    host, _, port = str(listens).rpartition(":")
                    found[name] = f"{hosts.get(host, host)}:{port}"
        return cls(found)

    def tells(self, name: str) -> bool:
        """Tell whether jmx/kafka.yml makes such a metric of a broker, or the agent makes it of its JVM."""
        return bool(self.targets) and (name.startswith(("kafka_", "jvm_")) and not name.startswith(_ELSEWHERE))

    def close(self) -> None:
        """Nothing stays open between two looks."""

    def read(self, names: Collection[str]) -> list[Figure]:
        """Return what the brokers say, all asked at once."""
        asked = urlencode([("name[]", each) for each in sorted(names)])
        with ThreadPoolExecutor(max(1, len(self.targets))) as pool:
            answers = [pool.submit(self._one, broker, address, asked) for broker, address in self.targets.items()]
            return [figure for answer in answers for figure in answer.result()]

    def _one(self, broker: str, address: str, asked: str) -> list[Figure]:
        labels = {"job": JOB, "broker": broker}
        service = rest.Service(f"the exporter of {broker}", "exporter", f"http://{address}", _TIMEOUT_S)
        try:
            answer = service.ask("GET", f"/metrics?{asked}")
        except StackError:
            return [Figure("up", labels, 0)]
        return [Figure("up", labels, float(answer.ok)), *(parse(answer.text, labels) if answer.ok else ())]


_ELSEWHERE = ("kafka_connect_", "kafka_consumergroup_")


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A Prometheus that scrapes the cluster. url: its base, as `x-endpoints` names it."""

    url: str

    def tells(self, _name: str) -> bool:
        """Tell that it has whatever its own rules need."""
        return True

    def read(self, names: Collection[str]) -> list[Figure]:
        """Return the newest value of each series (https://prometheus.io/docs/prometheus/latest/federation/)."""
        match = f'{{__name__=~"{"|".join(sorted(names))}"}}'
        answer = self.service().ask("GET", "/federate?" + urlencode({"match[]": match}))
        return list(parse(answer.text, {})) if answer.ok else []

    def close(self) -> None:
        """Nothing stays open between two looks."""

    def service(self) -> rest.Service:
        """Return how it is asked."""
        hint = "./invoke up --profile messaging --profile obs"
        return rest.Service("Prometheus", "prometheus", self.url.rstrip("/"), _TIMEOUT_S, unreachable_hint=hint)


@dataclass(slots=True)
class Asked:
    """What nobody exports without Docker, asked of the cluster and of Connect by the console itself.

    Under the names of kafka-exporter and of the agent in Connect, so that the same rules hold. every: ask once in so
    many reads, for the lag of all groups costs more than a scrape.
    """

    cluster: Cluster
    worker: Worker | None
    every: int = 6
    _reads: int = 0
    _kept: list[Figure] = field(default_factory=list)

    def tells(self, name: str) -> bool:
        """Tell whether it is one of the two."""
        return name == _LAG or (name == _FAILED and self.worker is not None)

    def read(self, names: Collection[str]) -> list[Figure]:
        """Return lag by group and partition, and failed tasks by connector."""
        self._reads -= 1
        if self._reads < 0:
            self._kept = [*_asked(self._lag, names, _LAG), *_asked(self._failed, names, _FAILED)]
            refused = any(each.name == "up" and not each.value for each in self._kept)
            self._reads = 0 if refused else self.every - 1  # what was refused is asked for at the next look
        return self._kept

    def close(self) -> None:
        """Close the connection to the cluster."""
        self.cluster.close()

    def _lag(self) -> Iterator[Figure]:
        try:
            places = self.cluster.places()
        except StackError:
            yield Figure("up", {"job": LAG_JOB}, 0)
            return
        yield Figure("up", {"job": LAG_JOB}, 1)
        for group, held in places.items():
            for each in held:
                labels = {"consumergroup": group, "topic": each.topic, "partition": str(each.partition)}
                yield Figure(_LAG, labels, each.lag)

    def _failed(self) -> Iterator[Figure]:
        if self.worker is None:
            return
        try:
            states = [state for name in self.worker.connectors() if (state := self.worker.state(name))]
        except StackError:
            return
        for each in states:
            yield Figure(_FAILED, {"connector": each.name}, sum(task.state == "FAILED" for task in each.tasks))


def _asked(ask: Callable[[], Iterator[Figure]], names: Collection[str], name: str) -> list[Figure]:
    return list(ask()) if name in names else []
