"""The generated pages: what is not up to date is named, written, and then found up to date."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.stack.settings import Settings
from scripts.maintain import pages, program, traceability
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def test_the_pages_of_this_checkout_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert pages.main(["--check"]) == ExitCode.OK
    assert " pages are up to date" in capsys.readouterr().err


def test_a_page_that_is_missing_or_another_is_stale(tmp_path: Path) -> None:
    current, another, missing = (tmp_path / name for name in ("current.md", "another.md", "missing.md"))
    current.write_text("a\n", encoding="utf-8")
    another.write_text("b\n", encoding="utf-8")
    assert pages.stale({current: "a\n", another: "a\n", missing: "a\n"}) == [another, missing]


def test_a_requirement_without_a_proof_stops_the_pages(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    shutil.copy(ROOT / traceability.SCHEMA_FILE, tmp_path / traceability.SCHEMA_FILE)
    (tmp_path / traceability.DATA_FILE).write_text(
        "requirements:\n"
        "  - {id: REQ-SPC-MSG-001, source: specification, text: Kafka is gated by a profile., proofs: []}\n",
        encoding="utf-8",
    )
    with pytest.raises(StackError) as caught:
        pages.made(Settings(root=tmp_path))
    assert caught.value.reference == "requirements-unproven"
    assert caught.value.context == "REQ-SPC-MSG-001 has no proof"


def test_an_error_is_words_and_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(argv: Sequence[str]) -> ExitCode:
        raise StackError("page-stale", f"not up to date: {argv[0]}", hint="nox -s pages")

    assert program.run(fails, ["docs/rules.md"]) == ExitCode.FINDINGS
    assert "error[page-stale]: not up to date: docs/rules.md" in capsys.readouterr().err


def test_a_sigterm_ends_it_like_ctrl_c() -> None:
    code = (
        "import sys, time\n"
        "from scripts.maintain import program\n"
        "def main(_):\n"
        "    try:\n"
        "        print('began', flush=True)\n"
        "        time.sleep(60)\n"
        "    finally: print('tidied', flush=True)\n"
        "sys.exit(program.run(main, []))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        process.terminate()
        assert process.stdout.read() == "tidied\n"
    assert process.returncode == ExitCode.INTERRUPTED


def test_ctrl_c_is_an_exit_code_of_its_own() -> None:
    def interrupted(_: Sequence[str]) -> ExitCode:
        raise KeyboardInterrupt

    assert program.run(interrupted, []) == ExitCode.INTERRUPTED
