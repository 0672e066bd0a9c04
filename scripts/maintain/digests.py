"""Pins each image that is pulled by its digest too: in `.env`, in the variable of its tag (3.3.3@sha256:…).

Kafka's own image is built here, and `upgrade` moves what it is built from: its tag stays a tag. The engine asks the
registries, with the logins that it has; it answers with the digest of the index, which is every processor's.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING

from docker.errors import APIError

from backbone import console
from backbone.errors import ExitCode, StackError
from backbone.source import env_file
from backbone.stack.engine.docker import connection
from backbone.stack.settings import Settings, assign, ensure_env_file
from scripts.maintain import program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker import DockerClient

_IMAGE = re.compile(
    r"(?m)^ +(?:image|MAVEN_IMAGE): (?P<repository>[\w./-]+:)?\$\{(?P<variable>\w+):-(?P<default>[^${}]+)\}$"
)
_BUILT = "messaging-backbone/"


def pin(settings: Settings) -> dict[str, str]:
    """Write the present digest of each image into `.env`, and return variable → value.

    Raises StackError("no-docker-engine"), and "digest-unknown" where a registry does not tell; nothing is written then.
    """
    ensure_env_file(settings)
    client = connection.connect(settings)
    values = env_file.read(settings.env_file, settings.environ)
    found: dict[str, str] = {}
    for file in sorted((settings.root / "infra").rglob("*.yml")):
        for match in _IMAGE.finditer(file.read_text(encoding="utf-8")):
            variable = match["variable"]
            tag = values.get(variable, match["default"]).partition("@")[0]
            if variable not in found and not tag.startswith(_BUILT):
                found[variable] = f"{tag}@{_digest(client, (match['repository'] or '') + tag)}"
    assign(settings.env_file, found)
    return found


def _digest(client: DockerClient, image: str) -> str:
    try:
        return str(client.images.get_registry_data(image).id)
    except APIError as error:
        raise StackError(
            "digest-unknown",
            f"no registry tells the digest of {image}",
            context=str(error.explanation),
            hint=f"docker pull {image}",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error


def main(argv: Sequence[str]) -> ExitCode:
    """Pin each image that is pulled by its digest, in `.env`. An engine and the images' registries have to answer."""
    argparse.ArgumentParser(prog="nox -s digests", description=main.__doc__).parse_args(argv)
    console.print_table(("VARIABLE", "VALUE"), list(pin(Settings()).items()))
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
