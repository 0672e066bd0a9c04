"""A broker is away for a while and comes back: what the others bear, and how long it takes until it has caught up.

Discrete events, seeded. While it is away, the others lead its partitions. When it is back, it has to copy what was
written meanwhile, while new records keep coming: in chunks, each no faster than the leader it copies from has to spare,
and all of them no faster than it can write. Records come in batches at random times (a Poisson process).

The closed form beside it: with W bytes to copy, new ones coming at rate λ and a copying rate μ, the mean time until
nothing is left is W / (μ - λ), and there is none for λ ≥ μ. It is the busy period of an M/G/1 queue that starts with
the work W (Kleinrock, Queueing Systems I, section 5.8).
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.capacity.arithmetic import READ_COST

if TYPE_CHECKING:
    from backbone.capacity.model import Plan

_CHUNK = 2.0**20  # replica.fetch.max.bytes
_EVENTS = 20_000
_HORIZON = 20.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What a returned broker finds.

    backlog: bytes it lacks; leaders: brokers it copies from. Bytes a second: new, what keeps coming for its copies;
    own, what it can write; spare, what each leader can read out beside its own load.
    """

    backlog: float
    new: float
    own: float
    leaders: int
    spare: float

    @property
    def copying(self) -> float:
        """The rate at which it can copy: its own, or what all leaders have to spare."""
        return min(self.own, self.leaders * max(self.spare, 0.0))

    @property
    def expected(self) -> float:
        """The mean seconds until it has caught up, by the closed form; infinite where it never does."""
        return self.backlog / (self.copying - self.new) if self.copying > self.new else math.inf


@dataclass(frozen=True, slots=True)
class Loss:
    """What the loss of a broker does. survivors: their share of capacity used meanwhile; the times in seconds.

    caught_up, slowest: mean and worst of the runs, infinite where one never caught up; limit: what the rate may be
    multiplied by until it no longer does.
    """

    outage: float
    survivors: float
    scene: Scene
    caught_up: float
    slowest: float
    limit: float


def lose(plan: Plan, outage: float, *, seed: int, runs: int = 10) -> Loss:
    """Simulate the loss of one broker for so many seconds, several times."""
    scene = scene_of(plan, outage)
    times = [run(scene, random.Random(seed * 1_000 + number)) for number in range(runs)]  # noqa: S311 - repeatable
    return Loss(
        outage=outage,
        survivors=plan.load / (plan.brokers - 1) / plan.capacity.rate if plan.brokers > 1 else math.inf,
        scene=scene,
        caught_up=statistics.fmean(times),
        slowest=max(times),
        limit=_limit(plan, outage),
    )


def scene_of(plan: Plan, outage: float, factor: float = 1.0) -> Scene:
    """Return what a broker finds that was away so long, at a multiple of the rate."""
    ingress = plan.demand.ingress * factor
    copies = ingress * plan.demand.replicas / plan.brokers
    leaders = plan.brokers - 1
    # The others lead everything, and serve all readers but the one that is away.
    load = plan.load * factor - copies
    spare = (plan.capacity.rate - load / leaders) / READ_COST if leaders else 0.0
    return Scene(backlog=copies * outage, new=copies, own=plan.capacity.rate, leaders=leaders, spare=spare)


def _limit(plan: Plan, outage: float) -> float:
    """Return the multiple of the rate at which a returned broker no longer catches up, to a thousandth."""
    low, high = 0.0, 1.0
    while math.isfinite(scene_of(plan, outage, high).expected):
        low, high = high, high * 2
    while high - low > high / 1_000:
        middle = (low + high) / 2
        low, high = (middle, high) if math.isfinite(scene_of(plan, outage, middle).expected) else (low, middle)
    return low


def run(scene: Scene, chance: random.Random) -> float:
    """Return the seconds until everything is copied; infinity if it is not after twenty times the expected ones.

    An event is a batch that arrives at a leader, or a chunk that has been copied from one.
    """
    if scene.backlog <= 0:
        return 0.0
    if scene.leaders < 1 or scene.spare <= 0:
        return math.inf
    chunk = max(_CHUNK, scene.backlog / _EVENTS)
    waiting = [scene.backlog / scene.leaders] * scene.leaders
    horizon = _HORIZON * (scene.expected if math.isfinite(scene.expected) else scene.backlog / scene.copying)
    events = [(0.0, index, leader) for index, leader in enumerate(range(scene.leaders))]
    arrival = chance.expovariate(scene.new / chunk) if scene.new else math.inf
    written = 0.0  # until when the broker's own disk is busy
    left = scene.backlog
    idle: list[int] = []
    order = scene.leaders
    while left > 0 and events:
        now = events[0][0]
        if now > horizon:
            return math.inf
        if arrival <= now:
            leader = chance.randrange(scene.leaders)
            waiting[leader] += chunk
            left += chunk
            if leader in idle:
                idle.remove(leader)
                heapq.heappush(events, (arrival, order, leader))
                order += 1
            arrival += chance.expovariate(scene.new / chunk)
            continue
        _, _, leader = heapq.heappop(events)
        part = min(chunk, waiting[leader])
        if part <= 0:
            idle.append(leader)
            if len(idle) == scene.leaders:  # nothing is left anywhere
                break
            continue
        written = max(now, written) + part / scene.own
        waiting[leader] -= part
        left -= part
        heapq.heappush(events, (max(now + part / scene.spare, written), order, leader))
        order += 1
    return max(written, now)
