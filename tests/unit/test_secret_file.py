"""Passwords in files: made once, for their owner alone."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest

from backbone import secret_file
from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_password_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    file = secret_file.ensure(tmp_path / "secrets" / "postgres_password")
    first = file.read_text()
    assert len(first) >= 24
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert secret_file.ensure(file).read_text() == first


def test_the_rest_of_an_interrupted_start_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "user.partial").write_text("hal")
    assert secret_file.ensure(tmp_path / "user", "me").read_text().startswith("me:")


def test_a_user_file_is_what_http_wants(tmp_path: Path) -> None:
    file = tmp_path / "user"
    assert secret_file.basic_auth(file) == {}
    file.write_text("me:pass:word\n")
    scheme, _, text = secret_file.basic_auth(file)["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(text)) == ("Basic", b"me:pass:word")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no-password-file") as error:
        secret_file.basic_auth(tmp_path)
    assert error.value.exit_code == ExitCode.ENVIRONMENT
    assert os.fspath(tmp_path) in error.value.message
