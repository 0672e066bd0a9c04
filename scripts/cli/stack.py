"""Life cycle of the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.cli.command import command

if TYPE_CHECKING:
    from invoke import Context

    from scripts.errors import ExitCode


@command(actions={"list": (), "describe": ("name",)}, iterable=["profile"])
def topics(
    c: Context, action: str, name: str | None = None, *, profile: list[str] | None = None, json: bool = False
) -> ExitCode | None:
    """Show topics."""
    print(action, name, profile, json)
    return None
