"""What will be done to the cluster, decided before the run from a seed: the same seed gives the same plan."""

from __future__ import annotations

import json
import math
import random
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from backbone.errors import ExitCode, StackError
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

Role = Literal["leader", "follower", "controller", "controller-leader", "coordinator", "random", "client"]
"""Who is hit, found when its turn comes. leader, follower: of partition 0.

controller-leader: the active controller, made the leader of partition 0 first if it is not.
"""

Need = Literal["signals", "files", "limits", "network", "packets", "resources"]
"""What an engine must be able to do for it.

files: the brokers' data folders can be written by this user. limits: of a process; resources: of a container.
network: links can be cut; packets: it also has the tools at hand to lose some of them.
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault. hold: how long it lasts, as a range of broker session timeouts. fences: must it be noticed?."""

    title: str
    roles: tuple[Role, ...]
    hold: tuple[float, float]
    needs: Need = "signals"
    fences: bool = True
    quorum_lost: bool = False
    brokers: int = 1


_ANY: tuple[Role, ...] = ("leader", "follower", "controller", "controller-leader", "coordinator", "random")

KINDS: Mapping[str, Kind] = {
    "stop": Kind("controlled shutdown, then start", _ANY, (0.5, 1.5), fences=False),
    "kill": Kind("SIGKILL, start after the session expired", _ANY, (1.4, 2.5)),
    "kill-brief": Kind("SIGKILL, start at once", _ANY, (0.0, 0.3), fences=False),
    "bounce": Kind("five times SIGKILL and start", ("leader", "controller", "random"), (0.0, 0.3), fences=False),
    "pause-short": Kind("SIGSTOP for half a session: must not be noticed", _ANY, (0.5, 0.5), fences=False),
    "pause-long": Kind("SIGSTOP for three sessions", _ANY, (3.0, 3.0)),
    "sleep": Kind(
        "SIGSTOP of all for three sessions, as when the machine sleeps",
        ("random",),
        (3.0, 3.0),
        fences=False,
        quorum_lost=True,
        brokers=3,
    ),
    "rolling": Kind("controlled restart of each broker in turn", ("random",), (0.0, 0.3), fences=False, brokers=3),
    "two-down": Kind("SIGKILL of two of three", ("leader", "controller"), (1.4, 2.0), quorum_lost=True, brokers=2),
    "all-down": Kind("SIGKILL of all at once", ("random",), (0.0, 0.5), quorum_lost=True, brokers=3),
    "cut-tail": Kind("SIGKILL, the last batches cut from its log", ("leader", "follower"), (1.4, 2.0), "files"),
    "cut-tail-brief": Kind(
        "SIGKILL, tail cut, start before the session expires", ("leader",), (0.0, 0.2), "files", fences=False
    ),
    "log-dir": Kind("every write to its disk fails", ("leader", "follower"), (1.4, 2.0), "limits"),
    "kill-producer": Kind("SIGKILL of the producer, then a new one", ("client",), (0.1, 0.5), fences=False),
    "kill-consumer": Kind("SIGKILL of the consumer, then a new one", ("client",), (0.1, 0.5), fences=False),
    "isolate": Kind(
        "off the network, reachable by nobody", ("leader", "follower", "controller"), (1.4, 3.0), "network"
    ),
    "one-way": Kind("what it sends to the other brokers is lost", ("leader", "controller"), (1.4, 3.0), "network"),
    "partial": Kind(
        "one other broker does not hear it, the third does",
        ("leader", "controller"),
        (1.4, 3.0),
        "network",
        fences=False,
    ),
    "packet-loss": Kind(
        "a fifth of its packets is lost, both ways",
        ("leader", "follower", "controller"),
        (1.4, 3.0),
        "packets",
        fences=False,
    ),
    "starve": Kind(
        "a hundredth of a processor", ("leader", "follower", "controller"), (1.4, 3.0), "resources", fences=False
    ),
    "out-of-memory": Kind(
        "killed by the kernel at its memory limit", ("leader", "controller"), (0.0, 0.3), "resources", fences=False
    ),
}
"""Every kind of fault, by name."""


@dataclass(frozen=True, slots=True)
class Step:
    """One fault to come. quiet: seconds of peace before it. hold: how long it lasts, in broker session timeouts.

    settle: wait for full replication before the next step; without it the next fault overlaps with the recovery.
    """

    kind: str
    role: Role
    quiet: float
    hold: float
    settle: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a run, and the seed they came from (None for a plan written by hand)."""

    steps: tuple[Step, ...]
    seed: int | None = None


STANDARD = Plan(
    (
        Step("kill", "leader", 3, 2.0),
        Step("stop", "leader", 2, 1.0),
        Step("pause-long", "leader", 2, 3.0),
        Step("kill", "controller-leader", 2, 2.0),
        Step("pause-short", "leader", 2, 0.5),
        Step("cut-tail-brief", "leader", 2, 0.0),
        Step("two-down", "leader", 2, 1.5),
        Step("kill-producer", "client", 2, 0.2),
        Step("all-down", "random", 2, 0.2),
    )
)
"""What `failover` does when nothing else is asked for: nine faults of eight kinds."""

QUICK = Plan((Step("kill", "leader", 2, 2.0), Step("kill", "controller", 1, 2.0), Step("pause-long", "leader", 1, 3.0)))
"""For a pipeline: the three that matter most, within two minutes on the fast profile."""


def generate(seed: int, count: int, needs: Collection[Need]) -> Plan:
    """Return a plan of `count` steps: each possible kind and role before any is repeated, in a shuffled order.

    A quarter of the quiet times are long; one step in six does not wait for the recovery.
    """
    rng = random.Random(seed)  # noqa: S311 - a reproducible plan, no secret
    deck: list[tuple[str, Role]] = []
    steps = []
    for _ in range(count):
        if not deck:
            deck = _deck(rng, needs)
        name, role = deck.pop()
        kind = KINDS[name]
        quiet = rng.uniform(5, 10) if rng.random() < 1 / 4 else rng.uniform(0.5, 3)
        settle = kind.quorum_lost or rng.random() >= 1 / 6
        steps.append(Step(name, role, round(quiet, 2), round(rng.uniform(*kind.hold), 2), settle))
    return Plan(tuple(steps), seed)


def _deck(rng: random.Random, needs: Collection[Need]) -> list[tuple[str, Role]]:
    """Return every kind with its roles, so dealt that kinds take turns: a round has each kind at most once."""
    hands = []
    for name, kind in KINDS.items():
        if kind.needs in needs:
            roles = list(kind.roles)
            rng.shuffle(roles)
            hands.append([(name, role) for role in roles])
    dealt = []
    while hands:
        rng.shuffle(hands)
        dealt += [hand.pop() for hand in hands]
        hands = [hand for hand in hands if hand]
    return dealt[::-1]


def possible(plan: Plan, needs: Collection[Need]) -> tuple[Plan, tuple[Step, ...]]:
    """Return the plan without the steps that cannot be done here, and those steps."""
    left_out = tuple(step for step in plan.steps if KINDS[step.kind].needs not in needs)
    return Plan(tuple(step for step in plan.steps if step not in left_out), plan.seed), left_out


def dump(plan: Plan) -> dict[str, object]:
    """Return a plan as the JSON value that `parse` reads."""
    return {"seed": plan.seed, "steps": [asdict(step) for step in plan.steps]}


def read(path: Path) -> Plan:
    """Return the plan of a JSON file. Raises StackError("bad-plan") that says what is wrong in it."""
    try:
        body = json.loads(reading.read_text(path))
        plan = Plan(tuple(Step(**step) for step in body["steps"]), body.get("seed"))
    except StackError as error:
        raise _bad(path, error.context or error.message) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _bad(path, f"{type(error).__name__}: {error}") from error
    if not isinstance(plan.seed, int | None):
        raise _bad(path, f"seed is a whole number, not {plan.seed!r}")
    for number, step in enumerate(plan.steps, 1):
        if wrong := _fault(step):
            raise _bad(path, f"step {number}: {wrong}")
    if not plan.steps:
        raise _bad(path, "it has no steps")
    return plan


def _fault(step: Step) -> str:
    """Return what is wrong with a step that a file has given, "" if nothing is."""
    if step.kind not in tuple(KINDS):  # a file may give a list, which no mapping can be asked for
        return f"no kind {step.kind!r}; there are {', '.join(KINDS)}"
    if step.role not in KINDS[step.kind].roles:
        return f"{step.kind} takes a role of {', '.join(KINDS[step.kind].roles)}"
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in (step.quiet, step.hold)):
        return "quiet and hold are numbers"
    return "quiet and hold are not negative" if step.quiet < 0 or step.hold < 0 else ""


def _bad(path: Path, what: str) -> StackError:
    return StackError(
        "bad-plan",
        f"{path} is no plan",
        context=what,
        hint='such as {"steps": [{"kind": "kill", "role": "leader", "quiet": 2, "hold": 2}]}',
        exit_code=ExitCode.USAGE,
    )
