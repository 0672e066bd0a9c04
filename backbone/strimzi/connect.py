"""Kafka Connect as KafkaConnect and KafkaConnector, and connectors back.

What a worker reads from its environment and from secrets/ is a ConfigMap and a Secret there. The ConfigMap is written
with this stack's values, to be filled in; the Secret is only referred to: no password is in any exported file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError
from backbone.events.connectors.files import FOLDER, Connector
from backbone.strimzi.cluster import METRICS, METRICS_KEY, PLAIN_PORT, SCRAM_PORT, TLS_PORT, resources
from backbone.strimzi.manifest import Manifest, Steps, typed, untyped
from backbone.strimzi.model import NAME, Backbone, User, Worker, supported, workers_own
from backbone.strimzi.topics import API, CLUSTER_LABEL, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


WORKER_NAME = "kafka-connect"
REFERENCES = "connect-references"
SECRETS = "connect-secrets"
DOC = "messaging-backbone/doc"
"""The annotation that keeps what a connector is for."""
FILL_IN = "example.com"
"""What an address ends with that only the team can know (RFC 2606)."""

_MAVEN = f"https://maven.{FILL_IN}"
"""The Maven repository that the operator's build may download plugins from."""
_LOCAL_SECRET, _MOUNTED_SECRET = "${secrets:secrets:", "${secrets:/mnt/secrets:"
_OWN_PLUGIN = "backbone.connect."
_TOPICS = ("config.storage.topic", "offset.storage.topic", "status.storage.topic")
_VARIABLE = re.compile(r"\$\{env:(\w+)\}")
_LEFT = ("plugin.discovery",)
_SECRETS_PROVIDER = "config.providers.secrets."
_PROVIDER_THERE = {
    # This stack's own class is in its image alone; Kafka's does the same for one folder (KIP-993).
    f"{_SECRETS_PROVIDER}class": "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
    f"{_SECRETS_PROVIDER}param.allowed.paths": "/mnt/secrets",
}
_CLIENTS_LOGIN = re.compile(r"(?:producer|consumer|admin)\.(?:ssl|sasl|security)\.")
"""How the worker's clients log in: the operator gives them what spec.tls and spec.authentication say."""
_IN_SPEC = ("connector.class", "tasks.max", "name")


@dataclass(frozen=True, slots=True)
class Plugin:
    """One of the worker's plugins. files: path in a Maven repository → SHA-512, which the operator's build checks."""

    name: str
    files: Mapping[str, str]


def manifests(backbone: Backbone, plugins: Sequence[Plugin]) -> Iterator[Manifest]:
    """Yield Connect's resources; nothing without a worker.

    plugins: what the operator builds into the worker's image.
    """
    if backbone.worker is None:
        return
    yield _worker(backbone, backbone.worker, plugins)
    if variables := _variables(backbone):
        yield Manifest(
            "connect/references.yaml",
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": metadata(REFERENCES, backbone.name),
                "data": variables,
            },
            {
                (): "FILL IN: where registry and database are; the operator brings neither. These are this stack's.\n"
                "Connectors read them as ${env:NAME}."
            },
        )
    for connector in backbone.connectors:
        yield _connector(connector)


def left_out(worker: Worker) -> list[str]:
    """Return the worker's settings that are not exported: the operator makes them, or they only matter here."""
    return sorted(name for name in worker.settings if (workers_own(name) and name not in _taken()) or _ours(name))


def instead(setting: str) -> str:
    """Return what takes the place of a setting that is left out."""
    if setting.startswith(_SECRETS_PROVIDER):
        return "Kafka's DirectoryConfigProvider, for /mnt/secrets alone"
    if _CLIENTS_LOGIN.match(setting):
        return "tls and authentication of the resource KafkaConnect"
    return "not needed there" if setting in _LEFT else "the operator's own"


def _ours(name: str) -> bool:
    """Tell whether a setting is about this stack's own image, or files that only it has."""
    return name in _LEFT or name.startswith(_SECRETS_PROVIDER) or bool(_CLIENTS_LOGIN.match(name))


def _taken() -> tuple[str, ...]:
    return ("group.id", *_TOPICS, "bootstrap.servers")


def _variables(backbone: Backbone) -> dict[str, str]:
    """Return what the connectors read from the worker's environment."""
    texts = [value for connector in backbone.connectors for value in connector.config.values()]
    used = {name for value in texts for name in _VARIABLE.findall(value)}
    known = backbone.worker.variables if backbone.worker else {}
    return {name: known.get(name, "") for name in sorted(used)}


def _secret(backbone: Backbone) -> bool:
    return any(_LOCAL_SECRET in value for each in backbone.connectors for value in each.config.values())


def _worker(backbone: Backbone, worker: Worker, plugins: Sequence[Plugin]) -> Manifest:
    settings = worker.settings
    config = {
        name: typed(value)
        for name, value in sorted(settings.items())
        if not workers_own(name) and not _ours(name) and "${env:" not in value
    }
    if "secrets" in settings.get("config.providers", ""):
        config |= _PROVIDER_THERE
    spec: dict[str, Any] = {
        "version": supported(backbone.version),
        "replicas": worker.size.brokers,
        "bootstrapServers": f"{backbone.name}-kafka-bootstrap:{_port(worker.user)}",
        "groupId": settings["group.id"],
        "configStorageTopic": settings["config.storage.topic"],
        "offsetStorageTopic": settings["offset.storage.topic"],
        "statusStorageTopic": settings["status.storage.topic"],
        "config": config,
        "resources": resources(worker.size),
        "jvmOptions": {"-Xms": worker.size.heap[0], "-Xmx": worker.size.heap[1]},
        "metricsConfig": {
            "type": "jmxPrometheusExporter",
            "valueFrom": {"configMapKeyRef": {"name": METRICS, "key": METRICS_KEY}},
        },
        "template": {"podDisruptionBudget": {"maxUnavailable": 1}, **_surroundings(backbone)},
        "build": {
            "output": {"type": "docker", "image": f"registry.{FILL_IN}/backbone-connect:{supported(backbone.version)}"},
            "plugins": _plugins(backbone, plugins),
        },
    }
    if worker.user:
        spec |= _signed_in(backbone.name, worker.user)
    notes: dict[Steps, str] = {
        (): "The worker: infra/05-messaging/connect/connect-distributed.properties and its Compose block.",
        ("spec", "replicas"): "one, as in the stack; two or more keep connectors running while a node is away",
        ("spec", "resources"): "mem_limit and cpus of kafka-connect",
        ("spec", "jvmOptions"): "KAFKA_HEAP_OPTS of kafka-connect",
        ("spec", "build", "output", "image"): "FILL IN: where the operator may push the image that it builds",
        ("spec", "build", "plugins"): "The stack's own plugins (infra/artifacts.lock.json), each file by its SHA-512.",
    }
    for number, plugin in enumerate(spec["build"]["plugins"]):
        for place, artifact in enumerate(plugin["artifacts"]):
            if FILL_IN in artifact["url"]:
                notes["spec", "build", "plugins", number, "artifacts", place, "url"] = (
                    "FILL IN: where you put archive-sink.jar; add its sha512sum (README.md)"
                )
    annotations = {"strimzi.io/use-connector-resources": "true"}
    head = metadata(WORKER_NAME, annotations=annotations)
    return Manifest(
        "connect/kafka-connect.yaml",
        {"apiVersion": API, "kind": "KafkaConnect", "metadata": head, "spec": spec},
        notes,
    )


def _port(user: User | None) -> int:
    if user is None:
        return PLAIN_PORT
    return SCRAM_PORT if user.authentication == "scram-sha-512" else TLS_PORT


def _signed_in(cluster: str, user: User) -> dict[str, Any]:
    """Return how the worker proves to the brokers who it is, and how it knows them."""
    trusted = {"trustedCertificates": [{"secretName": f"{cluster}-cluster-ca-cert", "pattern": "*.crt"}]}
    if user.authentication == "tls":
        pair = {"secretName": user.name, "certificate": "user.crt", "key": "user.key"}
        return {"tls": trusted, "authentication": {"type": "tls", "certificateAndKey": pair}}
    password = {"secretName": user.name, "password": "password"}
    scram = {"type": "scram-sha-512", "username": user.name, "passwordSecret": password}
    return {"tls": trusted, "authentication": scram}


def _surroundings(backbone: Backbone) -> dict[str, Any]:
    """Return the variables and the secret that the connectors read."""
    container: dict[str, Any] = {}
    pod: dict[str, Any] = {}
    if variables := _variables(backbone):
        container["env"] = [
            {"name": name, "valueFrom": {"configMapKeyRef": {"name": REFERENCES, "key": name}}} for name in variables
        ]
    if _secret(backbone):
        container["volumeMounts"] = [{"name": SECRETS, "mountPath": "/mnt/secrets", "readOnly": True}]
        pod["volumes"] = [{"name": SECRETS, "secret": {"secretName": SECRETS}}]
    found = {"pod": pod, "connectContainer": container}
    return {name: body for name, body in found.items() if body}


def _plugins(backbone: Backbone, plugins: Sequence[Plugin]) -> list[dict[str, Any]]:
    own = any(each.config.get("connector.class", "").startswith(_OWN_PLUGIN) for each in backbone.connectors)
    found = []
    for plugin in plugins:
        files = [
            {"type": "tgz" if path.endswith(".tar.gz") else "jar", "url": f"{_MAVEN}/{path}", "sha512sum": digest}
            for path, digest in plugin.files.items()
        ]
        if own and plugin.name == "connect-jdbc":  # the sink extends Debezium's: one folder is one class loader
            files.append({"type": "jar", "url": f"https://artifacts.{FILL_IN}/archive-sink.jar"})
        found.append({"name": plugin.name, "artifacts": files})
    return found


def _connector(connector: Connector) -> Manifest:
    if not NAME.fullmatch(connector.name):
        raise StackError(
            "connector-name",
            f"Kubernetes takes no resource called {connector.name!r}, and a connector is called like its resource",
            hint=f"rename {FOLDER / connector.name}.yml: a-z, 0-9 and - only",
            exit_code=ExitCode.USAGE,
        )
    config = connector.config
    spec: dict[str, Any] = {
        "class": config["connector.class"],
        "tasksMax": int(config.get("tasks.max", "1")),
        "config": {
            name: typed(value.replace(_LOCAL_SECRET, _MOUNTED_SECRET))
            for name, value in config.items()
            if name not in _IN_SPEC
        },
    }
    if connector.optional:
        spec["state"] = "stopped"
    head = metadata(connector.name, annotations={DOC: connector.doc}) | {"labels": {CLUSTER_LABEL: WORKER_NAME}}
    notes: dict[Steps, str] = {(): f"From {FOLDER / connector.name}.yml."}
    if connector.optional:
        notes["spec", "state"] = "a recipe (optional: true); running starts it"
    body = {"apiVersion": API, "kind": "KafkaConnector", "metadata": head, "spec": spec}
    return Manifest(f"connect/connectors/{connector.name}.yaml", body, notes)


def connector(manifest: Manifest) -> Connector:
    """Return the connector of a KafkaConnector."""
    spec: Mapping[str, Any] = manifest.body.get("spec") or {}
    notes = manifest.get("metadata", "annotations") or {}
    config = {
        "connector.class": str(spec.get("class", "")),
        "tasks.max": untyped(spec.get("tasksMax", 1)),
        **{
            name: untyped(value).replace(_MOUNTED_SECRET, _LOCAL_SECRET)
            for name, value in (spec.get("config") or {}).items()
        },
    }
    doc = str(notes.get(DOC, f"Read from the KafkaConnector {manifest.name}."))
    return Connector(manifest.name, doc, spec.get("state") == "stopped", config)
