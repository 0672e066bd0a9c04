"""Ours against Kafka's own tools, in turns (A B B A) on one topic of one cluster."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from backbone.bench import closed_loop, reference
from backbone.bench.document import milliseconds
from backbone.bench.drivers import settings
from backbone.bench.drivers.kafka_python import KafkaTarget
from backbone.bench.page import words
from backbone.bench.run import execute
from backbone.bench.statistics import quantile
from backbone.bench.worker import Job, Load
from backbone.clients import PRODUCER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from backbone.bench.reference import EndToEnd, Java, Produced
    from backbone.bench.topics import Cluster

SLACK_MS = 2.0
"""Closed loop, p50: at most this much over Java's; p99: at most twice Java's and this much more."""

_CUT_MS = 1.0
"""EndToEndLatency cuts each time to whole ms: its 1 is anything below 2."""

_SETTLE_S, _SECONDS = 3.0, 10.0
_PARTITIONS = _REPLICAS = 3


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of the closed loops: ours in ns a record, Java's figures in ms."""

    ours: Sequence[int]
    java: EndToEnd


@dataclass(frozen=True, slots=True)
class Rate:
    """The produce span at one rate: ours in ns a record, Java's figures in ms."""

    rate: float
    ours: Sequence[float]
    java: Produced


@dataclass(frozen=True, slots=True)
class Peer:
    """Everything that was set side by side."""

    rounds: Sequence[Round]
    rates: Sequence[Rate]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and how to compare: records of `size` bytes, `count` of them in each turn of a closed loop."""

    cluster: Cluster
    java: Java
    count: int
    size: int
    say: Callable[[str], None]


def compare(setting: Setting, *, rounds: int, rates: Iterable[float]) -> Peer:
    """Run so many turns of both closed loops, then both producers at each rate (records/s)."""
    with setting.cluster.topic(1, _REPLICAS) as topic:
        loops = [_round(setting, topic, ours_first=turn % 2 == 0) for turn in range(rounds)]
    return Peer(loops, [_rate(setting, rate) for rate in rates])


def _round(setting: Setting, topic: str, *, ours_first: bool) -> Round:
    """Run both closed loops once. Like Java's tool ours asks for no fetch wait and no linger."""
    target = KafkaTarget(
        setting.cluster.bootstrap,
        topic,
        partitions=1,
        producer={"linger_ms": 0},
        consumer={"fetch_max_wait_ms": 0},
        start="end",
    )
    loop = closed_loop.Loop(target, setting.count, setting.size)
    times = closed_loop.execute(loop) if ours_first else []
    java = reference.end_to_end(setting.java, setting.cluster.bootstrap, topic, setting.count, setting.size)
    times = times or closed_loop.execute(loop)
    ordered = sorted(map(float, times))
    ours = ", ".join(f"{quantile(ordered, q) / 1e6:.2f}" for q in (0.5, 0.99))
    setting.say(f"closed loop p50, p99: ours {ours} ms; Java {java.p50:g}, {java.p99:g} ms (mean {java.mean:.2f})")
    return Round(times, java)


def _rate(setting: Setting, rate: float) -> Rate:
    """Measure the produce span at one rate: ours (open loop), Java's (mean rate), ours again."""
    before = _produce(setting, rate)
    with setting.cluster.topic(_PARTITIONS, _REPLICAS) as topic:
        java = reference.produce(
            setting.java,
            setting.cluster.bootstrap,
            topic,
            count=int(rate * _SECONDS),
            size=setting.size,
            rate=rate,
            settings=settings.java(PRODUCER, consumer=False),
        )
    ours = before + _produce(setting, rate)
    p95 = quantile(sorted(ours), 0.95) / 1e6
    setting.say(f"produce at {rate:g}/s, p95: ours {p95:.2f} ms, Java {java.p95:g} ms")
    return Rate(rate, ours, java)


def _produce(setting: Setting, rate: float) -> list[float]:
    with setting.cluster.topic(_PARTITIONS, _REPLICAS) as topic:
        target = KafkaTarget(setting.cluster.bootstrap, topic, _PARTITIONS)
        job = Job(target, Load(rate, setting.size, _SECONDS / 2 + _SETTLE_S), run=secrets.randbits(63))
        return execute(job).samples.after(_SETTLE_S).span("produce")


def document(peer: Peer) -> dict[str, Any]:
    """Return the comparison as the report holds it (ms), with whether ours is within its bounds."""
    rounds = [{"ours": _figures(each.ours), "java": asdict(each.java)} for each in peer.rounds]
    ours = _figures([time for each in peer.rounds for time in each.ours])
    java_p50 = max(each.java.p50 for each in peer.rounds) + _CUT_MS
    java_p99 = max(each.java.p99 for each in peer.rounds) + _CUT_MS
    p50, p99 = ours["p50"], ours["p99"]
    return {
        "closed_loop": {
            "rounds": rounds,
            "ours": ours,
            "p50_within": p50 is not None and p50 <= java_p50 + SLACK_MS,
            "p99_within": p99 is not None and p99 <= 2 * java_p99 + SLACK_MS,
        },
        "produce": [{"rate": each.rate, "ours": _figures(each.ours), "java": asdict(each.java)} for each in peer.rates],
    }


def _figures(times: Iterable[float]) -> dict[str, float | None]:
    ordered = sorted(map(float, times))
    found = {f"p{q * 100:g}": milliseconds(quantile(ordered, q)) for q in (0.5, 0.95, 0.99)}
    return {"mean": milliseconds(sum(ordered) / len(ordered)), **found}


def tables(document_: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the comparison as tables of the page. Java's percentiles are cut to whole ms."""
    loops = [
        [
            f"round {number}",
            *(words(each[side].get(key)) for key in ("mean", "p50", "p99") for side in ("ours", "java")),
        ]
        for number, each in enumerate(document_["closed_loop"]["rounds"], 1)
    ]
    rates = [
        [
            f"{each['rate']:g}/s",
            *(words(each[side].get(key)) for key in ("mean", "p50", "p95", "p99") for side in ("ours", "java")),
        ]
        for each in document_["produce"]
    ]
    return [
        {
            "title": "Closed loop: ours and Kafka's EndToEndLatency",
            "columns": ["ms", "mean, ours", "Java", "p50, ours", "Java", "p99, ours", "Java"],
            "rows": loops,
        },
        {
            "title": "Produce: ours and Kafka's ProducerPerformance",
            "columns": [
                "ms",
                "mean, ours",
                "Java",
                "p50, ours",
                "Java",
                "p95, ours",
                "Java",
                "p99, ours",
                "Java",
            ],
            "rows": rates,
        },
    ]
