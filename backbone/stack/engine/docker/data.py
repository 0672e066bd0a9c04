"""The stack's data on this machine: the bind-mounted folders, and how to remove what other users own."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import ContainerError, ImageNotFound

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docker import DockerClient

    from backbone.stack.compose import Model

_SECRETS = Path("/run/secrets")


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


def _empty_from_container(client: DockerClient, folder: Path, images: Iterable[str]) -> None:
    for image in dict.fromkeys(images):
        try:
            client.containers.run(
                image,
                entrypoint=["find", "/folder", "-mindepth", "1", "-delete"],
                user="0",
                network_mode="none",
                volumes={str(folder): {"bind": "/folder", "mode": "rw"}},
                remove=True,
            )
        except (ImageNotFound, ContainerError):
            continue  # not here, or without a shell's tools: the next one
        return
    raise StackError(
        "folder-not-removable",
        f"{folder} holds files of other users, and no image of the stack is here to remove them with",
        hint=f"sudo rm -r {shlex.quote(str(folder))}",
        exit_code=ExitCode.ENVIRONMENT,
    )
