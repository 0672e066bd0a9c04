"""The latency instrument against faults planted in a server that only echoes; `nox -s bench` runs it alone."""

from __future__ import annotations

import json
import subprocess
import sys

from tests import ROOT, outputs


def test_planted_faults_are_found_and_told_as_the_schema_promises() -> None:
    words = ("bench", "--self-test", "--json")
    argv = [sys.executable, "-m", "invoke", *words]
    done = subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outputs.check(words, json.loads(done.stdout))
