"""The safe repairs do what the finding promised, and nothing else."""

from __future__ import annotations

import stat
from dataclasses import replace
from typing import TYPE_CHECKING

from backbone.doctor import fixes
from backbone.doctor.checks import CHECKS, diagnose
from backbone.source import env_file
from backbone.stack.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.doctor.evidence import Evidence


def test_env_repairs_keep_comments_and_values(tmp_path: Path, healthy: Evidence) -> None:
    settings = Settings(tmp_path, {})
    settings.env_example.write_text("# where\nBIND_ADDRESS='127.0.0.1'\nCLUSTER_ID=x\n", encoding="utf-8")
    settings.env_file.write_text(
        "# mine\nCLUSTER_ID=abc\nexport KAFKA_TYPO: 'a\nb'\nX=1\nSTACK_SIZE=lite\n", encoding="utf-8"
    )
    broken = replace(healthy, env=env_file.read(settings.env_file, {}))
    done = fixes.apply(diagnose(broken), broken, settings)
    assert done == ["put # before KAFKA_TYPO, X in .env", "added BIND_ADDRESS to .env"]
    text = settings.env_file.read_text(encoding="utf-8")
    assert text.endswith("\nBIND_ADDRESS='127.0.0.1'\n")
    assert text.startswith("# mine\nCLUSTER_ID=abc\n# export KAFKA_TYPO: 'a\n# b'\n# X=1\nSTACK_SIZE=lite\n")
    kept = {"CLUSTER_ID": "abc", "STACK_SIZE": "lite", "BIND_ADDRESS": "127.0.0.1"}
    assert env_file.read(settings.env_file, {}) == kept


def test_secrets_are_closed_to_others(tmp_path: Path, healthy: Evidence) -> None:
    secret = tmp_path / "password"
    secret.write_text("x", encoding="utf-8")
    secret.chmod(0o666)
    broken = replace(healthy, secret_modes={str(secret): 0o666})
    fixes.apply(diagnose(broken), broken, Settings(tmp_path, {}))
    assert stat.S_IMODE(secret.stat().st_mode) == 0o640


def test_a_healthy_stack_is_left_alone(tmp_path: Path, healthy: Evidence) -> None:
    assert fixes.apply(diagnose(healthy), healthy, Settings(tmp_path, {})) == []
    assert list(tmp_path.iterdir()) == []


def test_every_repair_that_a_check_names_exists(healthy: Evidence) -> None:
    broken = replace(healthy, env={"CLUSTER_ID": "x", "OLD": "1"}, secret_modes={"/s": 0o777})
    named = {finding.fix for result in diagnose(broken) for finding in result.findings if finding.fix}
    assert named == set(fixes.FIXES)
    assert len(CHECKS) >= 25
