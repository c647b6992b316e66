"""Who signed results: rightly, wrongly, not at all, with a key that nobody knows."""

import base64
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import ops.proofs.signers
from bus.keys import new_seed, public_key
from bus.merkle import inclusion_proof, root_of
from bus.records import Record
from bus.signing import MOST_LEAVES, ResultSigner, leaf_of, parse_signature
from ops.proofs.notes import verify_bytes
from ops.proofs.signers import Claimed, Signers, SignersReport, public_bytes, verified

SEED = new_seed()
SUBJECT = "lab.result.security.t1"
BODY = b'{"type":"TaskCompletion"}'


def record(headers: Mapping[str, str], subject: str = SUBJECT, body: bytes = BODY) -> Record:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return Record(7, 1, subject, f"NATS/1.0\r\n{lines}\r\n".encode(), body)


def result(seed: str, *, subject: str = SUBJECT, **headers: str) -> Record:
    """A result as its worker stores it, signed; some headers may be others."""
    told = ResultSigner(seed).add(subject, BODY)()
    return record(told | {f"Sanctuary-{name}": value for name, value in headers.items()}, subject)


def together(count: int) -> list[Claimed]:
    """Results that were signed together."""
    signer = ResultSigner(new_seed())
    asked = [(number, signer.add(subject_of(number), BODY)) for number in range(count)]
    told = [(number, ask()) for number, ask in asked]
    return [
        Claimed(number, subject_of(number), BODY, headers["Sanctuary-Signer"], headers["Sanctuary-Signature"])
        for number, headers in told
    ]


def subject_of(number: int) -> str:
    return f"lab.result.security.t{number}"


def changed(claimed: Claimed, told: bytes) -> Claimed:
    """The same with something else in its header."""
    return replace(claimed, signature=base64.b64encode(told).decode())


def told(claimed: Claimed) -> bytes:
    return base64.b64decode(claimed.signature)


def report_of(records: Sequence[Record], users: Mapping[str, str]) -> SignersReport:
    signers = Signers("lab", users)
    claimed = signers.claimed(records)
    signers.take(claimed, verified(claimed))
    return signers.report()


def test_signers_are_counted_by_name() -> None:
    beta, stranger = new_seed(), new_seed()
    unsigned = Record(9, 1, SUBJECT, b"", BODY)
    task = Record(10, 1, "lab.task.security", b"", b"{}")
    records = [result(beta), result(beta, subject="lab.result.testing.t2"), result(stranger), unsigned, task]
    report = report_of(records, {public_key(beta, origin="test"): "beta"})
    assert (report.results, report.signed, report.unsigned, report.wrong) == (4, {"beta": 2}, 1, 0)
    assert report.unknown == {public_key(stranger, origin="test"): 1}


def test_what_was_changed_since_it_was_signed_is_told() -> None:
    beta = new_seed()
    good = result(beta)
    report = report_of(
        [
            Record(7, 1, good.subject, good.headers, b'{"type":"TaskFailure"}'),
            Record(8, 1, "lab.result.security.t2", good.headers, good.data),
            result(beta, Signer=public_key(new_seed(), origin="test")),
        ],
        {public_key(beta, origin="test"): "beta"},
    )
    assert (report.signed, report.wrong) == ({}, 3)
    assert [problem.sequence for problem in report.problems] == [7, 8, 7]
    assert "signed by beta" in report.problems[0].message


@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=3 * MOST_LEAVES))
def test_whenever_signatures_are_asked_for_they_are_right(steps: list[int | None]) -> None:
    """None has one more result taken, a number asks for the headers of one of the last."""
    signer, bodies = ResultSigner(SEED), [b"0"]
    asked = [signer.add(SUBJECT, b"0")]
    for step in steps:
        if step is None:
            bodies.append(str(len(bodies)).encode())
            asked.append(signer.add(SUBJECT, bodies[-1]))
        else:
            asked[-1 - step % len(asked)]()
    claimed = [
        Claimed(1, SUBJECT, body, signer.public, ask()["Sanctuary-Signature"])
        for body, ask in zip(bodies, asked, strict=True)
    ]
    assert all(verified(claimed))


@given(st.integers(1, MOST_LEAVES))
def test_paths_are_those_of_the_rfc(size: int) -> None:
    leaves = [leaf_of(subject_of(number), BODY) for number in range(size)]
    for number, claimed in enumerate(together(size)):
        signature = parse_signature(claimed.signature)
        assert signature is not None
        assert (signature.index, signature.size) == (number, size)
        assert list(signature.path) == inclusion_proof(number, size, lambda start, end: root_of(leaves[start:end]))


def test_no_byte_of_a_signature_can_be_another_one() -> None:
    claimed = together(7)[6]
    given = told(claimed)
    assert verified([claimed]) == [True]
    for place in range(len(given)):
        other = bytearray(given)
        other[place] ^= 1
        assert verified([changed(claimed, bytes(other))]) == [False], place


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_no_other_place_in_the_tree_holds(size: int) -> None:
    for number, claimed in enumerate(together(size)):
        given = told(claimed)
        for other_size in range(12):
            for index in range(12):
                moved = changed(claimed, given[:64] + bytes((other_size, index)) + given[66:])
                assert verified([moved]) == [(other_size, index) == (size, number)]
        for path in (given[66:] + given[:32], given[66:-32] if size > 1 else bytes(32), given[66:] + bytes(7 * 32)):
            assert verified([changed(claimed, given[:66] + path)]) == [False]


def test_results_signed_together_cannot_have_each_other_s_signature() -> None:
    first, second, third = together(3)
    other = together(3)[0]
    assert verified([first, second, third]) == [True] * 3
    for stolen in (second.signature, third.signature, other.signature):
        assert verified([replace(first, signature=stolen)]) == [False]
    assert verified([replace(first, signer=other.signer)]) == [False]
    assert verified([replace(first, data=BODY + b" ")]) == [False]
    assert verified([replace(first, subject=second.subject)]) == [False]
    # A node of the tree is not the leaf of a result.
    assert verified([changed(first, told(first)[:64] + bytes((2, 0)) + told(first)[-32:])]) == [False]


def test_what_was_signed_together_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bytes] = []

    def counted(key: bytes, message: bytes, signature: bytes) -> bool:
        calls.append(message)
        return verify_bytes(key, message, signature)

    monkeypatch.setattr(ops.proofs.signers, "verify_bytes", counted)
    assert all(verified(together(MOST_LEAVES + 1)))
    assert len(calls) == 2


@pytest.mark.parametrize("length", [433, 1_000_000])
def test_a_header_that_is_longer_than_any_signature_is_not_looked_at(length: int) -> None:
    assert parse_signature("A" * length) is None


@pytest.mark.parametrize("signature", ["", "é", "AAAA", "=", "\x1b[31m", "A" * 84, "A" * 88, "A" * 92, "A" * 432])
@pytest.mark.parametrize("signer", ["", "beta", "U" * 56, "\x1b[31m"])
def test_what_is_no_signature_is_wrong(signer: str, signature: str) -> None:
    report = report_of([result(new_seed(), Signer=signer, Signature=signature)], {})
    assert report.wrong == 1
    assert "\x1b" not in report.problems[0].message


def test_a_public_key_with_a_slip_in_it_is_none() -> None:
    public = public_key(new_seed(), origin="test")
    assert len(public_bytes(public) or b"") == 32
    assert public_bytes(public[:-1] + ("A" if public[-1] != "A" else "B")) is None
    assert public_bytes(public[:-1]) is None
