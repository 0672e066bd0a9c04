"""Contracts in a temporary folder, and a registry that behaves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from backbone.events.contracts import repository
from backbone.events.contracts.registry import Registry
from tests import ROOT
from tests.servers.http import serve
from tests.servers.registry import FakeRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from backbone.events.contracts.model import Contracts, Finding

SCHEMA_FILE = ROOT / "schemas" / "contract.schema.json"


def field(name: str, kind: object = "string", **more: object) -> dict[str, Any]:
    return {"name": name, "type": kind, "doc": f"The {name}.", **more}


def record(*fields: dict[str, Any], name: str = "Order") -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "shop", "doc": "An order.", "fields": list(fields)}


@dataclass
class Folder:
    """A folder of contracts that a test fills."""

    path: Path

    def contract(
        self, *versions: object, subject: str = "orders-value", suffix: str = "avsc", **changes: object
    ) -> Folder:
        folder = self.path / subject
        folder.mkdir(exist_ok=True)
        body = {
            "topic": "orders",
            "key": "order_id",
            "owner": "shop-team",
            "doc": "Orders as they come in.",
            "compatibility": "BACKWARD_TRANSITIVE",
            **changes,
        }
        (folder / "contract.yml").write_text(json.dumps({k: v for k, v in body.items() if v is not None}, indent=1))
        for number, version in enumerate(versions, 1):
            text = version if isinstance(version, str) else json.dumps(version, indent=1)
            (folder / f"v{number}.{suffix}").write_text(text)
        return self

    def findings(self) -> list[Finding]:
        return repository.check(self.path, SCHEMA_FILE)[1]

    def rules(self) -> list[str]:
        return [finding.rule for finding in self.findings()]

    def load(self) -> Contracts:
        return repository.load(self.path, SCHEMA_FILE)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "registry.yml").write_text("compatibility: BACKWARD_TRANSITIVE\n")
    return Folder(tmp_path)


@pytest.fixture
def fake() -> FakeRegistry:
    return FakeRegistry()


@pytest.fixture
def registry(fake: FakeRegistry) -> Iterator[Registry]:
    with serve(fake) as url:
        yield Registry(url)
