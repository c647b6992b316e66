"""Results say who wrote them: signed with the writer's nkey, where it has one."""

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nkeys
import pytest
from pymerkle import InmemoryTree

from bus.errors import ConfigurationError
from bus.keys import new_seed, public_key
from bus.network import open_network
from bus.record_reader import records
from bus.records import Record, parse_headers
from bus.server import EmbeddedServer
from bus.settings import ConnectionSettings
from bus.signing import MOST_LEAVES, ResultSigner, signed_bytes, signer_for
from bus.subjects import Subjects
from tests.bus.eventually import eventually
from tests.bus.rig import TYPE, Rig, failure


async def copied(rig: Rig, count: int) -> list[Record]:
    """The ledger's entries, once there are so many."""
    found: list[Record] = []

    async def there() -> bool:
        found[:] = [each async for batch in records(rig.network, 1) for each in batch]
        return len(found) == count

    await eventually(there)
    return found


def told(headers: Mapping[str, str]) -> bytes:
    return base64.b64decode(headers["Sanctuary-Signature"], validate=True)


def entry(subject: str, body: bytes) -> bytes:
    """What a leaf is the hash of."""
    return subject.encode() + b"\n" + body


def operator(server: EmbeddedServer) -> Any:
    """The key pair of who settles here."""
    return nkeys.from_seed(bytearray(server.keys["operator"].read_bytes().strip()))


def check(pair: Any, results: Mapping[int, Record], signature: bytes) -> None:
    """Hold a signature against all the results that it is for, by their places; the tree is another implementation's."""
    tree = InmemoryTree(algorithm="sha256")
    for place in range(len(results)):
        tree.append_entry(entry(results[place].subject, results[place].data))
    message = b"\xffsanctuary results v1\n" + bytes((len(results),)) + tree.get_root()
    assert pair.verify(message, signature)


async def test_a_result_in_the_ledger_is_signed_by_who_settled_it(server: EmbeddedServer, rig: Rig) -> None:
    await rig.network.results.settle(failure("t1"))
    (record,) = await copied(rig, 1)
    headers = parse_headers(record.headers)
    assert headers["Sanctuary-Signer"] == operator(server).public_key.decode()
    assert record.subject == rig.subjects.result(TYPE, "t1")
    assert told(headers)[64:] == bytes((1, 0))
    check(operator(server), {0: record}, told(headers)[:64])


async def test_results_that_are_settled_at_once_are_signed_once(server: EmbeddedServer, rig: Rig) -> None:
    await asyncio.gather(*(rig.network.results.settle(failure(f"t{number}")) for number in range(5)))
    stored = [(parse_headers(record.headers), record) for record in await copied(rig, 5)]
    assert len({told(headers)[:65] for headers, _ in stored}) == 1
    by_place = {told(headers)[65]: record for headers, record in stored}
    check(operator(server), by_place, told(stored[0][0])[:64])


async def test_a_result_that_is_given_up_leaves_the_others_signed(rig: Rig) -> None:
    settling = [asyncio.create_task(rig.network.results.settle(failure(f"t{number}"))) for number in range(3)]
    # All of them run before this goes on, up to where they wait for whoever else is signed with them.
    await asyncio.sleep(0)
    settling[1].cancel()
    await asyncio.wait(settling)
    kept = await copied(rig, 2)
    assert {record.subject for record in kept} == {rig.subjects.result(TYPE, name) for name in ("t0", "t2")}
    assert {told(parse_headers(record.headers))[64] for record in kept} == {3}


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
    signatures = {told(signer.add(subject, body)()) for subject in ("a.b", "a.c") for body in (b"", b"x")}
    assert len(signatures) == 4


def test_who_asks_first_has_all_signed_and_no_tree_grows_too_large() -> None:
    signer = ResultSigner(new_seed())
    asked = [signer.add("a", bytes((number,))) for number in range(MOST_LEAVES + 2)]
    places = [tuple(told(ask())[64:66]) for ask in reversed(asked)]
    first = [(MOST_LEAVES, index) for index in range(MOST_LEAVES)]
    assert places[::-1] == [*first, (2, 0), (2, 1)]
    assert told(signer.add("a", b"")())[64:] == bytes((1, 0))


def test_what_is_signed_cannot_be_a_server_s_nonce() -> None:
    with pytest.raises(UnicodeDecodeError):
        signed_bytes(1, b"a" * 32).decode()
