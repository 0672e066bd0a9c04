"""Makes `.venv` from the hash-locked requirements for ./invoke. Runs on any Python >= 3.11, with nothing installed.

It is made beside its place and renamed when it is whole, under a lock that the kernel gives back when its holder dies:
two first calls at once make one environment, and whatever cuts one short leaves the old one, or none.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

MADE_OF = "requirements.txt"
"""The file of a whole environment that holds the lock that it was made of; without it, it is made again."""

_CONTENT = "content.txt"
_LOCK = Path("requirements", "runtime.txt")
_STEP = 10  # packages a line, where there is no terminal
_REMADE = "BACKBONE_REMADE"  # environment variable: it has just been made again, and once is enough
_ENVIRONMENT = 4  # backbone.errors.ExitCode, which an environment that is not there yet cannot be asked for


def make(root: Path) -> None:
    """Make the environment of a checkout, unless another process has just done so."""
    venv, new = root / ".venv", root / ".venv.new"
    text = _read(root / _LOCK)
    with _alone(root / ".venv.lock"):
        if _read(venv / MADE_OF) == text and (venv / "bin" / "python").exists():
            return
        _say(f"making .venv with {sys.executable} from {_LOCK} (once) …")
        shutil.rmtree(new, ignore_errors=True)
        try:
            _fill(new, root / _LOCK, text)
            for path in (new / "bin").iterdir():
                if path.is_file() and not path.is_symlink():
                    # Scripts name the folder that they were made in.
                    path.write_bytes(path.read_bytes().replace(os.fsencode(new), os.fsencode(venv)))
            (new / _CONTENT).write_text("\n".join(_packages(new)), encoding="utf-8")
            (new / MADE_OF).write_text(text, encoding="utf-8")
            if venv.exists():
                venv.rename(root / ".venv.old")
            new.rename(venv)
        finally:
            shutil.rmtree(new, ignore_errors=True)
            shutil.rmtree(root / ".venv.old", ignore_errors=True)


def heal(root: Path) -> None:
    """Make an environment that lacks a package, or a part of one, again, and run the command line again."""
    venv = root / ".venv"
    if Path(sys.executable).parent == venv / "bin" and not os.environ.get(_REMADE):
        wanted = _read(venv / _CONTENT).splitlines()
        if lacking := [name for name in wanted if not (_site(venv) / name).exists()]:
            make_again(root, ImportError(f"{lacking[0]} is missing"))


def is_damaged(root: Path, error: ImportError | SyntaxError) -> bool:
    """Say whether an import failed for what is wrong with ./invoke's environment, and not with our own modules."""
    venv = root / ".venv"
    if Path(sys.executable).parent != venv / "bin" or os.environ.get(_REMADE):
        return False
    if isinstance(error, SyntaxError):
        return venv in Path(error.filename or "").parents
    return (error.name or "").partition(".")[0] not in {"backbone", "scripts"}


def make_again(root: Path, error: Exception) -> NoReturn:
    """Make a damaged environment anew and run the command line again."""
    _say(f".venv is damaged ({error}); it is made again")
    (root / ".venv" / MADE_OF).unlink(missing_ok=True)
    program = str(root / "invoke")
    os.execve(program, [program, *sys.argv[1:]], os.environ | {_REMADE: "1"})  # noqa: S606 - no shell is the point


def _site(venv: Path) -> Path:
    return venv / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def _packages(venv: Path) -> list[str]:
    """Return what stands in an environment's folder of packages; `import` makes and removes __pycache__ as it likes."""
    return sorted(path.name for path in _site(venv).iterdir() if path.name != "__pycache__")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another call is making .venv; waiting for it …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fill(venv: Path, lock: Path, text: str) -> None:
    """Make an environment with the packages of a lock, and tell how far it is."""
    import venv as library  # noqa: PLC0415 - missing on Debian until it is installed

    library.create(venv, with_pip=True, symlinks=True)
    pip = [str(venv / "bin" / "python"), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    argv = [*pip, "--progress-bar", "off", "--require-hashes", "--requirement", str(lock)]
    packages = sum("==" in line for line in text.splitlines())
    found = 0
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, encoding="utf-8", errors="replace") as process:
        for line in process.stdout or ():
            if line.startswith(("Collecting ", "Processing ")):
                found += 1
                if sys.stderr.isatty() or found % _STEP == 0 or found == packages:
                    _progress(f"{found} of {packages} packages")
            elif line.startswith("Installing "):
                _progress(f"installing {packages} packages …")
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    if process.returncode:
        _fail("cannot install the requirements; see the lines above")


def _progress(words: str) -> None:
    """Show one line that is written over on a terminal; elsewhere a line each."""
    sys.stderr.write(f"\r\033[K  {words}" if sys.stderr.isatty() else f"  {words}\n")
    sys.stderr.flush()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _say(words: str) -> None:
    sys.stderr.write(f"invoke: {words}\n")
    sys.stderr.flush()


def _fail(words: str) -> NoReturn:
    _say(words)
    sys.exit(_ENVIRONMENT)


def main() -> None:
    """Make the environment of the checkout that this file is in."""
    sys.stderr.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal of ASCII
    try:
        import ensurepip  # noqa: F401, PLC0415
        import venv  # noqa: F401, PLC0415
    except ImportError:
        _fail(f"{sys.executable} has no venv or pip; on Debian and Ubuntu: apt-get install python3-venv")
    try:
        make(Path(__file__).resolve().parents[1])
    except (OSError, subprocess.SubprocessError) as error:
        _fail(f"cannot make .venv: {error}")
    except KeyboardInterrupt:
        _say("interrupted; nothing is left behind")
        sys.exit(130)


if __name__ == "__main__":
    main()
