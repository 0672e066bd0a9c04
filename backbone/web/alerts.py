"""The alerts of prometheus/alerts.yml: asked of Prometheus where it runs, else judged by the console where it can."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import yaml

from backbone.errors import StackError
from backbone.web import promql

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from backbone.web.figures import Figure, Prometheus

State = Literal["inactive", "pending", "firing", "unknown"]
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_RANK: tuple[State, ...] = ("firing", "pending", "unknown", "inactive")


@dataclass(frozen=True, slots=True)
class Alert:
    """What one result of a rule says. since: when it began, in seconds since 1970."""

    labels: promql.Labels
    since: float
    firing: bool
    summary: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule and how it stands. wait: seconds that it has to hold. reason: why nobody can tell, where it is unknown."""

    name: str
    severity: str
    wait: float
    runbook: str
    alerts: tuple[Alert, ...] = ()
    reason: str = ""

    @property
    def state(self) -> State:
        """The worst of its alerts."""
        if self.reason:
            return "unknown"
        return "firing" if any(one.firing for one in self.alerts) else "pending" if self.alerts else "inactive"


@dataclass(slots=True)
class Rule:
    """An alerting rule that is judged here, by the rules of Prometheus: it fires when it held for its time."""

    judged: Judged
    summary: str
    expression: promql.Expression | None
    _since: dict[promql.Labels, tuple[float, float]] = field(default_factory=dict)

    def judge(self, now: float, wall: float, figures: promql.Figures) -> Judged:
        """Judge the figures of a moment. now: seconds that never go back; wall: seconds since 1970."""
        if self.expression is None:
            return self.judged
        found = self.expression.of(figures)
        self._since = {labels: self._since.get(labels, (now, wall)) for labels in found}
        alerts = tuple(
            Alert(labels, began, now - since >= self.judged.wait, told(self.summary, dict(labels), found[labels]))
            for labels, (since, began) in self._since.items()
        )
        return replace(self.judged, alerts=alerts)


def rules(text: str, tells: Callable[[str], bool]) -> list[Rule]:
    """Return the alerting rules of a file. tells: whether figures of that name can be had here."""
    found = []
    for group in yaml.safe_load(text)["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                expression, reason = _expression(rule, tells)
                found.append(Rule(_judged(rule, reason), rule["annotations"]["summary"], expression))
    return found


def _judged(rule: Mapping[str, Any], reason: str) -> Judged:
    notes, severity = rule["annotations"], rule["labels"]["severity"]
    return Judged(rule["alert"], severity, seconds(rule.get("for", "0s")), notes["runbook"], reason=reason)


def _expression(rule: Mapping[str, Any], tells: Callable[[str], bool]) -> tuple[promql.Expression | None, str]:
    try:
        found = promql.parse(str(rule["expr"]))
    except StackError as error:
        return None, error.message
    missing = sorted(name for name in found.names if name != "up" and not tells(name))
    return (None, f"needs Prometheus: nobody here tells {missing[0]}") if missing else (found, "")


def seconds(duration: str) -> float:
    """Return a duration of Prometheus (30s, 1m30s) in seconds."""
    return float(sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([smhd])", duration)))


def told(template: str, labels: Mapping[str, str], value: float) -> str:
    """Return a summary with its value and labels, of the few forms of template that alerts.yml has."""
    text = re.sub(
        r"{{ with \$labels\.(\w+) }}{{ \. }}{{ else }}(.*?){{ end }}",
        lambda match: labels.get(match[1]) or match[2],
        template,
    )
    text = re.sub(r"{{ \$labels\.(\w+) }}", lambda match: labels.get(match[1], ""), text)
    return text.replace("{{ $value }}", f"{value:.0f}" if value == int(value) else f"{value:g}")


def here(own: Sequence[Rule], now: float, wall: float, figures: Sequence[Figure]) -> list[Judged]:
    """Judge the rules by the figures of a moment, those that fire first."""
    by_name: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for each in figures:
        by_name.setdefault(each.name, []).append((each.labels, each.value))
    return _sorted([rule.judge(now, wall, by_name) for rule in own])


def asked(prometheus: Prometheus) -> list[Judged]:
    """Return what Prometheus says of its rules; StackError("prometheus-unreachable") or "prometheus-refused".

    https://prometheus.io/docs/prometheus/latest/querying/api/#rules
    """
    service, path = prometheus.service(), "/api/v1/rules?type=alert"
    body = service.read("GET", path, service.ask("GET", path))
    return _sorted([_of(rule) for group in body["data"]["groups"] for rule in group["rules"]])


def _of(rule: Mapping[str, Any]) -> Judged:
    alerts = tuple(
        Alert(
            frozenset((key, value) for key, value in each["labels"].items() if key not in ("alertname", "severity")),
            datetime.fromisoformat(each["activeAt"][:19] + "+00:00").timestamp(),
            each["state"] == "firing",
            each["annotations"].get("summary", ""),
        )
        for each in rule["alerts"]
    )
    reason = f"Prometheus could not judge it: {rule.get('lastError', '')}" if rule["health"] == "err" else ""
    runbook = rule["annotations"].get("runbook", "")
    return Judged(rule["name"], rule["labels"].get("severity", ""), rule["duration"], runbook, alerts, reason)


def _sorted(found: list[Judged]) -> list[Judged]:
    return sorted(found, key=lambda each: (_RANK.index(each.state), each.name))
