"""Each alert that a fault can provoke is fired by that fault, in time, and ends after the heal.

In the order of the file: the dead letter comes first, for its alert ends ten minutes later, at the very end. How long
each took is written to results/docker/alerts.json. Not provoked: LogDirectoryOffline, for a broker with one log
directory ends with it, which BrokerDown tells; CertificateEndsSoon, for this stack has no certificate
(test_certificate.py).
"""

from __future__ import annotations

import json
import signal
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from kafka import TopicPartition

from backbone import clients
from backbone.errors import StackError
from backbone.events.connectors import files, worker
from backbone.stack import health, lifecycle, topics
from backbone.stack.settings import Settings
from backbone.wait import wait_until
from tests.docker import prometheus, records
from tests.docker.conftest import UP_TIMEOUT_S, quiet
from tests.validate.test_alerts import ALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from backbone.stack.engine import Stack
    from backbone.stack.engine.docker.engine import DockerEngine

NOT_PROVOKED = {"LogDirectoryOffline", "CertificateEndsSoon"}
SCRAPE_S = 10
SOON_S = 60
LETTERS_S = 11 * 60
LAG = 10_001
LETTERS = "alerts-poison.dead-letters"
SINK = "alerts-sink"


@dataclass
class Watched:
    """A stack, what was seen of its alerts, and when a fault began that is still to end."""

    stack: Stack
    seen: dict[str, dict[str, float]] = field(default_factory=dict)

    def fires(self, wanted: Mapping[str, float], **labels: str) -> None:
        """Wait until alerts fire, and keep how long after the moment that their cause was there."""
        waiting = dict(wanted)

        def look() -> bool:
            now = time.monotonic()
            for alert in [each for each in waiting if self.firing(each, **labels)]:
                limit = seconds(str(ALL[alert].get("for", "0s")))
                self.seen[alert] = {"for": limit, "fired_after": round(now - waiting.pop(alert), 1)}
            return not waiting

        most = max(seconds(str(ALL[alert].get("for", "0s"))) for alert in wanted)
        wait_until(
            look,
            what=f"{', '.join(wanted)} to fire",
            timeout=most + SOON_S,
            interval=0.5,
            last_seen=lambda: f"still silent: {', '.join(waiting)}; fires: {prometheus.firing(self.stack)}",
        )

    def ends(self, *alerts: str, timeout: float = SOON_S) -> None:
        """Wait until alerts no longer fire."""
        began = time.monotonic()
        wait_until(
            lambda: not any(self.firing(alert) for alert in alerts),
            what=f"{', '.join(alerts)} to end",
            timeout=timeout,
            interval=0.5,
            last_seen=lambda: f"fires: {prometheus.firing(self.stack)}",
        )
        for alert in alerts:
            self.seen[alert]["ended_after"] = round(time.monotonic() - began, 1)

    def firing(self, alert: str, **labels: str) -> bool:
        """Tell whether an alert fires, with some labels."""
        wanted = {"alertname": alert, **labels}.items()
        return any(wanted <= each.items() for each in prometheus.firing(self.stack))

    def up(self) -> None:
        """Heal: what does not run is started, as its user would."""
        lifecycle.up(self.stack, timeout=UP_TIMEOUT_S, progress=print, watch=quiet)


def seconds(text: str) -> float:
    """Return what Prometheus' durations say."""
    return float(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


@pytest.fixture(scope="module")
def watched(docker_stack: Stack) -> Iterator[Watched]:
    """Yield the stack, every target that runs scraped and nothing firing; keep what was seen."""
    found = Watched(docker_stack)
    wanted = {*docker_stack.brokers, "kafka-connect", "kafka-exporter", "node-exporter"}
    wait_until(
        lambda: wanted <= prometheus.up_targets(docker_stack) and not prometheus.firing(docker_stack),
        what="every target to be scraped and no alert to fire",
        timeout=2 * SOON_S,
        interval=1,
        last_seen=lambda: f"{prometheus.up_targets(docker_stack)} {prometheus.firing(docker_stack)}",
    )
    yield found
    folder = Settings().results_dir / "docker"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alerts.json").write_text(json.dumps(found.seen, indent=2) + "\n", encoding="utf-8")


def seen(what: str, probe: Callable[[], object]) -> float:
    """Wait until the cluster itself shows a fault; return that moment: an alert cannot know it before."""

    def look() -> bool:
        with suppress(StackError):  # for a moment nobody may answer
            return bool(probe())
        return False

    wait_until(look, what=what, timeout=SOON_S, interval=0.2)
    return time.monotonic()


def partitions(stack: Stack, topic: str) -> list[health.PartitionState]:
    with clients.admin(stack.bootstrap) as client:
        return [each for each in health.cluster_health(client).partitions if each.topic == topic]


def held(stack: Stack, topic: str) -> int:
    """Return how many records a topic has had; none of a topic that is not there."""
    with closing(clients.consumer(stack.bootstrap)) as consumer:
        known = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        return sum(consumer.end_offsets(known).values()) if known else 0


def test_a_failed_connector_and_then_a_dead_letter(watched: Watched) -> None:
    """A record without a contract stops a sink that tolerates nothing; one that tolerates it puts it aside."""
    stack = watched.stack
    own = worker.of_stack(stack.model)
    (archive,) = files.select(files.load(stack.settings.root / files.FOLDER, files.SCHEMA_FILE), ["postgres-archive"])
    records.produce(stack.bootstrap, 3, new=topics.Topic("alerts-poison", 3))
    strict = {
        **archive.config,
        "topics": "alerts-poison",
        "tasks.max": "1",
        "collection.name.format": "alerts_poison",
        "errors.tolerance": "none",
        "errors.deadletterqueue.topic.name": "",
    }
    own.put(SINK, strict)
    failed = seen(
        "its task to fail", lambda: (state := own.state(SINK)) and any("FAILED" in t.state for t in state.tasks)
    )
    watched.fires({"ConnectorFailed": failed}, connector=SINK)
    own.put(SINK, {**strict, "errors.tolerance": "all", "errors.deadletterqueue.topic.name": LETTERS})
    there = seen("the dead letter", lambda: held(stack, LETTERS))
    watched.fires({"DeadLetters": there}, topic=LETTERS)
    watched.ends("ConnectorFailed")


def test_a_consumer_that_stopped(watched: Watched) -> None:
    bootstrap = watched.stack.bootstrap
    topic, values = records.produce(bootstrap, 3)
    read = {"group_id": "alerts-reader", "auto_offset_reset": "earliest", "consumer_timeout_ms": 20_000}

    def consume(count: int) -> None:
        consumer = clients.consumer(bootstrap, **read)
        clients.join(consumer, topic)
        try:
            for _ in zip(range(count), consumer, strict=False):
                pass
            consumer.commit()
        finally:
            consumer.close()

    consume(len(values))
    records.produce(bootstrap, LAG, topic)
    watched.fires({"ConsumerLag": time.monotonic()}, consumergroup="alerts-reader", topic=topic)
    consume(LAG)
    watched.ends("ConsumerLag")


def test_nobody_tells_the_lag(watched: Watched, docker_engine: DockerEngine) -> None:
    docker_engine.signal("kafka-exporter", signal.SIGKILL)
    watched.fires({"LagUnknown": time.monotonic()})
    watched.up()
    watched.ends("LagUnknown")


def test_brokers_that_answer_without_their_figures(watched: Watched, docker_engine: DockerEngine) -> None:
    """The agent reads its file again when it has changed."""
    figure = "kafka_log_offline_directories"

    def rename(old: str, new: str) -> None:
        argv = ["sed", "-i", f"s/name: {old}}}/name: {new}}}/", "/opt/jmx/kafka.yml"]
        for broker in watched.stack.brokers:
            done = docker_engine.containers()[broker].exec_run(argv, user="root")
            assert done.exit_code == 0, done.output

    rename(figure, f"{figure}_gone")
    watched.fires({"MetricsMissing": time.monotonic()})
    rename(f"{figure}_gone", figure)
    watched.ends("MetricsMissing")


def test_a_disk_that_is_nearly_full(watched: Watched, docker_engine: DockerEngine) -> None:
    """One twentieth of it stays free, of the blocks that its file system tells."""
    fill = (
        'set -- $(stat -f -c "%a %b %S" /var/lib/kafka/data) && '
        "dd if=/dev/zero of=/var/lib/kafka/data/filler bs=$3 count=$(($1 - $2 / 20))"
    )
    kafka = docker_engine.containers()["kafka-3"]
    done = kafka.exec_run(["sh", "-c", fill])
    assert done.exit_code == 0, done.output
    watched.fires({"DiskNearlyFull": time.monotonic()}, broker="kafka-3")
    assert not watched.firing("DiskNearlyFull", broker="kafka-1")
    kafka.exec_run(["rm", "/var/lib/kafka/data/filler"])
    watched.ends("DiskNearlyFull")


def test_a_broker_that_was_killed(watched: Watched, docker_engine: DockerEngine) -> None:
    """It was the only home of some partitions."""
    stack = watched.stack
    records.produce(stack.bootstrap, 6, new=topics.Topic("alerts-alone", 3, 1))
    docker_engine.signal("kafka-3", signal.SIGKILL)
    killed = time.monotonic()
    offline = seen("a partition without leader", lambda: any(p.leader < 0 for p in partitions(stack, "alerts-alone")))
    watched.fires({"BrokerDown": killed, "OfflinePartitions": offline})
    assert watched.firing("BrokerDown", broker="kafka-3")
    watched.up()
    watched.ends("BrokerDown", "OfflinePartitions")


def test_a_replica_that_is_kept_out(watched: Watched, docker_engine: DockerEngine) -> None:
    """A broker without a network, and a topic that wants all three."""
    stack = watched.stack
    strict = topics.Topic("alerts-strict", 3, config={"min.insync.replicas": "3"})
    records.produce(stack.bootstrap, 6, new=strict)
    docker_engine.disconnect("kafka-2")
    try:
        out = seen("a replica to be out", lambda: any(len(each.isr) < 3 for each in partitions(stack, "alerts-strict")))
        watched.fires({"UnderReplicated": out, "UnderMinIsr": out})
    finally:
        docker_engine.reconnect("kafka-2")
    watched.ends("UnderReplicated", "UnderMinIsr", timeout=2 * SOON_S)


def test_two_that_were_stopped(watched: Watched, docker_engine: DockerEngine) -> None:
    """The last one has no quorum."""
    for broker in ("kafka-2", "kafka-3"):
        docker_engine.signal(broker, signal.SIGKILL)
    watched.fires({"NoController": time.monotonic()})
    watched.up()
    watched.ends("NoController")


def test_the_dead_letter_is_long_ago(watched: Watched) -> None:
    watched.ends("DeadLetters", timeout=LETTERS_S)


def test_every_alert_was_fired_in_time_and_nothing_fires_any_more(watched: Watched) -> None:
    assert watched.seen.keys() == ALL.keys() - NOT_PROVOKED
    late = {name: each for name, each in watched.seen.items() if each["fired_after"] > each["for"] + 2 * SCRAPE_S}
    assert not late, "later than `for` and two scrapes"
    wait_until(
        lambda: not prometheus.firing(watched.stack),
        what="silence",
        timeout=2 * SOON_S,
        interval=1,
        last_seen=lambda: str(prometheus.firing(watched.stack)),
    )
