from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.cli import opening
from scripts.errors import ExitCode, StackError
from tests.fakes import PLAIN, FakeEngine, model, stack

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a:1", ("a:1",)), (" a:1 , b:2,", ("a:1", "b:2")), ("[::1]:9092", ("[::1]:9092",))],
)
def test_reads_addresses(text: str, expected: tuple[str, ...]) -> None:
    assert opening.addresses(text) == expected
    assert opening.bootstrap(text) == expected


@pytest.mark.parametrize("text", ["a", "a:", ":1", "a:b", "a:1,b", ",", "http://a"])
def test_an_address_that_is_none_is_told(text: str) -> None:
    with pytest.raises(StackError) as caught:
        opening.addresses(text)
    error = caught.value
    assert (error.reference, error.exit_code) == ("bad-address", ExitCode.USAGE)
    assert "--bootstrap" in str(error.hint)


def test_a_stack_without_brokers_is_told(tmp_path: Path) -> None:
    with pytest.raises(StackError) as caught:
        opening.own_brokers(stack(tmp_path, FakeEngine(model(a=PLAIN))))
    error = caught.value
    assert (error.reference, error.exit_code, error.hint) == ("no-broker", ExitCode.ENVIRONMENT, "./invoke up")
