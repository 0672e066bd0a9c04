"""Two sessions side by side: better, worse or no difference, with the bounds that say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from backbone.bench.document import block_seconds, milliseconds, name
from backbone.bench.samples import joined
from backbone.bench.statistics import bootstrap_difference, quantile
from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backbone.bench.results import Saved
    from backbone.bench.samples import Samples

Outcome = Literal["better", "worse", "no difference"]

_COMPARED = (0.5, 0.95, 0.99)
_RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """One quantile of one cell in both sessions, in ms (None: infinite), and the bounds of B - A."""

    cell: str
    quantile: str
    a: float | None
    b: float | None
    bounds: tuple[float | None, float | None]
    outcome: Outcome


def compare(a: Saved, b: Saved) -> list[Difference]:
    """Return how end-to-end latency differs in every cell that both sessions measured.

    A difference counts when the 95 % interval of B - A, over repeats and blocks, does not hold zero. Raises
    StackError("nothing-in-common") if the sessions share no cell, "void-results" if one of them is void.
    """
    for which, saved in (("A", a), ("B", b)):
        if not saved.report["verdict"]["valid"]:
            raise StackError(
                "void-results",
                f"session {which} is void: its figures are no measurement",
                hint="see the gates in its index.html, and measure again",
                exit_code=ExitCode.USAGE,
            )
    shared = [label for label in a.cells if label in b.cells]
    if not shared:
        raise StackError(
            "nothing-in-common",
            "the two sessions measured different things",
            context=f"A: {'; '.join(a.cells)}\nB: {'; '.join(b.cells)}",
            exit_code=ExitCode.USAGE,
        )
    return [difference(label, a.cells[label], b.cells[label], q) for label in shared for q in _COMPARED]


def difference(label: str, a: Sequence[Samples], b: Sequence[Samples], q: float) -> Difference:
    """Return the difference of one quantile between the repeats of A and those of B."""
    blocks_a, blocks_b = ([each.blocks("end_to_end", block_seconds(each)) for each in side] for side in (a, b))
    bounds = bootstrap_difference(blocks_a, blocks_b, q, resamples=_RESAMPLES)
    outcome: Outcome = "better" if bounds.high < 0 else "worse" if bounds.low > 0 else "no difference"
    of_a, of_b = (milliseconds(quantile(sorted(joined(side).span("end_to_end")), q)) for side in (a, b))
    return Difference(label, name(q), of_a, of_b, (milliseconds(bounds.low), milliseconds(bounds.high)), outcome)


def strangers(a: Saved, b: Saved) -> list[str]:
    """Return what else differs, machine or settings, and so may be the real reason of a difference."""
    parts: list[tuple[str, Any, Any]] = [
        (f"{group} {key}", a.report[group].get(key), b.report[group].get(key))
        for group in ("machine", "settings")
        for key in sorted({*a.report[group], *b.report[group]} - {"load_before"})
    ]
    parts.append(("engine", a.report["engine"], b.report["engine"]))
    return [f"{key}: {before} → {after}" for key, before, after in parts if before != after]
