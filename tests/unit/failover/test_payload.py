"""What a record carries comes back as it was, or not at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backbone.failover.history import Record
from backbone.failover.payload import Payload, decode, encode

RUN = bytes(range(16))
payloads = st.builds(
    Payload,
    st.just(RUN),
    st.builds(Record, st.text(max_size=20), st.integers(0, 2**31), st.integers(1, 2**63)),
    st.integers(0, 2**63),
)


@given(payloads, st.integers(0, 300))
def test_it_comes_back(payload: Payload, size: int) -> None:
    value = encode(payload, size)
    assert len(value) >= size
    assert decode(value, RUN) == payload


@given(payloads, st.integers(0, 300), st.data())
def test_any_flipped_bit_is_seen(payload: Payload, size: int, data: st.DataObject) -> None:
    value = bytearray(encode(payload, size))
    value[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert decode(bytes(value), RUN) is None


@given(payloads, st.integers(0, 300), st.data())
def test_a_cut_value_is_seen(payload: Payload, size: int, data: st.DataObject) -> None:
    value = encode(payload, size)
    assert decode(value[: data.draw(st.integers(0, len(value) - 1))], RUN) is None
    assert decode(value + b"\0", RUN) is None


def test_another_runs_record_is_not_ours() -> None:
    assert decode(encode(Payload(RUN, Record("p", 0, 1), 0), 100), bytes(16)) is None
    assert decode(None, RUN) is None
    assert decode(b"", RUN) is None
