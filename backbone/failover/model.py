"""How long a stall may take by the settings of brokers and clients, term by term, beside how long each term took.

Read in the classes of Kafka 4.3 and in kafka-python 3.0.12. A dead broker is looked for eight times a session
(QuorumController.maybeFenceStaleBrokerPeriodNs). A new controller knows no old session (KAFKA-18138), so every broker
gets a fresh one. A new leader's followers may wait out a fetch that they sent it before it led: until then nothing is
replicated, so nothing is acknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.clients import FAILOVER_PRODUCER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from backbone.failover.history import Fault, History
    from backbone.failover.timeline import Timeline

TOLERANCE = 0.1
"""A stall so much longer than the model's is not explained by it."""

_CHECKS = 8
_KILLED = frozenset({"kill", "kill-brief", "cut-tail", "cut-tail-brief", "log-dir"})
_SILENT = frozenset({"pause-long", "isolate"})  # sockets stay open: only the client's own clock ends its wait


@dataclass(frozen=True, slots=True)
class Terms:
    """The parts of a stall, ms; None for what was not seen.

    elected: until there is a new controller, where the active one was hit. noticed: from then until the broker is
    fenced. answered: from then until the slowest partition is written again.
    """

    elected: float | None
    noticed: float | None
    answered: float | None

    @property
    def whole(self) -> float:
        """All of it."""
        return sum(part or 0.0 for part in (self.elected, self.noticed, self.answered))


def at_most(kind: str, settings: Mapping[str, str], *, controller: bool) -> Terms | None:
    """Return the longest stall that a kind of fault explains; None for a kind or settings that it can't tell of.

    settings: of a broker, see identity.TIMINGS. controller: whether the active controller was hit.
    """
    try:
        session, fetch, backoff, wait = (
            float(settings[name])
            for name in (
                "broker.session.timeout.ms",
                "controller.quorum.fetch.timeout.ms",
                "controller.quorum.election.backoff.max.ms",
                "replica.fetch.wait.max.ms",
            )
        )
    except (KeyError, ValueError):
        return None
    if kind not in _KILLED | _SILENT:
        return None
    hearing = FAILOVER_PRODUCER["retry_backoff_ms"] + FAILOVER_PRODUCER["reconnect_backoff_max_ms"]
    silence = FAILOVER_PRODUCER["request_timeout_ms"] if kind in _SILENT else 0
    return Terms(
        elected=fetch + backoff if controller else 0.0,  # one lost vote is in it
        noticed=session + session / _CHECKS,
        answered=wait + hearing + silence,
    )


def taken(stall: float, seen: Timeline, *, controller: bool) -> Terms:
    """Return what the parts of a stall (ms) took.

    A new controller is seen late where the others' questions go to the old one, which does not answer.
    """
    if seen.fenced is None:
        return Terms(None, None, None)
    elected: float | None = 0.0
    if controller:
        elected = seen.controller if seen.controller is not None and seen.controller <= seen.fenced else None
    return Terms(elected, round(seen.fenced - (elected or 0.0), 1), round(max(stall - seen.fenced, 0.0), 1))


def settings(history: History) -> Mapping[str, str]:
    """Return the settings that the run began with."""
    return dict(history.identities[0].values) if history.identities else {}


def alone(fault: Fault, faults: Collection[Fault]) -> bool:
    """Tell whether the cluster had recovered from every earlier fault: stalls of two at once are no single one's.

    A recovery is of the whole cluster: the one after a later fault ends the wake of an earlier one, too. A client's
    end hits no broker: there is nothing to recover from.
    """
    earlier = [other for other in faults if other.begun < fault.begun]
    recoveries = [other.recovered for other in earlier if other.recovered is not None]
    whole = max((at for at in recoveries if at <= fault.begun), default=0)
    return all(other.begun < whole for other in earlier if other.nodes)
