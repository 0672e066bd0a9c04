"""Which client libraries work with which Kafka: the oldest and newest of each, against every version that can run here.

Each sends records with acks=all (idempotent where the library can), reads them back in a group and commits. The report
is kept, and docs/clients.md has its table.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from backbone import clients, console, resources
from backbone.bench import machine
from backbone.errors import ExitCode, StackError
from backbone.pages import checks, folder
from backbone.stack import home, kafka_versions, lifecycle, private, settings, topics
from backbone.stack.engine import open_stack
from backbone.stack.engine.embedded import artifacts, jre, plugin_source
from backbone.stack.engine.embedded.engine import LOCK_FILE
from backbone.stack.settings import Settings
from scripts.maintain import ROOT, program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backbone.stack.engine import Stack

KEPT = Path("results", "kept", "clients")
_PROGRAMS = Path(__file__).parent / "client_programs"
_COUNT = 500
_TIMEOUT_S = 180

LIBRARIES = {
    # The oldest of each that installs on a Python, Node or Java of today, then the newest.
    "kafka-python": ("2.0.2", "2.3.3", "3.0.12"),
    "confluent-kafka": ("2.0.2", "2.16.1"),
    "kafkajs": ("1.16.0", "2.2.4"),
    "kafka-clients (Java)": ("3.0.2", "3.9.1", "4.0.0", "4.4.0"),
}


@dataclass(frozen=True, slots=True)
class Client:
    """A library in one version, and how its program is started."""

    library: str
    version: str
    argv: tuple[str, ...]

    def smoke(self, brokers: Sequence[str], kafka: str) -> dict[str, Any]:
        """Run its program against brokers of a Kafka version; return a check (schemas/checks-report.schema.json)."""
        topic = f"{self.library}-{self.version}".replace(" ", "").replace("(", "-").replace(")", "")
        with clients.admin(brokers) as admin:
            topics.create(admin, topics.Topic(topic, 3))
        began = time.monotonic()
        try:
            words = [*self.argv, ",".join(brokers), topic, str(_COUNT)]
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
            said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-1:] or [
                "it said nothing"
            ]
            ok = done.returncode == 0 and f"read {_COUNT}" in done.stdout
            detail = f"{_COUNT} sent and read" if ok else said[0].strip()[:200]
        except subprocess.TimeoutExpired:
            ok, detail = False, f"it did not end in {_TIMEOUT_S} s"
        seconds = round(time.monotonic() - began, 1)
        return {"name": f"{self.library} {self.version}, Kafka {kafka}", "ok": ok, "detail": detail, "seconds": seconds}


def install(into: Path, here: Settings) -> Iterator[Client]:
    """Install each library in each version into a folder of its own."""
    for name in ("kafka-python", "confluent-kafka"):
        for version in LIBRARIES[name]:
            place = into / f"{name}-{version}"
            _run(sys.executable, "-m", "venv", str(place))
            _run(str(place / "bin" / "pip"), "install", "--quiet", f"{name}=={version}")
            yield Client(name, version, (str(place / "bin" / "python"), str(_PROGRAMS / f"{_NAMES[name]}.py")))
    for version in LIBRARIES["kafkajs"]:
        place = into / f"kafkajs-{version}"
        place.mkdir()
        _run("npm", "install", "--silent", "--prefix", str(place), f"kafkajs@{version}")
        shutil.copy2(_PROGRAMS / "kafkajs.js", place)
        yield Client("kafkajs", version, ("node", str(place / "kafkajs.js")))
    lock = artifacts.read_lock(here.root / LOCK_FILE)
    (compiler,) = artifacts.ensure(lock["java-compiler"], here.cache_dir, console.download)[-1:]
    for version in LIBRARIES["kafka-clients (Java)"]:
        found = artifacts.resolve(
            {"client": [f"org.apache.kafka:kafka-clients:{version}"]}, here.cache_dir / "repository"
        )
        jars = artifacts.ensure(found["client"], here.cache_dir, console.download)
        place = into / f"java-{version}"
        place.mkdir()
        path = ":".join(map(str, (*jars, place)))
        java = str(jre.java())
        source = str(_PROGRAMS / "Smoke.java")
        _run(java, "-jar", str(compiler), *plugin_source.OPTIONS, "-cp", path, "-d", str(place), source)
        yield Client("kafka-clients (Java)", version, (java, "-cp", path, "Smoke"))


_NAMES = {"kafka-python": "kafka_python", "confluent-kafka": "confluent"}


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    if done.returncode:
        raise StackError(
            "client-missing",
            f"{' '.join(words[-2:])} failed",
            context=(done.stdout + done.stderr)[-2000:],
            exit_code=ExitCode.ENVIRONMENT,
        )


@contextmanager
def brokers(version: str, place: Path) -> Iterator[Stack]:
    """Start three brokers of a Kafka version on new data, with ports of their own, and remove them after the block."""
    home.write(place, home.copies(ROOT, place))
    own = Settings(place)
    settings.ensure_env_file(own)
    private.settle(own, "backbone-clients")
    settings.assign(own.env_file, {kafka_versions.VARIABLE: version})
    opened = open_stack(own, ["*"], "embedded", console.download)
    stack = replace(opened, model=opened.model.only(opened.brokers))
    try:
        lifecycle.up(stack, timeout=_TIMEOUT_S, progress=console.say, watch=lambda _: None)
        yield stack
    finally:
        lifecycle.nuke(stack, lambda _: None)


def main(argv: Sequence[str]) -> ExitCode:
    """Try every client against every Kafka version, and write the report (--keep: to results/kept/clients)."""
    parser = argparse.ArgumentParser(prog="nox -s clients --", description=main.__doc__)
    parser.add_argument("--keep", action="store_true", help="write results/kept/clients, and then `nox -s pages`")
    keep = parser.parse_args(argv).keep
    here, began, found = Settings(), dt.datetime.now(dt.UTC), []
    with TemporaryDirectory() as name:
        there = list(install(Path(name), here))
        for version in kafka_versions.known(here):
            with brokers(version, Path(name) / f"kafka-{version}") as stack:
                for client in there:
                    found.append(client.smoke(stack.bootstrap, version))
                    console.say(f"{found[-1]['name']}: {found[-1]['detail']}")
    report = {
        "version": checks.VERSION,
        "started": began.isoformat(timespec="seconds"),
        "engine": "embedded",
        "machine": machine.describe(),
        "title": "clients",
        "ok": all(each["ok"] for each in found),
        "checks": found,
        "figures": {},
    }
    into = here.root / KEPT if keep else here.results_dir / "clients" / began.strftime("%Y%m%d-%H%M%S")
    console.say(
        f"report: {folder.write(into, report, checks.page(report), resources.schema('checks-report.schema.json'))}"
    )
    return ExitCode.OK if report["ok"] else ExitCode.FINDINGS


def kept_table(root: Path) -> Iterator[str]:
    """Yield the lines of the kept report's table: a row a client, a column a Kafka version."""
    path = root / KEPT / folder.REPORT
    if not path.is_file():
        return
    report = json.loads(path.read_text(encoding="utf-8"))
    cells: dict[str, dict[str, str]] = {}
    for each in report["checks"]:
        client, _, kafka = each["name"].partition(", ")
        cells.setdefault(client, {})[kafka] = "yes" if each["ok"] else f"no: {each['detail']}"
    versions = list(next(iter(cells.values())))
    yield from ("", f"| client | {' | '.join(versions)} |", "|---" * (len(versions) + 1) + "|")
    yield from (f"| {client} | {' | '.join(row[version] for version in versions)} |" for client, row in cells.items())
    yield ""


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
