"""Results' signatures are verified by a Go program that was written from docs/wire.md."""

import subprocess

import pytest

from bus.keys import new_seed
from bus.signing import MOST_LEAVES, ResultSigner
from tests.interop.peers import GO_SIGNED, Go, run


def subject(number: int) -> str:
    return f"sanctuary.result.security.t{number}"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, MOST_LEAVES])
def test_results_that_were_signed_together_verify_each_by_itself(size: int) -> None:
    signer = ResultSigner(new_seed())
    asked = [signer.add(subject(number), bytes((number,))) for number in range(size)]
    for number, ask in enumerate(asked):
        headers = ask()
        told = headers["Sanctuary-Signer"], headers["Sanctuary-Signature"]
        assert run([GO_SIGNED, subject(number), *told], bytes((number,))) == b"%d %d\n" % (number, size)
        another = subprocess.run([GO_SIGNED, subject(size), *told], input=bytes((number,)), check=False)
        assert another.returncode != 0


def test_what_a_clone_stored_verifies(anyone: Go) -> None:
    with anyone.listening("sanctuary.result.architecture.*", 1) as results:
        anyone.publish("sanctuary.task.architecture", b'{"params":{"target":"project"}}')
        (result,) = results.messages()
    signer, signature = (result.header(f"Sanctuary-{name}") or "" for name in ("Signer", "Signature"))
    assert run([GO_SIGNED, result.subject, signer, signature], result.data)
