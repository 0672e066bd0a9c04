"""Passwords in files of `SECRETS_DIR`: made on first use, readable by their owner, read when they are used."""

from __future__ import annotations

import base64
import secrets
import shlex
from typing import TYPE_CHECKING

from backbone import durable_file
from backbone.errors import ExitCode, StackError
from backbone.source import reading

if TYPE_CHECKING:
    from pathlib import Path


def ensure(file: Path, user: str = "") -> Path:
    """Make the file with a random password, or USER:PASSWORD, if there is none; return it.

    Raises StackError("empty-password") for one that holds nothing: its service knows another, which is lost.
    """
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        password = new_password()
        durable_file.replace(file, f"{user}:{password}" if user else password, mode=0o600)
    elif file.is_file() and file.stat().st_size == 0:
        raise StackError(
            "empty-password",
            f"{file} is empty",
            context="put the service's password back into it; for a service without data the file can be made anew",
            hint=f"rm {shlex.quote(str(file))} && ./invoke up",
            exit_code=ExitCode.ENVIRONMENT,
        )
    return file


def new_password() -> str:
    """Return a random password of 32 characters that no file format or shell has to escape."""
    return secrets.token_urlsafe(24)


def basic_auth(file: Path) -> dict[str, str]:
    """Return the HTTP header that a USER:PASSWORD file gives (RFC 7617); none if the file is not there.

    Raises StackError("no-password-file") if it may not be read.
    """
    if not file.exists():
        return {}
    try:
        content = reading.read_bytes(file).strip()
    except StackError as error:
        raise StackError(
            "no-password-file",
            f"cannot read {file}",
            context=error.context,
            hint=f"ls -l {shlex.quote(str(file))}\n"
            "made by plain docker compose, it belongs to whom the checkout belongs to",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    return {"Authorization": f"Basic {base64.b64encode(content).decode()}"}
