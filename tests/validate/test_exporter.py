"""What jmx/kafka.yml makes of what a broker or a Connect worker has, rule by rule, as the agent reads its rules.

That brokers have these beans is seen where they run: tests/docker/test_dashboards.py and live/test_alerts.py.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from backbone.web.history import METRICS
from tests import ROOT
from tests.validate.test_alerts import ALL
from tests.validate.test_dashboards import QUERIES

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE: dict[str, Any] = yaml.safe_load((ROOT / "infra/05-messaging/kafka/jmx/kafka.yml").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = FILE["rules"]
BEANS: list[str] = FILE["includeObjectNames"]
ELSEWHERE = re.compile(r"up|kafka_consumergroup_lag|jvm_\w+")  # Prometheus, kafka-exporter, the agent itself
TOPIC = "kafka.server<type=BrokerTopicMetrics, name="
TIME = "kafka.network<type=RequestMetrics, name=TotalTimeMs, request="
CONNECT = "kafka.connect<type="
MADE: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("kafka.controller<type=KafkaController, name=ActiveControllerCount><>Value", "kafka_controller_active", {}),
    (
        "kafka.controller<type=KafkaController, name=OfflinePartitionsCount><>Value",
        "kafka_controller_offline_partitions",
        {},
    ),
    ("kafka.controller<type=KafkaController, name=FencedBrokerCount><>Value", "kafka_controller_fencedbrokercount", {}),
    (
        "kafka.server<type=ReplicaManager, name=UnderReplicatedPartitions><>Value",
        "kafka_server_under_replicated_partitions",
        {},
    ),
    (
        "kafka.server<type=ReplicaManager, name=UnderMinIsrPartitionCount><>Value",
        "kafka_server_under_min_isr_partitions",
        {},
    ),
    ("kafka.server<type=ReplicaManager, name=PartitionCount><>Value", "kafka_server_partitions", {}),
    ("kafka.server<type=ReplicaManager, name=LeaderCount><>Value", "kafka_server_leaders", {}),
    ("kafka.server<type=ReplicaManager, name=IsrShrinksPerSec><>Count", "kafka_server_isrshrinks_total", {}),
    ("kafka.server<type=ReplicaManager, name=IsrExpandsPerSec><>Count", "kafka_server_isrexpands_total", {}),
    (f"{TOPIC}MessagesInPerSec, topic=orders><>Count", "kafka_topic_messagesin_total", {"topic": "orders"}),
    (f"{TOPIC}BytesInPerSec><>Count", "kafka_server_bytesin_total", {}),
    (f"{TOPIC}BytesOutPerSec><>Count", "kafka_server_bytesout_total", {}),
    (
        "kafka.server<type=KafkaRequestHandlerPool, name=RequestHandlerAvgIdlePercent><>OneMinuteRate",
        "kafka_server_request_handler_idle_ratio",
        {},
    ),
    ("kafka.server<type=raft-metrics><>current-leader", "kafka_raft_current_leader", {}),
    (f"{TIME}Produce><>95thPercentile", "kafka_network_request_time_ms", {"request": "Produce", "quantile": "0.95"}),
    (
        f"{TIME}FetchConsumer><>99thPercentile",
        "kafka_network_request_time_ms",
        {"request": "FetchConsumer", "quantile": "0.99"},
    ),
    (
        "kafka.network<type=RequestMetrics, name=RequestsPerSec, request=Produce, version=12><>Count",
        "kafka_network_requests_total",
        {"request": "Produce", "version": "12"},
    ),
    (
        "kafka.network<type=SocketServer, name=NetworkProcessorAvgIdlePercent><>Value",
        "kafka_network_processor_idle_ratio",
        {},
    ),
    (
        "kafka.log<type=Log, name=Size, topic=orders, partition=2><>Value",
        "kafka_log_size_bytes",
        {"topic": "orders", "partition": "2"},
    ),
    ("kafka.log<type=LogManager, name=OfflineLogDirectoryCount><>Value", "kafka_log_offline_directories", {}),
    (f"{CONNECT}connect-worker-metrics><>task-count: 2", "kafka_connect_worker_task_count", {}),
    (
        f"{CONNECT}connect-worker-metrics, connector=sink><>connector-failed-task-count: 1",
        "kafka_connect_worker_connector_connector_failed_task_count",
        {"connector": "sink"},
    ),
    (
        f"{CONNECT}connector-task-metrics, connector=sink, task=0><>batch-size-avg: 1.5",
        "kafka_connect_task_batch_size_avg",
        {"connector": "sink", "task": "0"},
    ),
    (
        f"{CONNECT}sink-task-metrics, connector=sink, task=0><>put-batch-avg-time-ms: 3",
        "kafka_connect_sink_put_batch_avg_time_ms",
        {"connector": "sink", "task": "0"},
    ),
)
LEFT_OUT = (
    "kafka.server<type=ReplicaManager, name=IsrShrinksPerSec><>OneMinuteRate",
    "kafka.server<type=ReplicaManager, name=AtMinIsrPartitionCount><>Value",
    f"{TIME}FetchSnapshot><>95thPercentile",
    f"{TOPIC}BytesInPerSec><>FiveMinuteRate",
    f"{TOPIC}BytesInPerSec, topic=orders><>EventType: bytes",
)
UNREAD = (
    f"{TOPIC}TotalFetchRequestsPerSec, topic=orders><>Count",
    f"{TIME}Metadata><>95thPercentile",
    "kafka.network<type=RequestMetrics, name=RequestsPerSec, request=Metadata, version=13><>Count",
)


def taken(bean: str) -> tuple[int, re.Match[str]] | None:
    """Return the first rule that takes a bean's attribute, and how (io.prometheus.jmx.JmxCollector)."""
    found = ((index, re.fullmatch(f".*(?:{rule['pattern']}).*", bean)) for index, rule in enumerate(RULES))
    return next(((index, match) for index, match in found if match), None)


def made(bean: str) -> tuple[str, dict[str, str]] | None:
    """Return the metric that is made of a bean's attribute, None if none is: a rule with an empty name makes none."""
    if (found := taken(bean)) is None:
        return None
    index, match = found

    def filled(text: str) -> str:
        return re.sub(r"\$(\d)", lambda group: match[int(group[1])], text)

    rule = RULES[index]
    name = re.sub(r"\W", "_", filled(rule["name"])).lower()
    return (name, {key: filled(value) for key, value in rule.get("labels", {}).items()}) if name else None


def read(bean: str) -> bool:
    """Tell whether the agent looks at a bean: `*` is any text in a property's value, and as a property any others."""
    domain, _, rest = bean.partition("<")
    properties = rest.partition(">")[0].split(", ")

    def asked(own: str, wanted: list[str]) -> bool:
        named = [each for each in wanted if each != "*"]
        there = all(any(fnmatchcase(each, one) for each in properties) for one in named)
        return own == domain and there and (len(named) == len(properties) or "*" in wanted)

    return any(asked(own, names.split(",")) for own, _, names in (item.partition(":") for item in BEANS))


def names(expression: str) -> Iterator[str]:
    """Yield the metrics that an expression asks for."""
    without = re.sub(r'"[^"]*"|\b(?:by|on|without) ?\([^)]*\)', "", expression)
    yield from re.findall(r"\b(?:up|kafka_\w+|jvm_\w+)\b", without)


@pytest.mark.parametrize(("bean", "name", "labels"), MADE, ids=[case[0] for case in MADE])
def test_a_bean_becomes_its_metric(bean: str, name: str, labels: dict[str, str]) -> None:
    assert made(bean) == (name, labels)


def test_every_rule_is_shown() -> None:
    shown = [*(bean for bean, *_ in MADE), *LEFT_OUT]
    assert {found[0] for bean in shown if (found := taken(bean))} == set(range(len(RULES)))


@pytest.mark.parametrize("bean", LEFT_OUT)
def test_what_nobody_looks_at_is_left_out(bean: str) -> None:
    assert made(bean) is None


@pytest.mark.parametrize("bean", [bean for bean, *_ in MADE])
def test_the_agent_asks_for_the_beans_of_its_rules(bean: str) -> None:
    assert read(bean)


@pytest.mark.parametrize("bean", UNREAD)
def test_what_no_rule_wants_is_not_read(bean: str) -> None:
    """Of each topic and each kind of request there are many."""
    assert not read(bean)


def test_counters_are_counters() -> None:
    assert {rule["name"] for rule in RULES if rule.get("type") == "COUNTER"} == {
        rule["name"] for rule in RULES if rule["name"].endswith("_total")
    }


def test_rules_dashboards_and_console_ask_for_metrics_that_exist() -> None:
    told = {name for _, name, _ in MADE}
    asked = {
        *METRICS,
        *(name for rule in ALL.values() for name in names(rule["expr"])),
        *(name for expression in QUERIES.values() for name in names(expression)),
    }
    assert {name for name in asked - told if not ELSEWHERE.fullmatch(name)} == set()
    assert len(asked & told) > 15
