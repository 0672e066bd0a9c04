"""The verification stages: `nox --list`. `nox` alone (or `./invoke test`) runs the default ones, in this order."""

from __future__ import annotations

from pathlib import Path

import nox

ROOT = Path(__file__).parent
DEV = "requirements/dev.txt"

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "unit", "validate", "e2e"]


def install(session: nox.Session) -> None:
    """Install the hash-locked development requirements, unless this very lock is installed already."""
    lock, stamp = ROOT / DEV, Path(session.virtualenv.location) / "requirements.txt"
    if stamp.is_file() and stamp.read_bytes() == lock.read_bytes():
        return
    session.install("--quiet", "--require-hashes", "-r", DEV)
    stamp.write_bytes(lock.read_bytes())


@nox.session(venv_location=".nox/dev", tags=["static"])
def lint(session: nox.Session) -> None:
    """Check style (ruff), layers (import-linter) and YAML (yamllint)."""
    install(session)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--verbose" if session.posargs else "--no-cache")
    session.run("yamllint", "--strict", ".")


@nox.session(venv_location=".nox/dev", tags=["static"])
def types(session: nox.Session) -> None:
    """Check types: mypy --strict over tasks, sessions, library and tests."""
    install(session)
    session.run("mypy")


@nox.session(venv_location=".nox/dev")
def unit(session: nox.Session) -> None:
    """Run the tests that need no cluster."""
    install(session)
    session.run("pytest", "tests/unit", *session.posargs)


@nox.session(venv_location=".nox/dev", tags=["static"])
def validate(session: nox.Session) -> None:
    """Render every subset of the profiles with the real docker-compose and check every file that has a schema."""
    install(session)
    session.run("pytest", "tests/validate", *session.posargs)


@nox.session(venv_location=".nox/dev")
def e2e(session: nox.Session) -> None:
    """Start real clusters on the embedded engine and try what a user does, faults included."""
    install(session)
    session.run("pytest", "tests/e2e", *session.posargs)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write requirements/*.txt anew from pyproject.toml (pip-compile, with hashes; -- --upgrade for newer ones)."""
    session.install("pip-tools==7.6.2")
    options = ("--quiet", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--strip-extras", "--no-header")
    session.run("pip-compile", *options, "--output-file", "requirements/runtime.txt", *session.posargs, "pyproject.toml")
    session.run("pip-compile", *options, "--group", "dev", "--output-file", DEV, *session.posargs, "pyproject.toml")
