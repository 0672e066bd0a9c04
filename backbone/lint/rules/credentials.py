"""Rules on passwords in files and on files that are named but missing (KC307, KC504, KC505)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone.lint.model import Finding, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Project

SECRET_KEY = re.compile(
    r"(?!\w*_SSL_\w*CREDENTIALS$)(\w+_)?(PASSWORD|PASSWD|PASSPHRASE|SECRET|SECRET_?KEY|ACCESS_?KEY|API_?KEY|PRIVATE_?KEY|TOKEN|CREDENTIALS?)",
    re.IGNORECASE,
)
_HARMLESS = re.compile(
    # Nothing, a switch, a path, a class, a reference to another place, or words that ask to be replaced.
    r"|true|false|yes|no|none|null|\d{1,4}|/.*|[a-z]+\.[a-z]+\.[\w.$]+|\w+_credentials?|.*\.(txt|key|pem|jks|p12)"
    r"|.*\$\{.*|<.*>|change[-_ ]?me\w*|replace[-_ ]?me\w*|your[-_ ].*|example|xxx+|todo|\*+|file:.*|vault:.*",
    re.IGNORECASE,
)
_INLINE = re.compile(
    r"""password\s*=\s*\\?["']?(?P<jaas>[^"'\\;\s$]+)|://[^/\s:@]+:(?P<url>[^/\s:@$]+)@""", re.IGNORECASE
)


def _is_secret(name: str, value: str) -> bool:
    return bool(SECRET_KEY.fullmatch(name)) and not _HARMLESS.fullmatch(value.strip())


@rule("KC307", "secret-in-example", Severity.WARNING, needs_model=False)
def secret_in_example(project: Project) -> Iterator[Finding]:
    """Flag an entry of .env.example that looks like a real password, key or token.

    Empty values and words that ask to be replaced (changeme, <password>) pass.

    Why:
        .env.example is committed: the value is everybody's, and copies of the file keep it.

    Fails:
        services:
          db: {image: "postgres:17.2", environment: {POSTGRES_PASSWORD: "${POSTGRES_PASSWORD-}"}}
        --- .env.example
        POSTGRES_PASSWORD=s3cr3t-of-the-team

    Passes:
        services:
          db: {image: "postgres:17.2", environment: {POSTGRES_PASSWORD: "${POSTGRES_PASSWORD-}"}}
        --- .env.example
        POSTGRES_PASSWORD=

    Source:
        specification, section 0.2: no secrets in plaintext
    """
    if project.example is None:
        return
    for name, assignment in project.example.assignments.items():
        if _is_secret(name, assignment.value):
            yield Finding(
                at=assignment.value_span,
                message=f"{name} in {project.example.path.name} looks like a real secret",
                evidence=name,
                label="committed with the repository",
                help="leave it empty and let the Compose file ask for it: ${" + name + ":?set it in .env}",
            )


@rule("KC504", "literal-credential", Severity.WARNING)
def literal_credential(project: Project) -> Iterator[Finding]:
    """Flag a password, key or token that is written into the Compose file.

    Also as the default of a variable, in a JAAS line or in a URL. Values from a variable without default,
    files (…_FILE, /run/secrets/…) and words that ask to be replaced pass.

    Why:
        What is committed is known to everybody who ever had the repository; a rotation needs a commit.

    Fails:
        services:
          db: {image: "postgres:17.2", environment: {POSTGRES_PASSWORD: s3cr3t}}

    Passes:
        services:
          db:
            image: postgres:17.2
            environment: {POSTGRES_PASSWORD_FILE: /run/secrets/db_password}
            secrets: [db_password]
        secrets: {db_password: {environment: DB_PASSWORD}}

    Source:
        specification, section 0.2: no secrets in plaintext env vars; credentials must be secrets
    """
    for service in project.services.values():
        for variable, value in service.environment.items():
            inline = _INLINE.search(value)
            found = value if _is_secret(variable, value) else inline and (inline["jaas"] or inline["url"])
            if not found or _HARMLESS.fullmatch(found) or _comes_from_outside(project, service.name, variable, found):
                continue
            yield Finding(
                at=service.where("environment", variable),
                message=f"{service.name} has a credential written out in {variable}",
                service=service.name,
                evidence=variable,
                label="readable by everybody who has this file",
                help=f"use a secret and {variable}_FILE, or ${{{variable}:?set it in .env}}",
            )


def _comes_from_outside(project: Project, service: str, variable: str, found: str) -> bool:
    """Whether a value is filled in from a variable that has no such default."""
    inside = project.sources.used("services", service, "environment", variable)
    defaults = [one.argument for one in inside if one.operator.endswith("-") and one.argument]
    return bool(inside) and not any(default in found for default in defaults)


@rule("KC505", "secret-file-missing", Severity.ERROR)
def secret_file_missing(project: Project) -> Iterator[Finding]:
    """Flag a secret or config whose file does not exist.

    Only those that a service uses; a file under a folder that is git-ignored may be made by a task first, so
    say so in an ignore.

    Why:
        `up` fails when that container is created: "bind source path does not exist".

    Fails:
        services:
          db: {image: "postgres:17.2", secrets: [password]}
        secrets: {password: {file: ./secrets/password.txt}}

    Passes:
        services:
          db: {image: "postgres:17.2", secrets: [password]}
        secrets: {password: {file: ./password.txt}}
        --- password.txt
        not-for-production

    Source:
        Compose specification, secrets
    """
    for section in ("secrets", "configs"):
        used = {
            str(entry.get("source") if isinstance(entry, dict) else entry)
            for service in project.services.values()
            for entry in service.body.get(section) or ()
        }
        for name, body in project.section(section).items():
            file = str(body.get("file") or "")
            path = project.directory / file
            if file and name in used and not path.exists():
                shown = path.relative_to(project.directory) if path.is_relative_to(project.directory) else path
                yield Finding(
                    at=project.where(section, name, "file"),
                    message=f"{section.removesuffix('s')} {name} comes from {shown}, which does not exist",
                    evidence=f"{section}:{name}",
                    label="no such file",
                    help="create the file, or name one that exists",
                )
