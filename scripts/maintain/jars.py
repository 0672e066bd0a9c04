"""The lock of the embedded engine's jars: infra/artifacts.lock.json, resolved again from its roots by Maven."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from backbone import console
from backbone.errors import ExitCode
from backbone.stack.engine.embedded import artifacts
from backbone.stack.engine.embedded.engine import LOCK_FILE
from backbone.stack.settings import Settings
from scripts.maintain import program

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str]) -> ExitCode:
    """Resolve the roots of infra/artifacts.lock.json, download what they need and write its sha256 and size."""
    argparse.ArgumentParser(prog="nox -s jars", description=main.__doc__).parse_args(argv)
    settings = Settings()
    path = settings.root / LOCK_FILE
    lock = artifacts.resolve(artifacts.read_lock(path).roots, settings.cache_dir / "repository")
    artifacts.write_lock(path, lock)
    for name, items in lock.sets.items():
        console.say(f"{name}: {len(items)} files, {sum(item.size for item in items) / 1e6:.1f} MB")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
