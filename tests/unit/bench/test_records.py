"""Records know who they are, and a single changed bit is noticed."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone.bench.records import OVERHEAD, Encoder, Stamp, decode


@given(
    size=st.integers(OVERHEAD, 4096),
    sequence=st.integers(0, 2**63),
    intended=st.integers(-1, 2**62),
    actual=st.integers(-1, 2**62),
)
def test_what_was_encoded_is_decoded(size: int, sequence: int, intended: int, actual: int) -> None:
    record = Encoder(run=9, size=size, seed=1)(sequence, intended, actual)
    assert len(record) == size
    assert decode(record) == Stamp(9, sequence, intended, actual)


@given(bit=st.integers(0, 128 * 8 - 1))
def test_any_flipped_bit_is_noticed(bit: int) -> None:
    record = bytearray(Encoder(run=9, size=128, seed=1)(3, 4, 5))
    record[bit // 8] ^= 1 << bit % 8
    assert decode(bytes(record)) is None


def test_foreign_and_short_records_are_none_of_ours() -> None:
    assert decode(b"hello") is None
    assert decode(bytes(200)) is None


def test_the_filler_does_not_compress() -> None:
    record = Encoder(run=1, size=10_000, seed=1)(1, 2, 3)
    assert len(zlib.compress(record, 9)) > 9_900


def test_a_record_smaller_than_its_header_is_refused() -> None:
    with pytest.raises(ValueError, match="header"):
        Encoder(run=1, size=OVERHEAD - 1, seed=1)
