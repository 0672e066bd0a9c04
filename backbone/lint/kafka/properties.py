"""Kafka's properties and how the images read them from the environment.

KAFKA_LOG_DIRS becomes `log.dirs`: the prefix goes, `_` is a dot, `__` an underscore and `___` a dash; names
are in lower case (the rule of apache/kafka's KafkaDockerWrapper and of Confluent's images). The list of
properties is schemas/kafka-properties.json, written by `nox -s kafka-properties` from Kafka's own classes.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from backbone import resources

if TYPE_CHECKING:
    from collections.abc import Mapping

_DATA_FILE = resources.schema("kafka-properties.json")

NOT_PROPERTIES = re.compile(
    # Read by the start scripts and the JVM (bin/kafka-run-class.sh), by the images, or by their log
    # templates.
    r"KAFKA_(VERSION|HEAP_OPTS|OPTS|JMX_\w+|JVM_PERFORMANCE_OPTS|GC_LOG_OPTS|DEBUG|LOG4J_\w+|TOOLS_LOG4J_\w+|HOME"
    r"|MODE|CLUSTER_ID|ADVERTISED_HOST_NAME|ADVERTISED_PORT|CLUSTERS_\w+|REST_\w+|EXTRA_ARGS|SSL_\w+_FILENAME"
    r"|SSL_\w+_CREDENTIALS|ENABLE_KRAFT|KRAFT_\w+|CREATE_TOPICS|LOG4J2_\w+|IMAGE|TAG|PORT|HOST|DATA_DIR)"
    r"|CONNECT_(LOG4J_\w+|CUB_\w+|KAFKA_\w*OPTS|HEAP_OPTS|JMX_\w+|REST_PORT|CLUSTER_ID)"
)
"""Variables with the prefix of properties that are none."""

OPEN_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "broker": (
        "listener.name.",
        "config.providers.",
        "rsm.config.",
        "rlmm.config.",
        "metrics.context.",
        "authorizer.",
        "client.quota.callback.",
    ),
    "connect": (
        "key.converter.",
        "value.converter.",
        "header.converter.",
        "internal.key.converter",
        "internal.value.converter",
        "admin.listeners.",
        "listeners.https.",
        "config.providers.",
        "metrics.context.",
        "config.storage.",
        "offset.storage.",
        "status.storage.",
        "topic.creation.",
    ),
}
"""Names under these belong to plugins, listeners or topics, so Kafka's list does not hold them."""

CONFLUENT_PREFIXES = (
    # Parts that Confluent Server and its Connect image carry inside: REST Proxy, the metadata service (MDS) with its
    # LDAP and OAuth logins, role-based access, cluster links. None of these begins a property of Kafka's own.
    "confluent.",
    "kafka.rest.",
    "oauthbearer.",
    "ldap.",
    "rest.servlet.",
    "public.key.",
    "token.",
    "schema.registry.",
    "control.center.",
    "multitenant.",
)

EXTRA: Mapping[str, frozenset[str]] = {
    # Known to Kafka without documentation, or to a class it ships (StandardAuthorizer, FileConfigProvider).
    "broker": frozenset(
        {
            "super.users",
            "allow.everyone.if.no.acl.found",
            "unstable.api.versions.enable",
            "unstable.feature.versions.enable",
        }
    ),
    "connect": frozenset({"offset.storage.file.filename"}),
}

REMOVED_IN_4 = re.compile(
    # What KafkaConfig and DistributedConfig of 3.9.1 print and those of 4.3.1 do not.
    r"zookeeper\..+|password\.encoder\..+|auto\.include\.jmx\.reporter|broker\.id\.generation\.enable"
    r"|control\.plane\.listener\.name|controlled\.shutdown\.(max\.retries|retry\.backoff\.ms)"
    r"|delegation\.token\.master\.key|eligible\.leader\.replicas\.enable|group\.share\.max\.groups"
    r"|inter\.broker\.protocol\.version|leader\.imbalance\.per\.broker\.percentage"
    r"|log\.message\.(downconversion\.enable|format\.version|timestamp\.difference\.max\.ms)"
    r"|offsets\.commit\.required\.acks|reserved\.broker\.max\.id"
)
"""Properties of Kafka 3 that Kafka 4 reads past."""

REMOVED_IN_3 = re.compile(r"rest\.(host\.name|port)|internal\.(key|value)\.converter(\..+)?")
"""Properties of a Connect worker of Kafka 2 (KIP-174, KIP-208)."""

_CLIENT_FAMILIES = {"producer.": "producer", "consumer.": "consumer", "admin.": "admin"}
_NEAR = 0.84
_MEANT = {
    # Far from what was meant by its letters: Connect's HTTP server has `listeners`; the other two ended with Kafka 2.
    ("connect", name): "listeners"
    for name in ("rest.listeners", "rest.listener", "rest.host.name")
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One property of a service and the variable that sets it; variable is "" for an image's own default."""

    name: str
    value: str
    variable: str = ""
    path: tuple[str | int, ...] = ()
    """Where in the service its value is written, when that is not `variable`: a flag among the words of the command, or
    the variable that a shell puts there."""
    flag: tuple[str | int, ...] = ()
    """The word with the `--override` that sets it."""


Release: TypeAlias = "tuple[int, int] | None"
"""Kafka's major and minor version; None where nobody says which it is: then everything counts that any has."""


@functools.cache
def known(family: str, release: Release = None) -> Mapping[str, tuple[str, str]]:
    """Return name → (type, default) of a family in a release: broker, connect, producer, consumer, admin."""
    found = {name: (kind, default) for name, (kind, default, *_) in _data()[family].items()}
    for version, families in _later().items():
        if release is None or release >= _release(version):
            change = families.get(family, {})
            found |= {name: (kind, default) for name, (kind, default, *_) in change.get("set", {}).items()}
            found = {name: value for name, value in found.items() if name not in change.get("gone", ())}
    return found


def since(name: str, family: str) -> str:
    """Return the first version that has a property which the oldest known one has not, "" if none has it."""
    return next((version for version, each in _later().items() if name in each.get(family, {}).get("set", {})), "")


def of_topics() -> list[str]:
    """Return the properties that a topic may have in any version."""
    return list(known("topic"))


def kafka_version(release: Release = None) -> str:
    """Return the Kafka version by whose properties a release is judged; without one that of the stack's own tools."""
    fitting = [version for version in _later() if release and release >= _release(version)]
    return [str(_data()["kafka_version"]), *fitting][-1]


def _release(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


@functools.cache
def _data() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_DATA_FILE.read_text(encoding="utf-8"))
    return document


def _later() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Return later versions, oldest first: version → family → `set` (new, or of another default) and `gone`."""
    later: dict[str, dict[str, dict[str, Any]]] = _data()["later"]
    return later


def property_name(variable: str, prefix: str) -> str:
    """Return the property that a variable sets: KAFKA_MIN_INSYNC_REPLICAS is min.insync.replicas."""
    body = variable.removeprefix(prefix).lower()
    return re.sub(r"_{1,3}", lambda run: {1: ".", 2: "_", 3: "-"}[len(run[0])], body)


def variable_name(name: str, prefix: str) -> str:
    """Return the variable that sets a property, the inverse of `property_name`."""
    dashed = name.replace("_", "__").replace("-", "___").replace(".", "_")
    return prefix + dashed.upper()


def settings(environment: Mapping[str, str], prefix: str) -> dict[str, Setting]:
    """Return the properties that an environment sets, by their name."""
    found = {}
    for variable, value in environment.items():
        if variable.startswith(prefix) and not NOT_PROPERTIES.fullmatch(variable):
            name = property_name(variable, prefix)
            found[name] = Setting(name, unquoted(value), variable)
    return found


def unquoted(value: str) -> str:
    """Return a value without the quotes that a list entry NAME="…" leaves in it: KC010 says so, once."""
    words = value.strip()
    return words[1:-1] if len(words) > 1 and words[0] == words[-1] and words[0] in "\"'" else value


def is_known(name: str, family: str, *, confluent: bool = False, release: Release = None) -> bool:
    """Say whether a family has this property, or hands names like it to a plugin or a listener.

    confluent: the image is Confluent's, which has properties of its own.
    """
    if release and since(name, family) and name not in known(family, release):
        return False
    own = CONFLUENT_PREFIXES if confluent else CONFLUENT_PREFIXES[:1]
    if name in known(family) or name in EXTRA.get(family, ()) or name.startswith(own):
        return True
    for prefix, clients in _CLIENT_FAMILIES.items():
        if family == "connect" and name.startswith(prefix):
            return is_known(name.removeprefix(prefix), clients) or not suggestion(name, family)
    return name.startswith(OPEN_PREFIXES.get(family, ())) and not suggestion(name, family)


@functools.cache
def suggestion(name: str, family: str) -> str:
    """Return the property somebody probably meant, "" if none is near."""
    if meant := _MEANT.get((family, name)):
        return meant
    candidates = [*known(family), *EXTRA.get(family, ())]
    if family == "connect":
        candidates += [
            p + key for p, clients in _CLIENT_FAMILIES.items() if name.startswith(p) for key in known(clients)
        ]
    near = difflib.get_close_matches(name, candidates, n=1, cutoff=_NEAR)
    return near[0] if near else ""
