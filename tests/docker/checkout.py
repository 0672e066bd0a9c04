"""A fresh clone for a test: what Docker Compose reads and nothing else, with ports and a project name of its own."""

from __future__ import annotations

import os
import re
import resource
import shutil
from typing import TYPE_CHECKING

from backbone.stack.settings import Settings, ensure_env_file, shift_ports
from tests import ROOT
from tests.e2e.checkout import free_shift

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NOT_OURS = re.compile(r"COMPOSE_|STACK_|KAFKA_|DOCKER_HOST$|CLUSTER_ID$")


def fresh(folder: Path, name: str, *, environ: Mapping[str, str] | None = None) -> Settings:
    """Copy docker-compose.yml, infra/ and .env.example into a folder and make its .env."""
    shutil.copytree(ROOT / "infra", folder / "infra")
    for file in ("docker-compose.yml", ".env.example"):
        shutil.copy(ROOT / file, folder)
    kept = {key: value for key, value in os.environ.items() if not _NOT_OURS.match(key)}
    settings = Settings(folder, {**kept, **(environ or {})})
    ensure_env_file(settings)
    shift_ports(settings.env_file, free_shift())
    # A machine that lets nobody open 100,000 files still shows that the limit that is set holds.
    assign(settings, COMPOSE_PROJECT_NAME=name, KAFKA_NOFILE=str(min(100_000, _hard_limit())))
    return settings


def assign(settings: Settings, **values: str) -> None:
    """Change variables of the checkout's .env."""
    text = settings.env_file.read_text(encoding="utf-8")
    for key, value in values.items():
        text, count = re.subn(rf"(?m)^{key}=.*$", f"{key}={value}", text)
        if count != 1:
            raise KeyError(key)
    settings.env_file.write_text(text, encoding="utf-8")


def _hard_limit() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 100_000 if hard == resource.RLIM_INFINITY else hard
