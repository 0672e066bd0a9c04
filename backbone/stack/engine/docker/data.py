"""The stack's data on this machine: the bind-mounted folders, and how to remove what other users own."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import ContainerError, ImageNotFound

from backbone import secret_file
from backbone.errors import ExitCode, StackError
from backbone.stack.engine.embedded.runtimes.postgres import NEW_PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from docker import DockerClient

    from backbone.stack.compose import Model, Service

_SECRETS = Path("/run/secrets")
_RENEW = """
chown -R postgres "$PGDATA"
word=$(<"$POSTGRES_PASSWORD_FILE")
printf "ALTER ROLE \\"%s\\" PASSWORD '%s'\\n" "$POSTGRES_USER" "${word//\\'/\\'\\'}" |
  su postgres -s /bin/bash -c 'postgres --single -c shared_buffers=8MB postgres' >/dev/null
rm "${PGDATA%/*}/.new-password"
"""
"""Single-user mode, for a database that does not run: its user has a password that nobody here knows."""


def folders(model: Model) -> list[Path]:
    """Return the bind-mounted folders that services write to: no secrets, none inside another."""
    written = {
        Path(mount.source)
        for service in model.services.values()
        for mount in service.mounts
        if mount.kind == "bind" and not mount.read_only and Path(mount.target) != _SECRETS
    }
    return sorted(path for path in written if not written & set(path.parents))


def remove(client: DockerClient, folder: Path, images: Iterable[str]) -> None:
    """Remove a folder; where that takes rights this user lacks, empty it from a container, which has them."""
    try:
        shutil.rmtree(folder)
    except PermissionError:
        _empty_from_container(client, folder, images)
        folder.rmdir()


def ours(folder: Path) -> bool:
    """Tell whether this user may do as it likes with a folder, its neighbours, and all that is in it."""
    if os.geteuid() == 0:
        return True
    above = next(each for each in folder.parents if each.exists())
    try:
        files = [Path(top, name) for top, _, names in os.walk(folder, onerror=_raise) for name in names]
    except FileNotFoundError:
        files = []
    except PermissionError:
        return False
    return os.access(above, os.W_OK) and all(os.access(file, os.R_OK) for file in files)


def give(client: DockerClient, folder: Path, images: Iterable[str]) -> None:
    """Give a folder, with what it holds and the one it is in, to this user."""
    # Root in the container is who runs the engine, if that is not root itself.
    rootless = any("rootless" in option for option in client.info().get("SecurityOptions") or ())
    owner = "0:0" if rootless else f"{os.geteuid()}:{os.getegid()}"
    script = 'chown "$0" /above && if [ -e "/above/$1" ]; then chown -R "$0" "/above/$1"; fi'
    command = ["-c", script, owner, folder.name]
    if not _in_container(client, ["sh"], command, folder.parent, "/above", images):
        raise StackError(
            "folder-not-ours",
            f"{folder} holds files of other users, and no image of the stack is here to change that with",
            hint=f"sudo chown -R {os.geteuid()} {shlex.quote(str(folder.parent))}",
            exit_code=ExitCode.ENVIRONMENT,
        )


def renew_passwords(client: DockerClient, services: Iterable[Service]) -> None:
    """Give the user of a database that was put here by a restore the password of this home; before it starts.

    StackError("postgres-setup") with what PostgreSQL said.
    """
    for service in services:
        folder = next((Path(mount.source) for mount in service.mounts if not mount.read_only), Path())
        if service.embedded.get("runtime") != "postgres" or not (folder / NEW_PASSWORD).exists():
            continue
        secret = next(Path(mount.source) for mount in service.mounts if Path(mount.target) == _SECRETS)
        secret_file.ensure(secret / Path(service.environment["POSTGRES_PASSWORD_FILE"]).name)
        try:
            client.containers.run(
                service.image,
                ["-ec", _RENEW],
                entrypoint=["bash"],
                user="0",
                network_mode="none",
                environment=dict(service.environment),
                volumes={mount.source: {"bind": mount.target, "mode": "rw"} for mount in service.mounts},
                remove=True,
            )
        except ContainerError as error:
            raise StackError(
                "postgres-setup",
                "PostgreSQL does not take the password of this stack",
                context=str(error)[-1000:],
                exit_code=ExitCode.ENVIRONMENT,
            ) from error


def _raise(error: OSError) -> None:
    raise error


def _empty_from_container(client: DockerClient, folder: Path, images: Iterable[str]) -> None:
    emptied = ["find", "/folder", "-mindepth", "1", "-delete"]
    if not _in_container(client, emptied, [], folder, "/folder", images):
        raise StackError(
            "folder-not-removable",
            f"{folder} holds files of other users, and no image of the stack is here to remove them with",
            hint=f"sudo rm -r {shlex.quote(str(folder))}",
            exit_code=ExitCode.ENVIRONMENT,
        )


def _in_container(
    client: DockerClient,
    entrypoint: Sequence[str],
    command: Sequence[str],
    folder: Path,
    inside: str,
    images: Iterable[str],
) -> bool:
    """Run a program as root over a folder, with the first image that is here and has it; tell whether one did."""
    for image in dict.fromkeys(images):
        try:
            client.containers.run(
                image,
                list(command),
                entrypoint=list(entrypoint),
                user="0",
                network_mode="none",
                volumes={str(folder): {"bind": inside, "mode": "rw"}},
                remove=True,
            )
        except (ImageNotFound, ContainerError):
            continue  # not here, or without a shell's tools: the next one
        return True
    return False
