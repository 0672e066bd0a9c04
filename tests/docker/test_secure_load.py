"""The secure profile by plain Compose under load: the tests of the other engine, on containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.docker import test_secure
from tests.e2e import test_secure_load
from tests.e2e.logins import TOPIC, librdkafka, written

if TYPE_CHECKING:
    from backbone.security.layout import Secrets
    from tests.e2e.checkout import Checkout

secure = test_secure.secure
secrets = test_secure.secrets

# What is renewed belongs to the user who called: the one-shot lets its container in when it comes back.
test_renewal = test_secure_load.test_certificates_and_a_password_are_renewed_while_records_flow_and_none_is_lost
test_two_passwords = test_secure_load.test_a_former_password_is_good_until_it_is_settled
test_another_user = test_secure_load.test_a_user_is_added_by_one_command


def test_latency(secure: Checkout) -> None:
    # Without iptables each byte goes through a proxy of the private engine: 1,000/s by TLS keep two cores 90 % busy,
    # and at 300/s the sender is late in one repeat of three. So it is no part of CI.
    secure.run("bench", "--quick", "--rate", "300")


def test_data_users_and_rules_outlive_a_change_of_the_profile_and_back(secure: Checkout, secrets: Secrets) -> None:
    me = librdkafka(secrets)
    secure.run("topics", "create", "kept")
    for kind in ("plaintext", "secure"):
        test_secure.plain_compose(secure, "down", "--remove-orphans")
        test_secure.assign(secure.root / ".env", "KAFKA_SECURITY", kind)
        # Brokers and registry: what keeps something in Kafka's own data.
        test_secure.up(secure, *test_secure.SERVICES[:4])
        refused = written(me, TOPIC)
        assert (refused is None) == (kind == "secure"), refused
        secure.run("smoke")
        assert "kept" in secure.run("topics", "list").stdout
    assert secure.json("access", "drift") == []
