"""One run: traffic, faults by the plan, recovery, and the topic read back through every replica."""

from __future__ import annotations

import random
import uuid
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError
from backbone.failover import ending, leadership, readback
from backbone.failover.actions import ACTIONS, Action, Proof, Scene
from backbone.failover.entries import Described, FaultBegun, Healed, Promised, Proved, Recovered, Slept, Stopped
from backbone.failover.history import RECOVERY_S, Terms
from backbone.failover.identity import identity
from backbone.failover.journal import Journal
from backbone.failover.patience import ask, persist
from backbone.failover.plan import KINDS
from backbone.failover.target import Target
from backbone.failover.workload import Workload
from backbone.stack.leftovers import NO_LEDGER, Ledger, Trace
from backbone.wait import CLOCK, asleep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from backbone.failover.plan import Plan, Step
    from backbone.stack.engine import Stack
    from backbone.wait import Clock

PARTITIONS = 3
_WARM_UP_RECORDS = 300
_AFTERMATH_S = 3.0
_MOVED_S = 1.0  # clients and the observer hear of the new leader before the fault begins
_READ_S = 120.0
_SLEEP_S = 1.0  # two clocks that are read one after another differ by less


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is made. rate: records/s over all partitions. size: bytes of a record. session: see Target.

    timings: what the report says of the cluster's settings.
    """

    folder: Path
    addresses: Mapping[int, str]
    session: float
    timings: Mapping[str, str] = field(default_factory=dict)
    rate: float = 300.0
    size: int = 200
    min_insync: int = 2
    cold_restart: bool = True
    producer: Mapping[str, Any] = field(default_factory=dict)
    topic_settings: Mapping[str, str] = field(default_factory=dict)
    ledger: Ledger = NO_LEDGER

    @property
    def bootstrap(self) -> tuple[str, ...]:
        """The addresses of all brokers."""
        return tuple(self.addresses.values())


@dataclass
class Run:
    """What a run in progress holds on to."""

    settings: Settings
    target: Target
    workload: Workload
    journal: Journal
    tell: Callable[[str], None]
    clock: Clock = CLOCK
    slept: Callable[[], float] = asleep

    @property
    def traces(self) -> tuple[Trace, ...]:
        """What is left of the run in the cluster: first the group, which reads the topic."""
        return traces(self.settings, self.target.topic)

    def keep(self) -> None:
        """Take what the run has made off the account: nobody is to remove it."""
        for trace in self.traces:
            self.settings.ledger.strike(trace)

    @property
    def run_id(self) -> bytes:
        """Sixteen bytes that every record of this run carries."""
        return bytes.fromhex(self.workload.run)


def traces(settings: Settings, topic: str) -> tuple[Trace, ...]:
    """Return what a run with that topic makes in the cluster."""
    where = settings.bootstrap
    return Trace("group", _group(topic), where, "failover"), Trace("topic", topic, where, "failover")


def _group(topic: str) -> str:
    return f"{topic}-readers"


def open_run(settings: Settings, stack: Stack | None, seed: int | None, tell: Callable[[str], None]) -> Run:
    """Make the folder, the topic and the journal of a run; nothing is sent yet."""
    run = uuid.uuid4()
    settings.folder.mkdir(parents=True, exist_ok=False)
    topic = f"failover-{run.hex[:8]}"
    replicas = min(3, len(settings.addresses))
    for trace in traces(settings, topic):
        settings.ledger.note(trace)
    leadership.create_topic(settings.bootstrap, topic, PARTITIONS, replicas, settings.topic_settings)
    journal = Journal(settings.folder / "run.jsonl")
    idempotent = settings.producer.get("enable_idempotence", True)
    terms = Terms(PARTITIONS, replication_factor=replicas, min_insync=settings.min_insync, idempotent=idempotent)
    journal.write(Promised(asdict(terms)))
    journal.write(Described("as this report began", dict(settings.timings)))
    pick = random.Random(seed).choice  # noqa: S311 - a reproducible choice, no secret
    target = Target(settings.addresses, topic, _group(topic), PARTITIONS, settings.session, pick, stack)
    workload = Workload(
        folder=settings.folder,
        journal=journal,
        run=run.hex,
        topic=topic,
        group=target.group,
        bootstrap=settings.bootstrap,
        brokers=settings.addresses,
        partitions=PARTITIONS,
        rate=settings.rate,
        size=settings.size,
        producer=settings.producer,
    )
    return Run(settings, target, workload, journal, tell)


def identify(run: Run) -> None:
    """Write down what each broker says of itself now."""
    for node, address in run.target.addresses.items():
        told = ask((address,), f"the settings of broker {node}", partial(identity, node=node), run.clock)
        run.journal.write(Described(f"broker {node}", told))


def start_traffic(run: Run) -> None:
    """Start observer, consumer and producer when every broker knows the topic, and let them warm up."""
    run.target.await_whole(RECOVERY_S)
    identify(run)
    for role in ("observer", "consumer", "producer"):
        run.workload.start(role)
    run.workload.wait_for("producer", '["ok"', count=_WARM_UP_RECORDS)
    run.workload.wait_for("consumer", '["deliver"', count=_WARM_UP_RECORDS // 2)


def follow(run: Run, plan: Plan) -> None:
    """Do every step of a plan. Raises what a fault raises; the journal then says that it was not proved."""
    for number, step in enumerate(plan.steps, 1):
        run.clock.sleep(step.quiet)
        run.workload.require_alive()
        perform(run, number, step)
    run.target.await_whole(RECOVERY_S)
    run.clock.sleep(_AFTERMATH_S)


def perform(run: Run, number: int, step: Step) -> None:
    """Do one fault: inject, hold, prove, heal, wait for recovery (if the step says so)."""
    kind, action = KINDS[step.kind], ACTIONS[step.kind]
    nodes = () if step.role == "client" else _victims(run, step)
    if step.role == "controller-leader":
        run.target.make_leader(nodes[0], run.clock)
        run.clock.sleep(_MOVED_S)
    scene = Scene(run.target, run.workload, nodes, step.hold * run.settings.session, run.clock)
    target = step.role if not nodes else f"{step.role} (broker {', '.join(map(str, nodes))})"
    run.tell(f"fault {number}: {step.kind} of {target}")
    run.journal.write(FaultBegun(number, step.kind, target, list(nodes), kind.quorum_lost))
    try:
        proof = _inflict(run, action, scene)
        run.journal.write(Proved(number, proof.holds, proof.evidence))
    finally:
        action.heal(scene)  # whatever happened, Ctrl-C included
        run.journal.write(Healed(number))
    if step.settle:
        run.target.await_whole(RECOVERY_S)
        run.journal.write(Recovered(number))
        if nodes:
            identify(run)


@contextmanager
def noted(run: Run, number: int, kind: str, target: str, node: int) -> Iterator[None]:
    """Write down as a fault what the block does to a broker, which is whole again when it ends."""
    run.workload.require_alive()
    run.journal.write(FaultBegun(number, kind, target, [node], quorum_lost=False))
    yield
    run.journal.write(Proved(number, holds=True, evidence=target))
    run.journal.write(Healed(number))
    run.target.await_whole(RECOVERY_S)
    run.journal.write(Recovered(number))


def _victims(run: Run, step: Step) -> tuple[int, ...]:
    """Return the brokers to be hit; right after another fault nobody may have the role for a while."""
    return persist(
        lambda: run.target.victims(step.role, KINDS[step.kind].brokers),
        what=f"a broker that is {step.role}",
        clock=run.clock,
    )


def _inflict(run: Run, action: Action, scene: Scene) -> Proof:
    """Inject a fault, hold it and ask for its proof; one that could not be injected is not proved."""
    try:
        done = action.inject(scene)
        run.clock.sleep(scene.hold)
        proof = action.prove(scene)
    except StackError as error:
        return Proof(holds=False, evidence=f"{error.reference}: {error.message}")
    return Proof(proof.holds, f"{done}; {proof.evidence}")


def finish(run: Run) -> None:
    """End the traffic and read everything back: once with each replica as leader, once after a cold restart."""
    run.workload.end("producer")
    readback.write_fences(run.settings.bootstrap, run.target.topic, PARTITIONS, run.run_id, run.journal)
    _drain(run)
    for turn, leaders in enumerate(leadership.rotation(run.settings.bootstrap, run.target.topic, run.clock), 1):
        leadership.lead(run.settings.bootstrap, run.target.topic, leaders, clock=run.clock)
        _read(run, f"leaders-{turn}")
    if run.settings.cold_restart and run.target.stack is not None:
        run.tell("cold restart")
        nodes = tuple(run.target.addresses)
        run.target.stop(nodes)
        run.target.start(nodes)
        run.target.await_whole(RECOVERY_S)
        _read(run, "cold-restart")
    identify(run)
    run.workload.end("observer")


def _drain(run: Run) -> None:
    """Let the consumer come to the fences; if it does not, the checker will say what it has not seen."""
    try:
        run.workload.wait_for("consumer", f'"{readback.FENCE}"', count=PARTITIONS, timeout=RECOVERY_S)
    except StackError as error:
        if error.exit_code != ExitCode.TIMEOUT:
            raise
        run.tell("the consumer did not come to the end")
    run.workload.end("consumer")


def _read(run: Run, name: str) -> None:
    count = readback.read_back(run.settings.bootstrap, run.target.topic, name, run.run_id, run.journal, _READ_S)
    run.tell(f"read back, pass {name}: {count} records")


def whole_run(run: Run, plan: Plan) -> None:
    """Do all of it, guarded."""
    with guarded(run):
        start_traffic(run)
        follow(run, plan)
        finish(run)


@contextmanager
def guarded(run: Run) -> Iterator[None]:
    """Write down what ends the block early and whether the machine slept meanwhile, and clear up in any case.

    No process of ours is left behind, every broker is made to run again, and the journal has its end. A disk that takes
    no more words hinders none of that.
    """
    slept = run.slept()
    try:
        yield
    except BaseException as error:
        with suppress(OSError):
            run.journal.write(Stopped(ending.reason(error)))
        run.target.restore()
        raise
    finally:
        run.workload.abandon()
        run.target.close()
        with suppress(OSError):
            if (slept := run.slept() - slept) > _SLEEP_S:
                run.journal.write(Slept(round(slept, 1)))
        with suppress(OSError):
            run.journal.close()
