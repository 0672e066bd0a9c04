"""The baseline: findings that a project had when it began to be linted, so that only new ones are told."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from backbone import json_schema, report_file, resources
from backbone.errors import ExitCode, StackError
from backbone.lint.judged import apart
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from backbone.lint.engine import Result
    from backbone.lint.judged import Judged

SCHEMA = resources.schema("lint-baseline.schema.json")
NAME = "kafka-lint-baseline.json"
"""The file, where none is named."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A result without what the baseline has. stale: entries that nothing answers to any more."""

    result: Result
    known: int
    stale: tuple[str, ...]


def write(path: Path, result: Result) -> int:
    """Keep every finding that a result tells, place by place, and return their number.

    The file has names alone, no value and no line. Raises StackError("no-baseline") if a file is there that is none.
    """
    if path.exists():
        _read(path)
    entries = [
        {"identity": each.identity, "rule": each.rule.code, "path": each.path, "service": each.finding.service}
        for each in apart(result.findings)
    ]
    entries.sort(key=lambda entry: (entry["path"], entry["rule"], entry["service"], entry["identity"]))
    report_file.write(path, json.dumps({"version": 1, "findings": entries}, indent=2, ensure_ascii=False) + "\n")
    return len(entries)


def compare(path: Path, result: Result) -> Comparison:
    """Part what a baseline has from what is new; each entry stands for one place.

    Raises StackError("no-baseline", exit code USAGE) if the file cannot be read or is none.
    """
    entries = _read(path)
    left = Counter(entry["identity"] for entry in entries)
    kept: list[Judged] = []
    known: list[Judged] = []
    for judged in result.findings:
        new = [each for each in apart([judged]) if not _taken(left, each, known)]
        if new:
            kept.append(replace(new[0], also=tuple(new[1:])))
    for each in apart((*result.ignored, *result.hygiene)):
        _taken(left, each, [])
    stale = [entry for entry in entries if left[entry["identity"]] > 0]
    return Comparison(
        replace(result, findings=tuple(kept), ignored=(*result.ignored, *known)),
        len(known),
        tuple(dict.fromkeys(" ".join(filter(None, (one["rule"], one["path"], one["service"]))) for one in stale)),
    )


def _taken(left: Counter[str], judged: Judged, known: list[Judged]) -> bool:
    if left[judged.identity] <= 0:
        return False
    left[judged.identity] -= 1
    known.append(judged)
    return True


def _read(path: Path) -> Sequence[dict[str, Any]]:
    try:
        body = json.loads(reading.read_text(path))
        wrong = "\n".join(map(str, json_schema.departures(SCHEMA, body)))
    except (StackError, ValueError, RecursionError) as error:
        wrong = error.message if isinstance(error, StackError) else str(error)
    if wrong:
        hint = f"./invoke lint --write-baseline {shlex.quote(str(path))}" if not path.exists() else None
        raise StackError("no-baseline", f"{path} is no baseline", wrong, hint=hint, exit_code=ExitCode.USAGE)
    entries: list[dict[str, Any]] = body["findings"]
    return entries
