"""What a stack trace is taken for: its innermost cause, and the remedy for it."""

from __future__ import annotations

import pytest

from backbone.events.connectors.causes import Cause, explain, remedy_of

WRAPPED = """org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable exception.
\tat org.apache.kafka.connect.runtime.WorkerSinkTask.deliverMessages(WorkerSinkTask.java:646)
Caused by: org.apache.kafka.connect.errors.ConnectException: JDBC sink connector failure
\tat io.debezium.connector.jdbc.JdbcSinkConnectorTask.put(JdbcSinkConnectorTask.java:105)
Caused by: org.hibernate.exception.JDBCConnectionException: Unable to acquire JDBC Connection [{outer}]
\tat org.hibernate.Something.thing(Something.java:1)
Caused by: org.postgresql.util.PSQLException: {inner}
\t... 17 more
"""


def trace(inner: str, outer: str = "n/a") -> str:
    return WRAPPED.format(inner=inner, outer=outer)


@pytest.mark.parametrize(
    ("inner", "remedy"),
    [
        ('FATAL: password authentication failed for user "backbone"', "secrets/postgres_password"),
        ("Connection to postgres:5432 refused. Check that the hostname and port are correct", "invoke up"),
        ("FATAL: terminating connection due to administrator command", "invoke up"),
        ('ERROR: column "amount" is of type boolean but expression is of type double precision', "drop the table"),
        ('ERROR: null value in column "x" violates not-null constraint', "stricter than the contract"),
        ('ERROR: relation "events" does not exist', "schema.evolution: basic"),
        ("ERROR: permission denied for table events", "grant"),
        ("ERROR: could not extend file: No space left on device", "make room"),
    ],
)
def test_the_innermost_cause_is_told_without_java_and_with_a_remedy(inner: str, remedy: str) -> None:
    cause = explain(trace(inner))
    assert cause.words == f"PSQLException: {inner}"
    assert remedy in cause.remedy


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ('42804 ERROR: column "amount" is of type boolean but expression is of type double precision', "another type"),
        ("42P10 ERROR: there is no unique or exclusion constraint matching the ON CONFLICT", "primary key"),
        ('23505 ERROR: duplicate key value violates unique constraint "one_amount"', "stricter"),
        ("22001 ERROR: value too long for type character varying(3)", "stricter"),
        ("42883 ERROR: operator does not exist: text = uuid", "another type"),
    ],
)
def test_what_a_table_refuses_has_a_remedy_without_a_restart(reason: str, words: str) -> None:
    assert words in remedy_of(reason)
    assert "restart" not in remedy_of(reason)


def test_a_pattern_may_be_met_further_out() -> None:
    cause = explain(trace("This connection has been closed.", outer="Connection refused"))
    assert cause.words == "PSQLException: This connection has been closed."
    assert "invoke up" in cause.remedy


def test_hibernates_way_of_saying_that_it_got_no_connection() -> None:
    """The whole chain of Debezium's sink 3.6 when PostgreSQL refuses the password."""
    cause = explain(
        "org.apache.kafka.connect.errors.ConnectException: Failed to start sink connector\n\tat a.B.c(B.java:1)\n"
        "Caused by: org.hibernate.HibernateException: Unable to determine Dialect without JDBC metadata (please set)\n"
    )
    assert "secrets/postgres_password" in cause.remedy


def test_an_unknown_cause_has_no_remedy_but_its_words() -> None:
    assert explain("java.lang.IllegalStateException: odd\n\tat a.B.c(B.java:1)") == Cause(
        "IllegalStateException: odd", ""
    )


def test_an_exception_without_words_and_no_trace_at_all() -> None:
    assert explain("java.lang.NullPointerException\n\tat a.B.c(B.java:1)").words == "NullPointerException"
    assert explain("") == Cause("", "")


def test_the_record_that_our_sink_failed_at_is_named() -> None:
    cause = explain(
        "org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable exception.\n"
        "Caused by: org.apache.kafka.connect.errors.ConnectException: a.b-c-2@17: 42804 ERROR: column is of type x\n"
        "Caused by: org.postgresql.util.PSQLException: ERROR: column is of type boolean but expression is of type x\n"
    )
    assert cause.place == "a.b-c-2@17"
    assert cause.told.startswith("a.b-c-2@17: PSQLException: ERROR: column is of type boolean")
