"""`init`: the plain files in somebody's own folder."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.lint import run as lint_run
from backbone.stack import compose, home
from backbone.stack.settings import Settings
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def init(folder: Path, *, overwrite: bool = False) -> list[str]:
    wanted = home.changes(folder)
    home.write(folder, wanted, overwrite=overwrite)
    return [change.path.as_posix() for change in wanted]


def invoke(cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *words],
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
    )


def test_writes_the_plain_files_that_git_has_and_nothing_of_the_library(tmp_path: Path) -> None:
    written = init(tmp_path / "a" / "b")
    plain = [".env.example", "docker-compose.yml", "policy.toml", "infra", "schemas/contracts"]
    tracked = subprocess.run(["git", "ls-files", *plain], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert sorted(written) == sorted([*tracked.split(), ".gitignore"])
    for name in tracked.split():
        made = tmp_path / "a" / "b" / name
        assert made.read_bytes() == (ROOT / name).read_bytes()
        assert made.stat().st_mode & 0o100 == (ROOT / name).stat().st_mode & 0o100
    assert home.find(tmp_path / "a" / "b" / "infra", {}) == tmp_path / "a" / "b"


def test_a_second_time_there_is_nothing_to_do(tmp_path: Path) -> None:
    init(tmp_path)
    assert init(tmp_path) == []


def test_git_takes_nothing_that_a_stack_makes(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.pyc\n/results/*\n.env", encoding="utf-8")
    init(tmp_path)
    assert (tmp_path / ".gitignore").read_text() == "*.pyc\n/results/*\n.env\n/.stack/\n/data/\n/secrets/\n"
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    private = [".env", ".stack/x", "data/x", "secrets/x", "results/x"]
    for name in private:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    seen = subprocess.run(
        ["git", "ls-files", "-o", "--exclude-standard"], cwd=tmp_path, check=True, capture_output=True
    )
    assert not {*private} & {*seen.stdout.decode().split()}


def test_what_somebody_wrote_is_not_lost_unless_he_says_so(tmp_path: Path) -> None:
    mine = tmp_path / "docker-compose.yml"
    mine.write_text("services: {}\n", encoding="utf-8")
    with pytest.raises(StackError, match="would-overwrite") as caught:
        init(tmp_path)
    assert (caught.value.context, caught.value.exit_code) == ("docker-compose.yml", ExitCode.USAGE)
    assert [path.name for path in tmp_path.iterdir()] == ["docker-compose.yml"]
    init(tmp_path, overwrite=True)
    assert mine.read_bytes() == (ROOT / "docker-compose.yml").read_bytes()


@pytest.mark.parametrize("blocker", ["infra", "docker-compose.yml/x"])
def test_what_stands_in_the_way_is_named(tmp_path: Path, blocker: str) -> None:
    (tmp_path / blocker).parent.mkdir(exist_ok=True)
    (tmp_path / blocker).touch()
    with pytest.raises(StackError, match="no-place"):
        init(tmp_path)


def test_diff_shows_the_lines_that_would_change_and_writes_nothing(tmp_path: Path) -> None:
    init(tmp_path)
    file = tmp_path / ".env.example"
    file.write_text(file.read_text(encoding="utf-8") + "MINE=1", encoding="utf-8")
    (tmp_path / "policy.toml").unlink()
    changed, missing = home.changes(tmp_path)
    assert changed.diff().splitlines()[-2:] == ["-MINE=1", "\\ No newline at end of file"]
    assert missing.diff().startswith("--- /dev/null\n+++ b/policy.toml\n@@ -0,0 ")


def test_the_task_works_from_any_folder_below(tmp_path: Path) -> None:
    done = invoke(tmp_path, "init", "mine")
    assert done.returncode == 0, done.stderr
    assert "cd mine" in done.stderr
    below = tmp_path / "mine" / "infra"
    assert invoke(below, "init", "--diff").returncode == 0
    (below / "artifacts.lock.json").write_text("{}\n", encoding="utf-8")
    done = invoke(below, "init", "--diff")
    assert (done.returncode, done.stdout[:43]) == (1, "--- a/infra/artifacts.lock.json\n+++ b/infra")
    assert invoke(below, "init", "..", "--diff").stdout == done.stdout
    assert invoke(below, "init", "..").returncode == 2


def test_a_home_has_its_own_settings(tmp_path: Path) -> None:
    init(tmp_path)
    assert Settings(tmp_path, {}).variables()["KAFKA_1_EXTERNAL_PORT"]


ODD_NAMES = [
    "two  blanks ",
    """it's "quoted" """,
    "stäck ☕ 測試",
    "$HOME ${X} `id` #1",
    "back\\slash; a=b & c",
    "a: b, [c]",
    "-x",
    "x" * 200,
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    init(folder)
    assert init(folder) == []
    outcome = lint_run.run(lint_run.Request(folder, environ={}))
    assert (outcome.project.refusal, outcome.stopped) == ("", "")
    assert list(outcome.result.findings) == []
    (mount,) = (
        mount for mount in compose.load(Settings(folder, {}), ["data"])["postgres"].mounts if not mount.read_only
    )
    assert mount.source == str(folder / "data" / "postgres")
