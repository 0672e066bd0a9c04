"""What a fault causes is ridden out for as long as a cluster may need to recover, and nothing else."""

from __future__ import annotations

import pytest
from kafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    NotControllerError,
    TopicAuthorizationFailedError,
)

from backbone import clients
from backbone.errors import StackError
from backbone.failover.history import RECOVERY_S
from backbone.failover.patience import persist
from tests.unit.failover.fakes import FakeClock


def request_failed(error: Exception) -> StackError:
    """Return what a client's request makes of an error of the library."""
    with pytest.raises(StackError) as caught, clients.errors_as("kafka-request", "no answer"):
        raise error
    return caught.value


PASSING = [
    KafkaConnectionError("refused"),
    KafkaTimeoutError("late"),
    request_failed(KafkaConnectionError("refused")),
    request_failed(NotControllerError()),
    StackError("no-broker", "nobody answers"),
    StackError("no-target", "the cluster has no leader now"),
    ConnectionResetError(),
]
LASTING = [
    TopicAuthorizationFailedError("no"),
    request_failed(TopicAuthorizationFailedError("no")),
    StackError("timed-out", "waited"),
    PermissionError("no"),
    KeyError(0),
]


class Requests:
    """Fails so many times with an error, then answers."""

    def __init__(self, error: Exception, failures: float) -> None:
        self.error, self.failures, self.made = error, failures, 0

    def __call__(self) -> str:
        self.made += 1
        if self.made <= self.failures:
            raise self.error
        return ""


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_passes_is_asked_again_until_there_is_an_answer_even_an_empty_one(error: Exception) -> None:
    clock, request = FakeClock(), Requests(error, 20)
    assert persist(request, what="an answer", clock=clock) == ""
    assert request.made == 21


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_does_not_pass_within_the_recovery_time_is_told_with_its_cause(error: Exception) -> None:
    clock = FakeClock()
    began = clock.now()
    with pytest.raises(StackError, match="waited 60 s for an answer") as caught:
        persist(Requests(error, float("inf")), what="an answer", clock=clock)
    assert str(error) in str(caught.value.context)
    assert caught.value.hint
    assert clock.now() - began == pytest.approx(RECOVERY_S, abs=0.2)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_what_no_fault_causes_is_raised_at_once(error: Exception) -> None:
    request = Requests(error, float("inf"))
    with pytest.raises(type(error)) as caught:
        persist(request, what="an answer", clock=FakeClock())
    assert caught.value is error
    assert request.made == 1
