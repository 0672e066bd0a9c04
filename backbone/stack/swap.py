"""Put new folders in the place of old ones so that a kill at any moment leaves all of the old or, in the end, all new.

A journal beside the stack's state says what was begun. While the new folders are still being written, the old ones
count, and what is there of the new is dropped. Once all are written they count, and whoever comes next finishes the
renames. Every task that starts or stops something looks at the journal first (`lifecycle.exclusive`).
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from backbone import durable_file
from backbone.errors import ExitCode, StackError
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FILE = "swap.json"


class Swap(NamedTuple):
    """One folder that gets another content. `fresh` and `old` are its neighbours, so that a rename is enough."""

    live: Path
    fresh: Path
    old: Path


def of(live: Path) -> Swap:
    """Return the swap of a folder, with the names that its next and its last content have meanwhile."""
    return Swap(live, live.with_name(f".{live.name}.next"), live.with_name(f".{live.name}.last"))


def begin(state_dir: Path, swaps: Iterable[Swap]) -> None:
    """Make an empty `fresh` folder for each; until `commit` the old content counts."""
    chosen = list(swaps)
    _write(state_dir, chosen, committed=False)
    for swap in chosen:
        _remove(swap.fresh)
        swap.fresh.mkdir(parents=True)


def commit(state_dir: Path) -> None:
    """Let the new content count, and put it in its place."""
    _write(state_dir, list(_read(state_dir)[1]), committed=True)
    finish(state_dir)


def finish(state_dir: Path) -> str:
    """End what a killed task has begun, and say how; "" if there is nothing. Raises StackError("restore-journal")."""
    if not (state_dir / _FILE).exists():
        return ""
    committed, swaps = _read(state_dir)
    for swap in swaps:
        if not committed:
            _remove(swap.fresh)
            continue
        if swap.fresh.exists():
            if swap.live.exists():
                _remove(swap.old)  # an earlier swap's: the content that it replaced is still in `live`
                swap.live.rename(swap.old)
            swap.fresh.rename(swap.live)
        _remove(swap.old)
    (state_dir / _FILE).unlink()
    return "the restored data is in place" if committed else "an interrupted restore is undone: the data is as before"


def _write(state_dir: Path, swaps: Iterable[Swap], *, committed: bool) -> None:
    state_dir.mkdir(parents=True, exist_ok=True)
    # Relative, so that a folder that was moved meanwhile is no other's.
    live = [os.path.relpath(swap.live, state_dir) for swap in swaps]
    durable_file.replace(state_dir / _FILE, json.dumps({"committed": committed, "live": live}), mode=0o600)


def _read(state_dir: Path) -> tuple[bool, Iterator[Swap]]:
    """Return whether the new content counts, and the swaps; StackError("restore-journal") if nobody can tell."""
    file = state_dir / _FILE
    try:
        body = json.loads(reading.read_text(file))
        live = [Path(os.path.normpath(state_dir / each)) for each in body["live"]]
        return bool(body["committed"]), map(of, live)
    except (StackError, *reading.NONSENSE) as error:
        aside = file.with_name(f"{file.name}.damaged")
        raise StackError(
            "restore-journal",
            "a restore was interrupted, and what it wrote down of itself cannot be read",
            context=f"{file}: {getattr(error, 'context', None) or error}",
            hint="beside each data folder look for .NAME.next, the restored data, and .NAME.last, the data before:\n"
            f"put in place what you want to keep, then\nmv {shlex.quote(str(file))} {shlex.quote(str(aside))}",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
