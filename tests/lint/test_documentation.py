"""Every rule's docstring is its documentation, and every example in it is run."""

from __future__ import annotations

import pytest

from backbone.lint import engine
from backbone.lint.output import manual
from tests import ROOT
from tests.lint.conftest import Lint, codes, example_files

RULES = engine.load_rules()


@pytest.mark.parametrize("code", RULES)
def test_a_rule_explains_itself(code: str) -> None:
    doc = RULES[code].doc
    assert doc.summary.endswith(".")
    assert doc.why
    assert doc.fails
    assert doc.passes


@pytest.mark.parametrize("code", RULES)
def test_the_failing_example_fails(code: str, lint: Lint) -> None:
    outcome = lint(example_files(RULES[code].doc.fails), select=(code, "KC00"))
    assert set(codes(outcome)) == {code}
    assert not outcome.result.crashes


@pytest.mark.parametrize("code", RULES)
def test_the_passing_example_passes_this_and_every_rule_of_its_level(code: str, lint: Lint) -> None:
    outcome = lint(example_files(RULES[code].doc.passes), select=(code, "KC00"))
    assert codes(outcome) == []
    assert not outcome.result.crashes


def test_the_page_of_all_rules_is_current() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert page == manual.book(RULES.values())


def test_one_rule_as_text_has_all_its_parts() -> None:
    text = manual.page(RULES["KC002"])
    assert text.startswith("KC002 duplicate-key (error)\n\nFlag a key")
    assert "\nFails:\n    services:\n" in text
    assert "\nPasses:\n    services:\n" in text
