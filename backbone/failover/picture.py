"""The pictures of a failover report: a whole run on one time line, and the latency around each fault."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from backbone.pages.chart import COLOURS, Chart, Lane, Line, Span, linear_axis, log_axis, time_axis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Stretches = Sequence[Sequence[int]]

_SHOWN_MS = 40_000
_EVENTS = (
    ("fenced", "left out by the other brokers", "c4"),
    ("controller", "new controller", "c3"),
    ("leader", "last new leader", "c6"),
    ("first_ack", "writes acknowledged again", "c2"),
    ("healed", "fault healed", "c7"),
    ("isr_full", "all replicas in sync", "c5"),
)
_AXIS = "seconds since the first record"


def whole_run(run: Mapping[str, Any]) -> Chart:
    """Return a whole run on one time line: faults, controller, leaders, replicas in sync, stalls, records a second.

    Of a run that was made before its course was kept, the faults and how long acknowledgements took around them.
    """
    course = run["course"]
    if course is None:
        return _from_faults(run)
    nodes = sorted({stretch[2] for found in (course["controllers"], *course["leaders"]) for stretch in found} - {-1})
    replicas = max((count for found in course["in_sync"] for *_, count in found), default=0)
    colours = {node: f"c{index % COLOURS}" for index, node in enumerate(nodes)}
    leading = {**colours, -1: "bad"}
    missing = {replicas - 1: "c4", **dict.fromkeys(range(replicas - 1), "bad")}
    lanes = [
        _lane("faults", course["faults"], {}, named=True),
        _lane("controller", course["controllers"], leading),
        *(_lane(f"leader {number}", found, leading) for number, found in enumerate(course["leaders"])),
        *(_lane(f"in sync {number}", found, missing) for number, found in enumerate(course["in_sync"])),
        _lane("no writes", course["no_writes"], {}),
        _lane("no reads", course["no_reads"], {}),
    ]
    keys = [*((colour, f"broker {node}") for node, colour in colours.items()), ("c4", f"{replicas - 1} in sync")]
    keys.append(("bad", f"fault, no leader, fewer than {replicas - 1} in sync, no records for 0.5 s"))
    rates = {"acknowledged": "c6", "delivered": "c5 dashed"}
    lines = [
        Line(name, [(second + 0.5, float(count)) for second, count in enumerate(course[name])], colour)
        for name, colour in rates.items()
    ]
    silent = {name: sum(end - begin for begin, end in course[name]) / 1000 for name in ("no_writes", "no_reads")}
    text = (
        f"{len(course['faults'])} faults in {course['ms'] / 1000:,.0f} s. At least one partition had no writes for "
        f"{silent['no_writes']:,.1f} s and no reads for {silent['no_reads']:,.1f} s of them; "
        f'{run["changes"]["leader_moves"]} times a partition got another leader. The lanes "leader" and "in sync" have '
        "the number of their partition."
    )
    y = linear_axis("records a second", [count for line in lines for _, count in line.points])
    x = time_axis(_AXIS, 0.0, course["ms"] / 1000)
    return Chart(f"The whole run: {run['name']}", text, x, y, lines, [lane for lane in lanes if lane.spans], keys=keys)


def _lane(name: str, found: Stretches, colours: Mapping[int, str], *, named: bool = False) -> Lane:
    """Return a lane of stretches (ms); without colours all of them are bad, else those whose value has one."""
    return Lane(
        name,
        [
            Span(begin / 1000, end / 1000, colours[value[0]] if colours else "bad", str(value[0]) if named else "")
            for begin, end, *value in found
            if not colours or value[0] in colours
        ],
    )


def _from_faults(run: Mapping[str, Any]) -> Chart:
    """Lay the windows of the faults end to end: each lasts until the next fault begins."""
    windows = [fault["latency_ms"] or [[0, 0.0]] for fault in run["faults"]]
    lead = -windows[0][0][0]
    begins = list(accumulate((points[-1][0] + 100 for points in windows[:-1]), initial=lead))
    spans = [
        [begin, begin + round(fault["timeline_ms"]["healed"] or 0), fault["number"]]
        for begin, fault in zip(begins, run["faults"], strict=True)
    ]
    points = [
        ((begin + at) / 1000, ms)
        for begin, window in zip(begins, windows, strict=True)
        for at, ms in window
        if at >= 0 or begin == lead
    ]
    text = f"{len(spans)} faults, from each to its heal, and the slowest acknowledgement of each 100 ms."
    x, y = time_axis(_AXIS, 0.0, points[-1][0]), log_axis("ms", [ms for _, ms in points])
    line = Line("from due to acknowledged", points, "c0")
    faults = [_lane("faults", spans, {}, named=True)]
    return Chart(f"The whole run: {run['name']}", text, x, y, [line], faults, keys=[("bad", "fault, until its heal")])


def latency(fault: Mapping[str, Any]) -> list[Chart]:
    """Return the chart of the latency around a fault, with what happened on the way back; none without a record."""
    times = fault["timeline_ms"]
    known = [("fault", 0.0, "bad")]
    known += [
        (f"{words} after {times[name] / 1000:.3g} s", times[name], colour)
        for name, words, colour in _EVENTS
        if times[name] is not None
    ]
    marks = [(at / 1000, words, colour) for words, at, colour in known if at <= _SHOWN_MS]
    points = [(at / 1000, ms) for at, ms in fault["latency_ms"] if at <= _SHOWN_MS]
    if not points:
        return []
    end = max(*(at for at, _ in points), *(at for at, *_ in marks))
    x = time_axis("seconds since the fault", min(points[0][0], 0.0), end)
    worst = max(ms for _, ms in points)
    text = f"The slowest acknowledgement of each 100 ms; the worst took {worst:,.0f} ms."
    y = log_axis("ms", [ms for _, ms in points])
    return [Chart("From due to acknowledged", text, x, y, [Line("slowest record", points, "c0")], marks=marks)]
