"""Another Kafka: the version wherever the stack says it, then all that is made from it, then what a person looks at."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from backbone import console
from backbone.errors import ExitCode, StackError
from backbone.stack import kafka_versions
from backbone.stack.engine.embedded import artifacts
from backbone.stack.engine.embedded.engine import LOCK_FILE
from backbone.stack.settings import Settings
from scripts.maintain import jars, kafka_properties, pages, program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BROKER = "org.apache.kafka:kafka_2.13:"
CHECKLIST = """\
Kafka {version} is what the stack starts now. What a person has to do:
  1. read the upgrade notes of every version in between: removed properties, changed defaults, features;
  2. ./invoke lint: properties that {version} no longer knows are findings now;
  3. git diff schemas/kafka-properties.json infra/artifacts.lock.json: nothing there that you can't explain;
  4. nox, nox -s e2e-docker, nox -s start-bench, ./invoke bench: all green, and no figure of docs/performance.md worse;
  5. say in CHANGELOG.md what it means for existing data."""


def current(lock: artifacts.Lock) -> str:
    """Return the Kafka version of Connect's worker and of the tools."""
    return next(root for root in lock.roots["connect"] if root.startswith(BROKER)).rpartition(":")[2]


def named_in(root: Path) -> Iterator[Path]:
    """Yield the files of the stack that can name a version: variables, Compose files, Dockerfiles."""
    yield root / ".env.example"
    for pattern in ("*.yml", "Dockerfile"):
        yield from sorted((root / "infra").rglob(pattern))


def renamed(text: str, old: str, new: str) -> str:
    """Return a text with the tags of Kafka's images changed, and nothing that only looks alike."""
    return re.sub(rf"((?:apache/kafka|/kafka|/kafka-connect):){re.escape(old)}\b", rf"\g<1>{new}", text)


def begun(text: str, new: str) -> str:
    """Return a text that names another version where brokers begin with one: KAFKA_VERSION and its defaults."""
    return re.sub(rf"\b({kafka_versions.VARIABLE}(?::-|=))[\d.]+", rf"\g<1>{new}", text)


def begin_with(root: Path, version: str) -> None:
    """Let the brokers of a new checkout begin with a version."""
    for file in named_in(root):
        before = file.read_text(encoding="utf-8")
        if (after := begun(before, version)) != before:
            file.write_text(after, encoding="utf-8")


def main(argv: Sequence[str]) -> ExitCode:
    """Change the Kafka version of the stack: variables, Compose files, jars with their hashes, property list, pages.

    Raises StackError("version-unknown") for what is no version, or not locked where only the brokers change.
    """
    parser = argparse.ArgumentParser(prog="nox -s kafka --", description="Change the stack's Kafka version.")
    parser.add_argument("version", help="such as 4.4.0")
    parser.add_argument("--brokers", action="store_true", help="of new data only; Connect and the tools keep theirs")
    options = parser.parse_args(argv)
    version = options.version
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise StackError("version-unknown", f"{version!r} is no version such as 4.4.0", exit_code=ExitCode.USAGE)
    settings = Settings()
    if options.brokers:
        kafka_versions.demand(settings, version)
        begin_with(settings.root, version)
        return pages.main([])
    lock = artifacts.read_lock(settings.root / LOCK_FILE)
    old = current(lock)
    for file in named_in(settings.root):
        before = file.read_text(encoding="utf-8")
        if (after := renamed(before, old, version)) != before:
            file.write_text(after, encoding="utf-8")
            console.say(f"{file.relative_to(settings.root)}: {old} → {version}")
    begin_with(settings.root, version)
    renewed = {
        name: tuple(re.sub(rf"^(org\.apache\.kafka:.*:){re.escape(old)}$", rf"\g<1>{version}", root) for root in given)
        for name, given in lock.roots.items()
    }
    # The brokers' sets are one for each version: the older ones stay, for the data that is on them.
    roots = renewed | {name: given for name, given in lock.roots.items() if "@" in name}
    roots[f"kafka@{version}"] = renewed[f"kafka@{old}"]
    artifacts.write_lock(settings.root / LOCK_FILE, replace(lock, roots=roots))
    for step in (jars.main, kafka_properties.main, pages.main):
        step([])
    console.say(CHECKLIST.format(version=version))
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
