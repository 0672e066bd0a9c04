"""What the cluster's own settings risk, asked of the brokers: true of any cluster, whoever runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.doctor.finding import Finding, Register
from backbone.stack import topic_rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from backbone.doctor.evidence import Evidence, Settings
    from backbone.stack.health import PartitionState

register = Register()

_SHOWN = 5
_ON = "true"
_UNCLEAN = "unclean.leader.election.enable"
_AUTO = "auto.create.topics.enable"
_OWN = (
    "node.id",
    "broker.id",
    "broker.rack",
    "advertised.listeners",
    "listeners",
    "log.dir",
    "log.dirs",
    "ssl.",
    "sasl.",
)
"""What tells brokers apart, and is to differ."""


@register.check("D050", "Acknowledged is on two brokers", "cluster")
def min_isr(evidence: Evidence) -> Iterator[Finding]:
    """With min.insync.replicas 1 an acknowledged record may be on one broker alone."""
    found = _topics(each for each in _partitions(evidence) if each.min_isr < 2 <= len(each.replicas))  # noqa: PLR2004 - two copies
    if found:
        yield Finding(
            "error",
            f"min.insync.replicas is 1 for {found}",
            "acks=all is answered when the leader alone has the record; its loss is the record's",
            "set min.insync.replicas to 2 on these topics, or as the cluster's default",
        )


@register.check("D051", "Every record has a copy", "cluster")
def one_copy(evidence: Evidence) -> Iterator[Finding]:
    """A topic with one copy on a cluster of several brokers is lost with its broker."""
    several = evidence.cluster is not None and len(evidence.cluster.brokers) > 1
    if several and (found := _topics(each for each in _partitions(evidence) if len(each.replicas) == 1)):
        yield Finding(
            "warning",
            f"one copy of {found}",
            "the topic was made with replication factor 1; nobody else has its records",
            "make it again with three replicas, or reassign its partitions (kafka-reassign-partitions)",
        )


@register.check("D052", "No replica leads that lacks records", "settings")
def unclean(evidence: Evidence) -> Iterator[Finding]:
    """An unclean election gives the lead to a replica without the last records: they are gone."""
    found = _set_on(_settings(evidence).brokers, _UNCLEAN, "broker ") + _set_on(_settings(evidence).topics, _UNCLEAN)
    if found:
        yield Finding(
            "error",
            f"{_UNCLEAN}=true on {_listed(found)}",
            "when all in-sync replicas are away, one that lacks acknowledged records may lead",
            f"set {_UNCLEAN}=false",
        )


@register.check("D053", "Topics are made on purpose", "settings")
def auto_create(evidence: Evidence) -> Iterator[Finding]:
    """With automatic creation a misspelt name becomes a topic."""
    if found := _set_on(_settings(evidence).brokers, _AUTO, "broker "):
        yield Finding(
            "warning",
            f"{_AUTO}=true on {_listed(found)}",
            "Kafka's own default; a producer with a typing error writes to a new topic that nobody reads",
            f"set {_AUTO}=false, and keep topics in a file",
        )


@register.check("D054", "The brokers are set alike", "settings")
def alike(evidence: Evidence) -> Iterator[Finding]:
    """What holds depends on who leads when brokers differ."""
    brokers = _settings(evidence).brokers
    names = sorted({name for each in brokers.values() for name in each if not name.startswith(_OWN)})
    for name in names:
        values = {node: each.get(name, "(not set)") for node, each in sorted(brokers.items())}
        if len(set(values.values())) > 1:
            yield Finding(
                "warning",
                f"{name}: " + ", ".join(f"broker {node} {value}" for node, value in values.items()),
                "a broker was started with other settings, or one was changed on it alone",
                "give all brokers the same value, and restart those that have another",
            )


def _settings(evidence: Evidence) -> Settings:
    assert evidence.settings is not None  # noqa: S101 - `needs`
    return evidence.settings


def _partitions(evidence: Evidence) -> tuple[PartitionState, ...]:
    assert evidence.cluster is not None  # noqa: S101 - `needs`
    return tuple(each for each in evidence.cluster.partitions if not topic_rules.memory(each.topic))


def _topics(partitions: Iterator[PartitionState]) -> str:
    return _listed(sorted({each.topic for each in partitions}))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _set_on(
    settings: Mapping[int, Mapping[str, str]] | Mapping[str, Mapping[str, str]], name: str, kind: str = ""
) -> list[str]:
    return [f"{kind}{owner}" for owner, values in sorted(settings.items()) if values.get(name) == _ON]
