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
    # Nothing, a switch, a path, a class, or a reference to another place.
    r"|true|false|yes|no|none|null|\d{1,4}|/.*|[a-z]+\.[a-z]+\.[\w.$]+|\w+_credentials?|.*\.(txt|key|pem|jks|p12)"
    r"|.*\$\{.*|file:.*|vault:.*",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    # Words that ask to be replaced, in every common style: in brackets of some kind, the same character over and over,
    # an order to the reader, a description of whose it is, or a word for "nothing yet".
    r"[<\[{(%@_].*[>\]})%@_]|\$\w+|(.)\1{2,}|.*(\.\.\.|x{3,}|y{3,}|\*{3,}).*"
    r"|(please[-_ ]?)?(change|replace|set|fill|enter|insert|put|paste|add|type|provide|use|generate|specify|define)"
    r"([-_ ]?(this|me|it|in|with|your|my|here|a|the|own|you|to|on|at)(?![a-z])|[-_ ]+).*"
    r"|(change|replace|fill)\w*"
    r"|(your|my|the|some|any|own)[-_ ]?(\w+[-_ ])*(password|passwd|passphrase|secret|key|token|value|credentials?)\w*"
    r"|your.*|.*[-_ ](goes[-_ ])?here|(\w+[-_ ])*(user|self)[-_ ]?provided|provided[-_ ]by.*"
    r"|(to[-_ ]?be[-_ ]?)?(replaced|changed|set|filled|defined|provided)|(not|un)[-_ ]?(set|used|needed|required)"
    r"|place[-_ ]?holder.*|example.*|.*[-_ ]example|sample.*|dummy.*|fake.*|redacted|hidden|masked|removed|empty|blank"
    r"|todo.*|tbd|fixme.*|n/?a|optional|required|sk-(\.+|x+|your.*)|foo|bar|foobar",
    re.IGNORECASE,
)
_INLINE = re.compile(
    r"""password\s*=\s*\\?["']?(?P<jaas>[^"'\\;\s$]+)|://[^/\s:@]+:(?P<url>[^/\s:@$]+)@""", re.IGNORECASE
)


def _is_secret(name: str, value: str) -> bool:
    """Whether a variable is named like a secret and holds more than a switch, a reference or a placeholder."""
    return bool(SECRET_KEY.fullmatch(name)) and not _is_harmless(value)


def _is_harmless(value: str) -> bool:
    words = value.strip()
    # A name of several words for what belongs here (db_password) is no password; `password` alone often is one.
    named = re.fullmatch(r"(\w+[-_])+(password|key|token)|client[-_]secret", words, re.IGNORECASE)
    return bool(named or _HARMLESS.fullmatch(words) or _PLACEHOLDER.fullmatch(words))


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
            if not found or _is_harmless(found) or _comes_from_outside(project, service.name, variable, found):
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
    """Whether a value is a variable's without such a default, passed through, or read from an env_file."""
    if project.sources.is_passed_through("services", service, "environment", variable):
        return True
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
