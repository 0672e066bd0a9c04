"""A real stack for tests, as a library and as fixtures of pytest (backbone/pytest_plugin.py).

from backbone import testing

with testing.stack() as s, s.lease() as lease:
orders = lease.topic("orders")
lease.produce(orders, "one")
assert lease.consume(orders)[0].value == b"one"
"""

from backbone.testing.running import Running
from backbone.testing.shared import PROFILES, stack

__all__ = ["PROFILES", "Running", "stack"]
