"""A real network's store with a signed ledger, and what becomes of copies of it."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from bus.jetstream import publish
from bus.keys import read_seed
from bus.ledger import last_sequence
from bus.network import Network, open_network
from bus.server import EmbeddedServer, ServerOptions
from bus.signing import ResultSigner
from bus.store import seed_path
from bus.subjects import Subjects
from bus.topology import Limits, ensure
from ops.cli.audit import audit
from ops.proofs.notary import Notary
from ops.proofs.notary_files import NotaryFiles
from tests.bus.eventually import eventually

REALM = "lab"
SUBJECTS = Subjects(REALM)
STREAM = SUBJECTS.ledger
STAGE = 8
"""Entries of a stage: five tasks, the results of three of them, one of which is signed. The checkpoint after them is one more."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class SignedStore:
    """A store whose ledger has 27 entries in three stages: the trees of 8, 17 and 26 entries are signed, each in the entry after."""

    early: Path
    """As it was after two stages."""
    store: Path

    @property
    def key(self) -> str:
        return (self.store / "notary" / "key.pub").read_text().strip()

    def checkpoint(self, size: int) -> Path:
        return self.store / "notary" / "checkpoints" / f"{size:020d}"


async def run(*arguments: str | Path) -> Ended:
    """Run `sanctuary audit …` in this process."""
    result = await asyncio.to_thread(CliRunner().invoke, audit, [str(each) for each in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


@asynccontextmanager
async def serving(store: Path, user: str = "operator") -> AsyncIterator[Network]:
    """A server on the store, and a connection as one of its users."""
    options = ServerOptions(store=store, port=-1, realm=REALM, clones={"beta": ("security",)})
    async with (
        EmbeddedServer(options) as server,
        open_network(server.settings_for(user), SUBJECTS, name="test") as network,
    ):
        yield network


async def verified(store: Path, *arguments: str | Path) -> Ended:
    """What `audit verify` says of a store on which nothing runs now."""
    async with serving(store):
        return await run("verify", "--store", store, "--realm", REALM, "--json", *arguments)


async def write_stage(network: Network, store: Path, name: str) -> None:
    """Have the ledger grow by a stage."""
    signer = ResultSigner(read_seed(seed_path(store, "beta")))
    for number in range(5):
        body = {"type": "TaskAssignment", "id": f"{name}-{number}", "params": {"target": "."}}
        await publish(network.requester, SUBJECTS.task("security"), json.dumps(body).encode())
    before = await last_sequence(network)
    for number in range(3):
        task_id = f"{name}-{number}"
        body = {"type": "TaskCompletion", "task_id": task_id, "summary": "done"}
        data = json.dumps(body).encode()
        headers = {}
        if number == 0:
            headers = signer.add(SUBJECTS.result("security", task_id), data)()
        await publish(network.requester, SUBJECTS.settle("security", task_id), data, headers=headers)
        # The copies' order in the ledger is that of the results.
        await eventually(partial(_reached, network, before + number + 1))


async def _reached(network: Network, sequence: int) -> bool:
    return await last_sequence(network) >= sequence


async def sign(store: Path) -> None:
    """Have the notary sign all that the store's ledger holds, as its own user."""
    async with serving(store, "notary") as network:
        files = NotaryFiles(store / "notary", store, REALM)
        files.open()
        try:
            notary = Notary(network, files, every_s=0)
            for _ in range(2):
                await notary.look()
        finally:
            files.close()


async def build(store: Path, *names: str) -> None:
    """Make the store's ledger grow by these stages, each of which is signed."""
    for name in names:
        async with serving(store) as network:
            await ensure(network.requester, SUBJECTS, task_types={}, limits=Limits())
            await write_stage(network, store, name)
        await sign(store)


def copied(store: Path, target: Path) -> Path:
    """A copy of a store on which nothing runs."""
    return Path(shutil.copytree(store, target))
