"""Each alert fires on what it is for, stays silent otherwise, and is not silenced by a series that is gone.

Asked of Prometheus' own promtool: its rule engine over series that are written here. A rule that is taken away or
turned round fails one of these cases, which is shown too.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from backbone.strimzi.monitoring import ALERTS
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RULES = yaml.safe_load((ROOT / ALERTS).read_text(encoding="utf-8"))
ALL = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
LETTERS = 'kafka_topic_messagesin_total{topic="events.dead-letters",broker="kafka-1"}'
FAILED = 'kafka_connect_worker_connector_connector_failed_task_count{connector="sink"}'
UP = {f'up{{job="kafka",broker="kafka-{n}"}}': "1x90" for n in (1, 2, 3)}
FIGURES = {
    f'{name}{{broker="kafka-1"}}': "0x90"
    for name in (
        "kafka_controller_offline_partitions",
        "kafka_server_under_min_isr_partitions",
        "kafka_server_under_replicated_partitions",
        "kafka_log_offline_directories",
    )
} | {'kafka_controller_active{broker="kafka-1"}': "1x90"}


def disk(free: str, broker: str = "kafka-1") -> dict[str, str]:
    """Return what is told of a broker's disk of 100 bytes."""
    labels = f'{{job="node-exporter",broker="{broker}"}}'
    return {f"node_filesystem_avail_bytes{labels}": free, f"node_filesystem_size_bytes{labels}": "100x90"}


ENDS = 'probe_ssl_earliest_cert_expiry{job="certificates",broker="kafka-1"}'
ASKED = 'up{job="certificates",broker="kafka-1"}'
FORTNIGHT_S = 14 * 24 * 3600


@dataclass(frozen=True)
class Case:
    """Series from second 0 on, one value every 10 s, and what has to fire at a second: its labels, or nothing."""

    alert: str
    name: str
    series: Mapping[str, str]
    at: int
    fires: tuple[Mapping[str, str], ...] = field(default=())


def firing(**labels: str) -> tuple[Mapping[str, str], ...]:
    return (labels,)


CASES = (
    Case("BrokerDown", "fires", {**UP, 'up{job="kafka",broker="kafka-2"}': "1x5 0x80"}, 90, firing(broker="kafka-2")),
    Case("BrokerDown", "not before its time", {**UP, 'up{job="kafka",broker="kafka-2"}': "1x5 0x80"}, 70),
    Case("BrokerDown", "silent", UP, 300),
    Case("BrokerDown", "a lost scrape is no broker down", {**UP, 'up{job="kafka",broker="kafka-2"}': "1x5 0 1x80"}, 90),
    Case("BrokerDown", "series absent", {'up{job="other"}': "1x90"}, 60, firing()),
    Case("OfflinePartitions", "fires", {'kafka_controller_offline_partitions{broker="a"}': "0x3 2x80"}, 60, firing()),
    Case("OfflinePartitions", "not before its time", {"kafka_controller_offline_partitions": "0x5 2x80"}, 60),
    Case("OfflinePartitions", "silent", {"kafka_controller_offline_partitions": "0x90"}, 300),
    Case("OfflinePartitions", "series absent: MetricsMissing tells it", UP, 300),
    Case(
        "UnderMinIsr",
        "fires",
        {'kafka_server_under_min_isr_partitions{broker="b"}': "0x3 1x80"},
        60,
        firing(broker="b"),
    ),
    Case("UnderMinIsr", "not before its time", {'kafka_server_under_min_isr_partitions{broker="b"}': "0x5 1x80"}, 60),
    Case("UnderMinIsr", "silent", {'kafka_server_under_min_isr_partitions{broker="b"}': "0x90"}, 300),
    Case("UnderMinIsr", "series absent: MetricsMissing tells it", UP, 300),
    Case(
        "UnderReplicated",
        "fires",
        {'kafka_server_under_replicated_partitions{broker="b"}': "0x3 4x80"},
        120,
        firing(broker="b"),
    ),
    Case(
        "UnderReplicated", "not before its time", {'kafka_server_under_replicated_partitions{broker="b"}': "4x80"}, 50
    ),
    Case("UnderReplicated", "silent", {'kafka_server_under_replicated_partitions{broker="b"}': "0x90"}, 300),
    Case("UnderReplicated", "series absent: MetricsMissing tells it", UP, 300),
    Case("NoController", "fires", {"kafka_controller_active": "1x3 0x80"}, 90, firing()),
    Case(
        "NoController",
        "two are as bad",
        {f'kafka_controller_active{{broker="{n}"}}': "1x80" for n in "ab"},
        90,
        firing(),
    ),
    Case("NoController", "not before its time", {"kafka_controller_active": "1x3 0x80"}, 60),
    Case("NoController", "silent", {f'kafka_controller_active{{broker="{n}"}}': f"{n}x80" for n in (0, 1)}, 300),
    Case("NoController", "series absent", UP, 60, firing()),
    Case("NoController", "series that ends", {"kafka_controller_active": "1x3 stale"}, 120, firing()),
    Case(
        "ConsumerLag",
        "fires over all partitions of a group",
        {f'kafka_consumergroup_lag{{consumergroup="g",topic="t",partition="{n}"}}': "6000x90" for n in (0, 1)},
        180,
        firing(consumergroup="g", topic="t"),
    ),
    Case(
        "ConsumerLag", "not before its time", {'kafka_consumergroup_lag{consumergroup="g",topic="t"}': "20000x90"}, 100
    ),
    Case("ConsumerLag", "silent", {'kafka_consumergroup_lag{consumergroup="g",topic="t"}': "10000x90"}, 300),
    Case("ConsumerLag", "series absent: LagUnknown tells it", UP, 300),
    Case("LagUnknown", "fires", {'up{job="kafka-exporter"}': "1x3 0x80"}, 120, firing(job="kafka-exporter")),
    Case("LagUnknown", "not before its time", {'up{job="kafka-exporter"}': "1x3 0x80"}, 80),
    Case("LagUnknown", "silent", {'up{job="kafka-exporter"}': "1x90"}, 300),
    Case("LagUnknown", "series absent", UP, 90, firing(job="kafka-exporter")),
    *(
        Case(
            "MetricsMissing", f"{gone} absent", {k: v for k, v in {**UP, **FIGURES}.items() if k != gone}, 120, firing()
        )
        for gone in FIGURES
    ),
    Case("MetricsMissing", "not before its time", UP, 50),
    Case("MetricsMissing", "silent", {**UP, **FIGURES}, 300),
    Case("MetricsMissing", "silent where no broker answers: BrokerDown tells it", dict.fromkeys(UP, "0x90"), 300),
    Case(
        "LogDirectoryOffline",
        "fires",
        {'kafka_log_offline_directories{broker="b"}': "0x3 1x80"},
        60,
        firing(broker="b"),
    ),
    Case("LogDirectoryOffline", "not before its time", {'kafka_log_offline_directories{broker="b"}': "0x5 1x80"}, 60),
    Case("LogDirectoryOffline", "silent", {'kafka_log_offline_directories{broker="b"}': "0x90"}, 300),
    Case("LogDirectoryOffline", "series absent: MetricsMissing tells it", UP, 300),
    Case("ConnectorFailed", "fires", {FAILED: "0x3 1x80"}, 90, firing(connector="sink")),
    Case("ConnectorFailed", "not before its time", {FAILED: "0x3 1x80"}, 60),
    Case("ConnectorFailed", "silent", {FAILED: "0x90"}, 300),
    Case("ConnectorFailed", "series absent: no connector is no failed one", UP, 300),
    Case(
        "DeadLetters",
        "fires at the first record of all",
        {LETTERS: "_x70 1x20"},
        720,
        firing(topic="events.dead-letters"),
    ),
    Case("DeadLetters", "fires at one more", {LETTERS: "5x70 6x20"}, 730, firing(topic="events.dead-letters")),
    Case("DeadLetters", "silent when the last one is long ago", {LETTERS: "5x90"}, 800),
    Case("DeadLetters", "silent for other topics", {'kafka_topic_messagesin_total{topic="events"}': "0+9x90"}, 800),
    Case(
        "DeadLetters",
        "a new leader counts on",
        {LETTERS: "5x80 stale", LETTERS.replace("-1", "-2"): "_x79 1x20"},
        830,
        firing(topic="events.dead-letters"),
    ),
    Case("DeadLetters", "series absent: no topic is no record", UP, 800),
    Case(
        "DiskNearlyFull",
        "fires for the broker whose disk it is",
        {**disk("50x3 9x80", "kafka-2"), **disk("10x90")},
        170,
        firing(broker="kafka-2"),
    ),
    Case("DiskNearlyFull", "not before its time", disk("50x3 9x80"), 150),
    Case("DiskNearlyFull", "silent while a tenth is free", {**disk("10x90"), **disk("99x90", "kafka-2")}, 300),
    Case("DiskNearlyFull", "silent when retention has freed it in time", disk("50x3 9x10 12x80"), 300),
    Case(
        "DiskNearlyFull",
        "silent for other disks",
        {
            **disk("50x90"),
            "node_filesystem_avail_bytes{job='node'}": "1x90",
            "node_filesystem_size_bytes{job='node'}": "100x90",
        },
        300,
    ),
    Case("DiskNearlyFull", "series absent", UP, 120, firing(job="node-exporter")),
    Case("DiskNearlyFull", "series that ends", disk("50x3 stale"), 200, firing(job="node-exporter")),
    # These series begin in 1970: a certificate ends at its value in seconds.
    Case("CertificateEndsSoon", "fires", {ENDS: f"{FORTNIGHT_S + 29}x90"}, 170, firing(broker="kafka-1")),
    Case("CertificateEndsSoon", "fires when it has ended", {ENDS: "60x90"}, 300, firing(broker="kafka-1")),
    Case("CertificateEndsSoon", "not before its time", {ENDS: f"{FORTNIGHT_S + 29}x90"}, 140),
    Case("CertificateEndsSoon", "silent", {ENDS: f"{FORTNIGHT_S + 301}x90", ASKED: "1x90"}, 300),
    Case("CertificateEndsSoon", "series absent: without certificates none ends", UP, 300),
    Case(
        "CertificateEndsSoon",
        "the one who asks is absent",
        {ASKED: "1x3 0x80"},
        170,
        firing(job="certificates", broker="kafka-1"),
    ),
)


def judged(promtool: str, folder: Path, rules: Mapping[str, Any], cases: tuple[Case, ...]) -> str:
    """Return what promtool has against some rules in some cases, "" if nothing."""
    (folder / "rules.yml").write_text(yaml.safe_dump(dict(rules)), encoding="utf-8")
    tests = [
        {
            "interval": "10s",
            "name": f"{case.alert} {case.name}",
            "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
            "promql_expr_test": [
                {
                    "expr": f"sum without (alertname, alertstate, severity) "
                    f'(ALERTS{{alertname="{case.alert}",alertstate="firing"}})',
                    "eval_time": f"{case.at}s",
                    "exp_samples": [
                        {"labels": "{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}", "value": 1}
                        for labels in _expected(case)
                    ],
                }
            ],
        }
        for case in cases
    ]
    file = folder / "cases.yml"
    file.write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "10s", "tests": tests}), encoding="utf-8"
    )
    done = subprocess.run(
        [promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False, timeout=60
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _expected(case: Case) -> tuple[Mapping[str, str], ...]:
    """Return the labels that an alert fires with; `absent` gives those that its selector names."""
    if case.alert == "BrokerDown" and case.fires:
        return tuple({"job": "kafka", **labels} for labels in case.fires)
    return case.fires


@pytest.mark.parametrize("alert", ALL)
def test_an_alert_does_what_it_is_for(promtool: str, tmp_path: Path, alert: str) -> None:
    assert judged(promtool, tmp_path, RULES, tuple(case for case in CASES if case.alert == alert)) == ""


@pytest.mark.parametrize("alert", ALL)
def test_each_alert_is_shown_to_fire_to_be_silent_and_without_its_series(alert: str) -> None:
    cases = [case for case in CASES if case.alert == alert]
    assert [case for case in cases if case.fires]
    assert [case for case in cases if case.name.startswith("silent")]
    assert [case for case in cases if "absent" in case.name]


def turned(rule: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return mutations of a rule: comparisons turned round, the ways out for a missing series cut, its time gone."""
    expr = str(rule["expr"])
    opposite = {"==": "!=", "!=": "==", ">": "<", "<": ">"}
    found = [
        expr[: match.start()] + opposite[match[0]] + expr[match.end() :]
        for match in re.finditer(r"(?<![=!])[!=]=(?!~)|[<>]", expr)
    ]
    ways_out = r" or (absent\([^)]*\)|vector\(0\)|up{[^}]*} == 0$)"
    found += [expr[: match.start()] + expr[match.end() :] for match in re.finditer(ways_out, expr)]
    limits = re.compile(r"\d{3,}|\d+\.\d+")
    found += [limits.sub(lambda number: f"{float(number[0]) * 10:g}", expr)] if limits.search(expr) else []
    found += [expr.replace(" unless ", " and ", 1)] if " unless " in expr else []
    mutants = [{**rule, "expr": each} for each in found]
    return [*mutants, {**rule, "for": "0s"}, {**rule, "for": "1h"}] if "for" in rule else mutants


@pytest.mark.parametrize("alert", ALL)
def test_an_alert_that_is_taken_away_or_turned_round_fails_a_case(promtool: str, tmp_path: Path, alert: str) -> None:
    cases = tuple(case for case in CASES if case.alert == alert)
    others = [rule for name, rule in ALL.items() if name != alert]
    mutants = [others, *([*others, mutant] for mutant in turned(ALL[alert]))]
    assert len(mutants) > 2
    for rules in mutants:
        groups = {"groups": [{"name": "kafka", "rules": rules}]}
        assert judged(promtool, tmp_path, groups, cases), rules[-1]


@pytest.mark.parametrize("alert", ALL)
def test_a_runbook_leads_to_its_section(alert: str) -> None:
    page, _, anchor = ALL[alert]["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert ALL[alert]["annotations"]["summary"]
