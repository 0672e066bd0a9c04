"""The table of docs/failover.md, from the kept reports: how long writes stood still, by fault and profile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from backbone.failover.model import Terms
from backbone.failover.page import headline
from backbone.failover.plan import KINDS
from backbone.pages.folder import REPORT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PAGE = "failover.md"
FOLDERS = {"default": "failover-default-profile", "balanced": "failover-balanced", "fast": "failover-fast"}
"""Profile → where its report is kept."""
IN_CONTAINERS = {"balanced": "failover-docker-balanced", "fast": "failover-docker"}
"""The same of brokers that were containers: told by a line, not measured against the others in the table."""

_HITS = {"broker": "", "controller": ", and it was the controller", "client": ""}


def table(kept: Path) -> Iterator[str]:
    """Yield the lines: what each run showed, then a row for each kind of fault and a column for each profile."""
    reports = _reports(kept, FOLDERS)
    yield ""
    for profile, report in reports.items():
        yield _line(profile, FOLDERS[profile], report)
    for profile, report in _reports(kept, IN_CONTAINERS).items():
        yield _line(f"{profile}, in containers", IN_CONTAINERS[profile], report)
    yield from ("", f"| ms without an acknowledgement | {' | '.join(reports)} |", "|---" * (len(reports) + 1) + "|")
    for kind in KINDS:
        for hit, words in _HITS.items():
            cells = [_cell(report, kind, hit) for report in reports.values()]
            if any(cells):
                yield f"| `{kind}`: {KINDS[kind].title}{words} | {' | '.join(cells)} |"
    yield ""


def _reports(kept: Path, folders: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    return {
        profile: json.loads((kept / folder / REPORT).read_text(encoding="utf-8"))
        for profile, folder in folders.items()
        if (kept / folder / REPORT).is_file()
    }


def _line(words: str, folder: str, report: Mapping[str, Any]) -> str:
    return f"- [{words}](../results/kept/{folder}/report.md), {report['started'][:10]}: {headline(report)}"


def _cell(report: Mapping[str, Any], kind: str, hit: str) -> str:
    """Return median / worst ≤ what the settings allow (number of faults)."""
    found = next((one for one in report["kinds"] if (one["kind"], one["hit"]) == (kind, hit)), None)
    if found is None:
        return ""
    stall = found["write_stall_ms"]
    middle = f"{stall['p50']:,.0f} / {stall['max']:,.0f}" if found["faults"] > 1 else f"{stall['max']:,.0f}"
    faults = (
        fault for run in report["runs"] for fault in run["faults"] if (fault["kind"], fault["hit"]) == (kind, hit)
    )
    bound = next((Terms(**fault["model_ms"]).whole for fault in faults if fault.get("model_ms")), None)
    return f"{middle}{'' if bound is None else f' ≤ {bound:,.0f}'} ({found['faults']})"
