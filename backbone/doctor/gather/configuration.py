"""Evidence of what this checkout is set to."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.source import env_file
from backbone.stack.engine.embedded import artifacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.stack.compose import Model
    from backbone.stack.settings import Settings

_LOCK = Path("infra", "artifacts.lock.json")


def variables(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the assignments of an env file, none if there is no such file."""
    return env_file.read(path, environ) if path.exists() else {}


def lock(settings: Settings, model: Model) -> dict[str, str]:
    """Return image → version of the locked artifact that carries the same program."""
    sets = artifacts.read_lock(settings.root / _LOCK).sets
    images = {_jars(model): _base_image(model), "schema-registry": _image(model, "schema-registry")}
    return {
        image: sets[name][0].coordinate.rpartition(":")[2]
        for name, image in images.items()
        if image and sets.get(name)  # a home may have left a part out
    }


def _base_image(model: Model) -> str:
    """Return the image that Kafka's own is built on, "" in a home that builds none."""
    service = model.services.get("kafka-folders")
    build = (service and service.raw.get("build")) or {}
    return str((build.get("args") or {}).get("KAFKA_BASE_IMAGE") or "")


def _jars(model: Model) -> str:
    """Return the set of the lock that the brokers run, "" in a home that has none."""
    return next((str(each.embedded["jars"]) for each in model.services.values() if "jars" in each.embedded), "")


def _image(model: Model, name: str) -> str:
    service = model.services.get(name)
    return service.image if service else ""


def secret_modes(model: Model) -> dict[str, int]:
    """Return the permission bits of every secret file that is mounted."""
    folders = {
        Path(mount.source)
        for service in model.services.values()
        for mount in service.mounts
        if mount.target.endswith("/secrets")
    }
    files = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return {str(path): stat.S_IMODE(path.stat().st_mode) for path in files if path.is_file()}
