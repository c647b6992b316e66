"""Entries as the stream holds them: the same bytes whoever reads them, and a place in the tree for what is not there."""

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.records import Record, RecordError, as_message, decode_record, encode_record, gap_leaf, leaf_hash

U64 = st.integers(0, 2**64 - 1)
RECORDS = st.builds(
    Record,
    U64,
    U64,
    st.binary(max_size=20).map(lambda subject: subject.decode("utf-8", "surrogateescape")),
    st.binary(max_size=40),
    st.binary(max_size=40),
)


def test_the_canonical_bytes_are_as_documented() -> None:
    record = Record(7, 1_700_000_000_123_456_789, "sanctuary.task.é", b"NATS/1.0\r\nA: 1\r\n\r\n", b"{}")
    encoded = encode_record(record)
    assert encoded == bytes.fromhex(
        "0000000000000007"
        "17979cfe3d85cd15"
        "00000011" + "sanctuary.task.é".encode().hex() + "00000012" + record.headers.hex() + "00000002" + b"{}".hex()
    )
    assert leaf_hash(encoded) == hashlib.sha256(b"\x00" + encoded).digest()
    assert gap_leaf(258) == hashlib.sha256(b"\x00gap\x00\x00\x00\x00\x00\x00\x01\x02").digest()


@given(RECORDS)
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    assert decode_record(encode_record(record)) == record
    assert decode_record(memoryview(encode_record(record))) == record


@given(RECORDS, RECORDS)
def test_no_two_records_have_the_same_bytes(one: Record, other: Record) -> None:
    assert (encode_record(one) == encode_record(other)) == (one == other)


@given(RECORDS, st.data())
def test_bytes_that_are_no_record_are_refused(record: Record, data: st.DataObject) -> None:
    encoded = encode_record(record)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(RecordError):
        decode_record(encoded[:cut])
    with pytest.raises(RecordError, match="behind"):
        decode_record(encoded + b"\x00")


def test_lengths_beyond_the_end_take_no_memory() -> None:
    with pytest.raises(RecordError):
        decode_record(bytes(16) + b"\xff\xff\xff\xff" + bytes(8))


def test_a_record_reads_as_a_message() -> None:
    message = as_message(
        Record(3, 1_000_000_000_999_999_999, "r.task.\udcff", b"NATS/1.0\r\nA: x: y \r\nno\r\n\r\n", b"d")
    )
    assert message.stored_at == datetime(2001, 9, 9, 1, 46, 40, 999999, tzinfo=UTC)
    assert (message.sequence, message.subject, message.data) == (3, "r.task.\ufffd", b"d")
    assert message.headers == {"A": "x: y"}
    assert as_message(Record(3, 0, "a", b"", b"")).headers == {}
