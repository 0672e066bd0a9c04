"""Folders that get another content: whatever moment a task is killed at, all are old or all are new."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from backbone.stack import swap

if TYPE_CHECKING:
    from pathlib import Path


class KilledError(BaseException):
    """The process ends here."""


def folders(root: Path) -> list[Path]:
    found = [root / "data" / "kafka" / "kafka-1", root / "data" / "kafka" / "kafka-2", root / "data" / "postgres"]
    for each in found:
        each.mkdir(parents=True)
        (each / "content").write_text("old", encoding="utf-8")
    return found


def contents(live: list[Path]) -> set[str]:
    return {(each / "content").read_text(encoding="utf-8") for each in live}


def renew(state: Path, live: list[Path]) -> None:
    swap.begin(state, map(swap.of, live))
    for each in live:
        (swap.of(each).fresh / "content").write_text("new", encoding="utf-8")
    swap.commit(state)


def test_all_folders_have_the_new_content_and_nothing_is_left_beside_them(tmp_path: Path) -> None:
    live = folders(tmp_path)
    renew(tmp_path / "state", live)
    assert contents(live) == {"new"}
    assert sorted(each.name for each in live[0].parent.iterdir()) == ["kafka-1", "kafka-2"]
    assert not list((tmp_path / "state").iterdir())


def test_a_folder_that_is_not_there_yet_comes(tmp_path: Path) -> None:
    renew(tmp_path / "state", [tmp_path / "new" / "one"])
    assert contents([tmp_path / "new" / "one"]) == {"new"}


@pytest.mark.parametrize("survived", range(40))
def test_killed_after_any_system_call_all_are_old_or_all_are_new(
    survived: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = folders(tmp_path)
    left = survived
    real = {name: getattr(os, name) for name in ("rename", "replace", "mkdir", "rmdir", "unlink", "open")}

    def counted(name: str) -> object:
        def call(*args: object, **named: object) -> object:
            nonlocal left
            if left == 0:
                raise KilledError
            left -= 1
            return real[name](*args, **named)

        return call

    with monkeypatch.context() as patched:
        for name in real:
            patched.setattr(os, name, counted(name))
        try:
            renew(tmp_path / "state", live)
            ended = True
        except KilledError:
            ended = False
    said = swap.finish(tmp_path / "state")
    assert contents(live) == ({"new"} if ended or said.startswith("the restored") else {"old"})
    assert contents(live) in ({"new"}, {"old"})
    assert not list((tmp_path / "data").rglob(".*"))


def test_the_home_may_have_moved_meanwhile(tmp_path: Path) -> None:
    live = folders(tmp_path / "here")
    swap.begin(tmp_path / "here" / "state", map(swap.of, live))
    (tmp_path / "here").rename(tmp_path / "there")
    assert swap.finish(tmp_path / "there" / "state").startswith("an interrupted restore is undone")
    assert not list((tmp_path / "there").rglob(".*.next"))
