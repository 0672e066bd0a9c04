"""The tasks as a whole: all there, in the checkout and in the wheel."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

import pytest
from invoke import Task

from scripts.tasks.collection import THEMES, collect
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

MODULES = sorted(path for path in (ROOT / "scripts" / "tasks").glob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_is_the_same_in_the_wheel_where_nothing_is_called_scripts(path: Path) -> None:
    assert re.findall(r"^\s*(?:from|import) scripts.*", path.read_text(encoding="utf-8"), re.MULTILINE) == []


def test_every_task_is_in_the_collection() -> None:
    modules = (importlib.import_module(f"scripts.tasks.{path.stem}") for path in MODULES)
    written = {value.name for each in modules for value in vars(each).values() if isinstance(value, Task)}
    assert {task.name for task in collect(importlib.import_module("scripts.tasks.verify")).tasks.values()} == written
    assert len(THEMES) == len(set(THEMES))
