"""plan, apply and drift against a registry that enforces levels."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.events.contracts import history
from backbone.events.contracts.model import canonical
from backbone.events.contracts.registration import Outcome, apply, astray, compare, conflict
from backbone.events.contracts.registry import Registry, of_stack
from backbone.stack import compose
from backbone.stack.settings import Settings
from tests import ROOT
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
    done = apply(contracts, registry, shown.append).done
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
    assert apply(contracts, registry, ignore) == Outcome(())
    assert compare(contracts, registry) == ()
    assert len(fake.schemas) == before


def test_a_level_that_is_not_its_contracts_is_astray(folder: Folder, registry: Registry, fake: FakeRegistry) -> None:
    contracts = folder.contract(V1, compatibility="FULL").load()
    assert astray(contracts, registry) == {}
    apply(contracts, registry, ignore)
    assert astray(contracts, registry) == {}
    fake.levels["orders-value"] = "NONE"
    assert astray(contracts, registry) == {"orders-value": ("NONE", "FULL")}
    del fake.levels["orders-value"]
    assert astray(contracts, registry) == {"orders-value": ("none", "FULL")}


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


OTHER = record(field("order_id"), field("more", "string", default=""))


def test_an_edited_version_is_a_conflict_with_the_commands_that_settle_it(
    folder: Folder, registry: Registry, fake: FakeRegistry
) -> None:
    apply(folder.contract(V1).load(), registry, ignore)
    edited = folder.contract(OTHER).load()
    outcome = apply(edited, registry, ignore, lambda *_: "abc123")
    (failure,) = outcome.failures
    assert (failure.reference, outcome.done) == ("contract-conflict", ())
    assert "v1 was published as id 1 and its file was changed since (commit abc123 has it)" in (failure.context or "")
    home = folder.path / "orders-value"
    commands = (failure.hint or "").splitlines()
    assert commands == [
        "make the change a new version",
        f"cp {home}/v1.avsc {home}/v2.avsc",
        f"git checkout abc123 -- {home}/v1.avsc",
        "./invoke contracts apply",
    ]
    assert len(fake.subjects["orders-value"]) == 1


def test_a_schema_registered_by_hand_is_told_apart_and_can_be_adopted(
    folder: Folder, registry: Registry, fake: FakeRegistry
) -> None:
    registry.register("orders-value", json.dumps(OTHER))
    (failure,) = apply(folder.contract(V1).load(), registry, ignore, lambda *_: None).failures
    assert "v1.avsc is not what the registry has as id 1" in (failure.context or "")
    assert "registered by hand" in (failure.context or "")
    home, place = folder.path / "orders-value", f"{registry.url}/subjects/orders-value/versions/1"
    commands = (failure.hint or "").splitlines()
    assert commands == [
        f"mv {home}/v1.avsc {home}/v2.avsc",
        f"curl -sf {place}/schema -o {home}/v1.avsc",
        "or take it out of the registry instead",
        f"curl -sf -X DELETE {place}",
    ]


def test_what_contradicts_the_registry_keeps_no_other_subject_back(
    folder: Folder, registry: Registry, fake: FakeRegistry
) -> None:
    registry.register("orders-value", json.dumps(OTHER))
    registry.register("bills-value", json.dumps(V1))
    fake.levels["bills-value"] = "BACKWARD"
    needy = record(field("order_id"), field("must"))
    folder.contract(V1)
    folder.contract(V1, needy, subject="bills-value", topic="bills", compatibility="NONE")
    folder.contract(V1, subject="carts-value", topic="carts")
    outcome = apply(folder.load(), registry, ignore, lambda *_: None)
    assert [failure.reference for failure in outcome.failures] == ["contract-conflict"]
    assert {change.subject for change in outcome.done} == {"(global)", "bills-value", "carts-value"}
    assert "carts-value" in fake.subjects


def test_a_faulty_contract_keeps_no_other_subject_back(folder: Folder, registry: Registry, fake: FakeRegistry) -> None:
    folder.contract(V1).contract(record(field("BAD")), subject="bills-value", topic="bills")
    contracts = folder.load()
    assert apply(contracts, registry, ignore).failures == ()
    assert list(fake.subjects) == ["orders-value"]
    registry.register("bills-value", json.dumps(V1))
    assert compare(contracts, registry) == ()


def test_git_remembers_what_a_file_said(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e@e", *words], cwd=tmp_path, check=True)

    file = tmp_path / "v1.avsc"
    git("init", "-q")
    for schema in (V1, V2):
        file.write_text(json.dumps(schema, indent=2))
        git("add", ".")
        git("commit", "-qm", "m")
    assert history.commit_of(file, canonical(V1)) not in {None, history.commit_of(file, canonical(V2))}
    assert history.commit_of(file, canonical(OTHER)) is None
    assert history.commit_of(Path("/"), canonical(V1)) is None


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
    (change,) = compare(contracts, registry)
    assert (change.kind, change.conflict) == ("unknown-version", True)
    assert f"-o {folder.path}/orders-value/v2.avsc" in (conflict([change]).hint or "")


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
    (failure,) = apply(folder.contract(V1).load(), registry, ignore).failures
    assert failure.reference == "apply-not-effective"


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


def test_the_stacks_own_registry_is_asked_with_the_user_of_its_profile() -> None:
    kinds = {
        kind: of_stack(compose.load(Settings(ROOT, {"KAFKA_SECURITY": kind, "SECRETS_DIR": "/s"}), ["messaging"]))
        for kind in ("plaintext", "secure")
    }
    assert {kind: str(found.user_file) for kind, found in kinds.items()} == {
        "plaintext": "None",
        "secure": "/s/registry/user.properties",
    }
    assert kinds["plaintext"].curl == "curl -sf"
    assert "/s/registry/user.properties" in kinds["secure"].curl
    assert " -u " not in kinds["secure"].curl  # the password is in no process's arguments
