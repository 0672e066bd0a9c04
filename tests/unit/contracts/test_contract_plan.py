"""plan, apply and drift against a registry that enforces levels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.events.contracts.registration import apply, compare, refuse_conflicts
from backbone.events.contracts.registry import Registry
from tests.servers.http import serve
from tests.unit.contracts.conftest import field, record

if TYPE_CHECKING:
    from backbone.events.contracts.registration import Change
    from tests.servers.registry import FakeRegistry
    from tests.unit.contracts.conftest import Folder

V1 = record(field("order_id"))
V2 = record(field("order_id"), field("note", "string", default=""))


def ignore(_: Change) -> None:
    """Progress that nobody looks at."""


def test_an_empty_registry_gets_levels_and_versions_in_order(
    folder: Folder, registry: Registry, fake: FakeRegistry
) -> None:
    contracts = folder.contract(V1, V2, compatibility="FULL").load()
    shown: list[Change] = []
    done = apply(contracts, registry, shown.append)
    assert [(change.kind, change.subject) for change in done] == [
        ("set-level", "(global)"),
        ("register", "orders-value"),
        ("set-level", "orders-value"),
        ("register", "orders-value"),
    ]
    assert list(done) == shown
    assert fake.global_level == "BACKWARD_TRANSITIVE"
    assert fake.levels == {"orders-value": "FULL"}
    assert [json.loads(fake.schemas[i - 1]) for i in fake.subjects["orders-value"]] == [V1, V2]


def test_a_second_apply_changes_nothing(folder: Folder, registry: Registry, fake: FakeRegistry) -> None:
    contracts = folder.contract(V1, V2).load()
    apply(contracts, registry, ignore)
    before = len(fake.schemas)
    assert apply(contracts, registry, ignore) == ()
    assert compare(contracts, registry) == ()
    assert len(fake.schemas) == before


def test_a_level_changed_by_hand_is_drift_and_is_put_back(
    folder: Folder, registry: Registry, fake: FakeRegistry
) -> None:
    contracts = folder.contract(V1).load()
    apply(contracts, registry, ignore)
    fake.global_level = "NONE"
    fake.levels["orders-value"] = "NONE"
    assert [change.detail for change in compare(contracts, registry)] == ["NONE → BACKWARD_TRANSITIVE"] * 2
    apply(contracts, registry, ignore)
    assert (fake.global_level, fake.levels["orders-value"]) == ("BACKWARD_TRANSITIVE",) * 2


def test_an_edited_version_is_a_conflict_and_nothing_is_done(
    folder: Folder, registry: Registry, fake: FakeRegistry
) -> None:
    apply(folder.contract(V1).load(), registry, ignore)
    fake.global_level = "NONE"
    edited = folder.contract(record(field("order_id"), field("more", "string", default=""))).load()
    with pytest.raises(StackError, match="contract-conflict") as caught:
        apply(edited, registry, ignore)
    assert "v1 was published as id 1" in (caught.value.context or "")
    assert fake.global_level == "NONE"


def test_what_the_registry_has_and_git_has_not_is_reported_and_left(
    folder: Folder, registry: Registry, fake: FakeRegistry
) -> None:
    contracts = folder.contract(V1).load()
    apply(contracts, registry, ignore)
    registry.register("stranger-value", json.dumps(V1))
    changes = compare(contracts, registry)
    assert [(change.kind, change.subject) for change in changes] == [("unknown-subject", "stranger-value")]
    apply(contracts, registry, ignore)
    assert "stranger-value" in fake.subjects


def test_a_version_registered_past_git_is_a_conflict(folder: Folder, registry: Registry) -> None:
    contracts = folder.contract(V1).load()
    apply(contracts, registry, ignore)
    registry.register("orders-value", json.dumps(V2))
    with pytest.raises(StackError, match="contract-conflict"):
        refuse_conflicts(compare(contracts, registry))


def test_the_registry_answers_409_with_the_field_that_broke_it(
    folder: Folder, registry: Registry, fake: FakeRegistry
) -> None:
    apply(folder.contract(V1).load(), registry, ignore)
    with pytest.raises(StackError, match="contract-incompatible") as caught:
        registry.register("orders-value", json.dumps(record(field("order_id"), field("must"))))
    assert caught.value.exit_code is ExitCode.FINDINGS
    assert "must" in (caught.value.context or "")
    assert len(fake.subjects["orders-value"]) == 1


def test_a_registry_that_forgets_is_not_believed(folder: Folder, registry: Registry, fake: FakeRegistry) -> None:
    fake.forgets = True
    with pytest.raises(StackError, match="apply-not-effective"):
        apply(folder.contract(V1).load(), registry, ignore)


def test_text_that_is_no_schema_is_refused_with_the_registrys_words(registry: Registry) -> None:
    with pytest.raises(StackError, match="registry-refused") as caught:
        registry.register("orders-value", '{"type": "recor')
    assert "422" in caught.value.message
    assert "Failed to discover" in (caught.value.context or "")


def test_no_registry_is_an_environment_error_with_a_remedy() -> None:
    with pytest.raises(StackError, match="registry-unreachable") as caught:
        Registry("http://127.0.0.1:9", timeout=2).subjects()
    assert caught.value.exit_code is ExitCode.ENVIRONMENT
    assert "invoke up" in (caught.value.hint or "")


class Stranger:
    """Some other program on the registry's port."""

    def answer(self, *_: object) -> tuple[int, object]:
        return 200, b"<html>hello</html>"


def test_another_program_on_the_port_is_recognised() -> None:
    with serve(Stranger()) as url, pytest.raises(StackError, match="is not the schema registry"):
        Registry(url).subjects()
