"""A session's folder: report.json, index.html, report.md, the raw samples and the HdrHistogram logs."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbone.bench import document, page, samples
from backbone.bench.histogram import write_log
from backbone.errors import ExitCode, StackError
from backbone.pages.folder import REPORT, write
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from backbone.bench.samples import Samples
    from backbone.bench.session import Measurement

_MAX_BYTES = 1 << 32  # of a long run; what has no end is refused
_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class Saved:
    """A session read back: its report, and the raw samples of each cell's repeats by the cell's label."""

    report: Mapping[str, Any]
    cells: Mapping[str, Sequence[Samples]]


def raw_name(cell: int, repeat: int) -> str:
    """Return the name, without suffix, of the files of one repeat of one cell (both counted from 1)."""
    return f"cell-{cell:02}-repeat-{repeat:02}"


def save(folder: Path, report: Mapping[str, Any], measurements: Sequence[Sequence[Measurement]], schema: Path) -> None:
    """Write everything of a session into its folder, and point `latest` beside it there.

    measurements: the repeats of each cell, in the order of the report. Raises ValueError if
    the report is not what its schema promises: that is our mistake, not the user's.
    """
    write(folder, report, page.page(report), schema)
    for number, repeats in enumerate(measurements, 1):
        for measurement in repeats:
            _save_raw(folder / raw_name(number, measurement.repeat), measurement)
    _point_latest(folder)


def _save_raw(stem: Path, measurement: Measurement) -> None:
    samples.save(measurement.measured, stem.with_suffix(".samples"))
    blocks = measurement.measured.blocks("end_to_end", _INTERVAL_S)
    write_log(stem.with_suffix(".hlog"), "end to end", blocks, start=measurement.run.started, interval=_INTERVAL_S)


def _point_latest(folder: Path) -> None:
    """Make `latest` a link to the folder; a file system without links goes without."""
    latest = folder.parent / "latest"
    with contextlib.suppress(OSError):
        if latest.is_symlink():
            latest.unlink()
        latest.symlink_to(folder.name, target_is_directory=True)


def load(folder: Path) -> Saved:
    """Read a session back; StackError("no-results") if there is none, "bad-results" for another version."""
    try:
        report = json.loads(reading.read_text(folder / REPORT, _MAX_BYTES))
    except (StackError, ValueError, RecursionError) as error:
        raise StackError(
            "no-results",
            f"{folder} holds no benchmark report",
            context=error.context if isinstance(error, StackError) else str(error),
            hint="./invoke bench\nthen compare the folders that it makes below results/",
            exit_code=ExitCode.USAGE,
        ) from error
    version = report.get("version") if isinstance(report, dict) else None
    if version != document.VERSION:
        raise StackError(
            "bad-results",
            f"{folder / REPORT} is version {version!r}, this program reads {document.VERSION}",
            exit_code=ExitCode.USAGE,
        )
    try:
        cells = {
            cell["label"]: [
                samples.load((folder / raw_name(number, each["repeat"])).with_suffix(".samples"))
                for each in cell["repeats"]
            ]
            for number, cell in enumerate(report["cells"], 1)
        }
    except (LookupError, TypeError, ValueError) as error:
        raise StackError(
            "bad-results", f"{folder / REPORT} is damaged", context=repr(error), exit_code=ExitCode.USAGE
        ) from error
    return Saved(report, cells)
