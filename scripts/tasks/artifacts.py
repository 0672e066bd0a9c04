"""The task for what is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command import command

if TYPE_CHECKING:
    from invoke import Context


@command(
    actions={"list": (), "fetch": ()},
    help={
        "action": "list: what is locked; fetch: download it all, for a machine without network",
        "json": "print JSON",
    },
)
def artifacts(c: Context, action: str, json: bool = False) -> None:
    """Show or download the jars of the embedded engine (infra/artifacts.lock.json)."""
    from backbone import console
    from backbone.stack.engine.embedded import artifacts as library
    from backbone.stack.engine.embedded.engine import LOCK_FILE
    from backbone.stack.settings import Settings

    settings = Settings()
    lock = library.read_lock(settings.root / LOCK_FILE)
    if action == "fetch":
        every = dict.fromkeys(item for items in lock.sets.values() for item in items)
        library.ensure(every, settings.cache_dir, console.download)
    rows = [(name, len(items), sum(item.size for item in items)) for name, items in lock.sets.items()]
    if json:
        console.print_json([{"set": name, "files": files, "bytes": size} for name, files, size in rows])
    else:
        console.print_table(("SET", "FILES", "SIZE"), [(name, files, console.size(size)) for name, files, size in rows])
