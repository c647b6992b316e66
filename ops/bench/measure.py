"""The bench: a fresh server, four processes, and rounds of the floor and of ours in turn.

What else runs on the machine changes from second to second, so a floor's round and ours are measured next to each other,
which of them first alternates, and the ratio is taken pair by pair.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec

from bus.jetstream import api
from bus.network import Network, open_network
from bus.server import EmbeddedServer, ServerOptions
from bus.server_config import OPERATOR, Durability
from bus.subjects import Subjects
from ops.bench import floor, ours
from ops.bench.child import CONNECT_WAIT_S, Order, Starts
from ops.bench.figures import Round, Run, summarise
from ops.bench.processes import BenchFailed, Child, child

Sync = Literal["default", "always"]
SYNCS: dict[Sync, Durability] = {"default": "100ms", "always": "always"}
IN_FLIGHT = (1, 100, 1000)

OnPair = Callable[[Sync, int, int], None]
"""Hears of each pair that is done: sync, in flight, how many pairs so far."""


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured for each setting."""

    round_s: float = 1.0
    """How long a round should take; its tasks are counted out by the rate of the warm-up, which is not measured."""
    least_tasks: int = 100
    pairs: int = 7
    budget_s: float = 22.0
    """No further pair is begun after this, once there are three: a thousand in flight on a slow disk take their time."""


QUICK = Effort(round_s=0.0, least_tasks=50, pairs=1)


async def measure(
    syncs: Sequence[Sync], in_flight: Sequence[int], effort: Effort, on_pair: OnPair
) -> AsyncIterator[Run]:
    """Yield a run for each setting, each sync on a fresh server and store.

    Raises:
        BenchFailed: a process ended, or not every task has exactly one stored result.
        ServerFailed: the server did not start.
    """
    for sync in syncs:
        with tempfile.TemporaryDirectory(prefix="sanctuary-bench-") as store:
            options = ServerOptions(store=Path(store), port=-1, durability=SYNCS[sync])
            async with EmbeddedServer(options) as server, _bench(server) as bench:
                for level in in_flight:
                    yield await bench.run(sync, level, effort, on_pair)
                await bench.check()


class Side:
    """The floor or ours: a submitter and a worker."""

    def __init__(self, submitter: Child, worker: Child) -> None:
        self._submitter = submitter
        self._worker = worker
        self.submitted = 0

    async def round(self, tasks: int, in_flight: int) -> Round:
        """Have so many tasks done; raises BenchFailed where a process ends."""
        self.submitted += tasks
        asking = asyncio.create_task(self._submitter.ask(Order(tasks, in_flight), Round))
        watching = asyncio.create_task(self._worker.ended())
        try:
            await asyncio.wait({asking, watching}, return_when=asyncio.FIRST_COMPLETED)
            result = await asking if asking.done() else await watching
        finally:
            asking.cancel()
            watching.cancel()
        starts = (await self._worker.ask(None, Starts)).starts_s
        return msgspec.structs.replace(result, starts_s=starts)


class _Bench:
    def __init__(self, network: Network, floor_side: Side, our_side: Side) -> None:
        self._network = network
        self._floor = floor_side
        self._ours = our_side

    async def run(self, sync: Sync, in_flight: int, effort: Effort, on_pair: OnPair) -> Run:
        counts = []
        for side in (self._floor, self._ours):
            warm_up = await side.round(max(effort.least_tasks, in_flight), in_flight)
            counts.append(max(round(warm_up.tasks_per_s * effort.round_s), effort.least_tasks, 2 * in_flight))
        floor_count, our_count = counts
        pairs: list[tuple[Round, Round]] = []
        begun = time.monotonic()
        while len(pairs) < effort.pairs and (len(pairs) < 3 or time.monotonic() - begun < effort.budget_s):
            if len(pairs) % 2:
                own = await self._ours.round(our_count, in_flight)
                pairs.append((await self._floor.round(floor_count, in_flight), own))
            else:
                base = await self._floor.round(floor_count, in_flight)
                pairs.append((base, await self._ours.round(our_count, in_flight)))
            on_pair(sync, in_flight, len(pairs))
        return summarise(sync, in_flight, pairs)

    async def check(self) -> None:
        """Hold the streams against what was submitted: each task is stored once and has one result."""
        subjects = self._network.subjects
        results = (await api(self._network.requester, f"STREAM.INFO.{subjects.results}"))["state"]["messages"]
        filtered = {"subjects_filter": subjects.task(ours.TASK_TYPE)}
        ledger = (await api(self._network.requester, f"STREAM.INFO.{subjects.ledger}", filtered))["state"]
        tasks = sum(ledger.get("subjects", {}).values())
        if not self._ours.submitted == tasks == results:
            raise BenchFailed(
                f"{self._ours.submitted} tasks were submitted, {tasks} are stored, {results} have results"
            )


@asynccontextmanager
async def _bench(server: EmbeddedServer) -> AsyncIterator[_Bench]:
    async with AsyncExitStack() as stack:
        settings, subjects = server.settings_for(OPERATOR), Subjects(server.options.realm)
        network = await stack.enter_async_context(open_network(settings, subjects, name="bench", wait_s=CONNECT_WAIT_S))
        await floor.prepare(network.client)
        await ours.prepare(network)
        sides = []
        for side in ("floor", "ours"):
            worker = await stack.enter_async_context(child(server.options.store, side, "work"))
            sides.append(Side(await stack.enter_async_context(child(server.options.store, side, "submit")), worker))
        yield _Bench(network, *sides)
