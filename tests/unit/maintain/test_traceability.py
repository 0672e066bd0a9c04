"""Requirements and their proofs: gaps and stale names are found, and this repository's own data is sound."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.lint import engine
from scripts.maintain import traceability
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

RULES = engine.load_rules()

DATA = """
requirements:
  - id: REQ-SPC-MSG-001
    source: specification, section 2
    text: Kafka is gated by a profile.
    proofs:
      - {rule: KC601}
      - {test: "tests/unit/test_it.py::test_works"}
      - {test: "tests/unit/test_it.py::TestGroup::test_works_too"}
      - {task: send-all}
      - {session: validate}
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout that has one of each thing a proof may name."""
    files = {
        "schemas/requirements.yml": DATA,
        "tests/unit/test_it.py": "def test_works(): ...\n\nclass TestGroup:\n    def test_works_too(self): ...\n",
        "scripts/tasks/theme.py": "@command(help={})\ndef send_all(c): ...\n\ndef plain(): ...\n",
        "noxfile.py": "@nox.session(tags=[])\ndef validate(session): ...\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    shutil.copy(ROOT / traceability.SCHEMA_FILE, tmp_path / traceability.SCHEMA_FILE)
    return tmp_path


def write(checkout: Path, old: str, new: str) -> None:
    path = checkout / traceability.DATA_FILE
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_requirement_with_proofs_that_exist_is_proven(checkout: Path) -> None:
    found = traceability.trace(checkout, RULES)
    assert found.problems == ()
    assert [requirement.proven for requirement in found.requirements] == [True]


def test_a_requirement_without_a_proof_is_a_problem(checkout: Path) -> None:
    write(checkout, DATA[DATA.index("    proofs:") :], "    proofs: []\n")
    assert traceability.trace(checkout, RULES).problems == ("REQ-SPC-MSG-001 has no proof",)


@pytest.mark.parametrize(
    ("old", "new", "gone"),
    [
        ("KC601", "KC999", "the rule KC999"),
        ('test_it.py::test_works"', 'test_it.py::test_gone"', "the test tests/unit/test_it.py::test_gone"),
        ("test_it.py::TestGroup", "test_gone.py::TestGroup", "tests/unit/test_gone.py::TestGroup"),
        ("task: send-all", "task: plain", "the task plain"),
        ("session: validate", "session: e2e", "the session e2e"),
    ],
)
def test_a_proof_that_is_gone_is_a_problem(checkout: Path, old: str, new: str, gone: str) -> None:
    write(checkout, old, new)
    found = traceability.trace(checkout, RULES)
    assert len(found.problems) == 1
    assert gone in found.problems[0]
    assert not found.requirements[0].proven


def test_an_id_listed_twice_and_an_unknown_parent_are_problems(checkout: Path) -> None:
    second = DATA.partition("requirements:\n")[2].replace("    proofs:", "    parents: [STORY-MSG-09]\n    proofs:")
    (checkout / traceability.DATA_FILE).write_text(DATA + second, encoding="utf-8")
    assert traceability.trace(checkout, RULES).problems == (
        "REQ-SPC-MSG-001 is listed twice",
        "REQ-SPC-MSG-001 serves STORY-MSG-09, which is not listed",
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("REQ-SPC-MSG-001", "REQUIREMENT-1", "does not match"),
        ("{rule: KC601}", "{rule: KC601, task: up}", "has more than 1 property"),
        ("text: Kafka is gated by a profile.", "words: x", "words"),
        ("requirements:", "requirements: [", "expected"),
    ],
)
def test_data_that_breaks_the_schema_is_told_with_its_place(checkout: Path, old: str, new: str, words: str) -> None:
    write(checkout, old, new)
    with pytest.raises(StackError) as caught:
        traceability.trace(checkout, RULES)
    assert caught.value.reference == "requirements-file"
    assert caught.value.exit_code == ExitCode.USAGE
    assert words in (caught.value.context or "")


def test_the_page_links_every_proof(checkout: Path) -> None:
    text = traceability.page(traceability.trace(checkout, RULES), RULES)
    assert "[KC601 profile-gate](rules.md#kc601-profile-gate)" in text
    assert "[test_works](../tests/unit/test_it.py)" in text
    assert "`./invoke send-all`" in text
    assert "`nox -s validate`" in text


def test_no_requirement_of_the_specification_and_the_prd_is_forgotten() -> None:
    listed = {requirement.id for requirement in traceability.trace(ROOT, RULES).requirements}
    assert listed == {
        "REQ-PRD-MSG-MET-01",
        "REQ-PRD-MSG-MET-02",
        "REQ-PRD-MSG-FUN-01",
        "REQ-PRD-MSG-FUN-02",
        "REQ-PRD-MSG-FUN-03",
        "REQ-PRD-MSG-SEC-01",
        "REQ-SPC-MSG-001",
        "REQ-SPC-MSG-002",
        "REQ-SPC-MSG-003",
        "STORY-MSG-01",
        "VAL-MSG-001",
        "VAL-MSG-002",
        "VAL-MSG-003",
    }


def test_every_proof_named_in_this_repository_exists() -> None:
    gone = [problem for problem in traceability.trace(ROOT, RULES).problems if "does not exist" in problem]
    assert gone == []


def test_the_page_in_the_docs_is_current() -> None:
    kept = (ROOT / traceability.PAGE_FILE).read_text(encoding="utf-8")
    assert kept == traceability.page(traceability.trace(ROOT, RULES), RULES)
