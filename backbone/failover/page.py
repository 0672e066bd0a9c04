"""The report as one HTML file that needs nothing else: verdict, figures of each kind, and each fault with its chart."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from backbone.failover.checker import describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 860, 180, 46, 20
_LOW_MS, _HIGH_MS = 1.0, 100_000.0
_SHOWN_MS = 40_000
_EVENTS = {
    "fenced": "#b45309",
    "controller": "#7c3aed",
    "leader": "#1d4ed8",
    "first_ack": "#15803d",
    "healed": "#64748b",
    "isr_full": "#0f766e",
}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .6rem 0; } caption { text-align: left; font-weight: 600; }
td, th { padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #8884; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.valid { color: #15803d; } .invalid { color: #dc2626; } .unknown { color: #b45309; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui; fill: currentColor; }
details { margin: .4rem 0; } code { font-size: .9em; }
"""


def render(report: Mapping[str, Any]) -> str:
    """Return the page of a report (a value of schemas/failover-report.schema.json)."""
    verdict = escape(report["verdict"])
    body = [
        f'<h1>Failover: <span class="{verdict}">{verdict}</span></h1>',
        f"<p>{escape(headline(report))}</p>",
        _kinds(report["kinds"]),
        _rules(report),
        *(_run(run) for run in report["runs"]),
        _list("Left out: this engine cannot do it", report["left_out"]),
        _list("Not proved by any run", report["not_proved"]),
    ]
    head = f'<meta charset="utf-8"><title>Failover: {verdict}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'


def headline(report: Mapping[str, Any]) -> str:
    """Return the result in a sentence or two."""
    faults, counts, broken = report["faults"], report["counts"], report["violations"]
    text = (
        f"{faults['proved']} of {faults['done']} faults of {faults['kinds']} kinds proved; "
        f"{counts.get('ok', 0)} records acknowledged, {broken['L1']} lost, {broken['O2']} twice in the log, "
        f"{broken['O3']} reordered."
    )
    if report["loss_bound"] and not broken["L1"]:
        text += f" With 95 % confidence fewer than {report['loss_bound']:.1%} of such faults lose anything."
    return text


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    def cell(tag: str, value: object) -> str:
        number = ' class="n"' if isinstance(value, int | float) else ""
        return f"<{tag}{number}>{escape('' if value is None else str(value))}</{tag}>"

    body = "".join("<tr>" + "".join(cell("td", value) for value in row) + "</tr>" for row in rows)
    return (
        f"<table><caption>{escape(caption)}</caption><tr>{''.join(cell('th', one) for one in head)}</tr>{body}</table>"
    )


def _kinds(kinds: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            *(kind["kind"], kind["hit"], kind["faults"]),
            *(kind["write_stall_ms"][key] for key in ("p50", "p95", "max")),
            *(kind["read_stall_ms"][key] for key in ("p50", "p95", "max")),
            kind["isr_full_after_heal_ms"] and kind["isr_full_after_heal_ms"]["p95"],
        )
        for kind in kinds
    ]
    head = (
        "fault",
        "of",
        "n",
        *(f"{what} {key}" for what in ("write", "read") for key in ("p50", "p95", "max")),
        "in sync after heal p95",
    )
    return _table("Time without writes and reads, worst partition of each fault, ms", head, rows)


def _rules(report: Mapping[str, Any]) -> str:
    rows = [(rule, describe(rule), count) for rule, count in report["violations"].items()]
    return (
        "<details><summary>Rules checked</summary>" + _table("Violations", ("rule", "", "found"), rows) + "</details>"
    )


def _run(run: Mapping[str, Any]) -> str:
    verdict = escape(run["verdict"])
    violations = [(one["rule"], one["partition"], one["subject"], one["detail"]) for one in run["violations"]]
    return "".join(
        (
            f'<h2>{escape(run["name"])}: <span class="{verdict}">{verdict}</span></h2>',
            _list("Doubts", run["doubts"]),
            _table("Violations", ("rule", "partition", "subject", ""), violations) if violations else "",
            _table("Records", tuple(run["counts"]), [tuple(run["counts"].values())]),
            _table("Changes while they were sent", tuple(run["changes"]), [tuple(run["changes"].values())]),
            *(_fault(fault) for fault in run["faults"]),
        )
    )


def _fault(fault: Mapping[str, Any]) -> str:
    title = f"{fault['number']}. {fault['kind']} of {fault['target']}: no writes for {fault['write_stall_ms']:.0f} ms"
    times = fault["timeline_ms"]
    partitions = [
        (one["partition"], one["role"], one["write"], one["read"], one["worst"], one["late"])
        for one in fault["partitions"]
    ]
    return "".join(
        (
            f"<details><summary>{escape(title)}{'' if fault['proved'] else ' — not proved'}</summary>",
            f"<p><code>{escape(fault['evidence'])}</code></p>",
            chart(fault),
            _table("ms after the fault", tuple(times), [tuple(times.values())]),
            _table("Partitions, ms", ("partition", "it was", "write", "read", "worst delay", "late"), partitions),
            "</details>",
        )
    )


def chart(fault: Mapping[str, Any]) -> str:
    """Return the latency around a fault as SVG: worst ms from due to acknowledged for each 100 ms, on a log scale."""
    points = [(at, ms) for at, ms in fault["latency_ms"] if at <= _SHOWN_MS]
    if not points:
        return ""
    first, last = min(0, points[0][0]), max(points[-1][0], 1)

    def x(at: float) -> float:
        return float(_LEFT + (at - first) / (last - first) * (_WIDTH - _LEFT))

    def y(ms: float) -> float:
        share: float = math.log(min(max(ms, _LOW_MS), _HIGH_MS) / _LOW_MS) / math.log(_HIGH_MS / _LOW_MS)
        return (_HEIGHT - _BOTTOM) * (1 - share)

    grid = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y(ms):.1f}" y2="{y(ms):.1f}" stroke="#8884"/>'
        f'<text x="0" y="{y(ms) + 4:.1f}">{label}</text>'
        for ms, label in ((1, "1 ms"), (10, "10"), (100, "100"), (1000, "1 s"), (10_000, "10 s"))
    )
    bars = "".join(
        f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{_HEIGHT - _BOTTOM}" y2="{y(ms):.1f}" '
        'stroke="#3b82f6" stroke-width="2"/>'
        for at, ms in points
    )
    marks = {"fault": ("#dc2626", 0.0)} | {
        name: (colour, fault["timeline_ms"][name]) for name, colour in _EVENTS.items()
    }
    events = "".join(
        f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="0" y2="{_HEIGHT - _BOTTOM}" '
        f'stroke="{colour}" stroke-dasharray="3 2"/>'
        f'<text x="{x(at) + 2:.1f}" y="{10 + 11 * row}" style="fill:{colour}">{name}</text>'
        for row, (name, (colour, at)) in enumerate(marks.items())
        if at is not None and at <= last
    )
    axis = "".join(
        f'<text x="{left}" y="{_HEIGHT - 4}">{at / 1000:g} s</text>'
        for left, at in ((_LEFT, first), (_WIDTH - 40, last))
    )
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="latency">{grid}{bars}{events}{axis}</svg>'


def _list(title: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    return f"<h3>{escape(title)}</h3><ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"
