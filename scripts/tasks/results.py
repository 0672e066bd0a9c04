"""What was measured here: `./invoke results`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError

from .command import command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from invoke import Context

    from backbone.stack.settings import Settings
    from backbone.verdict import Verdict


@command(
    actions={"list": (), "newest": (), "index": (), "compare": ("one", "other")},
    help={
        "action": "list, newest, index (write all pages again, and one with the trend), compare ONE OTHER",
        "one": "a folder with a benchmark, or its name below results/",
        "other": "the folder to compare it with",
        "folder": "where the reports are (default: results/)",
        "open": "newest, index: open the page in the browser",
        "json": "print JSON",
    },
)
def results(
    c: Context,
    action: str,
    one: str = "",
    other: str = "",
    folder: str = "",
    open: bool = False,
    json: bool = False,
) -> ExitCode:
    """List what bench, failover, archive and smoke measured here, open the newest page, compare two, show the trend."""
    del c
    from backbone import console
    from backbone import results as library
    from backbone.pages.folder import PAGE

    if action == "compare":
        from . import bench

        return bench.compare_folders(one, other, json=json)
    root = _folder(folder)
    if action == "index":
        root.mkdir(exist_ok=True)
        return _show(library.write_pages(root), open_it=open, json=json)
    found = library.found(root)
    if not found:
        raise StackError(
            "no-results", f"{root} holds no report", hint="./invoke bench --quick", exit_code=ExitCode.NOTHING
        )
    if action == "newest":
        return _show(found[0].folder / PAGE, open_it=open, json=json)
    rows = [each.as_dict() for each in found]
    if json:
        console.print_json(rows)
    else:
        shown = ("started", "name", "state", "folder", "verdict")
        console.print_table(tuple(map(str.upper, shown)), [tuple(row[key] for key in shown) for row in rows])
    return ExitCode.OK


def _folder(given: str) -> Path:
    from pathlib import Path

    from backbone.stack.settings import Settings

    root = Path(given) if given else Settings().results_dir
    if given and not root.is_dir():
        raise StackError("no-results", f"there is no folder {root}", exit_code=ExitCode.USAGE)
    return root


def _show(page: Path, *, open_it: bool, json: bool) -> ExitCode:
    """Print the path of a page, and open it if that is wanted."""
    import webbrowser

    from backbone import console

    if json:
        console.print_json({"page": str(page)})
    else:
        console.write_lines([str(page)])
    if open_it and not webbrowser.open(page.resolve().as_uri()):
        console.say("[yellow]no browser could be started[/]")
    return ExitCode.OK


def keep(settings: Settings, verdict: Verdict, engine: str, figures: Mapping[str, float]) -> Path:
    """Write a verdict and its figures below results/, as JSON and as a page; return the page."""
    from datetime import UTC, datetime

    from backbone import resources
    from backbone.bench import machine
    from backbone.pages import checks, folder

    now = datetime.now(UTC)
    origin: dict[str, Any] = {"version": checks.VERSION, "started": now.isoformat(timespec="seconds"), "engine": engine}
    report = {**origin, "machine": machine.describe(), **verdict.as_dict(), "figures": dict(figures)}
    into = settings.results_dir / verdict.title / f"{now:%Y%m%dT%H%M%SZ}"
    return folder.write(into, report, checks.page(report), resources.schema("checks-report.schema.json"))
