"""Every query of the dashboards answers what its panel says, by Prometheus' own promtool over series written here.

A query that is taken away, turned round or asks another series fails; that a live stack has those series is seen by
tests/docker/test_dashboards.py.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from backbone.strimzi.monitoring import DASHBOARDS
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOARDS = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / DASHBOARDS).glob("*.json")}
PANELS = {panel["title"]: panel for board in BOARDS.values() for panel in board["panels"]}
QUERIES = {
    (title, target["refId"]): str(target["expr"])
    for title, panel in PANELS.items()
    for target in panel["targets"]
    if panel["datasource"]["type"] == "prometheus"
}
TIME = "kafka_network_request_time_ms"
# A value every 10 s, chosen so that a sum, a maximum and a count differ, and so do the series that are left out.
SERIES = {
    'up{job="kafka",broker="a"}': "1x20",
    'up{job="kafka",broker="b"}': "1x20",
    'up{job="kafka",broker="c"}': "0x20",
    'up{job="loki"}': "1x20",
    'kafka_controller_active{broker="a"}': "0x20",
    'kafka_controller_active{broker="b"}': "1x20",
    'kafka_controller_active{broker="c"}': "1x20",
    'kafka_controller_offline_partitions{broker="a"}': "0x20",
    'kafka_controller_offline_partitions{broker="b"}': "2x20",
    'kafka_controller_offline_partitions{broker="c"}': "2x20",
    'kafka_server_under_min_isr_partitions{broker="a"}': "1x20",
    'kafka_server_under_min_isr_partitions{broker="b"}': "4x20",
    'kafka_server_under_replicated_partitions{broker="a"}': "2x20",
    'kafka_server_under_replicated_partitions{broker="b"}': "6x20",
    'kafka_consumergroup_lag{consumergroup="g",topic="t",partition="0"}': "5x20",
    'kafka_consumergroup_lag{consumergroup="g",topic="t",partition="1"}': "7x20",
    'kafka_consumergroup_lag{consumergroup="h",topic="t",partition="0"}': "9x20",
    'kafka_topic_messagesin_total{topic="t",broker="a"}': "0+10x20",
    'kafka_topic_messagesin_total{topic="t",broker="b"}': "0+20x20",
    'kafka_topic_messagesin_total{topic="u",broker="a"}': "0+50x20",
    **{
        f'kafka_server_{way}_total{{broker="a",{more}}}': f"0+{each}x20"
        for way, all_topics, scraped_twice, one_topic in (("bytesin", 1000, 2000, 9000), ("bytesout", 3000, 500, 8000))
        for more, each in (("", all_topics), ('instance="2"', scraped_twice), ('topic="t"', one_topic))
    },
    **{
        f'{TIME}{{request="{request}",quantile="{quantile}",broker="a",instance="{instance}"}}': f"{value}x20"
        for request, quantile, instance, value in (
            ("Produce", "0.50", 1, 30),
            ("Produce", "0.95", 1, 3),
            ("Produce", "0.95", 2, 2),
            ("Produce", "0.99", 1, 9),
            ("Produce", "0.99", 2, 8),
            ("FetchConsumer", "0.50", 1, 400),
            ("FetchConsumer", "0.95", 1, 500),
            ("FetchConsumer", "0.95", 2, 490),
            ("FetchConsumer", "0.99", 1, 600),
            ("FetchFollower", "0.95", 1, 700),
            ("FetchFollower", "0.99", 1, 800),
        )
    },
    'kafka_server_isrshrinks_total{broker="a",instance="1"}': "0+6x20",
    'kafka_server_isrshrinks_total{broker="a",instance="2"}': "0+2x20",
    'kafka_server_isrexpands_total{broker="a",instance="1"}': "0+1x20",
    'kafka_server_isrexpands_total{broker="a",instance="2"}': "0+4x20",
    'kafka_server_leaders{broker="a"}': "4x20",
    'kafka_server_partitions{broker="a"}': "11x20",
    'kafka_log_size_bytes{topic="t",partition="0",broker="a"}': "100x20",
    'kafka_log_size_bytes{topic="t",partition="0",broker="b"}': "150x20",
    'kafka_log_size_bytes{topic="u",partition="0",broker="a"}': "70x20",
    'kafka_server_request_handler_idle_ratio{broker="a"}': "7x20",
    'kafka_network_processor_idle_ratio{broker="a"}': "8x20",
    'jvm_memory_used_bytes{job="kafka",broker="a",area="heap",instance="1"}': "100x20",
    'jvm_memory_used_bytes{job="kafka",broker="a",area="heap",instance="2"}': "5x20",
    'jvm_memory_used_bytes{job="kafka",broker="a",area="nonheap"}': "40x20",
    'jvm_memory_used_bytes{job="kafka-connect",broker="a",area="heap"}': "30x20",
}
ANSWERS: dict[tuple[str, str], dict[str, float]] = {
    ("Brokers up", "A"): {"{}": 2},
    ("Active controllers", "A"): {"{}": 2},
    ("Offline partitions", "A"): {"{}": 2},
    ("Under min ISR", "A"): {"{}": 5},
    ("Under-replicated", "A"): {"{}": 8},
    ("Largest lag", "A"): {"{}": 12},
    ("Records in", "A"): {'{topic="t"}': 3, '{topic="u"}': 5},
    ("Bytes in and out", "A"): {'{broker="a"}': 300},
    ("Bytes in and out", "B"): {'{broker="a"}': 350},
    ("Produce time at the broker, p95 and p99", "A"): {'{broker="a"}': 3},
    ("Produce time at the broker, p95 and p99", "B"): {'{broker="a"}': 9},
    ("Fetch time at the broker, p95", "A"): {'{broker="a"}': 500},
    ("In-sync replicas: shrinks and expansions", "A"): {'{broker="a"}': 48},
    ("In-sync replicas: shrinks and expansions", "B"): {'{broker="a"}': 30},
    ("Leaders and partitions", "A"): {'kafka_server_leaders{broker="a"}': 4},
    ("Leaders and partitions", "B"): {'kafka_server_partitions{broker="a"}': 11},
    ("Consumer lag", "A"): {'{consumergroup="g",topic="t"}': 12, '{consumergroup="h",topic="t"}': 9},
    ("Disk by topic, all replicas", "A"): {'{topic="t"}': 250, '{topic="u"}': 70},
    ("Handler and network threads idle", "A"): {'kafka_server_request_handler_idle_ratio{broker="a"}': 7},
    ("Handler and network threads idle", "B"): {'kafka_network_processor_idle_ratio{broker="a"}': 8},
    ("Heap used", "A"): {'{broker="a"}': 105},
}
COLUMNS = 24


def judged(promtool: str, folder: Path, queries: dict[str, tuple[str, dict[str, float]]]) -> str:
    """Return what promtool has against some queries: name → (expression, answer)."""
    tests = [
        {
            "interval": "10s",
            "name": name,
            "input_series": [{"series": series, "values": values} for series, values in SERIES.items()],
            "promql_expr_test": [
                {
                    "expr": expression,
                    "eval_time": "150s",
                    "exp_samples": [{"labels": labels, "value": value} for labels, value in answer.items()],
                }
            ],
        }
        for name, (expression, answer) in queries.items()
    ]
    file = folder / "queries.yml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "10s", "tests": tests}), encoding="utf-8")
    done = subprocess.run(
        [promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False, timeout=60
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def turned(expression: str) -> Iterator[str]:
    """Yield a query turned round: another aggregation, not merged or merged by nothing, a label not asked for."""
    swaps = {"sum": "max", "max": "min", "rate": "increase", "increase": "rate"}
    for match in re.finditer(r"\b(sum|max|rate|increase)\b", expression):
        yield expression[: match.start()] + swaps[match[0]] + expression[match.end() :]
    for match in re.finditer(r" by \([^)]*\)", expression):
        yield expression[: match.start()] + expression[match.end() :]
    for match in re.finditer(r'\w+="[^"]*",?', expression):
        yield expression[: match.start()] + expression[match.end() :]
    yield f"-{expression}"
    yield re.sub(r"(kafka|jvm|up)(\w*)", r"\1\2_gone", expression, count=1)


def test_every_query_of_a_panel_has_its_answer_here() -> None:
    assert QUERIES.keys() == ANSWERS.keys()


def test_every_query_answers_what_its_panel_shows(promtool: str, tmp_path: Path) -> None:
    queries = {" ".join(key): (expression, ANSWERS[key]) for key, expression in QUERIES.items()}
    assert judged(promtool, tmp_path, queries) == ""


def test_a_query_that_is_turned_round_answers_otherwise(promtool: str, tmp_path: Path) -> None:
    mutants = {
        f"{title} {letter} {number}": (mutant, ANSWERS[title, letter])
        for (title, letter), expression in QUERIES.items()
        for number, mutant in enumerate(turned(expression))
    }
    assert len(mutants) > 3 * len(QUERIES)
    said = Counter(re.findall(r'^    expr: (".*"), time: ', judged(promtool, tmp_path, mutants), re.MULTILINE))
    assert said == Counter(json.dumps(mutant) for mutant, _ in mutants.values())


@pytest.mark.parametrize("key", ANSWERS, ids=" ".join)
def test_a_legend_names_labels_that_the_answer_has(key: tuple[str, str]) -> None:
    title, letter = key
    (target,) = (each for each in PANELS[title]["targets"] if each["refId"] == letter)
    named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    for labels in ANSWERS[key]:
        assert named <= set(re.findall(r'(\w+)="', labels))
        assert named or labels == "{}", "lines that differ by a label are told apart"


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_whole(name: str) -> None:
    """Panels have their own place and number, a source that is provisioned, and thresholds that rise."""
    board = BOARDS[name]
    provisioned = ROOT / DASHBOARDS.parent / "provisioning" / "datasources" / "datasources.yml"
    sources = {(each["type"], each["uid"]) for each in yaml.safe_load(provisioned.read_text())["datasources"]}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        place: dict[str, int] = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
        assert (panel["datasource"]["type"], panel["datasource"]["uid"]) in sources
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters) > 0
        _thresholds_rise(panel)


def _thresholds_rise(panel: dict[str, Any]) -> None:
    steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
    values = [step["value"] for step in steps]
    assert values == [] or values[0] is None, panel["title"]
    assert values[1:] == sorted(set(values[1:])), panel["title"]
