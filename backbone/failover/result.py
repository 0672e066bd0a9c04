"""What one run or several showed, as the JSON value of schemas/failover-report.schema.json."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from backbone.bench.statistics import quantile
from backbone.failover import model
from backbone.failover.checker import RULES, describe
from backbone.failover.course import course
from backbone.failover.identity import differences
from backbone.failover.observed import changes
from backbone.failover.stalls import latencies, windows
from backbone.failover.timeline import active_controller, timeline
from backbone.failover.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from backbone.failover.history import History
    from backbone.failover.stalls import Stall, Window

VERSION = 1
"""Of the report's format."""

NOT_PROVED = (
    "power loss of all replicas at once: SIGKILL does not lose the page cache (one replica's lost tail is tested)",
    "loss of the disks of more than one broker",
    "a broker that lies (Byzantine faults)",
    "a real network between machines: all brokers share one host",
)
"""What no run of ours shows, whatever its verdict."""

_SHOWN_VIOLATIONS = 100


def summarize(name: str, history: History, details: Mapping[str, object]) -> dict[str, Any]:
    """Return the result of one run. details: what the run was made with (plan, settings, versions)."""
    verdict = judge(history)
    rules = Counter(violation.rule for violation in verdict.violations)
    return {
        "name": name,
        "verdict": verdict.answer,
        "doubts": list(verdict.doubts),
        "void": list(differences(history)),
        "rules": {rule: {"title": describe(rule), "violations": rules[rule]} for rule in RULES},
        "violations": [
            {"rule": one.rule, "partition": one.partition, "subject": _subject(one.subject), "detail": one.detail}
            for one in verdict.violations[:_SHOWN_VIOLATIONS]
        ],
        "counts": _counts(history),
        "changes": changes(history),
        "course": course(history),
        "faults": [_fault(history, window) for window in windows(history)],
        "details": dict(details),
    }


def _subject(subject: object) -> str:
    return "/".join(map(str, subject)) if isinstance(subject, tuple) else str(subject)


def _counts(history: History) -> dict[str, int]:
    outcomes = Counter(send.outcome for send in history.sends)
    delivered = Counter(delivery.record for delivery in history.deliveries)
    return {
        "sent": len(history.sends),
        **{name: outcomes[name] for name in ("ok", "fail", "info")},
        "delivered": len(history.deliveries),
        "redelivered": len(history.deliveries) - len(delivered),
        "passes": len(history.passes),
    }


def _fault(history: History, window: Window) -> dict[str, Any]:
    fault, hit, seen = window.fault, _hit(history, window), timeline(history, window)
    alone = model.alone(fault, history.faults)
    bound = model.at_most(fault.kind, model.settings(history), controller=hit == "controller") if alone else None
    terms = model.taken(window.write_stall, seen, controller=hit == "controller") if bound else None
    return {
        "number": fault.number,
        "kind": fault.kind,
        "target": fault.target,
        "hit": hit,
        "proved": fault.proved,
        "evidence": fault.evidence,
        "counts": dict(window.counts),
        "write_stall_ms": round(window.write_stall, 1),
        "read_stall_ms": round(window.read_stall, 1),
        "partitions": [_stall(stall) for stall in window.stalls],
        "timeline_ms": asdict(seen),
        "terms_ms": asdict(terms) if terms else None,
        "model_ms": asdict(bound) if bound else None,
        "latency_ms": [list(point) for point in latencies(history, window)],
    }


def _hit(history: History, window: Window) -> str:
    """Return what a fault met, whatever role it aimed at: a client, a plain broker, or the active controller too."""
    if not window.fault.nodes:
        return "client"
    return "controller" if active_controller(history, window) in window.fault.nodes else "broker"


def _stall(stall: Stall) -> dict[str, Any]:
    return {key: round(value, 1) if isinstance(value, float) else value for key, value in asdict(stall).items()}


@dataclass(frozen=True, slots=True)
class Origin:
    """What a report holds for. started: ISO 8601. profile: its name, "" for a cluster that is not ours.

    settings: of the cluster, as it says itself. machine: see backbone.bench.machine.describe.
    """

    started: str
    engine: str
    profile: str
    settings: Mapping[str, str]
    machine: Mapping[str, Any]


def combine(runs: Sequence[Mapping[str, Any]], origin: Origin, left_out: Sequence[str]) -> dict[str, Any]:
    """Return the report of several runs: one verdict, the figures of each kind, the bound on what may still be lost."""
    faults = [fault for run in runs for fault in run["faults"]]
    comparable = [fault for run in runs if not run["void"] for fault in run["faults"]]
    proved = sum(bool(fault["proved"]) for fault in faults)
    return {
        "version": VERSION,
        **asdict(origin),
        "verdict": _worst(run["verdict"] for run in runs),
        "faults": {"done": len(faults), "proved": proved, "kinds": len({fault["kind"] for fault in faults})},
        "counts": {name: sum(run["counts"][name] for run in runs) for name in (runs[0]["counts"] if runs else ())},
        "violations": {rule: sum(run["rules"][rule]["violations"] for run in runs) for rule in RULES},
        "loss_bound": round(3 / proved, 4) if proved else None,
        "kinds": _kinds(comparable),
        "left_out": list(left_out),
        "not_proved": list(NOT_PROVED),
        "runs": list(runs),
    }


def _worst(verdicts: Iterable[str]) -> str:
    """Invalid outweighs unknown, unknown outweighs valid; no run at all is unknown."""
    found = set(verdicts)
    return next((answer for answer in ("invalid", "unknown", "valid") if answer in found), "unknown")


def _kinds(faults: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return, for each kind and what it hit, how long writes and reads stood still (worst partition of a fault), ms."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for fault in faults:
        groups[fault["kind"], fault["hit"]].append(fault)
    return [
        {
            "kind": kind,
            "hit": hit,
            "faults": len(found),
            "write_stall_ms": _spread([fault["write_stall_ms"] for fault in found]),
            "read_stall_ms": _spread([fault["read_stall_ms"] for fault in found]),
            "by_partition_role_ms": {
                part: _spread([one["write"] for fault in found for one in fault["partitions"] if one["role"] == part])
                for part in ("leader", "follower", "none")
                if any(one["role"] == part for fault in found for one in fault["partitions"])
            },
            "isr_full_after_heal_ms": _spread([after for fault in found if (after := _after_heal(fault)) is not None]),
        }
        for (kind, hit), found in sorted(groups.items())
    ]


def _after_heal(fault: Mapping[str, Any]) -> float | None:
    """Return the ms from the heal to the last replica in sync; None where none was ever missed."""
    full, healed = fault["timeline_ms"]["isr_full"], fault["timeline_ms"]["healed"]
    return None if full is None or healed is None else max(0.0, round(full - healed, 1))


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    """Return p50, p95 and maximum; None without a value."""
    if not values:
        return None
    ordered = sorted(values)
    return {"p50": quantile(ordered, 0.5), "p95": quantile(ordered, 0.95), "max": ordered[-1], "n": len(ordered)}
