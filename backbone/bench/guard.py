"""What a benchmark may do to a cluster that is not this stack's: so many bytes a second, for so long, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.bench import cells
from backbone.bench.session import SETTLE_S
from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from backbone.bench.cells import Options, Plan

MOST_MB = 10
"""MB/s (10^6 bytes) that are sent to another cluster where nobody asks for more: ten times MET-01's load."""

MOST_S = 900.0
"""Seconds that a session on another cluster may last."""

_MB = 1e6
_RUNS = 12
"""Runs that a sweep makes for a record size, as a rule."""


def sweep_seconds(options: Options) -> float:
    """Return about how long a sweep sends."""
    return len(options.sizes) * len(options.drivers) * _RUNS * (min(options.seconds, 10.0) + SETTLE_S)


def plan_seconds(plan: Plan) -> float:
    """Return how long a plan sends at most."""
    return plan.warm_up[1] + plan.repeats * sum(cell.load.seconds + SETTLE_S for cell in plan.cells)


def demand(options: Options, seconds: float, *, lowest: bool) -> None:
    """Raise StackError("too-much-for-theirs") for what goes beyond `options.most` or MOST_S.

    lowest: only the first rate of a sweep has to be within the limit, its later ones stay below it.
    """
    rate = cells.SWEEP_RATES[0] if lowest else max(options.rates)
    if (sent := rate * max(options.sizes)) > options.most:
        raise _too_much(
            f"{sent / _MB:g} MB/s are more than the {options.most / _MB:g} that another cluster is sent",
            f"--most {-int(-sent // _MB)}, or a lower --rate or --size",
        )
    if seconds > MOST_S:
        raise _too_much(
            f"this takes up to {seconds / 60:.0f} minutes; on another cluster {MOST_S / 60:.0f} are the limit",
            "fewer --rate, --size, --repeats or --seconds, or --quick",
        )


def question(bootstrap: tuple[str, ...], options: Options, seconds: float, *, sweep: bool) -> str:
    """Return what a person is asked before anything is sent."""
    most = options.most if sweep else max(options.rates) * max(options.sizes)
    where = ", ".join(bootstrap)
    return f"send up to {most / _MB:.3g} MB/s for some {seconds / 60:.0f} minutes to topics of its own on {where}?"


def _too_much(found: str, hint: str) -> StackError:
    return StackError("too-much-for-theirs", found, hint=hint, exit_code=ExitCode.USAGE)
