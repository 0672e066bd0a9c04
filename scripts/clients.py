"""The client settings that survive a failover well: our own tasks use them, docs/failover.md explains them.

kafka-python's names. Most of its defaults are right for healthy days only; each line says what it changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONNECTION: Mapping[str, Any] = {
    # A frozen or cut-off broker keeps its sockets open: only this clock ends the wait for it (default 30 s).
    "request_timeout_ms": 1_500,
    # Back-off doubles up to this: with the default of 30 s a client ignores a healed broker for half a minute, and a
    # producer asks for a new leader only when the next attempt at the dead one has failed.
    "reconnect_backoff_max_ms": 100,
    "retry_backoff_ms": 50,
    # Hear of a new leader before a request to the old one has timed out. And a leader that is cut off from its peers,
    # but not from us, keeps telling us that it leads (default 5 min).
    "metadata_max_age_ms": 1_000,
}

PRODUCER: Mapping[str, Any] = {
    **_CONNECTION,
    # An acknowledgement means min.insync.replicas copies, and a retry writes nothing twice (KIP-98).
    "acks": "all",
    "enable_idempotence": True,
    # Far above any outage we expect to ride out: when it expires, the record may or may not have been written.
    "delivery_timeout_ms": 120_000,
    # A batch that is being filled costs at most this; without it each record is a request.
    "linger_ms": 2,
}

CONSUMER: Mapping[str, Any] = {
    **_CONNECTION,
    # Polling a leader for new data waits at most this; it must stay below request_timeout_ms.
    "fetch_max_wait_ms": 100,
    # Commit what was processed, when it was: at least once.
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "isolation_level": "read_committed",
    # The group gives our partitions away after this (default 45 s); not below group.min.session.timeout.ms.
    "session_timeout_ms": 6_000,
    "heartbeat_interval_ms": 1_000,
}
