"""The cluster as the brokers themselves see it, and as its clients reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.doctor.finding import Finding, Register

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backbone.doctor.evidence import Evidence
    from backbone.stack.health import ClusterHealth, PartitionState

register = Register()

_SHOWN = 5


@register.check("D026", "Advertised listeners are reached", "unreachable")
def listeners(evidence: Evidence) -> Iterator[Finding]:
    """A client is sent to the advertised address: it must be reached from where that client is."""
    for item in evidence.unreachable or ():
        yield Finding(
            "error",
            item,
            "a client that bootstraps anywhere is sent to this address and hangs there",
            "KAFKA_EXTERNAL_HOST and KAFKA_n_EXTERNAL_PORT in .env must be what clients of this machine can reach",
        )


@register.check("D027", "All brokers are registered", "cluster")
def registered(evidence: Evidence) -> Iterator[Finding]:
    """A broker that is not registered is down, fenced, or of another cluster."""
    nodes = {
        int(item.environment["KAFKA_NODE_ID"]): item.name
        for item in evidence.model.services.values()
        if "broker" in item.environment.get("KAFKA_PROCESS_ROLES", "")
    }
    for node in sorted(set(nodes) - set(_cluster(evidence).brokers)):
        yield Finding(
            "error",
            f"{nodes[node]} (id {node}) is not registered; {', '.join(map(str, _cluster(evidence).brokers))} are",
            "it does not run, or cannot reach the controllers; one more loss and acks=all is refused",
            f"./invoke logs {nodes[node]}\n./invoke up",
        )


@register.check("D028", "There is one active controller", "cluster")
def controller(evidence: Evidence) -> Iterator[Finding]:
    """Without one no leader is elected."""
    if _cluster(evidence).controller < 0:
        yield Finding(
            "error",
            "the quorum has no leader",
            "fewer than two of three controllers reach each other",
            "start the nodes that are away\n./invoke up",
        )


@register.check("D029", "No partition is offline", "cluster")
def offline(evidence: Evidence) -> Iterator[Finding]:
    """No leader: neither read nor write."""
    if found := _cluster(evidence).offline:
        yield Finding(
            "error",
            _names(found),
            "every in-sync replica is away; unclean election is off, so nothing acknowledged is lost by waiting",
            "start the brokers that hold it\n./invoke up",
        )


@register.check("D030", "Every partition takes acks=all", "cluster")
def under_min_isr(evidence: Evidence) -> Iterator[Finding]:
    """Under min.insync.replicas writes are refused (NOT_ENOUGH_REPLICAS)."""
    if found := _cluster(evidence).under_min_isr:
        yield Finding(
            "error",
            _names(found),
            "fewer in-sync replicas than min.insync.replicas: producers with acks=all are refused",
            "bring back the brokers that are away\n./invoke up",
        )


@register.check("D031", "Every partition is fully replicated", "cluster")
def under_replicated(evidence: Evidence) -> Iterator[Finding]:
    """Safe, but with no more room for a loss."""
    if found := _cluster(evidence).under_replicated:
        yield Finding(
            "warning",
            _names(found),
            "a replica is away or still catching up",
            "./invoke status\nif the number does not fall, look at the log of the broker that is missing",
        )


@register.check("D032", "The brokers are of this checkout", "cluster")
def same_cluster(evidence: Evidence) -> Iterator[Finding]:
    """Another checkout's cluster may answer on the same ports."""
    wanted = {
        item.environment["CLUSTER_ID"] for item in evidence.model.services.values() if "CLUSTER_ID" in item.environment
    }
    found = _cluster(evidence).cluster_id
    if wanted and found not in wanted:
        yield Finding(
            "error",
            f"the cluster that answers is {found}; CLUSTER_ID is {', '.join(sorted(wanted))}",
            "another checkout's cluster has the ports of this one",
            "stop the other checkout's stack, or move the ports of this one\n./invoke ports --shift 1000",
        )


@register.check("D033", "The registry enforces compatibility", "compatibility")
def compatibility(evidence: Evidence) -> Iterator[Finding]:
    """Apicurio's own default is NONE: then any schema is taken."""
    if evidence.compatibility == "NONE":
        yield Finding(
            "error",
            "the registry's global compatibility level is NONE",
            "the rule was never set: a breaking schema is accepted in silence",
            "set the level of the contracts\n./invoke contracts apply",
        )


@register.check("D034", "Connectors and their tasks run", "connectors")
def connectors(evidence: Evidence) -> Iterator[Finding]:
    """A failed task stays failed until somebody restarts it."""
    for name, states in (evidence.connectors or {}).items():
        if broken := [
            f"{part} {state}" for part, state in states.items() if state not in ("RUNNING", "PAUSED", "STOPPED")
        ]:
            yield Finding(
                "error",
                f"{name}: {', '.join(broken)}",
                "Connect does not restart what failed",
                f"the first says what to mend\n./invoke connectors status\n./invoke connectors restart --name {name}",
            )


@register.check("D055", "No record waits among the dead letters", "letters")
def letters(evidence: Evidence) -> Iterator[Finding]:
    """What a sink's table refuses stops nothing, so nobody notices; it is kept for a week."""
    for each in evidence.letters or ():
        yield Finding(
            "warning",
            str(each),
            "the sink could not read it, or the database refused it",
            "fix the cause that list names, then send them again\n"
            f"./invoke dead-letters list\n./invoke dead-letters replay --topic {each.topic}",
        )


@register.check("D056", "Subjects keep the levels of their contracts", "levels")
def levels(evidence: Evidence) -> Iterator[Finding]:
    """Whoever reaches the registry may set a level, and one that is too low lets a breaking schema in."""
    for subject, (level, wanted) in (evidence.levels or {}).items():
        yield Finding(
            "error",
            f"{subject} has {level}, its contract says {wanted}",
            "the level was set by hand",
            "set those of the contracts again\n./invoke contracts apply",
        )


def _cluster(evidence: Evidence) -> ClusterHealth:
    assert evidence.cluster is not None  # noqa: S101 - `needs`
    return evidence.cluster


def _names(partitions: Sequence[PartitionState]) -> str:
    shown = ", ".join(f"{item.topic}-{item.partition}" for item in partitions[:_SHOWN])
    return f"{len(partitions)} partitions: {shown}" + (" …" if len(partitions) > _SHOWN else "")
