"""The lock of the embedded engine's jars: infra/artifacts.lock.json, resolved again from its roots by Maven."""

from __future__ import annotations

import argparse
import hashlib
import sys
from typing import TYPE_CHECKING

from backbone import console
from backbone.errors import ExitCode
from backbone.stack.engine.embedded import artifacts
from backbone.stack.engine.embedded.engine import LOCK_FILE
from backbone.stack.settings import Settings
from backbone.strimzi import gather
from scripts.maintain import program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def main(argv: Sequence[str]) -> ExitCode:
    """Resolve the roots of infra/artifacts.lock.json, download what they need and write its check sums and sizes."""
    argparse.ArgumentParser(prog="nox -s jars", description=main.__doc__).parse_args(argv)
    settings = Settings()
    path = settings.root / LOCK_FILE
    lock = artifacts.resolve(artifacts.read_lock(path).roots, settings.cache_dir / "repository")
    artifacts.write_lock(path, lock)
    (settings.root / gather.CHECKSUMS).write_text(checksums(lock, settings.cache_dir / "repository"), encoding="utf-8")
    for name, items in lock.sets.items():
        console.say(f"{name}: {len(items)} files, {sum(item.size for item in items) / 1e6:.1f} MB")
    return ExitCode.OK


def checksums(lock: artifacts.Lock, repository: Path) -> str:
    """Return the SHA-512 of Connect's plugins, which Kubernetes builds of a worker check, as `sha512sum` writes it."""
    plugins = {item.path for name, items in lock.sets.items() if name.startswith(gather.PLUGINS) for item in items}
    return "".join(
        f"{hashlib.sha512((repository / path).read_bytes()).hexdigest()}  {path}\n" for path in sorted(plugins)
    )


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
