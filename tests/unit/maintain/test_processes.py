"""A program that is run for a measurement: what it says and costs, and that it does not outlive who runs it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import psutil

from scripts.maintain import processes
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_program_says_and_how_it_ends_is_kept() -> None:
    ran = processes.run([sys.executable, "-c", "import sys; print('said'); sys.exit(3)"], timeout=60)
    assert (ran.exit_code, ran.output, ran.errors) == (3, "said\n", "")
    assert ran.peak_mib > 0


def test_one_that_is_interrupted_leaves_nothing_running(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    words = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    child = [sys.executable, "-c", words, str(runs)]
    measure = (
        "from scripts.maintain import processes, program;"
        f"program.run(lambda _: processes.run({child!r}, timeout=600), [])"
    )
    with subprocess.Popen([sys.executable, "-c", measure], cwd=ROOT, stderr=subprocess.PIPE, text=True) as measuring:
        while not runs.exists():
            assert measuring.poll() is None
        children = psutil.Process(measuring.pid).children()
        measuring.terminate()
        _, words = measuring.communicate(timeout=60)
    assert words == "interrupted\n"
    _, alive = psutil.wait_procs(children, timeout=10)
    assert children
    assert not alive
