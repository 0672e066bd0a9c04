"""Places in this repository's own stack: every value the model has is found where it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.lint import run as lint_run
from tests import ROOT

if TYPE_CHECKING:
    from backbone.lint.project import Project


@pytest.fixture(scope="module")
def project() -> Project:
    return lint_run.run(lint_run.Request(ROOT, select=("KC00",), environ={})).project


def test_every_variable_of_every_service_is_traced_to_its_whole_value(project: Project) -> None:
    lost = [
        (service.name, name)
        for service in project.services.values()
        for name, value in service.environment.items()
        if not (service.has("environment", name) and _covers(project, service.name, name, value))
    ]
    assert lost == []


def test_every_service_port_and_volume_is_traced_into_a_file(project: Project) -> None:
    for service in project.services.values():
        assert service.span.path.is_relative_to(ROOT)
        for section, entries in (("ports", service.ports), ("volumes", service.mounts)):
            for entry in entries:
                span = service.where(section, entry.index)
                written = project.text(span.path)[span.start : span.end]
                assert str(entry.target) in written or "$" in written, (service.name, section)


def test_a_part_of_a_value_is_traced_wherever_it_stands(project: Project) -> None:
    for service in project.services.values():
        for entry in filter(None, service.environment.get("KAFKA_ADVERTISED_LISTENERS", "").split(",")):
            span = service.where("environment", "KAFKA_ADVERTISED_LISTENERS", part=entry)
            written = project.text(span.path)[span.start : span.end]
            assert written.startswith(entry.partition("://")[0] + "://")
            assert "," not in written


def _covers(project: Project, service: str, name: str, value: str) -> bool:
    """Say whether the place of a value's first and last character lies within the place of the whole."""
    whole = project.where("services", service, "environment", name)
    if not value:
        return True
    part = project.where("services", service, "environment", name, part=value)
    return whole.start <= part.start <= part.end <= whole.end
