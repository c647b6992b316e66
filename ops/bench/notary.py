"""The bench of the notary: the same tasks on a ledger that it signs and on one that nobody signs, and how soon all is signed.

Both ledgers are on one server, each with a submitter and a worker of its own. As in `ops.bench.measure`, rounds that are compared
are next to each other in time, and which comes first alternates. A round on the other ledger begins when the notary has nothing to do.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path

import msgspec

from bus.jetstream import last_of
from bus.ledger import last_sequence
from bus.network import Network, open_network
from bus.record_reader import records
from bus.server import EmbeddedServer, ServerOptions
from bus.server_config import OPERATOR
from bus.subjects import Subjects
from ops.bench import ours, usage
from ops.bench.child import CONNECT_WAIT_S
from ops.bench.figures import Round
from ops.bench.measure import Side
from ops.bench.notary_figures import NotaryRun, SignedRound, summarise
from ops.bench.processes import BenchFailed, child, daemon
from ops.proofs.checkpoint import parse_checkpoint
from ops.proofs.notes import parse_key
from ops.proofs.places import places

SIGN_EVERY_S = 1.0
SIGNED_WITHIN_S = 120.0
LOOK_EVERY_S = 0.05
ENTRIES_OF_A_TASK = 2
"""The assignment and the result's copy; a task that does nothing is not told to have started."""

OnPair = Callable[[int, int], None]
"""Hears of each pair of rounds that is done: how many so far, of how many."""


class NotaryEffort(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    in_flight: int
    round_s: float
    """How long a round should take: the notary takes in what is a second old."""
    least_tasks: int
    pairs: int


EFFORT = NotaryEffort(in_flight=100, round_s=8.0, least_tasks=1000, pairs=5)
QUICK = NotaryEffort(in_flight=10, round_s=0.0, least_tasks=50, pairs=1)


async def measure(effort: NotaryEffort, on_pair: OnPair) -> NotaryRun:
    """Measure on a fresh server and store.

    Raises:
        BenchFailed: a process ended, or the notary did not sign everything.
        ServerFailed: the server did not start.
    """
    with tempfile.TemporaryDirectory(prefix="sanctuary-bench-") as directory:
        store = Path(directory, "store")
        async with EmbeddedServer(ServerOptions(store=store, port=-1)) as server, _bench(server) as bench:
            return await bench.run(effort, on_pair)


class _Bench:
    def __init__(
        self, network: Network, signed: Side, unsigned: Side, pids: Mapping[str, Sequence[int]], origin: str
    ) -> None:
        """Take a connection to the realm that is signed, both sides, the server's and the notary's process, and the log's name."""
        self._network = network
        self._signed = signed
        self._unsigned = unsigned
        self._pids = pids
        self._subject = network.subjects.checkpoint(origin)

    async def run(self, effort: NotaryEffort, on_pair: OnPair) -> NotaryRun:
        rates = []
        for side in (self._unsigned, self._signed):
            warm_up = await side.round(effort.least_tasks, effort.in_flight)
            rates.append(warm_up.tasks_per_s)
        await self._all_signed(effort.least_tasks * ENTRIES_OF_A_TASK)
        tasks = max(effort.least_tasks, round(min(rates) * effort.round_s))
        pairs: list[tuple[Round, SignedRound]] = []
        while len(pairs) < effort.pairs:
            if len(pairs) % 2:
                signed = await self._signed_round(tasks, effort.in_flight)
                pairs.append((await self._unsigned.round(tasks, effort.in_flight), signed))
            else:
                plain = await self._unsigned.round(tasks, effort.in_flight)
                pairs.append((plain, await self._signed_round(tasks, effort.in_flight)))
            on_pair(len(pairs), effort.pairs)
        return summarise(effort.in_flight, pairs)

    async def _signed_round(self, tasks: int, in_flight: int) -> SignedRound:
        first = await last_sequence(self._network)
        before, begun = usage.read(self._pids), time.monotonic()
        done = await self._signed.round(tasks, in_flight)
        ended = time.monotonic()
        used = usage.cores(before, usage.read(self._pids), ended - begun)
        await self._all_signed(first + tasks * ENTRIES_OF_A_TASK)
        return SignedRound(
            round=done,
            entries=tasks * ENTRIES_OF_A_TASK,
            signed_after_s=time.monotonic() - ended,
            cores=used[0] if used is not None else None,
        )

    async def _all_signed(self, least: int) -> None:
        """Wait until the ledger holds so many entries at least, and what no checkpoint covers are checkpoints alone."""
        begun = time.monotonic()
        while time.monotonic() - begun < SIGNED_WITHIN_S:
            if await last_sequence(self._network) >= least and await self._signed_but_checkpoints():
                return
            await asyncio.sleep(LOOK_EVERY_S)
        raise BenchFailed(
            f"the notary has not signed all entries {SIGNED_WITHIN_S:g} s after the last of them was stored"
        )

    async def _signed_but_checkpoints(self) -> bool:
        newest = await last_of(self._network.requester, self._network.subjects.ledger, self._subject)
        if newest is None:
            return False
        size = parse_checkpoint(newest.data).checkpoint.size
        async with aclosing(records(self._network, size + 1)) as batches:
            async for batch in batches:
                if any(each.subject != self._subject for each in batch):
                    return False
        return True


@asynccontextmanager
async def _bench(server: EmbeddedServer) -> AsyncIterator[_Bench]:
    async with AsyncExitStack() as stack:
        store, settings = server.options.store, server.settings_for(OPERATOR)
        networks: list[Network] = []
        sides: list[Side] = []
        for side, realm in (("ours", server.options.realm), ("unsigned", ours.UNSIGNED)):
            opening = open_network(settings, Subjects(realm), name="bench", wait_s=CONNECT_WAIT_S)
            networks.append(await stack.enter_async_context(opening))
            await ours.prepare(networks[-1])
            worker = await stack.enter_async_context(child(store, side, "work"))
            sides.append(Side(await stack.enter_async_context(child(store, side, "submit")), worker))
        notary = await stack.enter_async_context(
            daemon("notary", "--store", store, "--every", str(SIGN_EVERY_S), log=store / "notary.log")
        )
        pids = {"broker": [server.pid], "notary": [notary.pid]}
        yield _Bench(networks[0], sides[0], sides[1], pids, await _origin(store, notary))


async def _origin(store: Path, notary: asyncio.subprocess.Process) -> str:
    """Return the name of the log, once the notary has made its key."""
    path = places(store).public_key
    while not path.exists():
        if notary.returncode is not None:
            raise BenchFailed(f"the notary ended early, with status {notary.returncode}")
        await asyncio.sleep(LOOK_EVERY_S)
    return parse_key(path.read_text()).name
