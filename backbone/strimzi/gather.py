"""The backbone as the home's files describe it, and what of it has no place on Kubernetes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backbone import resources
from backbone.errors import ExitCode, StackError
from backbone.events.connectors import files as connector_files
from backbone.lint.kafka import properties
from backbone.source import reading
from backbone.stack import compose, topics
from backbone.stack.engine.embedded import artifacts
from backbone.strimzi import access, cluster, connect
from backbone.strimzi.model import (
    METADATA_VERSIONS,
    STRIMZI,
    Backbone,
    LeftOut,
    Size,
    Worker,
    operators_own,
    resource_name,
    supported,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backbone.stack.compose import Model, Service
    from backbone.stack.settings import Settings
    from backbone.strimzi.model import User

_CONNECT = "kafka-connect"
_WORKER_FILE = "/etc/kafka/connect-distributed.properties"
_LOCK = Path("infra", "artifacts.lock.json")
CHECKSUMS = Path("infra", "05-messaging", "connect", "plugins.sha512")
"""The SHA-512 of Connect's plugins by their path in a Maven repository, as `sha512sum` writes it (`nox -s jars`)."""
PLUGINS = "connect-"
"""What the sets of the lock begin with that are plugins of Connect."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_HEAP = re.compile(r"-Xm([sx])(\d+[kKmMgG]?)")
_FAILOVER = ("broker.session.timeout.ms", "broker.heartbeat.interval.ms", "controller.quorum.request.timeout.ms")
_INSTEAD = {
    # What a setting does there, by the beginning of its name; the first that fits.
    _FAILOVER: "the failover profile: the operator keeps Kafka's own (a dead broker is noticed after 9 s)",
    ("broker.rack",): "rack.topologyKey: the zone of the node that the pod runs on",
    ("node.id", "process.roles", "controller."): "the roles and replicas of the node pools",
    ("log.dir", "metadata.log.dir"): "a persistent volume claim for each pod",
    ("listener", "advertised.", "inter.broker.listener.name"): "the listeners of the resource Kafka",
    ("ssl.", "sasl.", "security.", "authorizer.", "super.user", "password."): "the operator's own certificates, "
    "and the resources KafkaUser",
}
_SERVICES = {
    "schema-registry": "not the operator's: run it beside, then ./invoke contracts apply --registry URL",
    "postgres": "not the operator's: a database of yours; its address goes into connect/references.yaml",
    "kafka-ui": "not the operator's: run it beside if you want one",
    "kafka-rest": "a resource KafkaBridge, if you need one",
    "gateway": "your cluster's own ingress",
    "rabbitmq": "RabbitMQ's own operator",
    "prometheus": "monitoring/prometheus-rule.yaml and pod-monitor.yaml, for an installed Prometheus operator",
    "grafana": "monitoring/dashboards.yaml, for an installed Grafana",
    "loki": "your cluster's own logs",
    "log-collector": "your cluster's own logs",
}


def gather(settings: Settings, *, name: str = "") -> Backbone:
    """Return the backbone of a home, whether or not it runs. name: instead of the project's.

    Raises StackError("no-broker") if the Compose files have none, "bad-heap" for a heap that is not in KAFKA_HEAP_OPTS.
    """
    model = compose.load(settings, ["*"])
    brokers = broker_services(model)
    first = brokers[0]
    set_there = properties.settings(first.environment, "KAFKA_")
    values = {name: each.value for name, each in set_there.items()}
    wanted = topics.read(settings.root / topics.FILE)
    users = access.of_home(settings)
    own = _size(first, len(brokers), "Compose")
    backbone = Backbone(
        name=name or resource_name(model.name),
        version=version(first.image),
        settings=values,
        size=replace(own, storage=cluster.storage(wanted, values, len(brokers))),
        grace=round(first.stop_grace_period),
        topics=wanted,
        users=users,
        sources={name: each.variable for name, each in set_there.items()},
    )
    if _CONNECT not in model.services:
        return backbone
    known = connector_files.load(settings.root / connector_files.FOLDER, connector_files.SCHEMA_FILE)
    return replace(backbone, worker=_worker(model[_CONNECT], users), connectors=known)


def broker_services(model: Model) -> list[Service]:
    """Return the services that are brokers; StackError("no-broker") if there is none."""
    found = [each for each in model.services.values() if "broker" in each.environment.get("KAFKA_PROCESS_ROLES", "")]
    if not found:
        raise StackError("no-broker", "no service of the Compose files is a Kafka broker", exit_code=ExitCode.NOTHING)
    return found


def version(image: str) -> str:
    """Return the Kafka version that an image's tag names; without one, the version that this project is made for."""
    found = re.search(r":.*?(\d+\.\d+\.\d+)", image)
    return found[1] if found else properties.kafka_version()


def left_out(settings: Settings, backbone: Backbone) -> tuple[LeftOut, ...]:
    """Return what is not exported, each with what takes its place on Kubernetes."""
    return tuple(_left_out(compose.load(settings, ["*"]), backbone))


def _left_out(model: Model, backbone: Backbone) -> Iterator[LeftOut]:
    if supported(backbone.version) != backbone.version:
        known = ", ".join(METADATA_VERSIONS)
        yield LeftOut(f"Kafka {backbone.version}", f"{supported(backbone.version)}: Strimzi {STRIMZI} runs {known}")
    yield from _brokers_own(broker_services(model), backbone)
    yield from _connects_own(model, backbone)
    yield from (LeftOut(f"service {name}", instead) for name, instead in _SERVICES.items() if name in model.services)
    yield LeftOut("records, offsets, contracts", "MirrorMaker 2, or begin anew; contracts apply from git")


def _brokers_own(brokers: Sequence[Service], backbone: Backbone) -> Iterator[LeftOut]:
    for setting in sorted(filter(operators_own, backbone.settings)):
        instead = next((words for names, words in _INSTEAD.items() if setting.startswith(names)), "the operator's own")
        yield LeftOut(f"{setting}={backbone.settings[setting]}", instead)
    environment = brokers[0].environment
    yield LeftOut(f"CLUSTER_ID {environment.get('CLUSTER_ID', '')}", "an id of its own: it is a new cluster")
    if flags := environment.get("KAFKA_JVM_PERFORMANCE_OPTS"):
        yield LeftOut(f"KAFKA_JVM_PERFORMANCE_OPTS={flags}", "the operator's own collector (G1) and compiler")
    for broker in brokers:
        yield from _of_this_machine(broker, "a listener of type ingress, loadbalancer or nodeport")


def _connects_own(model: Model, backbone: Backbone) -> Iterator[LeftOut]:
    if backbone.worker:
        yield from _of_this_machine(model[_CONNECT], "a Service")
        for setting in connect.left_out(backbone.worker):
            yield LeftOut(f"Connect: {setting}={backbone.worker.settings[setting]}", connect.instead(setting))


def _of_this_machine(service: Service, port: str) -> Iterator[LeftOut]:
    """Yield the host paths and loopback ports of a service, with what takes the place of each."""
    data = service.environment.get("KAFKA_LOG_DIRS", "").split(",")
    for mount in service.mounts:
        if mount.kind == "bind":
            instead = "a persistent volume claim" if mount.target in data else "the resource itself, or a Secret"
            yield LeftOut(f"{service.name}: host path for {mount.target}", instead)
    for each in service.ports:
        if each.host_ip in _LOOPBACK:
            yield LeftOut(f"{service.name}: {each.host_ip}:{each.published}", port)


def _size(service: Service, brokers: int, source: str) -> Size:
    found: dict[str, str] = dict(_HEAP.findall(service.environment.get("KAFKA_HEAP_OPTS", "")))
    if "x" not in found:
        raise StackError(
            "bad-heap",
            f"{service.name} has no -Xmx in KAFKA_HEAP_OPTS",
            hint="set KAFKA_HEAP_OPTS=-Xms256m -Xmx512m in .env",
            exit_code=ExitCode.USAGE,
        )
    cpus = float(service.raw.get("cpus") or 1)
    memory = service.mem_limit or 2 * bytes_of(found["x"])
    return Size(brokers, 0, cpus, memory, (found.get("s", found["x"]), found["x"]), 0, source)


def bytes_of(heap: str) -> int:
    """Return the bytes of a JVM size such as 512m."""
    unit = {"k": 2**10, "m": 2**20, "g": 2**30}.get(heap[-1].lower(), 1)
    return int(heap.rstrip("kKmMgG")) * unit


def _worker(service: Service, users: Sequence[User]) -> Worker:
    file = next((mount.source for mount in service.mounts if mount.target == _WORKER_FILE), "")
    variables = {name: value for name, value in service.environment.items() if name.startswith("CONNECT_")}
    user = next((each for each in users if each.name == _CONNECT), None)
    return Worker(_properties(Path(file)), variables, _size(service, 1, "Compose"), user)


def _properties(path: Path) -> dict[str, str]:
    lines = (line.strip() for line in reading.read_text(path).splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith(("#", "!")))
    return {name.strip(): value.strip() for name, _, value in pairs}


def plugins(settings: Settings) -> tuple[connect.Plugin, ...]:
    """Return Connect's plugins as infra/artifacts.lock.json has them, with the SHA-512 of each file.

    Raises StackError("artifact-lock") for a file whose SHA-512 infra/05-messaging/connect/plugins.sha512 does not have.
    """
    lock = artifacts.read_lock(settings.root / _LOCK)
    path = settings.root / CHECKSUMS
    if not path.exists():  # a home that an earlier version made
        path = resources.files() / CHECKSUMS
    digests = {file: digest for digest, file in map(str.split, reading.read_text(path).splitlines())}
    found = {
        name: {str(item.path): digests.get(str(item.path), "") for item in items}
        for name, items in sorted(lock.sets.items())
        if name.startswith(PLUGINS)
    }
    if missing := [file for files in found.values() for file, digest in files.items() if not digest]:
        raise StackError(
            "artifact-lock",
            f"{CHECKSUMS.name} has no SHA-512 of {', '.join(missing)}",
            hint=".nox/dev/bin/nox -s jars",
            exit_code=ExitCode.USAGE,
        )
    return tuple(connect.Plugin(name, files) for name, files in found.items())
