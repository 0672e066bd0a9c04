"""The offline check: what it accepts, and for what it refuses it names file, line and reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from backbone.errors import ExitCode, StackError
from backbone.events.contracts import repository, scaffold
from tests import ROOT
from tests.unit.contracts.conftest import SCHEMA_FILE, field, record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.contracts.conftest import Folder

V1 = record(field("order_id"), field("total", "int"))


def test_the_contracts_of_this_repository_are_sound() -> None:
    contracts, findings = repository.check(ROOT / "schemas" / "contracts", SCHEMA_FILE)
    assert findings == []
    assert contracts is not None
    assert contracts.for_topic("events-topic") is not None


def test_a_field_with_a_default_may_be_added(folder: Folder) -> None:
    v2 = record(field("order_id"), field("total", "long"), field("note", ["null", "string"], default=None))
    loaded = folder.contract(V1, v2).load()
    assert [version.number for version in loaded.contracts[0].versions] == [1, 2]
    assert [each["name"] for each in loaded.contracts[0].latest.schema["fields"]] == ["order_id", "total", "note"]


@pytest.mark.parametrize(
    ("level", "changed", "reason"),
    [
        ("BACKWARD", record(*V1["fields"], field("vat", "int")), "vat: the field has no default"),
        ("FORWARD", record(field("order_id")), "total: the field has no default"),
        ("FULL", record(*V1["fields"], field("vat", "int")), "vat: the field has no default"),
        (
            "BACKWARD",
            record(field("order_id"), field("total", "string")),
            "total: it was int and is string",
        ),
        ("BACKWARD", record(*V1["fields"], name="Purchase"), "renamed from shop.Order to shop.Purchase"),
    ],
)
def test_a_broken_promise_names_the_field_and_its_line(
    folder: Folder, level: str, changed: dict[str, object], reason: str
) -> None:
    found = folder.contract(V1, changed, compatibility=level).findings()
    assert [finding.rule for finding in found] == ["incompatible"]
    assert reason in found[0].message
    assert found[0].file.name == "v2.avsc"
    field_name = found[0].message.split(":")[0]
    line = found[0].file.read_text().splitlines()[found[0].line - 1]
    assert found[0].line == 1 or field_name in line or '"fields"' in line or '"type"' in line or line.strip() == "{"


@pytest.mark.parametrize("level", ["NONE", "FORWARD"])
def test_a_level_that_does_not_promise_it_allows_it(folder: Folder, level: str) -> None:
    folder.contract(V1, record(*V1["fields"], field("vat", "int")), compatibility=level)
    assert folder.findings() == []


def test_only_a_transitive_level_looks_past_the_version_before(folder: Folder) -> None:
    """v1 has no `note`, v2 gives it a default, v3 takes the default away: v3 reads v2, but not v1."""
    v2 = record(*V1["fields"], field("note", "string", default=""))
    v3 = record(*V1["fields"], field("note", "string"))
    assert folder.contract(V1, v2, v3, compatibility="BACKWARD").findings() == []
    found = folder.contract(V1, v2, v3, compatibility="BACKWARD_TRANSITIVE").findings()
    assert ["cannot read what v1 wrote" in finding.message for finding in found] == [True]


def test_a_changed_meaning_of_the_same_bytes_is_a_break(folder: Folder) -> None:
    def at(unit: str) -> dict[str, object]:
        return record(field("order_id"), field("at", {"type": "long", "logicalType": f"timestamp-{unit}"}))

    found = folder.contract(at("millis"), at("micros")).findings()
    assert "at: the meaning changed from timestamp-millis to timestamp-micros" in found[0].message


@pytest.mark.parametrize(("precision", "scale"), [(12, 2), (10, 4)])
def test_a_decimal_of_another_precision_or_scale_is_another_number(folder: Folder, precision: int, scale: int) -> None:
    def price(digits: int, after_the_point: int) -> dict[str, object]:
        decimal = {"type": "bytes", "logicalType": "decimal", "precision": digits, "scale": after_the_point}
        return record(field("order_id"), field("price", decimal))

    found = folder.contract(price(10, 2), price(precision, scale)).findings()
    assert [f"decimal({precision}, {scale})" in finding.message for finding in found] == [True]


def test_a_break_inside_a_nested_record_is_named_with_its_way(folder: Folder) -> None:
    def address(kind: str) -> dict[str, object]:
        inner = {"type": "record", "name": "Address", "doc": "Where.", "fields": [field("zip_code", kind)]}
        return record(field("order_id"), field("address", inner))

    found = folder.contract(address("int"), address("string")).findings()
    assert found[0].message.startswith("address.zip_code: ")
    assert found[0].file.read_text().splitlines()[found[0].line - 1].strip() == '"type": "string",'


@pytest.mark.parametrize(
    ("versions", "rule", "words"),
    [
        (['{"type": "record",\n "name"'], "json-syntax", "column"),
        ([record(field("order_id", "strin"))], "avro-schema", "unknown type 'strin'"),
        (
            [record(field("order_id"), field("n", "int", default="x"))],
            "avro-schema",
            'n: expected a whole number, found "x"',
        ),
        ([record(field("order_id"), field("order_id"))], "avro-schema", "two fields 'order_id'"),
        (['"string"'], "avro-schema", "is a record"),
        ([record(field("order_id", "int"))], "key-field", "no string field"),
        ([record(field("order_id"), field("orderTotal"))], "name-style", "snake_case"),
        ([record({"name": "order_id", "type": "string"})], "doc-missing", "'order_id' has no doc"),
        ([V1, V1], "unchanged", "v2 says the same as v1"),
        ([V1, {**V1, "doc": "Said better."}], "unchanged", "v2 says the same as v1, but for docs, aliases"),
        ([V1, record(field("order_id")), V1], "unchanged", "v3 says the same as v1"),
    ],
)
def test_a_fault_in_a_version_is_found(folder: Folder, versions: list[object], rule: str, words: str) -> None:
    found = folder.contract(*versions).findings()
    assert rule in [finding.rule for finding in found]
    assert any(words in finding.message for finding in found)


@pytest.mark.parametrize(
    "wrong",
    [
        field("at", "long", logicalType="timestamp-millis"),
        field("at", {"type": "long", "logicalType": "timestamp-milis"}),
        field("at", {"type": "int", "logicalType": "timestamp-millis"}),
        field("at", {"type": "array", "items": {"type": "string", "logicalType": "decimal"}}),
    ],
)
def test_a_logical_type_that_readers_ignore_is_a_warning_at_its_line(folder: Folder, wrong: dict[str, Any]) -> None:
    (found,) = folder.contract(record(field("order_id"), wrong)).findings()
    assert (found.rule, found.warning, "is ignored by every reader" in found.message) == ("logical-type", True, True)
    assert '"logicalType"' in found.file.read_text().splitlines()[found.line - 1]


def test_logical_types_in_their_place_are_no_finding(folder: Folder) -> None:
    price = {"type": "fixed", "name": "Price", "doc": "P.", "size": 8, "logicalType": "decimal", "precision": 9}
    day = ["null", {"type": "int", "logicalType": "date"}]
    assert folder.contract(record(field("order_id"), field("price", price), field("day", day))).findings() == []


def test_a_wrong_type_is_found_on_its_line(folder: Folder) -> None:
    schema = record(field("order_id"), field("total", "intt"))
    found = folder.contract(schema).findings()[0]
    assert '"intt"' in json.dumps(schema, indent=1).splitlines()[found.line - 1]


def test_contract_yml_is_held_to_its_schema(folder: Folder) -> None:
    folder.contract(V1, owner=None, compatibility="BACKWARDS")
    found = folder.findings()
    assert {finding.rule for finding in found} == {"contract-schema"}
    assert any(finding.message == "owner: missing" for finding in found)
    level = next(finding for finding in found if "BACKWARDS" in finding.message)
    assert "compatibility" in level.file.read_text().splitlines()[level.line - 1]


def test_versions_have_no_gap_and_no_strangers(folder: Folder) -> None:
    folder.contract(V1)
    (folder.path / "orders-value" / "v3.avsc").write_text(json.dumps(V1))
    (folder.path / "orders-value" / "notes.txt").write_text("")
    assert sorted(folder.rules()) == ["stray-file", "version-gap"]


def test_two_subjects_cannot_claim_one_topic(folder: Folder) -> None:
    folder.contract(V1).contract(V1, subject="other-value")
    assert sorted(folder.rules()) == ["subject-name", "topic-claimed"]


def test_no_contract_at_all_is_nothing_to_work_on(tmp_path: Path) -> None:
    with pytest.raises(StackError) as caught:
        repository.check(tmp_path, SCHEMA_FILE)
    assert caught.value.exit_code is ExitCode.NOTHING


def test_a_faulty_contract_is_refused_for_its_own_topic_only(folder: Folder) -> None:
    folder.contract(V1).contract(record(field("order_id"), field("BAD")), subject="bills-value", topic="bills")
    contracts = folder.load()
    assert contracts.for_topic("orders") is not None
    assert contracts.for_topic("nowhere") is None
    with pytest.raises(StackError, match="contracts-invalid: bills-value: 1 fault") as caught:
        contracts.for_topic("bills")
    assert "v1.avsc:" in (caught.value.context or "")


def test_a_missing_doc_is_a_warning_and_the_contract_holds(folder: Folder) -> None:
    bare = {"type": "record", "name": "Order", "fields": [{"name": "order_id", "type": "string"}]}
    folder.contract(bare, doc=None)
    assert [(found.rule, found.warning) for found in folder.findings()] == [("doc-missing", True)] * 3
    assert folder.load().for_topic("orders") is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"owner": None}, "owner: missing"),
        ({"owner": "x"}, 'owner: "x" is too short, at least 2 characters'),
        ({"compatibility": "BACKWARDS"}, 'compatibility: "BACKWARDS" is none of NONE, BACKWARD,'),
        ({"key": "orderId"}, 'key: "orderId" does not match ^[a-z]'),
        ({"consumers": ["ok", 7]}, "consumers.1: 7 is no string"),
        ({"wner": "x"}, "wner: there is no such key; the keys are topic, key, owner"),
    ],
)
def test_what_contract_yml_gets_wrong_is_told_with_key_value_and_limit(
    folder: Folder, changes: dict[str, Any], words: str
) -> None:
    (found,) = folder.contract(V1, **changes).findings()
    assert found.message.startswith(words)


@pytest.mark.parametrize("topic", ["orders", "a", "2fa.v1", "x_y-z.42", "...", "true", "1.5", "a" * 249])
def test_a_scaffold_passes_the_check_for_any_topic(folder: Folder, topic: str) -> None:
    files = scaffold.write(folder.path, topic, "shop-team")
    assert [file.name for file in files] == ["contract.yml", "v1.avsc"]
    assert folder.findings() == []
    found = folder.load().for_topic(topic)
    assert found is not None
    assert found.owner == "shop-team"
    with pytest.raises(StackError, match="contract-exists"):
        scaffold.write(folder.path, topic, "x")


@pytest.mark.parametrize(
    "topic", ["", ".", "..", "a/b", "../x", "ä", "a" * 250, "a b", "__consumer_offsets", "_schemas"]
)
def test_a_scaffold_is_not_written_for_a_name_that_no_application_can_have(folder: Folder, topic: str) -> None:
    with pytest.raises(StackError, match="topic-name"):
        scaffold.write(folder.path, topic, "x")
    assert sorted(path.name for path in folder.path.iterdir()) == ["registry.yml"]
