"""Results say who wrote them: signed with the writer's nkey, where it has one."""

import base64
import hashlib
from pathlib import Path

import nkeys
import pytest

from bus.errors import ConfigurationError
from bus.keys import new_seed, public_key
from bus.network import open_network
from bus.record_reader import records
from bus.records import Record, parse_headers
from bus.server import EmbeddedServer
from bus.settings import ConnectionSettings
from bus.signing import ResultSigner, signer_for
from bus.subjects import Subjects
from tests.bus.eventually import eventually
from tests.bus.rig import TYPE, Rig, failure


async def copied(rig: Rig) -> Record:
    """The ledger's one entry."""
    found: list[Record] = []

    async def there() -> bool:
        found[:] = [each async for batch in records(rig.network, 1) for each in batch]
        return bool(found)

    await eventually(there)
    (only,) = found
    return only


async def test_a_result_in_the_ledger_is_signed_by_who_settled_it(server: EmbeddedServer, rig: Rig) -> None:
    await rig.network.results.settle(failure("t1"))
    record = await copied(rig)
    headers = parse_headers(record.headers)
    pair = nkeys.from_seed(bytearray(server.keys["operator"].read_bytes().strip()))
    assert headers["Sanctuary-Signer"] == pair.public_key.decode()
    message = b"sanctuary result v1\n" + rig.subjects.result(TYPE, "t1").encode() + b"\n"
    signature = base64.b64decode(headers["Sanctuary-Signature"], validate=True)
    assert pair.verify(message + hashlib.sha256(record.data).digest(), signature)


async def test_a_signed_result_reads_as_before(rig: Rig) -> None:
    settled = await rig.network.results.settle(failure("t1"))
    assert settled.won
    assert await rig.network.results.read(TYPE, "t1") == settled.result


async def test_who_has_no_nkey_signs_nothing(server: EmbeddedServer) -> None:
    async with open_network(server.anonymous_settings(), Subjects(), name="anybody") as network:
        assert network.results._signer is None


def test_the_seed_of_a_credentials_file_signs(tmp_path: Path) -> None:
    seed = new_seed()
    path = tmp_path / "user.creds"
    path.write_text(
        "-----BEGIN NATS USER JWT-----\neyJ0eXAiOiJKV1QifQ.e30.AA\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
    signer = signer_for(ConnectionSettings(servers=(), source="", creds=path))
    assert signer is not None
    assert signer.public == public_key(seed, origin="")


@pytest.mark.parametrize("text", ["", "no seed", "SU" + "A" * 56])
def test_a_credentials_file_without_a_seed_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "user.creds"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="holds no user seed"):
        signer_for(ConnectionSettings(servers=(), source="", creds=path))


def test_nobody_in_particular_signs_nothing() -> None:
    assert signer_for(ConnectionSettings(servers=(), source="", user="a", password="b")) is None


def test_another_subject_or_body_has_another_signature() -> None:
    signer = ResultSigner(new_seed())
    signatures = {
        signer.headers(subject, body)["Sanctuary-Signature"] for subject in ("a.b", "a.c") for body in (b"", b"x")
    }
    assert len(signatures) == 4
