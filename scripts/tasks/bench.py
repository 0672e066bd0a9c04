"""Latency and throughput: `./invoke bench`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError

from .command import command
from .stack import COMMAND_CONFIG_HELP

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from invoke import Context

    from backbone.bench.cells import Options, Plan
    from backbone.bench.drivers.base import Driver
    from backbone.bench.modes import Bench, Done
    from backbone.bench.reference import Java

_REMOTE = "remote"


@command(
    belongs={"other": "compare"},
    help={
        "compare": "compare two result folders: --compare A B",
        "other": "the second folder of --compare",
        "quick": "a valid measurement within 90 s",
        "cold": "without warming up: after a start, its first minute",
        "sweep": "find the highest rate for each record size",
        "reference": "beside Kafka's own Java tools; with --throughput its throughput tools",
        "client": "kafka-python, confluent-kafka, java; several with commas are set side by side",
        "throughput": "MB/s when latency does not matter",
        "self-test": "measure planted faults, without Kafka",
        "engine": "auto, docker or embedded",
        "bootstrap": "HOST:PORT of another cluster: it asks first, and keeps to --most and 15 minutes",
        "command_config": COMMAND_CONFIG_HELP,
        "most": "MB/s that another cluster is sent at most (default 10)",
        "yes": "don't ask",
        "rate": "records a second; several with commas (default 1000)",
        "size": "bytes of a record; several with commas (default 1024; --sweep: 100 to 102400)",
        "seconds": "measured time of a repeat (default 60)",
        "repeats": "how often, on fresh topics (default 5)",
        "partitions": "of the topic (default 3)",
        "poisson": "random arrivals instead of even ones",
        "keyed": "spread over the partitions as keys would, not in batches",
        "group": "receive as a consumer group that commits, instead of assigned partitions",
        "seed": "of arrivals and order (default 1)",
        "json": "print the report as JSON",
    },
)
def bench(
    c: Context,
    other: str | None = None,
    compare: str = "",
    quick: bool = False,
    cold: bool = False,
    sweep: bool = False,
    reference: bool = False,
    throughput: bool = False,
    client: str = "kafka-python",
    self_test: bool = False,
    engine: str = "",
    bootstrap: str = "",
    command_config: str = "",
    most: int = 0,
    yes: bool = False,
    rate: str = "1000",
    size: str = "",
    seconds: int = 60,
    repeats: int = 5,
    partitions: int = 3,
    poisson: bool = False,
    keyed: bool = False,
    group: bool = False,
    seed: int = 1,
    json: bool = False,
) -> ExitCode:
    """Measure latency from the intended send time (MET-01: p95 end to end < 100 ms) and write a report.

    Exit code 0: MET-01 holds; 1: it does not; 3: the session is void and proves neither, see its gates.
    """
    del c
    if compare:
        return compare_folders(compare, other or "", json=json)
    if self_test:
        return _self_test(json=json)
    from dataclasses import replace

    from backbone import client_properties
    from backbone.bench import cells, modes

    sizes = size or ",".join(map(str, cells.SWEEP_SIZES if sweep else cells.Options().sizes))
    options = _options(rate, sizes, seconds, repeats, partitions, poisson=poisson, keyed=keyed, group=group)
    options = replace(options, drivers=drivers_named(client))
    opened = _open(engine, bootstrap, command_config, seed)
    if reference and client_properties.current().file:
        raise StackError(
            "usage", "--reference runs Kafka's own tools, which get no login from here", exit_code=ExitCode.USAGE
        )
    plan = (cells.quick if quick else cells.cold if cold else cells.gate)(options)
    if opened.engine == _REMOTE:
        if throughput or reference:
            raise StackError(
                "usage",
                "--throughput and --reference send as fast as they can: not to another cluster",
                exit_code=ExitCode.USAGE,
            )
        options = _agreed(opened, options, None if sweep else plan, most, yes=yes)
    if sweep:
        done = modes.sweep(opened, options)
    elif throughput:
        done = modes.bursts(opened, options, _java() if reference else None)
    elif reference:
        done = modes.against_java(opened, options, _java())
    else:
        done = modes.run_plan(opened, plan)
    return _render(done, json=json)


def _agreed(opened: Bench, options: Options, plan: Plan | None, most: int, *, yes: bool) -> Options:
    """Return options that keep within what another cluster is sent, once a person has said yes. plan: None to sweep."""
    from dataclasses import replace

    from backbone import client_properties
    from backbone.bench import guard

    from .snapshot import confirmed

    options = replace(options, most=(most or guard.MOST_MB) * 1e6)
    seconds = guard.plan_seconds(plan) if plan else guard.sweep_seconds(options)
    guard.demand(options, seconds, lowest=plan is None)
    bootstrap, file = opened.cluster.bootstrap, client_properties.current().file
    again = ["bench", "--bootstrap", ",".join(bootstrap), *(["--command-config", str(file)] if file else []), "--yes"]
    question = guard.question(bootstrap, options, seconds, sweep=plan is None)
    confirmed(question, f"./invoke {shlex.join(again)}", yes=yes)
    return options


def _options(
    rate: str, size: str, seconds: int, repeats: int, partitions: int, *, poisson: bool, keyed: bool, group: bool
) -> Options:
    from backbone.bench.cells import Options
    from backbone.bench.records import OVERHEAD

    try:
        rates = tuple(float(each) for each in rate.split(","))
        sizes = tuple(int(each) for each in size.split(","))
    except ValueError:
        rates, sizes = (), ()
    if not rates or min(*rates, seconds, repeats, partitions) <= 0 or min(sizes) < OVERHEAD:
        raise StackError(
            "bad-load",
            "that load cannot be measured",
            context=f"{rate=} {size=} {seconds=} {repeats=} {partitions=}",
            hint=f"rates like 1000 or 1000,2000; at least {OVERHEAD} bytes; the rest above zero",
            exit_code=ExitCode.USAGE,
        )
    return Options(
        rates,
        sizes,
        float(seconds),
        repeats,
        partitions,
        arrivals="poisson" if poisson else "constant",
        spread="turns" if keyed else "client",
        group=group,
    )


def _open(engine: str, bootstrap: str, command_config: str, seed: int) -> Bench:
    from backbone import console, resources
    from backbone.bench.modes import Bench
    from backbone.bench.topics import Cluster
    from backbone.stack.settings import Settings

    from . import targets

    settings = Settings()
    brokers, name = targets.remote(bootstrap, command_config), _REMOTE
    if not brokers:
        stack = targets.stack(None, engine or None)
        brokers, name = stack.bootstrap, stack.engine.name
    schema = resources.schema("bench-report.schema.json")
    return Bench(Cluster(brokers), name, settings.results_dir, schema, seed, console.say)


def drivers_named(names: str) -> Sequence[Driver]:
    """Return the clients of --client, in the order given."""
    from backbone.bench.drivers import choice

    return choice.named([name.strip() for name in names.split(",")], _java_driver)


def _java_driver() -> Driver:
    from backbone.bench.drivers import java

    (compiler,) = _jars("java-compiler")
    return java.driver(_java(), compiler, _cache())


def _java() -> Java:
    """Return Kafka's own tools, downloaded if they are not there yet."""
    from backbone.bench.reference import Java
    from backbone.stack.engine.embedded import jre

    return Java(jre.java(), _jars("tools"))


def _jars(name: str) -> Sequence[Path]:
    """Return the jars of a set of the lock, downloaded if they are not there yet."""
    from backbone import console
    from backbone.stack.engine.embedded import artifacts
    from backbone.stack.engine.embedded.engine import LOCK_FILE
    from backbone.stack.settings import Settings

    lock = artifacts.read_lock(Settings().root / LOCK_FILE)
    return artifacts.ensure(lock[name], _cache(), console.download)


def _cache() -> Path:
    from backbone.stack.settings import Settings

    return Settings().cache_dir


def _render(done: Done, *, json: bool) -> ExitCode:
    from backbone import console
    from backbone.bench.page import page
    from backbone.pages.render import markdown

    if json:
        console.print_json(done.report)
    else:
        console.data.print(markdown(page(done.report)), markup=False)
    console.say(f"report: {done.folder / 'index.html'}")
    verdict = done.report["verdict"]
    if not verdict["conclusive"]:
        return ExitCode.NOTHING
    return ExitCode.OK if verdict["met_01"] or not done.report["cells"] else ExitCode.FINDINGS


def compare_folders(a: str, b: str, *, json: bool) -> ExitCode:
    """Print how two sessions differ; FINDINGS if the second is worse anywhere."""
    from dataclasses import asdict

    from backbone import console
    from backbone.bench import compare, results
    from backbone.bench.page import words

    if not b:
        raise StackError("one-folder", "a comparison needs two folders", exit_code=ExitCode.USAGE)
    before, after = (results.load(_folder(each)) for each in (a, b))
    found = compare.compare(before, after)
    for line in compare.strangers(before, after):
        console.say(f"[yellow]not the same:[/] {line}")
    if json:
        console.print_json([asdict(each) for each in found])
    else:
        rows = [
            (
                each.cell,
                each.quantile,
                words(each.a),
                words(each.b),
                " … ".join(map(words, each.bounds)),
                each.outcome,
            )
            for each in found
        ]
        console.print_table(("cell", "quantile", "A ms", "B ms", "B - A, 95 %", "B is"), rows)
    return ExitCode.FINDINGS if any(each.outcome == "worse" for each in found) else ExitCode.OK


def _folder(text: str) -> Path:
    """Return a result folder given by path, or by its name under results/."""
    from pathlib import Path

    from backbone.stack.settings import Settings

    return path if (path := Path(text)).exists() else Settings().results_dir / text


def _self_test(*, json: bool) -> ExitCode:
    from dataclasses import asdict

    from backbone import console
    from backbone.bench import selftest

    checks = selftest.run_all()
    if json:
        console.print_json([asdict(check) for check in checks])
    else:
        rows: list[tuple[Any, ...]] = [
            (check.name, "ok" if check.passed else "FAILED", check.expected, check.found) for check in checks
        ]
        console.print_table(("planted", "result", "expected", "found"), rows)
    return ExitCode.OK if all(check.passed for check in checks) else ExitCode.FINDINGS
