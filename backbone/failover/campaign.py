"""One or several runs on one cluster, judged and reported: what the task calls."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from backbone.bench import machine
from backbone.clients import admin
from backbone.errors import ExitCode, StackError
from backbone.failover import ending, journal, plan, result, run
from backbone.failover.actions import abilities
from backbone.failover.history import RECOVERY_S
from backbone.failover.identity import timings
from backbone.failover.observed import observed
from backbone.stack import leftovers
from backbone.stack.health import alive
from backbone.stack.leftovers import NO_LEDGER, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from backbone.failover.plan import Need, Plan
    from backbone.stack.engine import Stack

_SOAK_STEPS = 10


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster to be tested: node id → address, its timings as it says itself, and its stack if it is ours."""

    addresses: Mapping[int, str]
    timings: Mapping[str, str]
    stack: Stack | None = None
    ledger: Ledger = NO_LEDGER

    def origin(self, began: dt.datetime) -> result.Origin:
        """Return what a report of this cluster says of its origin. began: in UTC."""
        stack = self.stack
        kafka = {"kafka": stack.model[next(iter(stack.brokers))].image.rpartition(":")[2]} if stack else {}
        return result.Origin(
            started=began.isoformat(timespec="seconds"),
            engine=stack.engine.name if stack else "remote",
            profile=_profile(stack) if stack else "",
            settings=dict(self.timings),
            machine={**kafka, **machine.describe()},
        )

    @property
    def session(self) -> float:
        """broker.session.timeout.ms in seconds."""
        return int(self.timings["broker.session.timeout.ms"]) / 1000

    def needs(self) -> tuple[Need, ...]:
        """Return what faults may need of its engine and get."""
        if self.stack is None:
            return ()
        folders = [
            lambda source=mount.source: _writable(source)
            for service in self.stack.model.services.values()
            for mount in service.mounts
            if mount.target == service.environment.get("KAFKA_LOG_DIRS")
        ]
        return abilities(self.stack.engine, folders)


def _profile(stack: Stack) -> str:
    """Return the name of the timings that the brokers run with, of all of them where they were mixed."""
    return " and ".join(sorted({str(stack.model[name].raw.get("x-failover-profile", "")) for name in stack.brokers}))


def _writable(folder: str) -> None:
    """Raise OSError unless this user can write into a folder."""
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(folder)


def open_cluster(bootstrap: Sequence[str], stack: Stack | None, ledger: Ledger = NO_LEDGER) -> Cluster:
    """Ask a cluster who its brokers are and how it is set. ledger: where topics of runs are kept account of.

    Raises StackError("no-broker") if nobody answers, "too-few-brokers" for less than two.
    """
    with admin(bootstrap) as client:
        brokers = alive(client.describe_cluster()["brokers"])
        addresses = {int(one["broker_id"]): f"{one['host']}:{one['port']}" for one in brokers}
        expected = len(stack.brokers) if stack else 2
        if len(addresses) < expected:
            raise StackError(
                "too-few-brokers",
                f"{len(addresses)} of {expected} brokers are there: a failover needs somebody to fail over to",
                hint="./invoke up",
                exit_code=ExitCode.ENVIRONMENT,
            )
        return Cluster(dict(sorted(addresses.items())), timings(client, min(addresses)), stack, ledger)


@dataclass(frozen=True, slots=True)
class Campaign:
    """How runs are made: where their folders go, at which load, what is told while they go on."""

    folder: Path
    tell: Callable[[str], None]
    rate: float = 300.0
    cold_restart: bool = True
    keep_history: bool = False

    def settings(self, cluster: Cluster, name: str) -> run.Settings:
        """Return the settings of one run."""
        return run.Settings(
            folder=self.folder / name,
            addresses=cluster.addresses,
            session=cluster.session,
            timings=cluster.timings,
            rate=self.rate,
            min_insync=int(cluster.timings.get("min.insync.replicas", 2)),
            cold_restart=self.cold_restart,
            ledger=cluster.ledger,
        )


def conduct(campaign: Campaign, cluster: Cluster, plans: Iterable[Plan]) -> dict[str, Any]:
    """Do one run for each plan and return the report of all (schemas/failover-report.schema.json)."""
    needs, began = cluster.needs(), dt.datetime.now(dt.UTC)
    results, left_out = [], []
    for number, wanted in enumerate(plans, 1):
        chosen, impossible = plan.possible(wanted, needs)
        for step in impossible:
            left_out.append(f"{step.kind} of {step.role}: needs {plan.KINDS[step.kind].needs} (docs/failover.md)")
            campaign.tell(f"left out: {left_out[-1]}")
        judged, interrupted = _one(campaign, cluster, chosen, f"run-{number}")
        results.append(judged)
        if interrupted:
            break
    return result.combine(results, cluster.origin(began), left_out)


def _one(campaign: Campaign, cluster: Cluster, chosen: Plan, name: str) -> tuple[dict[str, Any], bool]:
    """Return what a run showed, and whether somebody interrupted it and wants no further one."""
    settings = campaign.settings(cluster, name)
    going = run.open_run(settings, cluster.stack, chosen.seed, campaign.tell)
    error = attempt(going, lambda: run.whole_run(going, chosen))
    judged = _judge(campaign, settings, name, error, {"plan": plan.dump(chosen)})
    _take_away(campaign, going, judged["verdict"])
    return judged, isinstance(error, KeyboardInterrupt)


def _take_away(campaign: Campaign, going: run.Run, verdict: str) -> None:
    """Remove the topic of a run and the group that read it; after a loss they are kept, for they show it."""
    if verdict == "invalid":
        going.keep()
        campaign.tell(
            f"topic {going.target.topic} is kept, for it shows what was lost; "
            f"./invoke topics delete {going.target.topic} --yes removes it"
        )
        return
    for trace in going.traces:
        try:
            leftovers.take_away(going.settings.ledger, trace)
        except StackError as error:
            campaign.tell(f"{trace} is left ({error.message}); the next ./invoke up or ./invoke failover removes it")


def attempt(going: run.Run, work: Callable[[], None]) -> BaseException | None:
    """Do the work of a run and return what ended it early: what was seen until then is still a history."""
    try:
        work()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - a run is judged whatever ended it
        if not isinstance(error, StackError | KeyboardInterrupt):
            with suppress(OSError):
                text = "".join(traceback.format_exception(error))
                (going.settings.folder / "error.txt").write_text(text, encoding="utf-8")
        return error
    return None


def _judge(
    campaign: Campaign, settings: run.Settings, name: str, error: BaseException | None, details: Mapping[str, object]
) -> dict[str, Any]:
    folder, failure = settings.folder, ending.reason(error) if error else ""
    if failure:
        campaign.tell(f"{name} stopped early: {failure}")
    history = journal.load(folder)
    if failure and not history.stopped:  # the journal could not be written any more
        history = replace(history, stopped=failure)
    if not history.faults:
        history = replace(history, faults=observed(history))
    found = result.summarize(name, history, {**details, "rate": settings.rate, "failure": failure})
    campaign.tell(f"{name}: {found['verdict']}")
    if found["verdict"] == "valid" and not campaign.keep_history:
        shutil.rmtree(folder)
    return found


def soak(seed: int, hours: float, needs: Sequence[Need], now: Callable[[], float] = time.monotonic) -> Iterator[Plan]:
    """Yield plans of ten steps, seeds counting up from `seed`, until the hours are over."""
    end = now() + hours * 3600
    while now() < end:
        yield plan.generate(seed, _SOAK_STEPS, needs)
        seed += 1


def watch(
    campaign: Campaign, cluster: Cluster, until: Callable[[run.Run], None], name: str = "watch"
) -> dict[str, Any]:
    """Write, read and judge while somebody else breaks the cluster. until: returns when it is enough."""
    began = dt.datetime.now(dt.UTC)
    settings = replace(campaign.settings(cluster, name), cold_restart=False)
    going = run.open_run(settings, None, None, campaign.tell)

    def work() -> None:
        with run.guarded(going):
            run.start_traffic(going)
            until(going)
            going.target.await_whole(RECOVERY_S)
            run.finish(going)

    judged = _judge(campaign, settings, name, attempt(going, work), {})
    _take_away(campaign, going, judged["verdict"])
    return result.combine([judged], cluster.origin(began), [])
