"""The console judges alerts as Prometheus does: by the cases that promtool judges, in tests/validate/test_alerts.py."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from backbone.errors import StackError
from backbone.web import alerts, promql
from backbone.web.figures import Figure, Prometheus
from tests.servers.http import serve
from tests.validate.test_alerts import ALL, CASES, RULES, Case, turned

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.servers.http import Body

EVERY_S = 10
NEEDS_PROMETHEUS = {"DeadLetters", "DiskNearlyFull", "CertificateEndsSoon"}
HERE = [case for case in CASES if case.alert not in NEEDS_PROMETHEUS]


def rules(*chosen: Mapping[str, Any]) -> list[alerts.Rule]:
    return alerts.rules(yaml.safe_dump({"groups": [{"name": "g", "rules": list(chosen)}]}), lambda _: True)


def values(text: str) -> Iterator[float | None]:
    """Yield what promtool's notation says: `1x3` is four times 1, `0+9x2` counts on, `_` and `stale` are nothing."""
    for word in text.split():
        match = re.fullmatch(r"(_|stale|-?\d+)(?:\+(\d+))?(?:x(\d+))?", word)
        assert match, word
        first, step, times = match.groups()
        if first == "stale":
            yield None
        elif first == "_":
            yield from [None] * int(times or 1)
        else:
            yield from (int(first) + int(step or 0) * n for n in range(int(times or 0) + 1))


def figures(case: Case) -> list[list[Figure]]:
    """Return what is told every 10 s, until a case's moment."""
    moments: list[list[Figure]] = [[] for _ in range(case.at // EVERY_S + 1)]
    for series, text in case.series.items():
        name, _, rest = series.partition("{")
        labels = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        for told, value in zip(moments, values(text), strict=False):
            if value is not None:
                told.append(Figure(name, labels, value))
    return moments


def fired(rule: Mapping[str, Any], case: Case) -> list[dict[str, str]]:
    """Return the labels that a rule fires with at the end of a case."""
    own, judged = rules(rule), list[alerts.Judged]()
    for index, told in enumerate(figures(case)):
        judged = alerts.here(own, float(index * EVERY_S), float(index * EVERY_S), told)
    (one,) = judged
    assert not one.reason
    return sorted((dict(each.labels) for each in one.alerts if each.firing), key=str)


def wanted(case: Case) -> list[dict[str, str]]:
    more = {"job": "kafka"} if case.alert == "BrokerDown" else {}
    return sorted(({**more, **each} for each in case.fires), key=str)


@pytest.mark.parametrize("case", HERE, ids=lambda case: f"{case.alert}: {case.name}")
def test_an_alert_is_judged_as_promtool_judges_it(case: Case) -> None:
    assert fired(ALL[case.alert], case) == wanted(case)


@pytest.mark.parametrize("alert", sorted(set(ALL) - NEEDS_PROMETHEUS))
def test_a_rule_that_is_turned_round_is_judged_otherwise(alert: str) -> None:
    own = [case for case in CASES if case.alert == alert]
    for mutant in turned(ALL[alert]):
        assert any(fired(mutant, case) != wanted(case) for case in own), mutant["expr"]


def test_what_the_console_cannot_judge_says_so() -> None:
    found = alerts.here(alerts.rules(yaml.safe_dump(RULES), lambda _: True), 0, 0, [])
    unknown = {each.name: each.reason for each in found if each.state == "unknown"}
    assert set(unknown) == NEEDS_PROMETHEUS
    assert "increase" in unknown["DeadLetters"]
    assert "wants Prometheus itself" in unknown["DeadLetters"]


def test_a_rule_whose_figures_nobody_tells_is_unknown_and_not_silent() -> None:
    own = alerts.rules(yaml.safe_dump(RULES), lambda name: not name.startswith("kafka_connect_"))
    (one,) = [each for each in alerts.here(own, 0, 0, []) if each.name == "ConnectorFailed"]
    assert one.state == "unknown"
    assert "kafka_connect_worker_connector_connector_failed_task_count" in one.reason


def test_an_alert_waits_fires_and_begins_anew_after_it_was_over() -> None:
    own = rules(ALL["UnderReplicated"])
    bad = [Figure("kafka_server_under_replicated_partitions", {"broker": "b"}, 4)]
    states = [
        alerts.here(own, now, 1000 + now, told)[0].state
        for now, told in ((0, bad), (59, bad), (60, bad), (65, []), (70, bad), (129, bad), (130, bad))
    ]
    assert states == ["pending", "pending", "firing", "inactive", "pending", "pending", "firing"]
    (one,) = alerts.here(own, 140, 1140, bad)[0].alerts
    assert (one.summary, one.since) == ("4 partitions led by b miss a replica", 1070)


@pytest.mark.parametrize(
    ("labels", "words"), [({"broker": "kafka-2"}, "kafka-2 does not answer"), ({}, "every broker does not answer")]
)
def test_a_summary_says_its_labels(labels: dict[str, str], words: str) -> None:
    assert alerts.told(ALL["BrokerDown"]["annotations"]["summary"], labels, 1.0) == words


@pytest.mark.parametrize(
    "text",
    [
        "rate(a[5m]) > 0",
        "a offset 5m > 0",
        "a[10m]",
        "a > b",
        "a unless b",
        "a + 1 > 0",
        "sum without (x) (a) > 0",
        "a > bool 0",
        "topk(3, a)",
        'a{b="\\n"}',
        "a and ignoring(b) c",
        "a and on() group_left c",
        "a >",
        "a) > 0",
        "",
    ],
)
def test_what_is_beyond_the_part_of_promql_is_refused(text: str) -> None:
    with pytest.raises(StackError, match="wants Prometheus itself"):
        promql.parse(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a > 1", {"x": 2, "y": 3}),
        ("sum(a)", {"": 6}),
        ("max(a) < 3 or vector(7)", {"": 7}),
        ("count by (k) (a) >= 1", {"": 3}),
        ('a{n!~"x|y"}', {"z": 1}),
        ('a{n=~"x"} and on() b', {}),
        ('a{n=~"x"} and on() absent(b) == 1', {"x": 2}),
        ('a{n="z"} or b or a{n="x"} and a > 2', {"z": 1}),
        ("min(a) == 1 and on() (a >= 3 or b)", {"": 1}),
    ],
)
def test_the_part_of_promql_means_what_prometheus_means(text: str, found: dict[str, float]) -> None:
    """Promtool 2.42 was asked each of them, over the same three series."""
    series = {"a": [({"n": "x"}, 2.0), ({"n": "y"}, 3.0), ({"n": "z"}, 1.0)]}
    told = promql.parse(text).of(series)
    assert {"".join(value for _, value in labels): each for labels, each in told.items()} == found


class FakePrometheus:
    """Answers as Prometheus' HTTP API does, for the rules and nothing else."""

    def answer(self, method: str, path: str, body: Body) -> tuple[int, object]:
        del body
        assert (method, path) == ("GET", "/prometheus/api/v1/rules")
        alert = {
            "labels": {"alertname": "BrokerDown", "severity": "critical", "broker": "kafka-2", "job": "kafka"},
            "annotations": {"summary": "kafka-2 does not answer", "runbook": "docs/operations.md#x"},
            "state": "firing",
            "activeAt": "2026-01-31T12:00:00.123456789Z",
            "value": "0e+00",
        }
        one = {
            "type": "alerting",
            "labels": {"severity": "critical"},
            "annotations": {"runbook": "docs/operations.md#x"},
        }
        found = [
            {**one, "name": "NoController", "duration": 30, "health": "ok", "alerts": []},
            {**one, "name": "Broken", "duration": 30, "health": "err", "lastError": "many-to-many", "alerts": []},
            {**one, "name": "BrokerDown", "duration": 20, "health": "ok", "alerts": [alert]},
        ]
        return HTTPStatus.OK, {"status": "success", "data": {"groups": [{"name": "kafka", "rules": found}]}}


def test_where_prometheus_runs_it_is_asked() -> None:
    with serve(FakePrometheus()) as url:
        found = alerts.asked(Prometheus(f"{url}/prometheus/"))
    assert [(each.name, each.state) for each in found] == [
        ("BrokerDown", "firing"),
        ("Broken", "unknown"),
        ("NoController", "inactive"),
    ]
    (one,) = found[0].alerts
    assert (one.summary, one.since) == ("kafka-2 does not answer", 1769860800)
    assert "many-to-many" in found[1].reason
