from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from backbone.errors import PROGRAM, ExitCode, StackError, as_typed

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_carries_all_that_json_prints() -> None:
    error = StackError("port-in-use", "9092 is taken", context="pid 7", hint="./invoke ports", exit_code=ExitCode(4))
    assert json.loads(json.dumps(error.as_dict())) == {
        "reference": "port-in-use",
        "message": "9092 is taken",
        "context": "pid 7",
        "hint": "./invoke ports",
        "exit_code": 4,
    }


def test_reads_as_reference_and_message() -> None:
    assert str(StackError("timed-out", "waited 3 s")) == "timed-out: waited 3 s"
    assert StackError("timed-out", "waited 3 s").exit_code is ExitCode.FINDINGS


@pytest.mark.parametrize("reference", ["", "Timed-Out", "timed_out", "-timed", "timed--out", "timed out"])
def test_refuses_a_reference_that_is_not_kebab_case(reference: str) -> None:
    with pytest.raises(ValueError, match="kebab-case"):
        StackError(reference, "…")


def test_passes_through_a_context_manager() -> None:
    @contextmanager
    def resource() -> Iterator[None]:
        yield

    with pytest.raises(StackError) as caught, resource():
        raise StackError("no-broker", "none")
    assert caught.value.reference == "no-broker"


def test_exit_codes_are_those_the_documentation_lists() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "FINDINGS": 1,
        "USAGE": 2,
        "NOTHING": 3,
        "ENVIRONMENT": 4,
        "TIMEOUT": 5,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("./invoke up", "../invoke up"),
        ("./invoke up --profile data\n./invoke status", "../invoke up --profile data\n../invoke status"),
        ("rm -r .venv && ./invoke --list", "rm -r .venv && ../invoke --list"),
        ("see /opt/./invoke up", "see /opt/./invoke up"),
        ("to invoke Kafka", "to invoke Kafka"),
    ],
)
def test_a_hint_names_the_program_as_the_user_typed_it(text: str, typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROGRAM, "../invoke")
    assert as_typed(text) == typed
    assert StackError("a", "b", hint=text).as_dict()["hint"] == typed
    monkeypatch.delenv(PROGRAM)
    assert as_typed(text) == text


def test_a_program_with_a_blank_in_its_path_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROGRAM, "/a b/invoke")
    assert as_typed("./invoke up") == "'/a b/invoke' up"
