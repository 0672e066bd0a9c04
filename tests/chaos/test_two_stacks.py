"""Two whole stacks beside each other: both pass failover at the same time, each is listed, and each is stopped."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path

import platformdirs

from tests.e2e import checkout

PATIENCE_S = 600
PROFILES = ("--profile", "messaging", "--profile", "data")


def test_two_whole_stacks_pass_failover_at_the_same_time(tmp_path: Path) -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or platformdirs.user_cache_path())
    with ExitStack() as ending:
        stacks = []
        for name in ("one", "two"):
            made = checkout.make(tmp_path / name, cache, shift=checkout.free_shift())
            ending.callback(made.run, "down", code=None)
            made.run("up", *PROFILES)
            stacks.append(made)
        runs = [ending.enter_context(made.going("failover", "--quick", "--json")) for made in stacks]
        reports = [json.loads(run.communicate(timeout=PATIENCE_S)[0]) for run in runs]
        assert [report["verdict"] for report in reports] == ["valid", "valid"]
        assert [report["faults"]["proved"] for report in reports] == [3, 3]
        listed = {each["folder"]: each["services"] for each in stacks[0].json("stacks")["stacks"]}
        for made in stacks:
            assert set(listed[str(made.root)]) == made.pids().keys()
            assert made.json("status")["ok"]
