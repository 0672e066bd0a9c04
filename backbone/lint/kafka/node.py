"""One Kafka node: which service runs one, its roles, listeners, voters and settings.

What an image sets by itself lies under what the environment says (ADR 0078); where a value is written, the node knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from backbone import addresses
from backbone.lint.kafka import command_line, image_defaults, properties
from backbone.lint.kafka.images import APACHE, BITNAMI, CONFLUENT, Image, parse_image
from backbone.lint.kafka.properties import Setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.addresses import Listener, Voter
    from backbone.lint.project import Service
    from backbone.source.span import Span

PROTOCOLS = frozenset({"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"})
"""The security protocols that Kafka has."""

BROKER = "broker"

CONTROLLER = "controller"

_MARKERS = frozenset(
    {"process.roles", "node.id", "broker.id", "advertised.listeners", "listeners", "zookeeper.connect",
     "controller.quorum.voters", "controller.quorum.bootstrap.servers"}
)  # fmt: skip
"""Properties that only a node sets."""


_SERVER_HTTP_PORT = 8090
"""Where Confluent Server answers HTTP (REST Proxy and the metadata service inside) when nothing is said."""

_LOCAL = "confluentinc/confluent-local"
_WURSTMEISTER = "wurstmeister/kafka"
"""Lays its variables over Kafka's own file, for ZooKeeper (start-kafka.sh)."""

_REST_PORT = 8082
"""Where the REST Proxy inside confluent-local answers."""

_MOUNTED_CONFIG = re.compile(
    # A file of properties, a folder of configuration, or the start script itself.
    r".*\.properties|/mnt/shared/config(/.*)?|.*/kafka/conf(ig)?(/.*)?|/etc/kafka|/etc/(kafka|confluent)/docker(/.*)?"
)

_CONFIGURES = re.compile(r"\bKAFKA_\w+=|\.properties\b|\bsed\b|(?<!kafka-server-start)(?<!start-kafka)\.sh\b")
"""A command line that gives the server more than its environment says."""

_IDLE = re.compile(r"\bsleep\b|\btail\s+-f|/dev/null")

_LOG_DIRS = {APACHE: "/tmp/kafka-logs", CONFLUENT: "/var/lib/kafka/data", BITNAMI: "/bitnami/kafka/data"}  # noqa: S108

_SERVER_START = re.compile(r"kafka-server-start|docker/run\b|kafka\.Kafka\b|docker/launch|start-kafka|kafka-run\b")

_TOOLS = re.compile(
    r"kafka-(topics|configs|acls|console|leader|metadata|features|storage|broker-api)|\b(cub|kcat)\b"
    r"|connect-(mirror-maker|distributed|standalone)"
)


@dataclass(frozen=True, eq=False)
class Node:
    """One Kafka node: a broker, a controller, or both."""

    service: Service
    image: Image
    vendor: str
    prefix: str
    settings: Mapping[str, Setting]
    complete: bool
    """False when a mounted file or an unknown image may hold more: nothing is said of what is absent."""
    by_flags: bool = False
    """Whether it is started by Kafka's own script and file, so that no variable but only a flag sets a property."""

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name

    def get(self, name: str, default: str = "") -> str:
        """Return a property as text."""
        setting = self.settings.get(name)
        return setting.value.strip() if setting else default

    def number(self, name: str) -> int | None:
        """Return a property as a number: Kafka's own default when unset, None when it is not a number."""
        default = properties.known("broker", self.image.kafka_version).get(name, ("", ""))[1]
        text = self.get(name, default)
        return int(text) if re.fullmatch(r"-?\d+", text) else None

    def is_set(self, name: str) -> bool:
        """Whether the project's files set a property (an image's default does not count)."""
        setting = self.settings.get(name)
        return bool(setting and (setting.variable or setting.path))

    def where(self, name: str, part: str = "") -> Span:
        """Return where a property's value, or a part of it, is written; the service's key if nowhere."""
        setting = self.settings.get(name)
        if setting is None or not (setting.variable or setting.path):
            return self.service.span
        if setting.path and setting.path == setting.flag:
            part = part or f"{name}={setting.value}"
        return self.service.where(*(setting.path or ("environment", setting.variable)), part=part)

    def variable(self, name: str) -> str:
        """Return the variable that sets a property, or would set it; the flag where that is one."""
        setting = self.settings.get(name)
        if setting and (setting.variable or setting.path[:1] == ("environment",)):
            return setting.variable or str(setting.path[1])
        flag = self.by_flags or (setting is not None and setting.flag)
        return f"--override {name}" if flag else properties.variable_name(name, self.prefix)

    def told(self, name: str, value: object) -> str:
        """Return what gives a property a value, as a person writes it."""
        variable = self.variable(name)
        if variable.startswith("--"):
            return f"{variable}={value}"
        return f'{variable}: "{value}"' if value in ("true", "false") else f"{variable}: {value}"

    def key(self, setting: Setting) -> Span:
        """Return where a property is named that the project's files set: its variable, or its flag."""
        if setting.flag:
            return self.service.where(*setting.flag, part=setting.name)
        return self.service.key("environment", setting.variable)

    @cached_property
    def roles(self) -> frozenset[str]:
        """BROKER, CONTROLLER, both; empty for a node of the ZooKeeper style."""
        return frozenset(role.lower() for role in addresses.entries(self.get("process.roles")))

    @property
    def is_controller(self) -> bool:
        """Whether it votes on metadata."""
        return CONTROLLER in self.roles

    @property
    def is_broker(self) -> bool:
        """Whether it holds data; a node without roles is a broker of the ZooKeeper style."""
        return BROKER in self.roles or not self.roles

    @property
    def id_property(self) -> str:
        """The property that holds the node's id: node.id, or broker.id of the ZooKeeper style."""
        return "broker.id" if "node.id" not in self.settings and "broker.id" in self.settings else "node.id"

    @cached_property
    def id(self) -> int | None:
        """The node id, None when it is missing or not a number."""
        text = self.get(self.id_property)
        return int(text) if re.fullmatch(r"-?\d+", text) else None

    @cached_property
    def listeners(self) -> tuple[Listener, ...]:
        """What the node listens on, by the image's rules when `listeners` is not set."""
        if text := self.get("listeners"):
            return addresses.parse_listeners(text)
        if self.vendor == CONFLUENT and self.is_broker:
            # Confluent's start script takes the advertised names and ports and listens on every address.
            return tuple(
                addresses.Listener(entry.name, "0.0.0.0", entry.port, entry.text)  # noqa: S104 - what the image does
                for entry in addresses.parse_listeners(self.get("advertised.listeners"))
            )
        return addresses.parse_listeners("PLAINTEXT://:9092") if self.complete else ()

    @cached_property
    def advertised(self) -> tuple[Listener, ...]:
        """What the node tells clients to use; its listeners when `advertised.listeners` is not set."""
        if text := self.get("advertised.listeners"):
            return addresses.parse_listeners(text)
        return tuple(entry for entry in self.listeners if entry.name not in self.controller_names)

    @property
    def advertised_property(self) -> str:
        """The property the advertised addresses come from."""
        return "advertised.listeners" if self.get("advertised.listeners") else "listeners"

    def listener(self, name: str) -> Listener | None:
        """Return the listener of a name."""
        return next((entry for entry in self.listeners if entry.name == name), None)

    @cached_property
    def controller_names(self) -> tuple[str, ...]:
        """Names of the controller listeners, in upper case."""
        return tuple(name.upper() for name in addresses.entries(self.get("controller.listener.names")))

    @cached_property
    def client_listeners(self) -> tuple[Listener, ...]:
        """The listeners that brokers and clients use."""
        return tuple(entry for entry in self.listeners if entry.name not in self.controller_names)

    @cached_property
    def protocols(self) -> Mapping[str, str]:
        """Listener name → security protocol, as written; empty when the map is not set."""
        return addresses.parse_protocol_map(self.get("listener.security.protocol.map"))

    def protocol(self, name: str) -> str:
        """Return the security protocol of a listener, "" if the node does not say.

        Without a map a name is a protocol, and the controllers' listener speaks PLAINTEXT.
        """
        if self.protocols:
            return self.protocols.get(name, "")
        return name if name in PROTOCOLS else "PLAINTEXT" if name in self.controller_names else ""

    def of_listener(self, name: str, prop: str, default: str = "") -> str:
        """Return a property as it counts for one listener (KIP-103)."""
        return self.get(f"listener.name.{name.lower()}.{prop}") or self.get(prop, default)

    @cached_property
    def inter_broker_name(self) -> str:
        """The listener brokers use among themselves; by default the one named like the security protocol."""
        name = self.get("inter.broker.listener.name") or self.get("security.inter.broker.protocol", "PLAINTEXT")
        return name.upper()

    @cached_property
    def voters(self) -> tuple[Voter, ...]:
        """The static quorum; empty for a dynamic one."""
        return addresses.parse_voters(self.get("controller.quorum.voters"))

    @cached_property
    def other_ports(self) -> frozenset[int]:
        """Numbers that may be ports beside its listeners: JMX, agents, HTTP servers inside, whatever its words name."""
        told = {
            variable: value
            for variable, value in self.service.environment.items()
            if not variable.endswith(("LISTENERS", "VOTERS", "QUORUM_BOOTSTRAP_SERVERS"))
            or "HTTP" in variable
            or "METADATA_SERVER" in variable
            or "REST" in variable
        }
        words = [*told.values(), *self.service.entrypoint, *self.service.command]
        found = {int(number) for word in words for number in re.findall(r"(?<![\d.])\d{2,5}(?![\d.])", word)}
        embedded = {_SERVER_HTTP_PORT} if self.vendor == CONFLUENT and "server" in self.image.name else set()
        embedded |= {_REST_PORT} if self.image.repository == _LOCAL else set()
        return frozenset(found | embedded)

    @cached_property
    def log_dirs(self) -> tuple[str, ...]:
        """Where it keeps its data inside the container."""
        text = self.get("log.dirs") or self.get("log.dir") or _LOG_DIRS.get(self.vendor, "")
        return tuple(entry.rstrip("/") for entry in addresses.entries(text))

    @cached_property
    def cluster_id(self) -> str:
        """The KRaft cluster id of its environment, "" when none is given."""
        environment = self.service.environment
        names = ("CLUSTER_ID", "KAFKA_CLUSTER_ID", "KAFKA_KRAFT_CLUSTER_ID")
        return next((environment[name] for name in names if environment.get(name)), "")

    def older_than(self, major: int, minor: int) -> bool:
        """Whether the image's Kafka is known to be older than a version."""
        version = self.image.kafka_version
        return version is not None and version < (major, minor)


def node_of(service: Service) -> Node | None:
    """Return the Kafka node that a service runs, None if it runs something else."""
    image = parse_image(service.image)
    vendor = image.vendor or _vendor_of_a_copy(service, image)
    prefix = "KAFKA_CFG_" if vendor == BITNAMI else "KAFKA_"
    mounted = any(_MOUNTED_CONFIG.fullmatch(target.rstrip("/")) for target in service.mounted)
    released = None if mounted else command_line.released_file(service, image)
    found = properties.settings(service.environment, prefix) if released is None else {}
    if vendor == BITNAMI:
        found |= _by_old_names(service)
    flags, unknown = command_line.overrides(service)
    found |= flags
    if image.is_connect or not _runs_server(service) or not (vendor or released or _MARKERS & found.keys()):
        return None
    defaults = {} if mounted else released or _defaults(service, image, vendor, bool(found))
    if not _MARKERS & (found.keys() | defaults.keys()) and not mounted:
        return None
    settings = {name: Setting(name, value) for name, value in defaults.items() if name not in unknown} | found
    # A mounted file or a longer command may say more, and an image nobody knows may have defaults of its own, unless
    # it is told everything a node needs.
    mode = "zookeeper.connect" if image.repository == _WURSTMEISTER else "process.roles"
    told = {mode, "listeners"} <= found.keys()
    unsure = (
        vendor == BITNAMI
        and not told
        and image_defaults.BITNAMI_CHANGED[0] <= (image.kafka_version or (0, 0)) < image_defaults.BITNAMI_CHANGED[1]
    )
    configured = bool(unknown) or (released is None and bool(_CONFIGURES.search(_command_line(service))))
    complete = not (mounted or unsure or configured) and bool(vendor or told or released)
    return Node(service, image, vendor, prefix, settings, complete, by_flags=released is not None)


def _by_old_names(service: Service) -> dict[str, Setting]:
    """Return what Bitnami's start script takes from variables without CFG, which win over those with it."""
    names = {
        f"KAFKA_{suffix}": f"KAFKA_{suffix}" for suffix in image_defaults.BITNAMI_OLD_NAMES
    } | image_defaults.BITNAMI_OTHER_NAMES
    environment = {meant: service.environment[name] for name, meant in names.items() if name in service.environment}
    variables = {meant: name for name, meant in names.items() if name in service.environment}
    found = properties.settings(environment, "KAFKA_")
    return {name: replace(setting, variable=variables[setting.variable]) for name, setting in found.items()}


def _defaults(service: Service, image: Image, vendor: str, configured: bool) -> Mapping[str, str]:
    """Return the properties that an image's own configuration holds before the environment's are laid over it."""
    if image.repository == _LOCAL:
        return image_defaults.CONFLUENT_LOCAL
    if vendor == BITNAMI or image.repository == _WURSTMEISTER:
        return image_defaults.DEVELOPMENT_FACTORS
    own = vendor == APACHE and not configured and not _command_line(service)
    return image_defaults.APACHE_IMAGE if own else {}


def _vendor_of_a_copy(service: Service, image: Image) -> str:
    """Return whose start script an image runs that is a mirror of a known one, or built on it."""
    if image.derives_from_confluent:
        return CONFLUENT
    if any(variable.startswith("KAFKA_CFG_") for variable in service.environment):
        return BITNAMI
    known = {"KAFKA_PROCESS_ROLES", "KAFKA_NODE_ID"} & service.environment.keys()
    return APACHE if image.name == "kafka" and not image.is_of_another_family and known else ""


def _command_line(service: Service) -> str:
    return " ".join((*service.entrypoint, *service.command))


def _runs_server(service: Service) -> bool:
    """Whether the container starts a server: an image's own command does, a script of tools does not."""
    words = _command_line(service)
    return bool(not words or _SERVER_START.search(words) or not (_TOOLS.search(words) or _IDLE.search(words)))
