"""Prometheus' promtool, which judges rules and queries over series that are written by hand."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def promtool() -> str:
    """Return Prometheus' promtool; without it nothing is shown, and a run that has to show it fails."""
    found = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if not found:
        words = "no promtool (Debian: prometheus; or set PROMTOOL). NO ALERT WAS SHOWN TO FIRE, NO QUERY TO ANSWER"
        if os.environ.get("PROMTOOL_REQUIRED"):
            pytest.fail(words)
        pytest.skip(words)
    return found
