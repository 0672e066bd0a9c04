"""The services around a cluster: what they bootstrap to, and the copies they ask for.

Connect, Schema Registry (Confluent, Apicurio), REST proxies, user interfaces, exporters, stream processors
and init scripts name their brokers in environment variables, in arguments or in text that holds
configuration.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from backbone import addresses
from backbone.lint.kafka import clusters, network, properties, speakers
from backbone.lint.kafka.images import parse_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from backbone.addresses import Endpoint, Listener
    from backbone.lint.kafka.clusters import Cluster
    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Project, Service
    from backbone.source.span import Span

    Path = tuple[str | int, ...]

_BOOTSTRAP_VARIABLE = re.compile(
    # BOOTSTRAP_SERVERS of Connect, registries, REST proxies; kafbat's KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS;
    # Kafdrop's KAFKA_BROKERCONNECT; KAFKA_BROKERS of consoles and applications.
    r"(.*_)?(BOOTSTRAP_?SERVERS?|BROKER_?CONNECT|KAFKA_BROKERS?|BROKER_LIST|KAFKA_BROKER_LIST"
    r"|KAFKA_(URL|SERVERS?|HOSTS|(SERVICE_)?ADDR(ESS(ES)?)?))|(DEFAULT_)?BROKERS",
    re.IGNORECASE,
)
_LIST = r"(?P<list>[A-Za-z0-9_.\-\[\]:/]+:\d+(?:\s*,\s*[A-Za-z0-9_.\-\[\]:/]+:\d+)*)"
_BOOTSTRAP_TEXT = re.compile(
    r"(?:--bootstrap-servers?|--broker-list|--kafka\.server|--(?:kafka[\w.-]*[.-])?brokers?"
    r"|(?:kafka_|metadata\.)broker[._]list[\"']?|(?i:bootstrap[._-]?servers?)[\"']?)\s*(?:=>|[=:\s])\s*[\"'\[]*" + _LIST
)
_SHORT_FLAG_TEXT = re.compile(r"\b(?:kcat|kafkacat|cub\s+kafka-ready)\b[^\n;|&]*?\s-b\s*[\"']?" + _LIST)
_LISTED_TEXT = re.compile(
    # brokers: ["a:9092", "b:9092"], seed_brokers: [...], a block of `- a:9092`, and brokers = ["a:9092"] of TOML.
    r"\b(?:seed_?)?(?:kafka_?)?(?:brokers?|addresses|bootstrap[._-]?servers)[\"']?\s*[:=]\s*"
    r"(?P<words>\[[^\[\]]*\]|(?:\n\s*-\s+[\"']?[\w.-]+:\d+[\"']?[ \t]*(?=\n|$))+)",
    re.IGNORECASE,
)
_ADDRESS_TEXT = re.compile(r"(?<![\w.:/-])[A-Za-z][\w.-]*:\d+(?![\w.:-])")
_QUORUM = re.compile(r"\w*CONTROLLER_QUORUM_BOOTSTRAP_SERVERS")
_NO_BOOTSTRAP = re.compile(r"JMX|DEBUG|ZOOKEEPER|LISTENERS|VOTERS|METRICS_(URL|ADDR)|EXPORTER", re.IGNORECASE)
_WAITS = re.compile(r"WAIT|PRECONDITION|DEPEND|TARGETS|CHECK|PROBE|HOSTPORT", re.IGNORECASE)
_WAIT_TEXT = re.compile(
    # What waits until a port is open: bash itself, nc, and the usual scripts.
    r"(?P<text>/dev/tcp/(?P<host>[\w.-]+)/(?P<port>\d+)"
    r"|(?:(?<=\bnc\s)|(?<=\bncat\s)|(?<=\bnc\s-z\s)|(?<=\bnc\s-vz\s)|(?<=\bnc\s-zv\s)"
    r"|(?<=\bwait-for-it\s)|(?<=\bwait-for-it\.sh\s)|(?<=\bwait-for\s)|(?<=\bwait\stcp://))"
    r"(?P<first>[A-Za-z][\w.-]*)[\s:](?P<second>\d+))"
)
_REPLICATION_VARIABLE = re.compile(
    r".*(REPLICATION_FACTOR|_TOPIC_REPLICAS|INTERNAL_TOPICS_REPLICATION|TOPICS?_REPLICATION)", re.IGNORECASE
)
_CREATE = re.compile(r"kafka-topics(?:\.sh)?\b(?P<rest>(?:\\\n|[^\n;|&])*)")
_REPLICATION_FLAG = re.compile(r"--replication-factor[\s=]+[\"']?(?P<factor>\d+)")
_MIN_ISR_FLAG = re.compile(r"min\.insync\.replicas=[\"']?(?P<isr>\d+)")
_IDLE = re.compile(r"(?:(?:/bin/)?(?:ba)?sh -c )?[\"']?(?:tail -f /dev/null|sleep (?:infinity|inf|\d+\w?))[\"']?")
_COMMAND_FLAG = re.compile(r"-[a-z]*c[a-z]*")
MOST = 1_000
"""So many addresses of one text are looked at: more are nobody's list of brokers."""

HOOKS = ("post_start", "pre_stop")

_CONNECT_MARKERS = frozenset({"CONNECT_BOOTSTRAP_SERVERS", "CONNECT_GROUP_ID", "CONNECT_CONFIG_STORAGE_TOPIC"})


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """One address that a service connects to first."""

    service: Service
    path: Path
    """From the top of the model: a service may read its addresses from a top-level config."""
    endpoint: Endpoint
    speaks: bool = True
    """Whether it speaks Kafka's protocol there; a script that only waits for the port does not."""
    part: str | None = None
    """Where the text at `path` holds only a part of the address: that part."""

    @property
    def where(self) -> Span:
        """The address in its text."""
        return self.service.sources.where(*self.path, part=self.endpoint.text if self.part is None else self.part)


@dataclass(frozen=True, eq=False)
class Replication:
    """A replication factor that a service, or a topic command of it, asks for; min_isr where it says one."""

    service: Service
    path: Path
    text: str
    factor: int
    min_isr: int | None = None
    command: str = ""
    """The topic command that asks, "" for a variable."""

    @property
    def where(self) -> Span:
        """The number, or the flag with its number."""
        return self.service.where(*self.path, part=self.text)

    @property
    def name(self) -> str:
        """What asks: the variable, or the topic command."""
        return str(self.path[1]) if self.path[0] == "environment" else "kafka-topics --create"


def scripts_of(service: Service) -> Iterator[tuple[Path, str]]:
    """Yield the scripts that a shell runs, word by word, or else the whole command line, with their paths."""
    shell = any(_COMMAND_FLAG.fullmatch(word) for word in (*service.entrypoint, *service.command))
    for key, words in (("entrypoint", service.entrypoint), ("command", service.command)):
        if shell or any("\n" in word for word in words):
            for index, word in enumerate(words):
                yield (key, index), word
        elif words:
            yield (key,), " ".join(words)


def commands_of(service: Service) -> Iterator[tuple[Path, str]]:
    """Yield what `scripts_of` does, and the commands that run beside it once it has started, or before it stops."""
    yield from scripts_of(service)
    for key in HOOKS:
        for index, hook in enumerate(service.body.get(key) or ()):
            words = hook.get("command") or ()
            yield (key, index, "command"), words if isinstance(words, str) else " ".join(map(str, words))


def is_idle(service: Service) -> bool:
    """Whether a container only waits for whoever enters it: then its variables may be for nobody."""
    return bool(_IDLE.fullmatch(" ".join((*service.entrypoint, *service.command)).strip()))


def is_connect(service: Service) -> bool:
    """Whether a service is a Kafka Connect worker that is configured by CONNECT_ variables."""
    return parse_image(service.image).is_connect or bool(_CONNECT_MARKERS & service.environment.keys())


@lru_cache(maxsize=8)
def bootstraps(project: Project) -> tuple[Bootstrap, ...]:
    """Return every bootstrap address of every service, also of brokers whose parts are clients of their own cluster."""
    nodes = speakers.by_service(project)
    found: list[Bootstrap] = []
    for service in project.services.values():
        own = ("services", service.name)
        for variable, endpoint, speaks in _in_variables(service, project):
            found.append(Bootstrap(service, (*own, "environment", variable), endpoint, speaks))
        if service.name not in nodes:
            found += _in_two_variables(service, project)
            found += _in_configs(service, project)
        for path, text in commands_of(service):
            if service.name not in nodes or path[0] in HOOKS:
                found += _in_script(service, path, text, project)
        for path, text in probes_of(service):
            every = _in_script(service, path, text, project)
            found += [one for one in every if not _is_itself(service, one.endpoint.host, project)]
    return tuple(found)


def probe_of(service: Service) -> tuple[str, ...]:
    """Return the words of a service's health check, () without one."""
    test = (service.healthcheck or {}).get("test") or ()
    return (test,) if isinstance(test, str) else tuple(str(word) for word in test)


def probes_of(service: Service) -> Iterator[tuple[Path, str]]:
    """Yield (path, text) of what a health check runs: its script, or the words of a command without a shell as one."""
    words = probe_of(service)
    if words[:1] == ("CMD",):
        yield ("healthcheck", "test"), " ".join(words[1:])
    else:
        for index, word in enumerate(words):
            yield ("healthcheck", "test", index), word


def _is_itself(service: Service, host: str, project: Project) -> bool:
    return host in addresses.LOOPBACK or service in network.of(project).resolve(service, host)


def _in_variables(service: Service, project: Project) -> Iterator[tuple[str, Endpoint, bool]]:
    """Yield (variable, address, whether it is a Kafka client's) of each address in a service's environment.

    A variable counts by its name, or by its value: the address of a broker of this project. The properties of a
    node itself (its listeners and voters) hold such addresses too, so there only the name counts.
    """
    nodes = speakers.by_service(project)
    for variable, value in service.environment.items():
        listed = addresses.parse_endpoints(properties.unquoted(value).strip("[]\"' "))
        if _BOOTSTRAP_VARIABLE.fullmatch(variable) and not _QUORUM.fullmatch(variable):
            yield from ((variable, endpoint, True) for endpoint in listed[:MOST])
        elif service.name in nodes or _NO_BOOTSTRAP.search(variable):
            continue
        elif listed and len(listed) == len(addresses.entries(value)):
            for endpoint in listed[:MOST]:
                if _is_meant_for_a_broker(service, endpoint, project):
                    yield variable, endpoint, not _WAITS.search(variable)
        else:
            found = itertools.chain(_in_text(value), _in_lists(service, value, project))
            yield from ((variable, endpoint, True) for endpoint in itertools.islice(found, MOST))


def _in_two_variables(service: Service, project: Project) -> Iterator[Bootstrap]:
    """Yield each broker that a service is told in two variables: KAFKA_HOST=kafka and KAFKA_PORT=9092."""
    for variable, host in service.environment.items():
        stem, _, last = variable.upper().rpartition("_")
        name = f"{variable[: len(stem)]}_PORT"
        port = service.environment.get(name, "").strip()
        if last in ("HOST", "HOSTNAME") and ("KAFKA" in stem or "BROKER" in stem) and port.isdecimal():
            endpoint = addresses.Endpoint(host.strip(), int(port), f"{host.strip()}:{port}")
            if _is_meant_for_a_broker(service, endpoint, project):
                yield Bootstrap(service, ("services", service.name, "environment", name), endpoint, part=port)


def _in_lists(service: Service, text: str, project: Project) -> Iterator[Endpoint]:
    """Yield the addresses of each list in a text of which one is a broker's: MQTT and AMQP have brokers as well."""
    for match in _LISTED_TEXT.finditer(text):
        listed = [addresses.parse_endpoints(word)[0] for word in _ADDRESS_TEXT.findall(match["words"])]
        if any(_is_meant_for_a_broker(service, endpoint, project) for endpoint in listed):
            yield from listed


def _is_meant_for_a_broker(service: Service, endpoint: Endpoint, project: Project) -> bool:
    """Whether an address leads to a broker, and not to another port of it (JMX, an agent, an HTTP server)."""
    every = speakers.by_service(project)
    found = [every[one.name] for one in network.of(project).resolve(service, endpoint.host) if one.name in every]
    other = endpoint.text.startswith(("http:", "https:", "jmx:", "ftp:", "ws:"))
    return bool(found) and not other and not any(_is_another_port(node, endpoint.port) for node in found)


def _is_another_port(node: Node, number: int) -> bool:
    """Whether a node names a port for something else; Redpanda's listeners are numbers of its command, too."""
    return number in node.other_ports and all(number != listener.port for listener in node.listeners)


def _in_script(service: Service, path: Path, text: str, project: Project) -> Iterator[Bootstrap]:
    """Yield each address in the text of a command: of Kafka's tools, and of those that wait for a port."""
    own = ("services", service.name)
    for endpoint in itertools.islice(_in_text(text), MOST):
        yield Bootstrap(service, (*own, *_place(service, path, endpoint.text)), endpoint)
    for match in itertools.islice(_WAIT_TEXT.finditer(text), MOST):
        host, port = (match["host"] or match["first"], match["port"] or match["second"])
        endpoint = addresses.Endpoint(host, int(port), match["text"])
        if _is_meant_for_a_broker(service, endpoint, project):
            yield Bootstrap(service, (*own, *_place(service, path, endpoint.text)), endpoint, speaks=False)


def _in_configs(service: Service, project: Project) -> Iterator[Bootstrap]:
    """Yield each bootstrap address in the inline configs that a service mounts."""
    for entry in service.body.get("configs") or ():
        name = str(entry.get("source") if isinstance(entry, dict) else entry)
        content = str(project.section("configs").get(name, {}).get("content") or "")
        found = itertools.chain(_in_text(content), _in_lists(service, content, project))
        for endpoint in itertools.islice(found, MOST):
            yield Bootstrap(service, ("configs", name, "content"), endpoint)


def _in_text(text: str) -> Iterator[Endpoint]:
    for pattern in (_BOOTSTRAP_TEXT, _SHORT_FLAG_TEXT):
        for match in pattern.finditer(text):
            yield from addresses.parse_endpoints(match["list"])


def _place(service: Service, path: Path, text: str) -> Path:
    """Return the path of the one word of a command line that holds a text, the whole line's if none does."""
    words = service.entrypoint if path == ("entrypoint",) else service.command if path == ("command",) else ()
    return next(((*path, index) for index, word in enumerate(words) if text in word), path)


def replications(project: Project) -> Iterator[Replication]:
    """Yield every replication factor that a service which is no Kafka node asks for."""
    nodes = clusters.by_service(project)
    for service in project.services.values():
        if service.name not in nodes:
            for variable, value in service.environment.items():
                if _REPLICATION_VARIABLE.fullmatch(variable) and re.fullmatch(r"\d+", value.strip()):
                    yield Replication(service, ("environment", variable), value.strip(), int(value))
        yield from _topic_commands(service)


def _topic_commands(service: Service) -> Iterator[Replication]:
    for path, text in commands_of(service):
        for match in _CREATE.finditer(text):
            factor = _REPLICATION_FLAG.search(match["rest"])
            if factor and "--create" in match["rest"]:
                isr = _MIN_ISR_FLAG.search(match["rest"])
                least = int(isr["isr"]) if isr else None
                yield Replication(service, path, factor[0], int(factor["factor"]), least, match[0])


def cluster_of(asked: Replication, project: Project) -> Cluster | None:
    """Return the cluster whose topics a replication factor is about, None when it is outside the project or unsaid.

    For a topic command that is where the command itself connects to, else where its service does. For a variable
    it is the bootstrap variable that is named most alike: a worker may keep its licence topic in another cluster.
    """
    service = asked.service
    endpoints = list(_in_text(asked.command))
    if not endpoints and service.name in clusters.by_service(project):
        return next(one for one in clusters.clusters(project) if service.name in one.names)
    variables = [name for name in service.environment if _BOOTSTRAP_VARIABLE.fullmatch(name)]
    if not endpoints and variables:
        nearest = max(variables, key=lambda name: _likeness(asked.name, name))
        endpoints = list(addresses.parse_endpoints(properties.unquoted(service.environment[nearest])))
    elif not endpoints:
        endpoints = [one.endpoint for one in _by_client(project).get(service.name, ())]
    names = network.of(project)
    hosts = {found.name for endpoint in endpoints for found in names.resolve(service, endpoint.host)}
    return next((one for one in speakers.speaking(project) if hosts & one.names), None)


def _likeness(asked: str, bootstrap: str) -> tuple[int, int]:
    """Return how many words two variables begin with in common; of two alike the shorter is the service's own."""
    ours, theirs = (name.split("_") for name in (asked, bootstrap))
    common = next((n for n, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), len(ours))
    return common, -len(theirs)


@lru_cache(maxsize=8)
def _by_client(project: Project) -> Mapping[str, list[Bootstrap]]:
    found: dict[str, list[Bootstrap]] = {}
    for bootstrap in bootstraps(project):
        found.setdefault(bootstrap.service.name, []).append(bootstrap)
    return found


def through_the_host(bootstrap: Bootstrap, project: Project) -> Iterator[tuple[Node, Listener]]:
    """Yield each broker's listener whose port is published where a container asks the host for it."""
    if bootstrap.endpoint.host not in network.GATEWAY_NAMES:
        return
    for node in speakers.speakers(project):
        for port in network.of(project).owner(node.service).ports:
            if port.published and port.published[0] <= bootstrap.endpoint.port <= port.published[1]:
                yield from ((node, listener) for listener in node.client_listeners if listener.port == port.target)


def served_by(bootstrap: Bootstrap, project: Project) -> Iterator[tuple[Node, Listener]]:
    """Yield each broker's listener that answers at a bootstrap address inside the project's networks."""
    nodes = speakers.by_service(project)
    local = bootstrap.endpoint.host in addresses.LOOPBACK
    for service in network.of(project).resolve(bootstrap.service, bootstrap.endpoint.host):
        node = nodes.get(service.name)
        for listener in node.client_listeners if node and node.is_broker else ():
            if node and listener.port == bootstrap.endpoint.port and (local or not listener.is_loopback):
                yield node, listener
