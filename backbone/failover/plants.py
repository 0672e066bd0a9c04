"""Lose records on purpose, in ways Kafka allows, and see that the checker reports exactly those.

A verifier that was never seen to fail proves nothing. Each plant has a control that differs in the one setting or step
that prevents the loss.
"""

from __future__ import annotations

import signal
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kafka.errors import KafkaTimeoutError

from backbone import clients
from backbone.errors import StackError
from backbone.failover import journal, leadership, payload, readback, segments
from backbone.failover.checker import check
from backbone.failover.entries import Invoked, Promised, Unknown
from backbone.failover.history import Record, Terms
from backbone.failover.producer import Writer
from backbone.failover.target import Target
from backbone.stack import leftovers
from backbone.stack.leftovers import Trace
from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from kafka import KafkaProducer

    from backbone.failover.campaign import Cluster

_BASE, _LOST = 20, 5
_WAIT_S = 60.0
_ANSWER_S = 5.0
_SACRIFICES = 3
_FOLLOW_UPS = frozenset({"O1"})
"""What a loss brings with it: a later record takes the offset that a lost one was acknowledged at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was planted, what the checker reported as lost, and the rules besides that which it found broken."""

    name: str
    planted: frozenset[Record]
    reported: frozenset[Record]
    others: frozenset[str]

    @property
    def exact(self) -> bool:
        """Tell whether the report is the truth: these records and no other complaint."""
        return self.planted == self.reported and self.others <= (_FOLLOW_UPS if self.planted else frozenset())


class Stage:
    """A topic of one partition, a journal, and writers whose every record is sent and answered before the next."""

    def __init__(self, folder: Path, cluster: Cluster, name: str, replicas: int, settings: Mapping[str, str]) -> None:
        run = uuid.uuid4()
        folder = folder / name
        folder.mkdir(parents=True)
        self.folder = folder
        self.run = run.bytes
        self.bootstrap = tuple(cluster.addresses.values())
        self.topic = f"plant-{run.hex[:8]}"
        self.ledger = cluster.ledger
        self.trace = Trace("topic", self.topic, self.bootstrap, "failover --plants")
        self.ledger.note(self.trace)
        leadership.create_topic(self.bootstrap, self.topic, 1, replicas, settings)
        self.target = Target(
            cluster.addresses, self.topic, self.topic, 1, cluster.session, lambda nodes: nodes[0], cluster.stack
        )
        self.journal = journal.Journal(folder / "run.jsonl")
        self.journal.write(Promised(asdict(Terms(1, replication_factor=replicas))))
        self.target.await_whole(_WAIT_S)

    def replicas(self) -> tuple[int, tuple[int, ...]]:
        """Return the leader and the followers of the partition."""
        known = self.target.metadata()
        if known is None:
            raise AssertionError("a stage has just seen its cluster whole")
        one = known.partitions[0]
        return one.leader, tuple(node for node in one.replicas if node != one.leader)

    @contextmanager
    def writer(self, name: str, **client: Any) -> Iterator[Callable[[int], frozenset[Record]]]:
        """Open a producer; yield a function that writes so many records one by one and returns them."""
        producer = clients.producer(self.bootstrap, **{**clients.FAILOVER_PRODUCER, "linger_ms": 0, **client})
        writer = Writer(producer, self.journal, name=name, topic=self.topic, run=self.run, size=200)

        def write(count: int) -> frozenset[Record]:
            records = set()
            for _ in range(count):
                records.add(writer.send(0, time.monotonic_ns()))
                with suppress(KafkaTimeoutError):  # the control's records are never acknowledged
                    producer.flush(timeout=_ANSWER_S)
            return frozenset(records)

        try:
            yield write
        finally:
            with suppress(KafkaTimeoutError):
                producer.close(timeout=1)

    def freeze(self, nodes: tuple[int, ...]) -> None:
        """Send SIGSTOP and wait until every thread stands still, which takes a loaded machine a while."""
        self.send(nodes, signal.SIGSTOP)
        wait_until(
            lambda: all(self.target.state(node).phase == "paused" for node in nodes),
            what="frozen brokers",
            timeout=_WAIT_S,
        )

    def sacrifice(self, acks_one: KafkaProducer, number: int) -> None:
        """Write one record whose fate is not judged: it may be in an answer that a frozen follower has yet to read."""
        record = Record("sacrifice", 0, number)
        now = self.journal.write(Invoked(*record, time.monotonic_ns()))
        acks_one.send(self.topic, payload.encode(payload.Payload(self.run, record, now), 0), partition=0).get(
            timeout=30
        )
        self.journal.write(Unknown(*record, "not to be judged"))

    def send(self, nodes: tuple[int, ...], number: signal.Signals) -> None:
        """Send a signal to brokers."""
        for node in nodes:
            self.target.engine_stack.engine.signal(self.target.service(node), number)

    def await_partition(
        self, what: str, leader: int | None, isr: set[int] | None, *, without: tuple[int, ...] = ()
    ) -> None:
        """Wait until the other brokers see this leader and these replicas in sync (None: any)."""

        def seen() -> bool:
            known = self.target.metadata(without=without)
            one = known.partitions.get(0) if known else None
            return one is not None and leader in (None, one.leader) and isr in (None, set(one.isr))

        wait_until(
            seen, what=what, timeout=_WAIT_S, interval=0.1, last_seen=lambda: str(self.target.metadata(without=without))
        )

    def await_alive(self, node: int, *, without: int) -> None:
        """Wait until a broker is unfenced in the eyes of the others."""

        def seen() -> bool:
            known = self.target.metadata(without=(without,))
            return known is not None and node in known.brokers

        wait_until(seen, what=f"broker {node} to be unfenced", timeout=_WAIT_S)

    def judge(self, name: str, planted: frozenset[Record]) -> Finding:
        """Bring everybody back, read everything back through every replica, and ask the checker."""
        self.target.start(tuple(self.target.addresses))
        self.target.await_whole(_WAIT_S)
        readback.write_fences(self.bootstrap, self.topic, 1, self.run, self.journal)
        for turn, leaders in enumerate(leadership.rotation(self.bootstrap, self.topic), 1):
            leadership.lead(self.bootstrap, self.topic, leaders)
            readback.read_back(self.bootstrap, self.topic, f"leaders-{turn}", self.run, self.journal, _WAIT_S)
        self.journal.close()
        with suppress(StackError):  # the next task removes what this cluster keeps for now
            leftovers.take_away(self.ledger, self.trace)
        violations = check(journal.load(self.folder))
        lost = frozenset(one.subject for one in violations if one.rule == "L1" and isinstance(one.subject, Record))
        return Finding(name, planted, lost, frozenset(one.rule for one in violations) - {"L1"})


def frozen_followers(folder: Path, cluster: Cluster, *, acks: str | int) -> Finding:
    """P1: both followers are frozen, records are written, the leader is killed, the followers go on.

    With acks=1 the leader acknowledged alone: the records are lost though the election was clean. Control: acks=all
    acknowledges none of them.
    """
    name = f"frozen-followers-acks-{acks}"
    stage = Stage(folder, cluster, name, 3, {})
    leader, followers = stage.replicas()
    with stage.writer("base") as write:
        write(_BASE)
    client = {
        "acks": acks,
        "enable_idempotence": acks == "all",
        "delivery_timeout_ms": 4000,
        "request_timeout_ms": 1000,
    }
    with stage.writer("late", **client) as write:
        # Connected and warm before the followers freeze: metadata could not be had later.
        write(1)
        with _acks_one(stage) as sacrificer:
            stage.freeze(followers)
            for number in range(1, _SACRIFICES + 1):
                stage.sacrifice(sacrificer, number)
        doomed = write(_LOST if acks == 1 else 1)
    stage.send((leader,), signal.SIGKILL)
    stage.send(followers, signal.SIGCONT)
    stage.await_partition("a new leader", None, set(followers), without=(leader,))
    return stage.judge(name, doomed if acks == 1 else frozenset())


@contextmanager
def _acks_one(stage: Stage) -> Iterator[KafkaProducer]:
    settings = {**clients.FAILOVER_PRODUCER, "acks": 1, "enable_idempotence": False, "linger_ms": 0}
    producer = clients.producer(stage.bootstrap, **settings)
    producer.partitions_for(stage.topic)
    try:
        yield producer
    finally:
        producer.close(timeout=1)


def unclean_election(folder: Path, cluster: Cluster, *, min_insync: int) -> Finding:
    """P2: of two replicas one is stopped, records are written, the other is killed, the first comes back and leads.

    With min.insync.replicas=1 the last one acknowledged alone, and an operator's unclean election loses that.
    Control: with 2 nothing is acknowledged, and the stopped one is still eligible (KIP-966).
    """
    name = f"unclean-election-min-isr-{min_insync}"
    stage = Stage(folder, cluster, name, 2, {"min.insync.replicas": str(min_insync)})
    leader, (follower,) = stage.replicas()
    with stage.writer("base") as write:
        write(_BASE)
    stage.target.stop([follower])
    stage.await_partition("the leader alone in sync", leader, {leader}, without=(follower,))
    with stage.writer("late", delivery_timeout_ms=3000, request_timeout_ms=1000) as write:
        doomed = write(_LOST if min_insync == 1 else 1)
    stage.send((leader,), signal.SIGKILL)
    stage.target.start([follower])
    if min_insync == 1:
        stage.await_partition("a partition without a leader", -1, None, without=(leader,))
        stage.await_alive(follower, without=leader)
        leadership.elect_unclean(_alive(stage, leader), stage.topic, {0: follower})
    stage.await_partition("the follower leads", follower, None, without=(leader,))
    return stage.judge(name, doomed if min_insync == 1 else frozenset())


def _alive(stage: Stage, dead: int) -> tuple[str, ...]:
    """Return the addresses of all brokers but one."""
    return tuple(address for node, address in stage.target.addresses.items() if node != dead)


def cut_tails(folder: Path, cluster: Cluster, *, replicas: str) -> Finding:
    """P3: the last batches vanish from the disks, as when the power fails before they were written out.

    replicas="all": every copy is gone, so the records are. Controls: only one replica loses them and comes back
    "fenced", after its session expired, or "early", before that (the case of KIP-966).
    """
    name = f"cut-tails-{replicas}"
    stage = Stage(folder, cluster, name, 3, {})
    leader, followers = stage.replicas()
    with stage.writer("base") as write:
        write(_BASE)
        doomed = write(_LOST)
    hit = (leader, *followers) if replicas == "all" else (leader,)
    stage.send(hit, signal.SIGKILL)
    removed = [segments.cut_from(stage.target.data(node), stage.topic, 0, _BASE) for node in hit]
    if not all(removed):
        raise AssertionError(f"nothing was cut: {removed}")
    if replicas == "fenced":
        stage.await_partition("a new leader", None, set(followers), without=hit)
    return stage.judge(name, doomed if replicas == "all" else frozenset())


def every_plant(folder: Path, cluster: Cluster, tell: Callable[[str], None]) -> list[Finding]:
    """Set every plant and every control, one after another."""
    trials: list[Callable[[], Finding]] = [
        lambda: frozen_followers(folder, cluster, acks=1),
        lambda: frozen_followers(folder, cluster, acks="all"),
        lambda: unclean_election(folder, cluster, min_insync=1),
        lambda: unclean_election(folder, cluster, min_insync=2),
        lambda: cut_tails(folder, cluster, replicas="all"),
        lambda: cut_tails(folder, cluster, replicas="fenced"),
        lambda: cut_tails(folder, cluster, replicas="early"),
    ]
    findings = []
    for trial in trials:
        try:
            found = trial()
        except BaseException:
            Target(cluster.addresses, "", "", 0, cluster.session, min, cluster.stack).restore()
            raise
        findings.append(found)
        verdict = "exact" if found.exact else "WRONG"
        tell(f"{found.name}: planted {len(found.planted)}, reported {len(found.reported)}, {verdict}")
    return findings
