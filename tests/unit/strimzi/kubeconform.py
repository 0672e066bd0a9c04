"""A second opinion on every export: kubeconform, which shares no code with our judge. `nox -s kubeconform` runs it.

It does not compute the CRDs' own rules, so only what a schema can say is asked of it.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from backbone.strimzi import manifest
from tests.unit.strimzi.test_faults import BY_SCHEMA, Plant, named, planted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from backbone.strimzi.crd import Definition
    from backbone.strimzi.manifest import Manifest

PROGRAM = os.environ.get("KUBECONFORM", "kubeconform")
GROUP = "kafka.strimzi.io"
NAMES = ("default", "secure", "topics", "connectors", "lite", "five brokers", "Kafka 4.4", "scram Connect")


@pytest.fixture(scope="session")
def schemas(crds: Mapping[tuple[str, str], Definition], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the CRDs' strict schemas as kubeconform finds them."""
    folder = tmp_path_factory.mktemp("schemas")
    for (api, kind), definition in crds.items():
        group, _, version = api.partition("/")
        (folder / f"{group}_{kind.lower()}_{version}.json").write_text(json.dumps(definition.schema), encoding="utf-8")
    return folder


def judged(manifests: Iterable[Manifest], schemas: Path, folder: Path) -> list[dict[str, Any]]:
    """Return what kubeconform says of each resource of the operator's group."""
    for number, each in enumerate(manifests):
        if str(each.body.get("apiVersion", "")).startswith(GROUP):
            (folder / f"{number:03}.yaml").write_text(manifest.text([each]), encoding="utf-8")
    where = f"{schemas}/{{{{ .Group }}}}_{{{{ .ResourceKind }}}}_{{{{ .ResourceAPIVersion }}}}.json"
    words = [PROGRAM, "-strict", "-verbose", "-output", "json", "-schema-location", where, str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["resources"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_kubeconform_takes_every_resource_of_an_export(
    exports: Mapping[str, tuple[Manifest, ...]], schemas: Path, tmp_path: Path, name: str
) -> None:
    assert set(NAMES) == set(exports)
    found = judged(exports[name], schemas, tmp_path)
    assert found
    assert [each for each in found if each["status"] != "statusValid"] == []


@pytest.mark.parametrize("plant", BY_SCHEMA, ids=named)
def test_kubeconform_finds_each_planted_fault(
    exports: Mapping[str, tuple[Manifest, ...]], schemas: Path, tmp_path: Path, plant: Plant
) -> None:
    without_notes = (replace(each, notes={}) for each in planted(exports["secure"], plant))  # of what was taken out
    found = judged(without_notes, schemas, tmp_path)
    assert [each["status"] for each in found if each["status"] != "statusValid"] in (["statusInvalid"], ["statusError"])
