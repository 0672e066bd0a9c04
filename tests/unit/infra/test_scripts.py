"""The shell scripts in the images read the very files that the tasks read, and refuse what they don't understand."""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from backbone.stack import diagram, topics
from backbone.stack.engine.embedded import artifacts
from backbone.stack.settings import Settings
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CREATE_TOPICS = ROOT / "infra" / "05-messaging" / "kafka" / "create-topics.sh"
FETCH = ROOT / "infra" / "common" / "fetch-artifacts.sh"
LOCK = ROOT / "infra" / "artifacts.lock.json"


def created(file: Path) -> subprocess.CompletedProcess[str]:
    """Return what the one-shot would make of a file."""
    return subprocess.run(["/bin/bash", CREATE_TOPICS, file, "--print"], capture_output=True, text=True, check=False)


def as_options(topic: topics.Topic) -> list[str]:
    """Return a topic as the options of Kafka's own tool."""
    replicas = ["--replication-factor", str(topic.replicas)] if topic.replicas > 0 else []
    config = [word for key, value in topic.config.items() for word in ("--config", f"{key}={value}")]
    return ["--topic", topic.name, "--partitions", str(topic.partitions), *replicas, *config]


def test_the_one_shot_reads_the_topics_file_as_the_tasks_do() -> None:
    done = created(ROOT / topics.FILE)
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()] == [
        as_options(topic) for topic in topics.read(ROOT / topics.FILE)
    ]


def test_every_form_of_a_topic_is_understood(tmp_path: Path) -> None:
    file = tmp_path / "topics.yml"
    file.write_text(
        "# all of it\ntopics:\n  - name: a.b-c\n    partitions: 12\n    replicas: 2\n    config:\n"
        '      cleanup.policy: compact  # why\n      retention.ms: "1000"\n\n  - name: plain\n    partitions: 1\n',
        encoding="utf-8",
    )
    done = created(file)
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()] == [as_options(item) for item in topics.read(file)]


@pytest.mark.parametrize("line", ["    partitons: 3", "  - {name: a, partitions: 1}", "      config: x: y", "other: 1"])
def test_a_line_that_is_not_understood_ends_it(tmp_path: Path, line: str) -> None:
    file = tmp_path / "topics.yml"
    file.write_text(f"topics:\n  - name: a\n{line}\n", encoding="utf-8")
    done = created(file)
    assert done.returncode != 0
    assert f"{file}:3: not understood" in done.stderr


def maven(folder: Path, content: bytes) -> None:
    """Put a Maven on the path that fetches one file of that content for every artifact asked for."""
    (folder / "payload").write_bytes(content)
    script = folder / "mvn"
    script.write_text(
        "#!/bin/sh\nfor a; do case $a in -DoutputDirectory=*) out=${a#*=};; esac; done\n"
        "sed -n 's|.*<artifactId>\\(.*\\)</artifactId><type>\\(.*\\)</type><version>\\(.*\\)</version>.*"
        "|\\1-\\3.\\2|p' "
        f'pom.xml | while read -r name; do cp {folder}/payload "$out/$name"; done\n',
        encoding="utf-8",
    )
    script.chmod(0o755)


@pytest.mark.parametrize("intact", [True, False])
def test_a_fetched_file_must_be_the_locked_one(tmp_path: Path, *, intact: bool) -> None:
    content = b"the agent"
    lock = tmp_path / "lock.json"
    item = artifacts.Artifact("org.example:agent:jar:1.0", hashlib.sha256(content).hexdigest(), len(content))
    artifacts.write_lock(lock, artifacts.Lock({"jmx-agent": ("org.example:agent:1.0",)}, {"jmx-agent": (item,)}))
    maven(tmp_path, content if intact else b"something else")
    done = subprocess.run(
        ["/bin/sh", FETCH, lock, "jmx-agent"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is intact, done.stderr
    assert (tmp_path / "jmx-agent" / "agent-1.0.jar").exists()


def test_a_set_that_is_not_locked_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", FETCH, LOCK, "no-such-set"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0


@pytest.mark.parametrize(
    ("address", "allowed", "refused"),
    [
        ("127.0.0.1", "no", False),
        ("localhost", "no", False),
        ("::1", "no", False),
        ("192.0.2.1", "no", True),
        ("", "no", True),
        ("192.0.2.1", "yes", False),
    ],
)
def test_plain_compose_is_not_published_to_other_machines_either(
    tmp_path: Path, address: str, allowed: str, *, refused: bool
) -> None:
    service = diagram.with_defaults(Settings())["kafka-folders"]
    (script,) = service.raw["command"]
    done = subprocess.run(
        [*service.raw["entrypoint"], script.replace("/folders", str(tmp_path / "none"))],
        env={**service.environment, "BIND_ADDRESS": address, "EXPOSE_PLAINTEXT": allowed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0  # there is no such folder, or it was refused before that
    assert ("opens a cluster" in done.stderr) == refused
