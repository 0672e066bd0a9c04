"""The run's own requests ride out what its faults cause: the one place that knows how long, and what may pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from kafka.errors import InvalidReplicationFactorError, KafkaError, UnknownBrokerIdError

from backbone.clients import admin
from backbone.errors import StackError
from backbone.failover.history import RECOVERY_S
from backbone.wait import CLOCK, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kafka.admin import KafkaAdminClient

    from backbone.wait import Clock

T = TypeVar("T")

_FAULTS_CAUSE = frozenset({"no-broker", "no-target"})
_HINT = "./invoke status\n./invoke doctor"


def persist(request: Callable[[], T], *, what: str, timeout: float = RECOVERY_S, clock: Clock = CLOCK) -> T:
    """Return the answer to a request that may be made again, and is for `timeout` seconds if the faults hinder it.

    what: the answer, in words. Raises StackError("timed-out") with the last error, any other error at once.
    """
    last = ""

    def answered() -> tuple[T] | None:
        nonlocal last
        try:
            return (request(),)
        except (StackError, KafkaError, OSError) as error:
            if not may_pass(error):
                raise
            last = f"{error} ({error.__cause__!r})" if error.__cause__ else str(error)
            return None

    return wait_until(answered, what=what, timeout=timeout, last_seen=lambda: last, hint=_HINT, clock=clock)[0]


def ask(bootstrap: Sequence[str], what: str, question: Callable[[KafkaAdminClient], T], clock: Clock = CLOCK) -> T:
    """Return the answer to a question that an admin client, a new one for each attempt, puts to the cluster."""

    def request() -> T:
        with admin(bootstrap) as client:
            return question(client)

    return persist(request, what=what, clock=clock)


def may_pass(error: BaseException) -> bool:
    """Tell whether an error is one that a broker's absence causes: it is gone when the broker is back.

    No broker answers, a role that nobody has, a broken connection, too few brokers for a topic's replicas, and what
    Kafka itself calls retriable.
    """
    if isinstance(error, StackError):
        cause = error.__cause__
        return error.reference in _FAULTS_CAUSE or (cause is not None and may_pass(cause))
    if isinstance(error, KafkaError):
        return bool(error.retriable) or isinstance(error, InvalidReplicationFactorError | UnknownBrokerIdError)
    return isinstance(error, ConnectionError | TimeoutError)
