"""SIGKILL at any moment of a save, a restore or an import leaves the old or the new, never a mix."""

from __future__ import annotations

import multiprocessing
import random
import time
from typing import TYPE_CHECKING

from backbone.snapshots import operations, sparse
from backbone.stack import lifecycle
from tests.unit.snapshots.test_operations import made, quiet, restore, save, write

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 200
FILES, SIZE = 40, 64 << 10


def work(root: Path, kind: str, name: str) -> None:
    """Run in a process of its own."""
    stack, _ = made(root)
    if kind == "save":
        save(stack, name)
    elif kind == "restore":
        restore(stack, name)
    else:
        operations.bring(stack.settings, root / "file", quiet, name)


def tree(folder: Path) -> dict[str, str]:
    return {
        str(each.relative_to(folder)): sparse.digest(each)
        for each in sorted(folder.rglob("*"))
        if each.is_file() and each.name != ".new-password"
    }


def fill(root: Path, text: str) -> dict[str, str]:
    write(root, text)
    for number in range(FILES):
        (root / "data" / "kafka-1" / f"{number}.log").write_bytes(f"{text} {number}".encode().ljust(SIZE, b"."))
        (root / "data" / "postgres" / f"{number}").write_bytes(f"{text} {number}".encode())
    return tree(root / "data")


def test_200_kills_leave_the_old_or_the_new(tmp_path: Path) -> None:
    chance = random.Random(7)
    stack, _ = made(tmp_path)
    contents = {}
    for name in ("a", "b"):
        contents[name] = fill(tmp_path, name)
        save(stack, name)
    operations.of(stack.settings).export("a", tmp_path / "file", quiet)
    began = time.monotonic()
    restore(stack, "a")
    longest = time.monotonic() - began
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    now, new, undone = "a", 0, 0
    for number in range(KILLS):
        kind = ("restore", "restore", "save", "import")[number % 4]
        wanted = chance.choice("ab") if kind == "restore" else f"{kind}-{number}"
        process = context.Process(target=work, args=(tmp_path, kind, wanted))
        process.start()
        process.join(chance.uniform(0, 3 * longest))
        process.kill()
        process.join()
        with lifecycle.exclusive(stack.settings, quiet):  # what every task does that starts or stops something
            pass
        found = tree(tmp_path / "data")
        assert found in (contents[now], contents[wanted] if kind == "restore" else None), (number, kind)
        if kind == "restore":
            new, undone = new + (found != contents[now]), undone + (found == contents[now] and wanted != now)
            now = wanted if found == contents[wanted] else now
        elif wanted in operations.of(stack.settings).names():
            whole = operations.of(stack.settings).load(wanted)
            operations.check(stack, whole)
            operations.of(stack.settings).remove(wanted)
    assert new > 0, "no restore has come to its end"
    assert undone > 0, "none was killed before"
