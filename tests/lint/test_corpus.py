"""Projects in many styles, with every finding kept; and the stack's own ancestor with its known faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.lint.model import Severity
from tests.lint.golden import CORPUS, KEPT, PROJECTS, golden, lint

if TYPE_CHECKING:
    from pathlib import Path

CLEAN = [project for project in PROJECTS if project.name.startswith("clean-")]


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert len(PROJECTS) >= 25
    assert len(CLEAN) >= 8


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_findings_are_the_kept_ones(project: Path) -> None:
    assert golden(project) == (project / KEPT).read_text(encoding="utf-8")


@pytest.mark.parametrize("project", CLEAN, ids=lambda project: project.name)
def test_a_clean_project_has_no_error(project: Path) -> None:
    assert [found for found in lint(project).findings if found.severity == Severity.ERROR] == []


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("KC403", "  kafka-init:"),  # nobody adopts the init service
        ("KC405", "    command:"),  # its script has no `set -e`
        ("KC406", "      timeout: 30s"),  # the health timeout is longer than the interval of 15 s
        ("KC501", "    networks: {infra_net: {ipv4_address: 172.19.0.20}}"),
        ("KC305", "      KAFKA_JMX_OPTS:"),  # reads a variable that the service itself sets
        ("KC110", "  CLUSTER_ID:"),  # 12 bytes
        ("KC144", "  KAFKA_MIN_INSYNC_REPLICAS: 1"),  # with three copies
        ("KC508", "    volumes: ['kafka-1-data"),  # a jar from the repository
    ],
)
def test_the_known_faults_of_the_origin_are_found(code: str, line: str) -> None:
    project = CORPUS / "origin-faults"
    lines = (project / "docker-compose.yml").read_text(encoding="utf-8").splitlines()
    flagged = {lines[found.finding.at.line - 1] for found in lint(project).findings if found.rule.code == code}
    assert any(text.startswith(line) for text in flagged), flagged
