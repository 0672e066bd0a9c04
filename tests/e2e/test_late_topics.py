"""The registry before a broker that does not know its topics yet, as one of a busy machine: it has to go on asking."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbone import console
from backbone.stack.engine import open_stack
from backbone.stack.engine.embedded import loopback
from backbone.stack.settings import Settings
from backbone.wait import wait_until
from tests.matrix.java import VARIABLES
from tests.matrix.node import Node

if TYPE_CHECKING:
    from tests.e2e.checkout import Checkout

REGISTRY = "schema-registry"
_UNKNOWN = 3  # UNKNOWN_TOPIC_OR_PARTITION
_ITS_OWN = 4  # how often it asks without the variable of its Compose file


@dataclass
class Late(Node):
    """A broker that makes topics, and says for ever that it does not know them."""

    asked: int = 0

    def _DescribeConfigsRequest(self, request: Any) -> Any:  # noqa: N802 - named as in the protocol
        self.asked += 1
        response = super()._DescribeConfigsRequest(request)
        for each in response.results:
            each.error_code, each.configs = _UNKNOWN, []
        return response


def test_the_registry_goes_on_asking_for_topics_that_it_has_made(fresh: Checkout) -> None:
    stack = open_stack(Settings(fresh.root, fresh.env), ["messaging"], "embedded", console.download)
    values = {name: stack.model["kafka-1"].environment.get(name, "") for name in VARIABLES}
    file = stack.settings.state_dir / "embedded" / "kafka-1" / "config" / "server.properties"
    file.parent.mkdir(parents=True)
    data = fresh.root / "late"
    data.mkdir()
    file.write_text(json.dumps(values | {"KAFKA_LOG_DIRS": str(data)}), encoding="utf-8")
    broker = Late(file, loopback.addresses(stack.model))
    broker.listen()
    stack.engine.preflight([REGISTRY], console.say)
    stack.engine.start([REGISTRY], console.say)
    try:
        wait_until(lambda: broker.asked > _ITS_OWN + 1, what="the registry to ask again and again", timeout=120)
    finally:
        stack.engine.signal(REGISTRY, signal.SIGKILL)
