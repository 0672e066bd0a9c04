"""A plan and a loss as rows, words, JSON, and as the size of an export."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from backbone.strimzi.model import Size

if TYPE_CHECKING:
    from backbone.capacity.model import Plan
    from backbone.capacity.simulation import Loss

_BYTES = ("B", "B/s")
_MIB = 2**20
_STEP = 1000.0
_LEAST_CPUS = 1.0


def rows(plan: Plan) -> list[tuple[str, str, str, str]]:
    """Return the reckoning, a line each."""
    return [(each.name, amount(each.value, each.unit), each.formula, each.source) for each in plan.steps]


def amount(value: float, unit: str) -> str:
    """Return a value as people read it: 31.5 MB/s."""
    if unit not in _BYTES:
        return f"{value:,.0f} {unit}".rstrip()
    for prefix in ("", "k", "M", "G", "T"):
        if value < _STEP:
            return f"{value:.3g} {prefix}{unit}"
        value /= _STEP
    return f"{value:.3g} P{unit}"


def words(plan: Plan, loss: Loss) -> list[str]:
    """Return what the loss of a broker means, in sentences."""
    told = [f"with all {plan.brokers} brokers each uses {plan.utilisation:.0%} of what it bears"]
    told.append(f"one away for {loss.outage:g} s: the others use {loss.survivors:.0%} of what they bear")
    if math.isfinite(loss.caught_up):
        told.append(
            f"back again, it copies {amount(loss.scene.backlog, 'B')} and has caught up after {loss.caught_up:.0f} s "
            f"(slowest of the runs {loss.slowest:.0f} s; closed form {loss.scene.expected:.0f} s)"
        )
    else:
        told.append(f"back again, it never catches up: {amount(loss.scene.new, 'B/s')} come, it copies "
                    f"{amount(loss.scene.copying, 'B/s')}")  # fmt: skip
    told.append(f"it no longer catches up at {loss.limit:.2f} × this rate")
    return [*told, *(f"note: {each}" for each in plan.warnings)]


def document(plan: Plan, loss: Loss) -> dict[str, Any]:
    """Return both as one JSON value; a time that never comes is null."""
    told = asdict(loss) | {"expected": loss.scene.expected}
    finite = {key: None if isinstance(value, float) and math.isinf(value) else value for key, value in told.items()}
    return {"plan": asdict(plan) | {"utilisation": plan.utilisation}, "loss": finite}


def strimzi(plan: Plan) -> Size:
    """Return the size of an export's node pools."""
    heap = f"{math.ceil(plan.heap / _MIB)}m"
    return Size(
        brokers=plan.brokers,
        controllers=plan.controllers,
        cpus=max(plan.capacity.cpus, _LEAST_CPUS),
        memory=math.ceil(plan.memory / _MIB) * _MIB,
        heap=(heap, heap),
        storage=math.ceil(plan.disk),
        source=f"capacity: {plan.demand.rate:g} records/s of {plan.demand.size:g} B",
    )
