"""Which home a task works on: the one where its user stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone import resources
from backbone.errors import ExitCode, StackError
from backbone.stack import home
from backbone.stack.settings import Settings
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def make_home(folder: Path) -> Path:
    (folder / "infra").mkdir(parents=True)
    for name in ("docker-compose.yml", "infra/artifacts.lock.json"):
        (folder / name).touch()
    return folder


def test_a_checkout_brings_its_own_files() -> None:
    assert resources.files() == resources.checkout() == ROOT
    assert resources.schema("policy.schema.json").is_file()


def test_the_nearest_home_counts_not_any_folder_with_a_compose_file(tmp_path: Path) -> None:
    outer = make_home(tmp_path / "outer")
    inner = make_home(outer / "a" / "inner")
    other = outer / "b" / "c"
    other.mkdir(parents=True)
    (other / "docker-compose.yml").touch()
    assert home.find(outer, {}) == outer
    assert home.find(other, {}) == outer
    assert home.find(inner / "infra", {}) == inner


def test_a_home_can_be_named_relative_to_where_the_user_stands(tmp_path: Path) -> None:
    made = make_home(tmp_path / "made")
    assert home.find(tmp_path, {"BACKBONE_HOME": "made"}) == made
    with pytest.raises(StackError, match="BACKBONE_HOME is gone") as caught:
        home.find(tmp_path, {"BACKBONE_HOME": "gone"})
    assert (caught.value.reference, caught.value.exit_code) == ("no-home", ExitCode.NOTHING)


def test_outside_every_home_a_checkout_works_on_itself(tmp_path: Path) -> None:
    assert home.find(tmp_path, {}) == ROOT


def test_outside_every_home_an_installed_library_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "_PACKAGED", tmp_path)
    with pytest.raises(StackError, match="no-home") as caught:
        home.find(tmp_path, {})
    assert "init ." in str(caught.value.hint)


def test_settings_without_a_root_are_those_of_the_folder_where_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_home(tmp_path / "made")
    monkeypatch.chdir(made / "infra")
    assert Settings().root == made
