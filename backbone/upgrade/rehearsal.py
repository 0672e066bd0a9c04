"""An upgrade on a clone of the data, there and back and past the point of no return, while every record is judged."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError
from backbone.failover import campaign, run
from backbone.snapshots import fingerprint
from backbone.stack import kafka_versions, lifecycle
from backbone.stack.settings import assign
from backbone.upgrade import features, roll, survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.failover.campaign import Campaign
    from backbone.snapshots.manifest import Manifest
    from backbone.snapshots.store import Store
    from backbone.stack.engine.base import Progress
    from backbone.stack.readiness import Watcher
    from backbone.upgrade.clone import Clone
    from backbone.upgrade.roll import Step

KIND = "upgrade"
"""What the report calls the restart of a node with another version."""

_QUIET_S = 2.0
_REFUSED = "Unsupported metadata version"
_WORDS = 700


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that has to be true of the upgrade, whether it was, and what was seen."""

    what: str
    holds: bool
    seen: str


@dataclass
class Rehearsal:
    """A rehearsal in progress. timeout: seconds for each node to be whole again."""

    clone: Clone
    target: str
    timeout: float
    progress: Progress
    watch: Watcher
    steps: list[Step] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    def up(self) -> None:
        """Start the clone's brokers and wait until they are whole."""
        lifecycle.up(self.clone.open(), timeout=self.timeout, progress=self.progress, watch=self.watch)

    def claim(self, what: str, seen: str, *, holds: bool) -> None:
        """Note a claim and say it."""
        self.claims.append(Claim(what, holds, seen[:_WORDS]))
        self.progress(f"{'seen' if holds else 'NOT so'}: {what}: {seen[:_WORDS]}")


def choose(store: Store, name: str, target: str) -> Manifest:
    """Return the snapshot to rehearse on: the named one, else the newest. Raises StackError("no-snapshot")."""
    if not name and not store.names():
        raise StackError(
            "no-snapshot",
            "a rehearsal is done on a snapshot's data, and there is none; saving one stops the stack for the copy",
            hint=f"./invoke snapshot save now\n./invoke upgrade --to {target} --rehearse",
            exit_code=ExitCode.USAGE,
        )
    found = store.load(name or store.names()[-1])
    if kafka_versions.numbers(found.identity.kafka) >= kafka_versions.numbers(target):
        raise StackError(
            "nothing-to-rehearse",
            f"{found.name} was written by Kafka {found.identity.kafka} already",
            hint="./invoke snapshot list",
            exit_code=ExitCode.USAGE,
        )
    return found


def conduct(going: Rehearsal, how: Campaign) -> dict[str, Any]:
    """Rehearse on a clone that does not run yet, and return a failover report (schemas/failover-report.schema.json).

    Its faults are the restarts; `details.rehearsal` of its run has the claims. A node that does not come back whole
    ends it, and is a claim that does not hold. Raises KeyboardInterrupt.
    """
    going.up()
    before = fingerprint.of(going.clone.open())
    stack = going.clone.open()
    cluster = campaign.open_cluster(stack.bootstrap, stack)
    ended: list[BaseException] = []
    whole = "every node comes back whole, there, back and there again"

    def course(traffic: run.Run) -> None:
        try:
            _under_load(going, traffic)
        except BaseException as error:
            ended.append(error)
            raise

    report = campaign.watch(how, cluster, course, "rehearsal")
    if interrupted := [error for error in ended if isinstance(error, KeyboardInterrupt)]:
        raise interrupted[0]
    if ended:
        error = ended[0]
        words = f"{error.message} {error.context or ''}" if isinstance(error, StackError) else str(error)
        going.claim(whole, words.strip(), holds=False)
    else:
        longest = max(step.seconds for step in going.steps)
        going.claim(whole, f"{len(going.steps)} restarts, the longest {longest} s", holds=True)
        _after(going, before)
    report["runs"][0]["details"]["rehearsal"] = {
        "snapshot": going.clone.manifest.name,
        "from": going.clone.version,
        "to": going.target,
        "claims": [asdict(each) for each in going.claims],
    }
    return report


def _under_load(going: Rehearsal, traffic: run.Run) -> None:
    """Do the way there, back, there again, and finalise it, while records are written and read."""
    numbers = count(1)
    for target, mixed in ((going.target, True), (going.clone.version, False), (going.target, False)):
        for turn, node in enumerate(roll.begin(going.clone.open, target)):
            traffic.clock.sleep(_QUIET_S)
            number = int(going.clone.open().model[node.name].environment["KAFKA_NODE_ID"])
            with run.noted(traffic, next(numbers), KIND, f"{node.name}, {node.words} → {target}", number):
                step = roll.change(
                    going.clone.open, node, target, timeout=going.timeout, progress=going.progress, watch=going.watch
                )
            going.steps.append(step)
            if mixed and turn == 0:
                _mixed(going)
    stack = going.clone.open()
    levels = survey.of(stack).raisable
    features.finalize(stack.bootstrap, {name: new for name, (_, new) in levels.items()})
    told = ", ".join(f"{name} {old} → {new}" for name, (old, new) in levels.items())
    traffic.clock.sleep(_QUIET_S)  # each broker learns of it from the metadata log
    going.claim("it is finalised under load", told, holds=features.METADATA not in survey.of(stack).raisable)


def _mixed(going: Rehearsal) -> None:
    """Ask for the newest level while one node supports it and the others do not."""
    stack = going.clone.open()
    newest = max(node.features.supported[features.METADATA] for node in survey.of(stack).nodes if node.features)
    with _refusal(going, "a cluster of two versions is not finalised", features.METADATA):
        features.finalize(stack.bootstrap, {features.METADATA: newest})


def _after(going: Rehearsal, before: dict[str, str]) -> None:
    """Show that the older program refuses the finalised data, and that the snapshot leads back to what there was."""
    clone, old = going.clone, going.clone.version
    node = next(iter(clone.open().brokers))
    assign(clone.settings.env_file, {kafka_versions.VARIABLE: old})
    with _refusal(going, f"Kafka {old} refuses the finalised data", _REFUSED):
        lifecycle.restart(
            clone.open([node]), node, timeout=going.timeout, progress=going.progress, watch=going.watch, renew=True
        )
    clone.begin(going.progress)
    going.up()
    after = fingerprint.of(clone.open())
    other = ", ".join(what for what in after if after[what] != before.get(what))
    releases = survey.of(clone.open()).releases
    seen = f"other than before: {other}" if other else f"every record, offset and setting is as before (Kafka {old})"
    holds = after == before and releases == (kafka_versions.minor(old),)
    going.claim("the snapshot leads back", seen, holds=holds)


@contextmanager
def _refusal(going: Rehearsal, what: str, words: str) -> Iterator[None]:
    """Claim that the block is refused with these words."""
    try:
        yield
    except StackError as error:
        said = [line.strip() for line in f"{error.message}\n{error.context}".splitlines() if words in line]
        going.claim(what, said[0] if said else f"refused otherwise: {error.message}", holds=bool(said))
    else:
        going.claim(what, "it was not refused", holds=False)
