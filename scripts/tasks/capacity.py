"""How large the cluster has to be: `./invoke capacity`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

from .command import command

if TYPE_CHECKING:
    from pathlib import Path

    from invoke import Context

    from backbone.capacity.model import Plan
    from backbone.capacity.simulation import Loss

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PER_CENT = 100


@command(
    help={
        "rate": "records a second at the peak",
        "size": "bytes of a record (default 1024)",
        "retention": "how long records are kept, such as 12h or 7d (default 3d)",
        "replicas": "copies of each record (default 3)",
        "consumers": "groups that read everything (default 1)",
        "growth": "how much more is to come, in per cent (default 0)",
        "bear": "brokers that may be away at once while everything goes on (default 1)",
        "consumer_rate": "records a second that one consumer works off (default 2000)",
        "partitions": "how many (default: as many as the consumers need)",
        "outage": "how long the simulated broker is away (default 10m)",
        "from_bench": "the folder of a `bench --sweep`: what a broker bears was measured there",
        "against": "the folder of another sweep: how far the first one's prediction is from it, for each record size",
        "cpus": "cores of a broker, where nothing was measured (default 2)",
        "seed": "of the simulation (default 1)",
        "for_": "strimzi: print the size as `export strimzi --size` takes it",
        "json": "print JSON",
    },
)
def capacity(
    _c: Context,
    rate: int = 0,
    size: int = 1024,
    retention: str = "3d",
    replicas: int = 3,
    consumers: int = 1,
    growth: int = 0,
    bear: int = 1,
    consumer_rate: int = 2000,
    partitions: int = 0,
    outage: str = "10m",
    from_bench: str = "",
    against: str = "",
    cpus: int = 2,
    seed: int = 1,
    for_: str = "",
    json: bool = False,
) -> ExitCode:
    """Reckon brokers, partitions, disk, network and memory for a load, and simulate the loss of a broker at that size.

    Each line says how it follows and where the rule is from. Exits 1 if a returned broker would never catch up, and
    with --against if a prediction is more than a quarter off.
    """
    from dataclasses import asdict
    from pathlib import Path

    from backbone import console
    from backbone.capacity import arithmetic, knee, output, simulation
    from backbone.capacity.model import Demand

    if for_ not in {"", "strimzi"}:
        raise StackError("unknown-target", f"there is no {for_!r}; strimzi is what there is", exit_code=ExitCode.USAGE)
    if against:
        return _against(Path(from_bench), Path(against), json=json)
    demand = Demand(
        rate=rate,
        size=size,
        retention=_seconds(retention),
        replicas=replicas,
        consumers=consumers,
        growth=1 + growth / _PER_CENT,
        bear=bear,
        consumer_rate=consumer_rate,
        partitions=partitions,
    )
    bears = knee.measured(Path(from_bench), size) if from_bench else knee.published(cpus)
    plan = arithmetic.plan(demand, bears)
    if for_:
        console.print_json(asdict(output.strimzi(plan)))
        return ExitCode.OK
    loss = simulation.lose(plan, _seconds(outage), seed=seed)
    if json:
        console.print_json(output.document(plan, loss))
    else:
        _show(plan, loss)
    return ExitCode.OK if loss.caught_up < float("inf") else ExitCode.FINDINGS


def _against(one: Path, other: Path, *, json: bool) -> ExitCode:
    from backbone import console
    from backbone.capacity import knee

    cases = knee.against(one, other)
    if json:
        console.print_json(
            [
                {"size": x.size, "predicted": x.predicted, "measured": x.measured, "difference": x.difference}
                for x in cases
            ]
        )
    else:
        rows = [(x.size, f"{x.predicted:,.0f}", f"{x.measured:,.0f}", f"{x.difference:+.0%}") for x in cases]
        console.print_table(("BYTES", "PREDICTED/S", "MEASURED/S", "DIFFERENCE"), rows)
    return ExitCode.FINDINGS if any(abs(each.difference) > knee.CLOSE for each in cases) else ExitCode.OK


def _show(plan: Plan, loss: Loss) -> None:
    from rich.markup import escape

    from backbone import console
    from backbone.capacity import output

    console.print_table(("QUANTITY", "VALUE", "HOW", "SOURCE"), output.rows(plan))
    for line in output.words(plan, loss):
        console.say(escape(line))


def _seconds(text: str) -> float:
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdecimal():
        raise StackError(
            "bad-demand",
            f"{text!r} is no time",
            hint="./invoke capacity --rate 10000 --retention 7d",
            exit_code=ExitCode.USAGE,
        )
    return float(number) * _UNITS[unit]
