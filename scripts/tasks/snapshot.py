"""The task that keeps and brings back all data of the stack."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

from .command import command
from .stack import ENGINE_HELP, TIMEOUT_S, show

if TYPE_CHECKING:
    from invoke import Context

    from backbone.snapshots.manifest import Manifest
    from backbone.snapshots.store import Store
    from backbone.stack.settings import Settings

_ACTIONS = {
    "save": ("name",),
    "list": (),
    "restore": ("name",),
    "export": ("name", "file"),
    "import": ("file",),
    "remove": ("name",),
    "fingerprint": (),
}


@command(
    actions=_ACTIONS,
    help={
        "action": "save, list, restore, export, import, remove or fingerprint",
        "name": "the snapshot",
        "file": "where an exported snapshot is, or is to be",
        "with_secrets": "save: also passwords and keys (the file is then as secret as they are)",
        "as_name": "import: keep it under this name instead of its own",
        "yes": "restore, remove: don't ask",
        "dry_run": "restore: check everything and say what would be replaced; change nothing",
        "timeout": f"seconds to wait until what ran is ready again (default {TIMEOUT_S})",
        "engine": ENGINE_HELP,
        "json": "print JSON",
    },
)
def snapshot(
    c: Context,
    action: str,
    name: str,
    file: str,
    with_secrets: bool = False,
    as_name: str = "",
    yes: bool = False,
    dry_run: bool = False,
    timeout: int = TIMEOUT_S,
    engine: str | None = None,
    json: bool = False,
) -> ExitCode:
    """Save all data of the stack (records, offsets, contracts, connectors, tables), restore it, take it elsewhere.

    A running stack is stopped for it and started again. Snapshots stay when `nuke` removes the data.
    """
    from pathlib import Path

    from rich.markup import escape

    from backbone import console
    from backbone.snapshots import operations

    from . import targets

    if action == "fingerprint":
        return _fingerprint(engine, json=json)
    stack = targets.everything(engine, quiet=True)
    store = operations.of(stack.settings)
    if action == "list":
        return _list(store, json=json)
    if action == "save":
        with console.Waiting(timeout) as waiting:
            manifest = operations.save(
                stack,
                name,
                timeout=timeout,
                progress=console.say,
                watch=partial(show, waiting),
                secrets=with_secrets,
            )
    elif action == "restore":
        manifest = store.load(name)
        if not _may_restore(manifest, dry_run=dry_run, yes=yes, check=partial(operations.check, stack)):
            return ExitCode.OK
        with console.Waiting(timeout) as waiting:
            operations.restore(stack, name, timeout=timeout, progress=console.say, watch=partial(show, waiting))
    elif action == "export":
        manifest = store.export(name, Path(file), console.say)
    elif action == "import":
        manifest = operations.bring(stack.settings, Path(file), console.say, as_name)
    else:
        return _remove(store, stack.settings, name, yes=yes, json=json)
    if json:
        console.print_json(_value(manifest))
    else:
        console.say(escape(_words(action, manifest, file)))
    return ExitCode.OK


def _may_restore(manifest: Manifest, *, dry_run: bool, yes: bool, check: partial[None]) -> bool:
    """Check a snapshot, and ask; False for a dry run."""
    from rich.markup import escape

    from backbone import console

    if dry_run:
        check(manifest)
    what = f"everything in {', '.join(manifest.identity.parts)} becomes what it was at {manifest.created}"
    console.say(escape(f"{what}; what was written since is gone"))
    if not dry_run:
        confirmed("restore it?", f"./invoke snapshot restore {manifest.name} --yes", yes=yes)
    return not dry_run


def confirmed(question: str, hint: str, *, yes: bool) -> None:
    """Ask a person, unless that was answered beforehand. Raises StackError("not-confirmed") for a no."""
    from backbone import console

    if not yes and not console.confirm(question):
        raise StackError("not-confirmed", "nothing was changed", hint=hint, exit_code=ExitCode.USAGE)


def _list(store: Store, *, json: bool) -> ExitCode:
    """Show what can be read, and say what cannot."""
    from rich.markup import escape

    from backbone import console

    found, faults = [], []
    for name in store.names():
        try:
            found.append(store.load(name))
        except StackError as error:
            faults.append(error)
    if json:
        console.print_json({"snapshots": [_value(each) for each in found]})
    else:
        columns = ("NAME", "CREATED", "KAFKA", "POSTGRES", "FILES", "MIB", "SECRETS")
        rows = [
            (
                each.name,
                each.created,
                each.identity.kafka,
                each.identity.postgres.partition(" ")[0],
                len(each.entries),
                each.size >> 20,
                "yes" if each.secrets else "",
            )
            for each in found
        ]
        console.print_table(columns, rows)
    for fault in faults:
        console.say(escape(f"{fault.message}: {fault.context or fault.hint}"))
    return ExitCode.FINDINGS if faults else ExitCode.OK


def _remove(store: Store, here: Settings, name: str, *, yes: bool, json: bool) -> ExitCode:
    """Remove a snapshot, also one that cannot be read."""
    from backbone import console
    from backbone.snapshots import operations

    store.demand(name)
    confirmed(f"remove the snapshot {name}?", f"./invoke snapshot remove {name} --yes", yes=yes)
    operations.remove(here, name, console.say)
    if json:
        console.print_json({"removed": name})
    else:
        console.say(f"{name} is removed")
    return ExitCode.OK


def _fingerprint(engine: str | None, *, json: bool) -> ExitCode:
    from backbone import console
    from backbone.snapshots import fingerprint

    from . import targets

    found = fingerprint.of(targets.running(engine))
    if json:
        console.print_json(found)
    else:
        console.print_table(("WHAT", "FINGERPRINT"), found.items())
    return ExitCode.OK


def _value(manifest: Manifest) -> dict[str, object]:
    """Return what --json prints of a snapshot: its manifest without the files."""
    from dataclasses import asdict

    body = asdict(manifest)
    return {**body, "entries": len(manifest.entries), "bytes": manifest.size}


def _words(action: str, manifest: Manifest, file: str) -> str:
    name = manifest.name
    return {
        "save": f"saved as {name}; next: ./invoke snapshot restore {name}",
        "restore": f"{name} is restored",
        "export": f"{name} is in {file}; elsewhere: ./invoke up --from {file}",
        "import": f"{name} is here; next: ./invoke snapshot restore {name}",
    }[action]
