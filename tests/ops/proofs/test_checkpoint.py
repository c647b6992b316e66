"""Notes and checkpoints: the published vectors of Go's sumdb/note and of C2SP, and all that is no note."""

import pytest

from ops.proofs.checkpoint import Checkpoint, SignedCheckpoint, cosign, parse_checkpoint, sign, verify
from ops.proofs.notes import (
    Kind,
    NoteWrong,
    Signature,
    SigningKey,
    parse_key,
    parse_note,
    parse_signing_key,
    verify_bytes,
)

# golang.org/x/mod/sumdb/note, note_test.go
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# https://c2sp.org/tlog-checkpoint and https://c2sp.org/tlog-cosignature
SOFA = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
ORIGIN = "example.org/sanctuary"


def log_key() -> SigningKey:
    return SigningKey(ORIGIN, Kind.NOTE, bytes(range(32)))


def witness_key() -> SigningKey:
    return SigningKey("witness.example.org", Kind.COSIGNATURE, bytes(range(32)))


def signed() -> SignedCheckpoint:
    return sign(Checkpoint(ORIGIN, 7, b"\x07" * 32), log_key())


def test_the_published_key_and_note_are_made_and_read() -> None:
    key = parse_signing_key(SKEY)
    assert str(key.public) == VKEY == str(parse_key(VKEY))
    assert key.text == SKEY
    note = parse_note(NOTE.encode())
    assert (note.text, str(note)) == (TEXT, NOTE)
    (signature,) = note.by(parse_key(VKEY))
    assert signature.value == key.sign(TEXT.encode())
    assert verify_bytes(key.public.key, TEXT.encode(), signature.value)
    assert not verify_bytes(key.public.key, TEXT.upper().encode(), signature.value)


def test_a_damaged_verifier_key_is_refused() -> None:
    for at in range(len(VKEY)):
        with pytest.raises(NoteWrong):
            parse_key(VKEY[:at] + chr(ord(VKEY[at]) + 1) + VKEY[at + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "",
        VKEY[:-1],
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        SKEY,
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(NoteWrong):
        parse_key(text)


def test_a_signing_key_is_never_shown_by_an_error() -> None:
    for text in (SKEY[:-1], SKEY.replace("c74f20a3", "c74f20a4"), VKEY):
        with pytest.raises(NoteWrong) as caught:
            parse_signing_key(text)
        assert "AYEKFALV" not in caught.value.message


def test_a_published_checkpoint_is_read() -> None:
    found = parse_checkpoint(SOFA.encode())
    assert (found.checkpoint.origin, found.checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert str(found) == SOFA
    assert str(found.checkpoint) == found.note.text
    assert [each.name for each in found.note.signatures] == ["example.com/behind-the-sofa", "witness.example.com/w1"]


def test_a_checkpoint_is_signed_and_cosigned() -> None:
    both = cosign(signed(), witness_key(), 1_790_000_000)
    again = parse_checkpoint(str(both).encode())
    assert again == both
    assert verify(again, log_key().public) is None
    assert verify(again, witness_key().public) == 1_790_000_000
    renewed = cosign(again, witness_key(), 1_790_000_001)
    assert verify(renewed, witness_key().public) == 1_790_000_001
    assert len(renewed.note.signatures) == 2


def test_keys_sign_what_is_theirs() -> None:
    with pytest.raises(NoteWrong, match="witness's"):
        sign(Checkpoint(ORIGIN, 7, bytes(32)), witness_key())
    with pytest.raises(NoteWrong, match="log's"):
        cosign(signed(), log_key(), 0)
    with pytest.raises(NoteWrong, match="cannot be named"):
        SigningKey.new("two words")


def test_a_wrong_key_is_told_from_a_wrong_signature() -> None:
    other = SigningKey.new(ORIGIN)
    with pytest.raises(NoteWrong, match="is not signed by"):
        verify(signed(), other.public)
    forged = str(signed()).replace("\n7\n", "\n8\n")
    with pytest.raises(NoteWrong, match=f"signature of {ORIGIN} is wrong"):
        verify(parse_checkpoint(forged.encode()), log_key().public)


def test_a_witness_signs_the_time() -> None:
    good = cosign(signed(), witness_key(), 1_790_000_000)
    (mine,) = good.note.by(witness_key().public)
    for value, message in (
        (mine.value[:7] + b"\x01" + mine.value[8:], "is wrong"),
        (mine.value[:8], "too short"),
        (b"\xff" * 8 + mine.value[8:], "no time"),
    ):
        bad = Signature(mine.name, mine.key_id, value)
        lines = str(good).replace(str(mine), str(bad))
        with pytest.raises(NoteWrong, match=message):
            verify(parse_checkpoint(lines.encode()), witness_key().public)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n",
        "a\n\n",
        "a\n\n— b\n",
        "a\n\n— b AAAA\n",
        NOTE[:-1],
        NOTE.replace("— ", "- "),
        NOTE.replace("your", "yo\tur"),
        NOTE.replace("\n— ", "\n\n— ") + "\n",
        TEXT + "\n" + NOTE.split("\n\n")[1] * 101,
        "x" * (2 << 20),
    ],
)
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(NoteWrong):
        parse_note(text.encode())


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(NoteWrong, match="UTF-8"):
        parse_note(b"\xff\n\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n20852163\n", "\n020852163\n"),
        ("\n20852163\n", "\n-1\n"),
        ("\n20852163\n", "\n٣\n"),
        ("\n20852163\n", "\n"),
        ("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "CsUY"),
        ("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J="),
        ("example.com/behind-the-sofa\n2", "\n2"),
    ],
)
def test_what_is_no_checkpoint_is_refused(old: str, new: str) -> None:
    with pytest.raises(NoteWrong):
        parse_checkpoint(SOFA.replace(old, new, 1).encode())
