"""The network of our Kafka clients: kafka-python's, cured of one fault. Imported by `clients` when one opens."""

from __future__ import annotations

from typing import Any

from kafka.errors import NodeNotReadyError, UnknownBrokerIdError
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector


class _Connections(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python has no types
    """Takes a broker that the metadata does not list for one that is not ready."""

    def get_connection(self, node_id: object, **options: object) -> Any:
        """Return the connection to a broker, made if need be. Raises NodeNotReadyError: try again later."""
        try:
            return super().get_connection(node_id, **options)
        except UnknownBrokerIdError as error:
            self.cluster.request_update()
            raise NodeNotReadyError(node_id) from error


class NetClient(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """The network of a client (its setting kafka_client) that gets over a leader whom the metadata does not list.

    When a broker has died, brokers name it as a leader for a moment and no longer list it. kafka-python 3.0.12 raises
    then where nobody expects it: a producer's thread spins forever, without an error for its records (one in some 450
    producers and kills with FAILOVER_PRODUCER), a consumer never asks that broker again.
    """

    def __init__(self, **configs: Any) -> None:
        net = NetworkSelector(**configs)
        super().__init__(net=net, manager=_Connections(net, **configs))
