"""What a failover report shows: the verdict, each run as one picture, then the figures of each kind and each fault."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any

from backbone.failover import picture
from backbone.failover.checker import describe
from backbone.failover.model import TOLERANCE, Terms
from backbone.pages.facts import facts_of
from backbone.pages.model import Page, Section, Table, Words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from backbone.pages.model import Block, State

    Report = Mapping[str, Any]

_STATES: Mapping[str, State] = {"valid": "good", "invalid": "bad", "unknown": "unsure"}
_BOUND_SHOWN = 0.1
_HIT = {
    "broker": "a broker that was not the active controller",
    "controller": "the broker that was the active controller too",
    "client": "the producer or consumer, no broker",
}
_RECORDS = {
    "sent": "records that the producer was given",
    "ok": "acknowledged",
    "fail": "certainly not written",
    "info": "may or may not be written: timed out or disconnected",
    "redelivered": "read again after a consumer had not committed",
    "passes": "how often the topic was read back from its beginning",
    "isr shrinks": "a replica left those in sync",
}
_STALLS = {
    "no writes": "longest time between two acknowledgements, less the time between two sends, in the worst partition",
    "no reads": "the same between two records that the consumer received",
    "in sync again": "from the heal of the fault until every partition had all replicas in sync, the slowest fault",
}
_TERMS = {
    "new controller": "from the fault to a new active controller; – where those asked could not tell",
    "noticed": "from then until the broker is fenced: its session",
    "written again": "from then to the acknowledgement in the slowest partition: replicas first, then the client",
    "at most": "what the settings of brokers and client allow, docs/failover.md",
}
_PARTITION = {
    "it was": "what the broker that was hit was to the partition just before",
    "worst delay": "longest time from when a record was due to its delivery",
    "late": "records that took more than 100 ms for that",
}


def page(report: Report) -> Page:
    """Return the page of a report (a value of schemas/failover-report.schema.json)."""
    return Page("Failover", _STATES[report["verdict"]], headline(report), _facts(report), list(_blocks(report)))


def headline(report: Report) -> str:
    """Return the result in a sentence or two."""
    faults, counts, broken = report["faults"], report["counts"], report["violations"]
    proved = f"{faults['proved']} of {faults['done']} faults of {faults['kinds']} kinds proved"
    text = (
        f"{report['verdict'].upper()}: {proved if faults['done'] else 'no fault'}; "
        f"{counts.get('ok', 0):,} records acknowledged, {broken['L1']} lost, {broken['O2']} twice in the log, "
        f"{broken['O3']} reordered."
    )
    if report["loss_bound"] and report["loss_bound"] <= _BOUND_SHOWN and not broken["L1"]:
        text += f" With 95 % confidence fewer than {report['loss_bound']:.1%} of such faults lose anything."
    return text


def _facts(report: Report) -> dict[str, str]:
    session = f"broker.session.timeout.ms {report['settings'].get('broker.session.timeout.ms', 'unknown')}"
    profile = f"{report['profile']}: {session}" if report["profile"] else session
    return facts_of(report["started"], report["machine"], cluster=f"{report['engine']} engine", profile=profile)


def _blocks(report: Report) -> Iterator[Block]:
    for run in report["runs"]:
        if run["doubts"]:
            yield Section(f"{run['name']}: why it proves nothing", [Words(run["doubts"])])
        if run.get("void"):
            yield Section(
                f"{run['name']}: why its figures are void (what is lost is judged all the same)", [Words(run["void"])]
            )
        if run["violations"]:
            rows = [(one["rule"], one["partition"], one["subject"], one["detail"]) for one in run["violations"]]
            yield Table(f"{run['name']}: violations", ("rule", "partition", "subject", "what was found"), rows)
    yield from (picture.whole_run(run) for run in report["runs"] if run["course"] or run["faults"])
    if report["kinds"]:
        yield _kinds(report)
        yield from _terms(report)
    for run in report["runs"]:
        yield Section(run["name"], list(_run(run)))
    yield Section("What this does not prove", [Words([*report["left_out"], *report["not_proved"]])])
    rules = [(rule, describe(rule), count) for rule, count in report["violations"].items()]
    profile = list(report["settings"].items())
    yield Section("Rules checked", [Table("Rules", ("rule", "what it looks for", "found"), rules)], folded=True)
    yield Section("Settings of the cluster", [Table("Settings", ("name", "value"), profile)], folded=True)


def _kinds(report: Report) -> Table:
    """Return how long writes and reads stood still: the median of each kind, and the worst where there are several."""
    groups = _groups(report)
    synced = {(kind["kind"], kind["hit"]): kind["isr_full_after_heal_ms"] for kind in report["kinds"]}
    several = any(len(found) > 1 for found in groups.values())
    stalls = ("no writes", "no reads")
    rows = [
        (
            *(*kind, len(found)),
            *(
                value
                for name in ("write_stall_ms", "read_stall_ms")
                for value in _typical([fault[name] for fault in found], several=several)
            ),
            float(synced[kind]["max"]) if synced[kind] else "–",
        )
        for kind, found in sorted(groups.items())
    ]
    heads = (head for name in stalls for head in ((f"{name}, median", "worst") if several else (name,)))
    columns = ("fault", "hit", "n", *heads, "in sync again")
    title = "How long writes and reads stood still, ms"
    return Table(title, columns, rows, terms={**_STALLS, **_HIT})


def _groups(report: Report) -> Mapping[tuple[str, str], list[Mapping[str, Any]]]:
    """Return the faults whose stalls are figures, by kind and what they hit."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for run in report["runs"]:
        for fault in () if run.get("void") else run["faults"]:
            groups[fault["kind"], fault["hit"]].append(fault)
    return groups


def _terms(report: Report) -> Iterator[Block]:
    """Yield where the time of each kind went, worst of each term, and which stalls are longer than they should be."""
    rows, beyond = [], []
    for (kind, hit), faults in sorted(_groups(report).items()):
        found = [fault for fault in faults if fault.get("model_ms")]
        if not found:
            continue
        bound = Terms(**found[0]["model_ms"])
        worst = [
            max((fault["terms_ms"][term] for fault in found if fault["terms_ms"][term] is not None), default="–")
            for term in ("elected", "noticed", "answered")
        ]
        rows.append((kind, hit, len(found), *worst, max(fault["write_stall_ms"] for fault in found), bound.whole))
        beyond += [
            f"fault {fault['number']}, {kind} of {fault['target']}: "
            f"{fault['write_stall_ms']:,.0f} ms, not {bound.whole:,.0f}"
            for fault in found
            if fault["write_stall_ms"] > bound.whole * (1 + TOLERANCE)
        ]
    if rows:
        columns = ("fault", "hit", "n", "new controller", "noticed", "written again", "no writes", "at most")
        yield Table("Where the time went, worst of each, ms", columns, rows, terms=_TERMS)
    if beyond:
        yield Section("Longer than the settings explain", [Words(beyond)])


def _typical(values: Sequence[float], *, several: bool) -> Iterator[float | str]:
    """Yield the median and, in a table of several values, the worst: of a single one that would say nothing new."""
    yield float(median(values))
    if several:
        yield float(max(values)) if len(values) > 1 else "–"


def _run(run: Mapping[str, Any]) -> Iterator[Block]:
    if claims := run["details"].get("rehearsal", {}).get("claims"):
        rows = [(one["what"], "yes" if one["holds"] else "no", one["seen"]) for one in claims]
        yield Table("What the rehearsal of the upgrade showed", ("claim", "holds", "seen"), rows)
    moved = [(name.replace("_", " "), count) for name, count in run["changes"].items()]
    yield Table("What was counted", ("what", "number"), [*run["counts"].items(), *moved], terms=_RECORDS)
    void = ", which is no figure" if run.get("void") else ""
    yield from (_fault(fault, void) for fault in run["faults"])


def _fault(fault: Mapping[str, Any], void: str) -> Section:
    stall = f"no writes for {fault['write_stall_ms']:,.0f} ms{void}"
    title = f"{fault['number']}. {fault['kind']} of {fault['target']}: {stall}"
    partitions = [
        (one["partition"], one["role"], one["write"], one["read"], one["worst"], one["late"])
        for one in fault["partitions"]
    ]
    columns = ("partition", "it was", "no writes", "no reads", "worst delay", "late")
    blocks: list[Block] = [
        Words([fault["evidence"]]),
        *picture.latency(fault),
        Table("Partitions, ms", columns, partitions, terms=_PARTITION),
    ]
    return Section(title if fault["proved"] else f"{title} (not proved)", blocks, folded=True)
