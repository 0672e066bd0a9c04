"""The network of our Kafka clients: kafka-python's, cured of two faults. Imported by `clients` when one opens."""

from __future__ import annotations

from typing import Any

from kafka.errors import NodeNotReadyError, UnknownBrokerIdError
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector


class _Connections(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python has no types
    """Takes a broker that the metadata does not list for one that is not ready, and asks each address in the beginning.

    A broker that is frozen takes the connection and says nothing. kafka-python 3.0.12 draws an address by lot and gives
    it all the time there is: with one of three frozen, every third client says that no broker answers.
    """

    def __init__(self, *args: Any, **configs: Any) -> None:
        super().__init__(*args, **configs)
        self._tried: set[object] = set()

    def get_connection(self, node_id: object, **options: Any) -> Any:
        """Return the connection to a broker, made if need be. Raises NodeNotReadyError: try again later."""
        if (left := options.get("timeout_ms")) and self.cluster.is_bootstrap(node_id):
            options["timeout_ms"] = left / 2
            self._take_turns(node_id)
        try:
            return super().get_connection(node_id, **options)
        except UnknownBrokerIdError as error:
            self.cluster.request_update()
            raise NodeNotReadyError(node_id) from error

    def _take_turns(self, node_id: object) -> None:
        if node_id in self._tried:
            raise NodeNotReadyError(node_id)
        self._tried.add(node_id)
        if len(self._tried) == len(self.cluster.bootstrap_brokers()):
            self._tried.clear()


class NetClient(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """The network of a client (its setting kafka_client) that gets over a leader whom the metadata does not list.

    When a broker has died, brokers name it as a leader for a moment and no longer list it. kafka-python 3.0.12 raises
    then where nobody expects it: a producer's thread spins forever, without an error for its records (one in some 450
    producers and kills with FAILOVER_PRODUCER), a consumer never asks that broker again.
    """

    def __init__(self, **configs: Any) -> None:
        net = NetworkSelector(**configs)
        super().__init__(net=net, manager=_Connections(net, **configs))
