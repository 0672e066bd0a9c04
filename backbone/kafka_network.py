"""The network of our Kafka clients: kafka-python's, cured of three faults. Imported by `clients` when one opens."""

from __future__ import annotations

import ssl
import time
from typing import Any

from kafka.errors import KafkaConnectionError, NodeNotReadyError, UnknownBrokerIdError
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import create_connection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaSSLTransport


class _Secured(KafkaSSLTransport):  # type: ignore[misc]  # kafka-python has no types
    """A connection in TLS whose handshake ends: kafka-python 3.0.12 waits for a frozen broker's for ever."""

    async def shake(self, timeout_at: float) -> None:
        """Shake hands until a moment (monotonic clock, s)."""
        while True:
            try:
                self._sock.do_handshake()
            except ssl.SSLWantReadError:
                await self._net.wait_read(self._sock, timeout_at=timeout_at)
            except ssl.SSLWantWriteError:
                await self._net.wait_write(self._sock, timeout_at=timeout_at)
            else:
                return


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

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> Any:
        """Return a new connection, in TLS if asked for. Raises KafkaConnectionError for a handshake without success."""
        if not self.ssl_enabled:
            return await super()._build_transport(node, timeout_at=timeout_at)
        end = timeout_at or time.monotonic() + self.config["request_timeout_ms"] / 1000
        sock = await create_connection(
            self._net,
            node.host,
            node.port,
            self.config["socket_options"],
            proxy_url=self.config["proxy_url"],
            timeout_at=end,
        )
        own = {name: value for name, value in self.config.items() if name.startswith("ssl_")}
        transport = _Secured(self._net, sock, host=node.host, **own)
        try:
            await transport.shake(end)
        except Exception as error:
            transport.close()
            raise KafkaConnectionError(f"Handshake failed: {error}") from error
        return transport

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
