"""The environment of ./invoke, with a real venv and pip and a package of its own: made once, whole, and healed."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from scripts import environment
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NAME = "tiny-1.0-py3-none-any.whl"
FILES = {
    "tiny/__init__.py": "WORD = 'ready'\n",
    "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
    "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "tiny-1.0.dist-info/entry_points.txt": "[console_scripts]\ntiny = tiny:WORD.lower\n",
}
# Stands for the tasks: what it prints, it has from the package.
PROGRAM = "import tiny, sys\ndef run(_): print(tiny.WORD, *sys.argv[1:])\n"


def wheel(folder: Path) -> str:
    """Write the package and return the line of a lock that names it."""
    folder.mkdir()  # without a blank in its name, which would end it in pip's variable
    rows = []
    with zipfile.ZipFile(folder / NAME, "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={digest},{len(text)}\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "".join(rows))
    return f"tiny==1.0 --hash=sha256:{hashlib.sha256((folder / NAME).read_bytes()).hexdigest()}\n"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("environment") / "a checkout"
    root.mkdir()
    for name in ("invoke", "tasks.py", "scripts/environment.py"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / "scripts" / "tasks").mkdir()
    (root / "scripts" / "tasks" / "program.py").write_text(PROGRAM, encoding="utf-8")
    (root / "scripts" / "tasks" / "verify.py").touch()
    (root / "scripts" / "tasks" / "collection.py").write_text("def collect(_): pass\n", encoding="utf-8")
    (root / "requirements").mkdir()
    (root / "requirements" / "runtime.txt").write_text(wheel(root.with_name("index")), encoding="utf-8")
    return root


def start(checkout: Path, *words: str, **environ: str) -> subprocess.Popen[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "BACKBONE_"))}
    env |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(checkout.with_name("index")), "PYTHON": sys.executable}
    pipe = subprocess.PIPE
    return subprocess.Popen([checkout / "invoke", *words], env=env | environ, stdout=pipe, stderr=pipe, text=True)


def run(checkout: Path, *words: str, **environ: str) -> tuple[int, str, str]:
    with start(checkout, *words, **environ) as process:
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.fixture
def made(checkout: Path) -> Path:
    """The checkout with its environment, whichever test came before."""
    assert run(checkout)[0] == 0
    return checkout


def test_two_first_calls_at_once_make_one_environment_that_a_kill_left_unfinished(checkout: Path) -> None:
    (checkout / ".venv.new" / "bin").mkdir(parents=True)
    both = [start(checkout, "up"), start(checkout, "up")]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert [out for out, _ in said] == ["ready up\n"] * 2
    assert sum("invoke: making .venv" in err for _, err in said) == 1
    assert "  1 of 1 packages\n" in said[0][1] + said[1][1]
    assert not list(checkout.glob(".venv.[no]*"))
    script = (checkout / ".venv" / "bin" / "tiny").read_text(encoding="utf-8")
    assert str(checkout / ".venv" / "bin" / "python") in script
    assert ".venv.new" not in script


def test_a_damaged_environment_is_made_again_and_the_command_goes_on(made: Path) -> None:
    (package,) = (made / ".venv").glob("lib/python3*/site-packages/tiny")
    shutil.rmtree(package)
    code, out, err = run(made, "status", "--json")
    assert (code, out) == (0, "ready status --json\n"), err
    assert ".venv is damaged (tiny is missing); it is made again" in err
    assert run(made)[2] == ""


def test_the_users_own_python_settings_break_nothing(made: Path, tmp_path: Path) -> None:
    (tmp_path / "pathlib.py").write_text("raise SystemExit('the wrong pathlib')\n", encoding="utf-8")
    (made / ".venv" / "requirements.txt").unlink()
    code, out, err = run(made, PYTHONPATH=str(tmp_path), PYTHONHOME="/no/such", PYTHONOPTIMIZE="2", LC_ALL="C")
    assert (code, out) == (0, "ready\n"), err


def test_what_cannot_be_installed_leaves_the_old_environment_and_nothing_else(made: Path) -> None:
    lock = made / "requirements" / "runtime.txt"
    lock.write_text(lock.read_text(encoding="utf-8").replace("1.0", "2.0"), encoding="utf-8")
    code, _, err = run(made, "up")
    assert code == 4
    assert "invoke: cannot install the requirements; see the lines above\n" in err
    assert (made / ".venv" / "bin" / "tiny").exists()
    assert not list(made.glob(".venv.[no]*"))


def test_what_is_damage_and_what_our_own_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    assert environment.is_damaged(tmp_path, ImportError("no", name="kafka.errors"))
    truncated = tmp_path / ".venv" / "lib" / "kafka" / "errors.py"
    assert environment.is_damaged(tmp_path, SyntaxError("no", (str(truncated), 1, 1, "")))
    assert not environment.is_damaged(tmp_path, ImportError("no", name="scripts.tasks"))
    assert not environment.is_damaged(tmp_path, SyntaxError("no", (str(tmp_path / "scripts" / "x.py"), 1, 1, "")))
    monkeypatch.setenv("BACKBONE_REMADE", "1")
    assert not environment.is_damaged(tmp_path, ImportError("no", name="kafka.errors"))
