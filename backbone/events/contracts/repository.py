"""Contracts as files: schemas/contracts/SUBJECT/contract.yml with v1.avsc … (or v1.json …), read and checked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from backbone import json_schema, resources
from backbone.errors import ExitCode, StackError
from backbone.events.contracts import compatibility, jsonschemas, rules
from backbone.events.contracts.jsontext import shown
from backbone.events.contracts.model import Contract, Contracts, Finding, Version
from backbone.events.contracts.positions import line_of
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Iterator


_VERSION = re.compile(r"v([1-9][0-9]*)\.(avsc|json)")
_LANGUAGES = {".avsc": ("avro-schema", rules.schema_error), ".json": ("json-schema", jsonschemas.schema_error)}
FOLDER = Path("schemas", "contracts")
SCHEMA_FILE = resources.schema("contract.schema.json")


def check(folder: Path, schema_file: Path) -> tuple[Contracts, list[Finding]]:
    """Read every contract below `folder` and judge it, with no registry; a faulty one keeps no other from being used.

    Raises StackError("no-contracts") if there is none at all.
    """
    folders = sorted(path for path in folder.glob("*") if path.is_dir())
    if not folders:
        raise StackError(
            "no-contracts",
            f"there is no contract in {folder}",
            hint="./invoke contracts new orders",
            exit_code=ExitCode.NOTHING,
        )
    schema = json.loads(schema_file.read_text(encoding="utf-8"))
    default, findings = _default_level(folder / "registry.yml", schema)
    contracts = []
    for path in folders:
        contract, found = _contract(path, schema)
        findings += found
        if contract is not None:
            contracts.append(contract)
            findings += rules.check(contract) + compatibility.check(contract)
    findings += _shared_topics(contracts)
    findings = sorted(set(findings), key=lambda finding: (str(finding.file), finding.line, finding.message))
    faulty: dict[str, tuple[Finding, ...]] = {}
    for found_one in (each for each in findings if not each.warning):
        subject = found_one.file.relative_to(folder).parts[0]
        faulty[subject] = (*faulty.get(subject, ()), found_one)
    sound = tuple(contract for contract in contracts if contract.subject not in faulty)
    return Contracts(default, sound, faulty), findings


def load(folder: Path, schema_file: Path) -> Contracts:
    """Return the contracts, the faulty ones with their faults."""
    return check(folder, schema_file)[0]


def _default_level(file: Path, schema: dict[str, Any]) -> tuple[Any, list[Finding]]:
    allowed = {
        "type": "object",
        "additionalProperties": False,
        "required": ["compatibility"],
        "properties": {"compatibility": schema["$defs"]["level"]},
    }
    body, findings = _yaml(file, allowed)
    return (None if body is None else body["compatibility"]), findings


def _contract(folder: Path, schema: dict[str, Any]) -> tuple[Contract | None, list[Finding]]:
    body, findings = _yaml(folder / "contract.yml", schema)
    versions, found = _versions(folder)
    findings += found
    if body is None or found:
        return None, findings
    contract = Contract(
        subject=folder.name,
        file=folder / "contract.yml",
        **{"doc": "", **body, "consumers": tuple(body.get("consumers", ()))},
        versions=tuple(versions),
    )
    if contract.subject != f"{contract.topic}-value":
        message = f"the subject of topic {contract.topic!r} is {contract.topic}-value, not {folder.name!r}"
        findings.append(Finding(contract.file, 1, "subject-name", message))
    return contract, findings


def _yaml(file: Path, schema: dict[str, Any]) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Return a YAML file's value if it follows the schema, else the findings."""
    try:
        text = reading.read_text(file)
        body = yaml.safe_load(text)
    except StackError as error:
        return None, [Finding(file, 1, "unreadable", f"cannot be read: {error.context}")]
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date or a number that is none
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        return None, [Finding(file, line, "yaml-syntax", str(getattr(error, "problem", error)))]
    errors = json_schema.departures(schema, body)
    findings = [
        Finding(file, line_of(text, list(each.path)), "contract-schema", _words(each, schema)) for each in errors
    ]
    return (None if errors else body), findings


def _words(departure: json_schema.Departure, schema: dict[str, Any]) -> str:
    """Say what is wrong with a value: its key, the value and what is allowed."""
    key = ".".join(map(str, departure.path)) or "the file"
    value, limit = shown(departure.value), departure.limit
    match departure.keyword:
        case "required":
            key, words = ", ".join(departure.names), "missing"
        case "additionalProperties":
            key = ", ".join(departure.names)
            words = f"there is no such key; the keys are {', '.join(schema['properties'])}"
        case "type":
            words = f"{value} is no {' or '.join(limit)}"
        case "minLength":
            words = f"{value} is too short, at least {limit} characters"
        case "enum":
            words = f"{value} is none of {', '.join(map(str, limit))}"
        case "pattern":
            words = f"{value} does not match {limit}"
        case _:
            words = departure.message
    return f"{key}: {words}"


def _versions(folder: Path) -> tuple[list[Version], list[Finding]]:
    numbered: dict[int, Path] = {}
    findings = []
    for file in sorted(folder.iterdir()):
        match = _VERSION.fullmatch(file.name)
        if match:
            numbered[int(match[1])] = file
        elif file.name != "contract.yml":
            message = "a contract holds contract.yml, v1.avsc, v2.avsc … only (or v1.json, v2.json …)"
            findings.append(Finding(file, 1, "stray-file", message))
    if len({file.suffix for file in numbered.values()}) > 1:
        findings.append(Finding(folder, 1, "two-languages", "versions are all Avro (.avsc) or all JSON Schema (.json)"))
    if sorted(numbered) != list(range(1, len(numbered) + 1)) or not numbered:
        found = ", ".join(f"v{number}" for number in sorted(numbered)) or "none"
        findings.append(Finding(folder, 1, "version-gap", f"versions are v1, v2 … without a gap; found: {found}"))
    versions: list[Version] = []
    for number, file in sorted(numbered.items()):
        parsed = _version(number, file)
        if isinstance(parsed, Version):
            versions.append(parsed)
        else:
            findings.append(parsed)
    return versions, findings


def _version(number: int, file: Path) -> Version | Finding:
    try:
        text = reading.read_text(file)
        schema = json.loads(text)
    except json.JSONDecodeError as error:
        return Finding(file, error.lineno, "json-syntax", f"{error.msg}, column {error.colno}")
    except (ValueError, RecursionError) as error:  # a number too long, or nested too deep
        return Finding(file, 1, "json-syntax", str(error))
    except StackError as error:
        return Finding(file, 1, "unreadable", f"cannot be read: {error.context}")
    language, judge = _LANGUAGES[file.suffix]
    if wrong := judge(schema, text):
        return Finding(file, wrong[1], language, wrong[0])
    return Version(number, file, text, schema)


def _shared_topics(contracts: list[Contract]) -> Iterator[Finding]:
    """Yield a finding for each topic that two subjects claim."""
    seen: dict[str, Contract] = {}
    for contract in contracts:
        if first := seen.get(contract.topic):
            message = f"topic {contract.topic} is claimed by {first.subject} already"
            yield Finding(contract.file, 1, "topic-claimed", message)
        seen.setdefault(contract.topic, contract)
