"""Judge a history: all rules, each in one line for a person, and the violations they find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.failover.rules import brokers, content, reading
from backbone.failover.rules.index import Violation, index, unique

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from backbone.failover.history import History
    from backbone.failover.rules.index import Rule

__all__ = ["RULES", "Violation", "check", "describe"]


@dataclass(frozen=True, slots=True)
class _Named:
    title: str
    rule: Rule


_RULES: Mapping[str, _Named] = {
    "L1": _Named("lost write", content.lost_write),
    "L2": _Named("vanished read", content.vanished_read),
    "L3": _Named("unseen", reading.unseen),
    "L4": _Named("gap between acknowledged records", content.partial_ack_gap),
    "O1": _Named("inconsistent offset", reading.inconsistent_offset),
    "O2": _Named("duplicate in the log", content.duplicate_in_log),
    "O3": _Named("reordered", content.reorder),
    "O4": _Named("acknowledged at another offset", content.ack_offset_lie),
    "O5": _Named("poll skip or step back", reading.poll_skip),
    "O6": _Named("phantom or corrupt", reading.phantom),
    "O7": _Named("read although it failed", reading.aborted_read),
    "O8": _Named("against real time", content.real_time_order),
    "O9": _Named("offset went back", brokers.regress),
    "O10": _Named("replicas differ", content.replica_divergence),
    "S1": _Named("unsafe acknowledgement", brokers.unsafe_ack),
    "E1": _Named("leader epoch", brokers.epoch),
    "A1": _Named("no recovery", brokers.no_recovery),
}

RULES = tuple(_RULES)
"""The ids of all rules, in the order they are reported."""


def describe(rule: str) -> str:
    """Return a rule's title."""
    return _RULES[rule].title


def check(history: History, rules: Collection[str] = RULES) -> tuple[Violation, ...]:
    """Return every violation of the chosen rules, each subject once, in the order of RULES.

    A million records take seconds: every rule is a sort or a pass. Raises nothing; an empty history breaks no rule
    (the verdict, not the checker, says that it proves nothing either).
    """
    lookups = index(history)
    return tuple(violation for name in RULES if name in rules for violation in unique(_RULES[name].rule(lookups)))
