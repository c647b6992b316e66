"""Who signed results: rightly, wrongly, not at all, with a key that nobody knows."""

import base64
from collections.abc import Mapping, Sequence

import nkeys
import pytest

from bus.keys import new_seed, public_key
from bus.records import Record
from bus.signing import signed_bytes
from ops.proofs.signers import Signers, SignersReport, public_bytes, verified

SUBJECT = "lab.result.security.t1"
BODY = b'{"type":"TaskCompletion"}'


def result(seed: str, *, subject: str = SUBJECT, body: bytes = BODY, **headers: str) -> Record:
    """A result as its worker stores it, signed."""
    signature = nkeys.from_seed(bytearray(seed.encode())).sign(signed_bytes(subject, body))
    told = {
        "Sanctuary-Signer": public_key(seed, origin="test"),
        "Sanctuary-Signature": base64.b64encode(signature).decode(),
    } | {f"Sanctuary-{name}": value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return Record(7, 1, subject, f"NATS/1.0\r\n{lines}\r\n".encode(), body)


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


@pytest.mark.parametrize("signature", ["", "é", "AAAA", "=", "\x1b[31m"])
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
