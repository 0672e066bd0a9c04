"""Looks at a cluster's figures every 5 s as long as the console runs: half an hour of them, and the alerts."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backbone.errors import StackError, as_typed
from backbone.strimzi.monitoring import ALERTS
from backbone.wait import CLOCK, Clock
from backbone.web import alerts
from backbone.web.cluster import Cluster
from backbone.web.figures import Asked, Exporters, Prometheus, Source
from backbone.web.history import EVERY_S, METRICS, History

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from backbone.events.connectors.worker import Worker
    from backbone.stack.engine import Stack
    from backbone.web.alerts import Judged, Rule
    from backbone.web.figures import Figure

_LATE_S = 30.0
_REST = 3  # exporters of thousands of topics work for seconds: the brokers have three times as long for their own
_SELDOM_S = 15.0


@dataclass(slots=True)
class Watch:
    """Sources of figures, and the rules that are judged by them; a Prometheus is asked how its own rules stand."""

    sources: Sequence[Source]
    rules: Sequence[Rule] = ()
    prometheus: Prometheus | None = None
    clock: Clock = CLOCK
    wall: Callable[[], float] = time.time
    history: History = field(default_factory=History)
    judged: Sequence[Judged] = ()
    _lost: str = ""
    _at: float = float("-inf")
    _ended: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, stack: Stack, worker: Worker | None) -> Watch:
        """Return what watches a stack: through its Prometheus on the Docker engine, else by the brokers' exporters."""
        if url := stack.endpoints.get("PROMETHEUS_URL"):
            prometheus = Prometheus(url)
            return cls([prometheus], prometheus=prometheus)
        # A connection of its own: the lag of many groups takes a moment, and no page should wait for it.
        sources = (Exporters.of(stack.engine.as_running), Asked(Cluster(stack.bootstrap), worker))
        file = stack.settings.root / ALERTS
        text = file.read_text(encoding="utf-8") if file.is_file() else "groups: []"
        return cls(sources, alerts.rules(text, lambda name: any(each.tells(name) for each in sources)))

    def look(self) -> None:
        """Look once."""
        expressions = [rule.expression for rule in self.rules if rule.expression]
        names = METRICS.union(*(each.names for each in expressions)) - {"up"}
        try:
            figures: list[Figure] = [figure for source in self.sources for figure in source.read(names)]
            self.history.take(self.clock.now(), figures)
            if self.prometheus is None:
                self.judged = alerts.here(self.rules, self.clock.now(), self.wall(), figures)
            else:
                self.judged = alerts.asked(self.prometheus)
        except StackError as error:
            hint = f" ({as_typed(error.hint)})" if error.hint else ""
            self._lost, self.judged = error.message + hint, ()
            return
        self._lost, self._at = "", self.clock.now()

    @property
    def lost(self) -> str:
        """Why there is nothing newer, "" if there is."""
        late = self.clock.now() - self._at > _LATE_S
        return self._lost or ("the figures are on their way" if late else "")

    @property
    def firing(self) -> int:
        """How many rules fire."""
        return sum(each.state == "firing" for each in self.judged)

    def start(self) -> None:
        """Look every 5 s, less often where a look costs more; in a thread that ends with the program, or with `end`."""
        threading.Thread(target=self._go_on, name="watch", daemon=True).start()

    def _go_on(self) -> None:
        waits = 0.0
        while not self._ended.wait(waits):
            began = self.clock.now()
            self.look()
            waits = pause(self.clock.now() - began)

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        for source in self.sources:
            source.close()


def pause(took: float) -> float:
    """Return how many seconds to wait after a look that took so many."""
    return min(_SELDOM_S, max(EVERY_S, _REST * took))
