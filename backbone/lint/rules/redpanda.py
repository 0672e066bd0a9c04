"""Rules on the flags of Redpanda (KC161, KC162); what it advertises to Kafka's clients is judged like Kafka's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone import addresses
from backbone.lint.kafka import network, speakers
from backbone.lint.kafka.images import REDPANDA
from backbone.lint.model import Finding, Related, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Project

_RPC_PORT = 33145
_PAIRS = {"advertise-rpc-addr": "rpc-addr", "advertise-pandaproxy-addr": "pandaproxy-addr"}
_ENTRY = re.compile(r"(?:(?P<name>[\w-]+)://)?(?P<host>\[[^\]]*\]|[\w.-]+)(?::(?P<port>\d+))?")


@rule("KC161", "redpanda-address", Severity.ERROR)
def redpanda_address(project: Project) -> Iterator[Finding]:
    """Flag a seed, or an advertised RPC or HTTP address of Redpanda, that leads to nobody or to another port.

    Host names with a dot and addresses pass, and so do nodes with a configuration file that is mounted. Kafka addresses
    (--advertise-kafka-addr) are judged by KC121, KC127 to KC131.

    Why:
        A broker with a wrong seed, or one that the others cannot reach by its RPC address, never joins the cluster; a
        proxy address that leads nowhere fails with the second request of a client.

    Fails:
        services:
          redpanda-0:
            image: redpandadata/redpanda:v25.1.1
            command: [redpanda, start, --rpc-addr, "redpanda-0:33145", --advertise-rpc-addr, "redpanda:33145"]

    Passes:
        services:
          redpanda-0:
            image: redpandadata/redpanda:v25.1.1
            command: [redpanda, start, --rpc-addr, "redpanda-0:33145", --advertise-rpc-addr, "redpanda-0:33145"]

    Source:
        Redpanda documentation, rpk redpanda start
    """
    nodes = {node.name: node for node in _nodes(project)}
    names = network.of(project)
    for node in nodes.values():
        given = {flag: (path, value) for flag, path, value in speakers.flags(node.service)}
        own = names.sharing_namespace(node.service)
        for flag, (path, value) in given.items():
            for entry in addresses.entries(value) if flag in (*_PAIRS, "seeds") else ():
                match = _ENTRY.fullmatch(entry)
                reason = _fault(node, flag, match, given, nodes, names) if match else ""
                if reason:
                    yield Finding(
                        at=node.service.where(*path, part=entry),
                        message=f"{node.name} gives --{flag} {entry}: {reason}",
                        service=node.name,
                        evidence=f"{flag}:{entry}",
                        label=reason,
                        help=f"name {own[0].name if flag != 'seeds' else 'a broker'} and the port of --"
                        + _PAIRS.get(flag, "rpc-addr"),
                    )


def _fault(
    node: Node,
    flag: str,
    entry: re.Match[str],
    given: dict[str, tuple[tuple[str | int, ...], str]],
    nodes: dict[str, Node],
    names: network.Names,
) -> str:
    """Return what is wrong with one address, "" if nothing is, or nobody can tell."""
    host = entry["host"]
    if host in addresses.LOOPBACK or not node.complete:
        return ""
    called = names.called(host)
    if not called:
        return "" if names.may_be_elsewhere(node.service, host) else "no service has this name"
    target = next((nodes[service.name] for service in called if service.name in nodes), None)
    if target is None or (flag != "seeds" and target is not node):
        return "that is another service"
    other = given if target is node else {name: (path, value) for name, path, value in speakers.flags(target.service)}
    bound = other.get(_PAIRS.get(flag, "rpc-addr"), ((), ""))[1]
    ports = {
        int(match["port"])
        for word in addresses.entries(bound)
        if (match := _ENTRY.fullmatch(word)) and match["port"] and (match["name"] or "") == (entry["name"] or "")
    }
    port = int(entry["port"] or _RPC_PORT)
    return f"{target.name} listens on {', '.join(map(str, sorted(ports)))}" if ports and port not in ports else ""


@rule("KC162", "redpanda-takes-all", Severity.WARNING)
def redpanda_takes_all(project: Project) -> Iterator[Finding]:
    """Flag Redpanda that takes every core and nearly all memory of the machine, or production mode in a container.

    `--mode dev-container`, `--smp` and a `cpuset` bound it. A limit of `cpus` alone does not: Redpanda starts a thread
    for each core that it sees, and they then share less time than they count on.

    Why:
        Redpanda pins one busy thread to each core and reserves the memory at start: its neighbours starve, and a second
        broker on the same machine ends with "insufficient physical memory". Production mode expects a
        machine that is tuned for it (clock, disks, scheduler), which a container cannot offer.

    Fails:
        services:
          redpanda:
            image: redpandadata/redpanda:v25.1.1
            command: [redpanda, start, --kafka-addr, "0.0.0.0:9092", --advertise-kafka-addr, "redpanda:9092"]

    Passes:
        services:
          redpanda:
            image: redpandadata/redpanda:v25.1.1
            command: [redpanda, start, --mode, dev-container, --smp, "1", --kafka-addr, "0.0.0.0:9092",
                      --advertise-kafka-addr, "redpanda:9092"]

    Source:
        Redpanda documentation, rpk redpanda mode; Seastar, --smp and --memory
    """
    for node in _nodes(project):
        given = {flag: (path, value) for flag, path, value in speakers.flags(node.service)}
        path, mode = given.get("mode", ((), ""))
        if mode == "production" or mode.startswith("prod"):
            yield Finding(
                at=node.service.where(*path),
                message=f"{node.name} runs in production mode inside a container of a development stack",
                service=node.name,
                evidence="mode",
                label="checks what a container cannot offer",
                help="write --mode dev-container",
            )
        elif mode != "dev-container" and "smp" not in given and not node.service.body.get("cpuset") and node.complete:
            yield Finding(
                at=node.service.key("command") if node.service.has("command") else node.service.key("entrypoint"),
                message=f"{node.name} takes every core of the machine",
                service=node.name,
                evidence="smp",
                label="no --smp and no --mode dev-container",
                help="add --mode dev-container --smp 1 --memory 1G",
            )
        elif (smp := given.get("smp", ((), ""))[1]).isdigit() and 0 < float(node.service.body.get("cpus") or 0) < int(
            smp
        ):
            yield Finding(
                at=node.service.where(*given["smp"][0]),
                message=f"{node.name} starts {smp} busy threads, but may use {node.service.body['cpus']} cpus",
                service=node.name,
                evidence="smp-over-cpus",
                label=f"more than {node.service.body['cpus']}",
                help="set --smp to the number of cpus",
                related=(Related(node.service.where("cpus"), "the limit"),),
            )


def _nodes(project: Project) -> Iterator[Node]:
    return (node for node in speakers.speakers(project) if node.vendor == REDPANDA)
