"""The last half hour of figures: read from exporters that answer and some that do not, kept, and drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
import requests

from backbone.errors import StackError
from backbone.stack.groups import Place
from backbone.web import alerts
from backbone.web.cluster import Cluster
from backbone.web.desk import Desk
from backbone.web.figures import Asked, Exporters, Figure, Prometheus, parse
from backbone.web.history import EVERY_S, METRICS, MINUTES, History
from backbone.web.watch import Watch, pause
from tests import ROOT, fakes
from tests.servers.http import serve
from tests.unit.web.served import MadeUp, served

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.servers.http import Body

KIB_150 = 150 << 10
TOLD = """\
# HELP kafka_server_bytesin_total Attribute exposed for management
# TYPE kafka_server_bytesin_total counter
kafka_server_bytesin_total 83963.0
kafka_network_request_time_ms{quantile="0.95",request="Produce"} 50.35
kafka_odd{topic="a\\"b},c\\\\d\\ne"} NaN
jvm_memory_used_bytes{area="heap"} 2.42685768E8 1769860800123
this is no figure
kafka_broken{a="b} 1
"""


@dataclass
class Exporter:
    """An exporter whose counter grows by `step` at each look, until it is told to answer otherwise."""

    step: int = 500
    status: int = HTTPStatus.OK
    total: int = 0
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: Body) -> tuple[int, object]:
        del body
        self.asked.append(f"{method} {path}")
        self.total += self.step
        return self.status, f"kafka_server_bytesin_total {self.total}\nkafka_controller_active 1\n".encode()


def counted(value: float, broker: str = "kafka-1", at: float | None = None) -> Figure:
    return Figure("kafka_server_bytesin_total", {"job": "kafka", "broker": broker}, value, at)


def drawn(history: History, now: float, title: str = "Bytes in") -> dict[str, list[float]]:
    chart = next(each for each in history.charts(now) if each.title == title)
    return {line.name: [y for _, y in line.points] for line in chart.lines}


def test_prometheus_text_is_read_and_what_is_none_is_left_out() -> None:
    found = list(parse(TOLD, {"broker": "kafka-1"}))
    assert [each.name for each in found] == [
        "kafka_server_bytesin_total",
        "kafka_network_request_time_ms",
        "kafka_odd",
        "jvm_memory_used_bytes",
    ]
    assert found[0] == Figure("kafka_server_bytesin_total", {"broker": "kafka-1"}, 83963.0)
    assert found[1].labels == {"quantile": "0.95", "request": "Produce", "broker": "kafka-1"}
    assert found[2].labels["topic"] == 'a"b},c\\d\ne'
    assert math.isnan(found[2].value)
    assert found[3].at == 1769860800.123


def test_the_exporters_of_a_stack_are_those_of_its_brokers() -> None:
    broker: dict[str, Any] = {
        "environment": {"KAFKA_PROCESS_ROLES": "broker,controller", "KAFKA_NODE_ID": "2"},
        "hostname": "kafka-2",
    }
    listens = {"x-embedded": {"runtime": "kafka", "listens": ["kafka-2:9404"]}}
    model = fakes.model(**{"kafka-2": {**broker, **listens}, "registry": fakes.PLAIN})
    assert Exporters.of(model) == Exporters({"kafka-2": "127.0.0.12:9404"})


def test_a_broker_that_does_not_answer_is_down_and_the_others_are_heard() -> None:
    with serve(Exporter()) as good, serve(Exporter(status=HTTPStatus.SERVICE_UNAVAILABLE)) as ill:
        targets = {"kafka-1": good, "kafka-2": ill, "kafka-3": "http://127.0.0.1:1"}
        source = Exporters({name: url.removeprefix("http://") for name, url in targets.items()})
        found = source.read(METRICS)
    up = {each.labels["broker"]: each.value for each in found if each.name == "up"}
    assert up == {"kafka-1": 1, "kafka-2": 0, "kafka-3": 0}
    assert [each for each in found if each.name != "up"] == [
        counted(500),
        Figure("kafka_controller_active", {"job": "kafka", "broker": "kafka-1"}, 1),
    ]


def test_a_counter_is_drawn_as_its_growth_a_second() -> None:
    history = History()
    for now, value in ((0, 100), (5, 600), (10, 1600), (15, 0), (20, 50)):
        history.take(now, [counted(value)])
    first, *rest = drawn(history, 20)["kafka-1"]
    assert math.isnan(first), "one look is no rate"
    assert rest[:2] == [100, 200]
    assert math.isnan(rest[2]), "a broker that began anew did not send less than nothing"
    assert rest[3] == 10


def test_what_prometheus_said_before_still_holds() -> None:
    history = History()
    for now, value, at in ((0, 100, 0), (5, 100, 0), (10, 600, 10), (15, 600, 10)):
        history.take(now, [counted(value, at=at)])
    assert drawn(history, 15)["kafka-1"][2:] == [50, 50]


def test_a_broker_that_is_gone_leaves_a_gap() -> None:
    history = History()
    for now in range(0, 40, 5):
        there = "a" if now == 20 else "ab"
        history.take(now, [Figure("jvm_memory_used_bytes", {"area": "heap", "broker": each}, 5) for each in there])
    (chart,) = history.charts(35)
    assert [chart.path(line).count("M") for line in chart.lines] == [1, 2]
    assert [chart.path(line).count("L") for line in chart.lines] == [7, 5]


def test_partitions_are_added_up_and_the_slowest_broker_counts() -> None:
    history = History()
    slow = [
        Figure("kafka_network_request_time_ms", {"broker": b, "request": "Produce", "quantile": q}, value)
        for b, q, value in (("a", "0.95", 3), ("b", "0.95", 7), ("b", "0.99", 90))
    ]
    short = [Figure("kafka_server_under_replicated_partitions", {"broker": b}, n) for b, n in (("a", 2), ("b", 3))]
    history.take(0, [*slow, *short])
    assert drawn(history, 0, "Time a request takes, p95") == {"Produce": [7]}
    assert drawn(history, 0, "Replicas") == {"under-replicated": [5]}


def test_a_picture_says_its_numbers_in_words_and_in_a_fitting_unit() -> None:
    history = History()
    for now, value in ((0, 0), (5, 10_000_000), (10, 15_000_000)):
        history.take(now, [counted(value)])
    (chart,) = history.charts(10)
    assert chart.y.title == "MB/s"
    assert [words for _, words in chart.x.ticks] == ["-5 min", "-4 min", "-3 min", "-2 min", "-1 min", "now"]
    assert chart.words == "From producers. Now, and most (MB/s): kafka-1 1, 2."


def test_a_large_number_is_no_power_of_ten() -> None:
    history = History()
    history.take(0, [Figure("kafka_server_under_replicated_partitions", {"broker": "a"}, 10_800)])
    (chart,) = history.charts(0)
    assert chart.words.endswith("under-replicated 10,800, 10,800.")


def test_a_day_of_figures_takes_no_more_than_half_an_hour_of_them() -> None:
    history, sizes = History(), []
    brokers = [f"kafka-{number}" for number in (1, 2, 3)]
    for look in range(int(24 * 3600 / EVERY_S)):
        now = look * EVERY_S
        history.take(now, [counted(look * 50_000, broker) for broker in brokers])
        sizes.append(history.bytes)
    assert max(sizes) == sizes[-1] == sizes[int(MINUTES * 60 / EVERY_S)]
    assert sizes[-1] < KIB_150
    (chart,) = history.charts(24 * 3600 - EVERY_S)
    assert [len(line.points) for line in chart.lines] == [360] * 3
    assert "-30 min" in [words for _, words in chart.x.ticks]
    assert min(x for line in chart.lines for x, _ in line.points) >= -MINUTES


@dataclass
class Lagging(Cluster):
    """A cluster with one group, whose places may be refused."""

    lost: bool = False
    asked: int = 0

    def places(self) -> Mapping[str, Sequence[Place]]:
        self.asked += 1
        if self.lost:
            raise StackError("no-broker", "no broker answers")
        return {"billing": (Place("orders", 0, 7, 0, 12_007),)}


def test_lag_has_the_usual_name_without_the_usual_exporter() -> None:
    cluster = Lagging(["127.0.0.1:1"])
    source = Asked(cluster, None)
    wanted = ["kafka_consumergroup_lag"]
    (up, lag) = source.read(wanted)
    assert (up.name, up.value, up.labels) == ("up", 1, {"job": "kafka-exporter"})
    assert lag.value == 12_000
    assert lag.labels == {"consumergroup": "billing", "topic": "orders", "partition": "0"}
    for _ in range(5):
        assert source.read(wanted) == [up, lag]
    assert cluster.asked == 1
    cluster.lost = True
    for _ in range(2):
        assert [(each.name, each.value) for each in source.read(wanted)] == [("up", 0)]
    cluster.lost = False
    assert source.read(wanted) == [up, lag], "what was refused is asked for again at once"
    assert not source.tells("kafka_connect_worker_connector_connector_failed_task_count")


RULES = (ROOT / "infra/06-observability/prometheus/alerts.yml").read_text(encoding="utf-8")


@pytest.fixture
def exporter() -> Exporter:
    return Exporter()


def watching(url: str, clock: fakes.FakeClock) -> Watch:
    source = Exporters({"kafka-1": url.removeprefix("http://")})
    return Watch([source], alerts.rules(RULES, source.tells), clock=clock, wall=lambda: 1769860800 + clock.now())


def shown(desk: Desk, path: str) -> str:
    with served(desk) as access:
        return requests.get(f"http://127.0.0.1:{access.port}{path}", timeout=10).text


def test_the_page_draws_what_was_watched(exporter: Exporter) -> None:
    clock = fakes.FakeClock()
    with serve(exporter) as url:
        watch = watching(url, clock)
        for _ in range(3):
            watch.look()
            clock.sleep(5)
    page = shown(Desk(MadeUp(["127.0.0.1:1"]), watch=watch, clock=clock), "/metrics")
    assert "Bytes in: From producers. Now, and most (B/s): kafka-1 100, 100." in page
    assert '<path class="c0" d="M' in page
    assert "style=" not in page, "the policy of the console forbids it"
    assert "on their way" not in page


def test_the_page_of_alerts_says_what_fires_since_when_and_what_to_do(exporter: Exporter) -> None:
    clock = fakes.FakeClock()
    exporter.status = HTTPStatus.SERVICE_UNAVAILABLE
    with serve(exporter) as url:
        watch = watching(url, clock)
        for _ in range(5):
            watch.look()
            clock.sleep(5)
    assert watch.firing == 1
    desk = Desk(MadeUp(["127.0.0.1:1"]), watch=watch, clock=clock)
    page = shown(desk, "/alerts")
    assert "1 of " in page
    assert "kafka-1 does not answer, since 2026-01-31 12:00:00 UTC" in page
    assert "docs/operations.md#a-broker-is-down" in page
    assert "nobody here tells kafka_consumergroup_lag" in page
    assert "1 alert fires" in shown(desk, "/")


def test_a_long_name_can_go_on_in_the_next_line_and_is_no_markup() -> None:
    watch = Watch([], judged=[alerts.Judged("BrokerDown<b>", "critical", 0, "docs/operations.md#x")])
    page = shown(Desk(MadeUp(["127.0.0.1:1"]), watch=watch), "/alerts")
    assert "Broker<wbr>Down&lt;b&gt;</th>" in page


def test_exporters_that_work_for_seconds_are_asked_less_often() -> None:
    assert [pause(took) for took in (0.1, 3, 60)] == [EVERY_S, 9, 15]


def test_a_cluster_elsewhere_says_that_nobody_named_its_exporters() -> None:
    desk = Desk(MadeUp(["127.0.0.1:1"]))
    assert "nobody told the console of this cluster's exporters" in shown(desk, "/metrics").replace("&#39;", "'")
    assert "only looked at" in shown(desk, "/alerts")


def test_a_prometheus_that_does_not_answer_is_said_with_what_to_start() -> None:
    prometheus = Prometheus("http://127.0.0.1:1/prometheus/")
    watch = Watch([prometheus], prometheus=prometheus)
    watch.look()
    page = shown(Desk(MadeUp(["127.0.0.1:1"]), watch=watch), "/alerts")
    assert "Prometheus does not answer" in page
    assert "up --profile messaging --profile obs" in page
    assert "fire" not in page.partition("role")[2].partition("</p>")[0]


def test_every_metric_that_is_drawn_is_one_that_the_exporter_makes() -> None:
    """The names of jmx/kafka.yml; those of the JVM are the agent's own."""
    made = (ROOT / "infra/05-messaging/kafka/jmx/kafka.yml").read_text(encoding="utf-8")
    spelled = made.replace(
        "kafka_server_$1_total",
        "kafka_server_isrshrinks_total kafka_server_isrexpands_total "
        "kafka_server_bytesin_total kafka_server_bytesout_total",
    )
    for name in METRICS:
        assert name in spelled or name.startswith("jvm_"), name
