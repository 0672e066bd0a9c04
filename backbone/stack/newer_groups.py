"""Who is in groups of the newer protocols: consumer (KIP-848) and share (KIP-932).

kafka-python 3.0.12 has no request for them, but takes messages in the form of Kafka's own definitions: those are in
`messages/`. This module goes when it has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from kafka.protocol.api_message import ApiMessage

from backbone.stack import messages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Untyped: TypeAlias = Any
"""A value of kafka-python, which publishes no types."""


class ConsumerGroupDescribeRequest(ApiMessage, load_json=messages):  # type: ignore[misc, call-arg]  # as above
    """Version 0 of API 69."""


class ConsumerGroupDescribeResponse(ApiMessage, load_json=messages):  # type: ignore[misc, call-arg]  # as above
    """Version 0 of API 69."""


class ShareGroupDescribeRequest(ApiMessage, load_json=messages):  # type: ignore[misc, call-arg]  # as above
    """Version 1 of API 77."""


class ShareGroupDescribeResponse(ApiMessage, load_json=messages):  # type: ignore[misc, call-arg]  # as above
    """Version 1 of API 77."""


REQUESTS: Mapping[str, type[Untyped]] = {"consumer": ConsumerGroupDescribeRequest, "share": ShareGroupDescribeRequest}
"""Kind of a group → the request that describes it."""


def members(client: Untyped, kind: str, names: Sequence[str]) -> dict[str, list[Untyped]]:
    """Return the members of groups of one kind, by group, without groups that their coordinator does not describe."""

    async def ask() -> list[Untyped]:
        coordinators: Mapping[str, int] = await client._find_coordinator_ids(names)  # noqa: SLF001 - no public way
        found = []
        for node in sorted(set(coordinators.values())):
            own = [name for name in names if coordinators[name] == node]
            request = REQUESTS[kind](group_ids=own, include_authorized_operations=False)
            response = await client._manager.send(request, node_id=node)  # noqa: SLF001 - as above
            found += response.groups
        return found

    return {each.group_id: each.members for each in client._manager.run(ask) if not each.error_code}  # noqa: SLF001
