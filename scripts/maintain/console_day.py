"""A console that has been open for a day: `console`, with 24 hours of figures told to its watch before it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone import console
from backbone.stack.engine import open_stack
from backbone.stack.settings import Settings
from backbone.web import server
from backbone.web.desk import Desk
from backbone.web.figures import JOB, LAG_JOB, Figure
from backbone.web.history import EVERY_S, METRICS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from backbone.web.watch import Watch

DAY_S = 24 * 3600.0
_BROKERS = ("kafka-1", "kafka-2", "kafka-3")
_PER_METRIC = 4  # series of one metric and broker: requests by kind, memory by pool
_GROUPS = 50


@dataclass
class Past:
    """A source of figures and the clock of the day it tells of: each look is 5 s later."""

    time: float
    count: float = 0.0

    def now(self) -> float:
        """Return the moment that is told of."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds

    def tells(self, _name: str) -> bool:
        """Tell of everything."""
        return True

    def close(self) -> None:
        """Hold nothing."""

    def read(self, names: Collection[str]) -> list[Figure]:
        """Return a value of every series; now and then a broker is away, and groups come and go."""
        self.count += 1
        return list(self._figures(names))

    def _figures(self, names: Collection[str]) -> Iterator[Figure]:
        away = _BROKERS[int(self.count / 50) % 3] if self.count % 50 < 5 else ""  # noqa: PLR2004 - 25 s of 250
        for broker in _BROKERS:
            yield Figure("up", {"job": JOB, "broker": broker}, float(broker != away))
            if broker == away:
                continue
            for name in METRICS.union(names) - {"up", "kafka_consumergroup_lag"}:
                for kind in range(_PER_METRIC):
                    labels = {"job": JOB, "broker": broker, "request": f"R{kind}", "quantile": "0.95", "area": "heap"}
                    yield Figure(name, labels, self.count * (kind + 1))
        yield Figure("up", {"job": LAG_JOB}, 1)
        for number in range(_GROUPS):
            labels = {"consumergroup": f"g{int(self.count / 100)}-{number}", "topic": "t", "partition": "0"}
            yield Figure("kafka_consumergroup_lag", labels, 20_000.0 * (number % 2))


def live(watch: Watch) -> None:
    """Let a watch see a day that ends now, and then what is there."""
    sources, clock, wall = watch.sources, watch.clock, watch.wall
    past = Past(clock.now() - DAY_S)
    since = wall() - DAY_S - past.time
    watch.sources, watch.clock, watch.wall = [past], past, lambda: since + past.time
    for _ in range(int(DAY_S / EVERY_S)):
        watch.look()
        past.sleep(EVERY_S)
    watch.sources, watch.clock, watch.wall = sources, clock, wall


def main() -> None:
    """Live through the day and serve; the address is printed as `console` prints it."""
    desk = Desk.of(open_stack(Settings(), ["*"], "embedded", console.download))
    live(desk.watching)
    server.serve(desk, 0, lambda url: console.write_lines([url]), console.download)


if __name__ == "__main__":
    main()
