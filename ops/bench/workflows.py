"""The bench of workflows: what a step costs beside a bare task, and how far several Omegas are faster than one.

A server, a worker, who submits, and each Omega are processes of their own. As in `ops.bench.measure`, rounds that are compared
are next to each other in time, and which comes first alternates.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from bus.identity import OMEGA
from bus.jetstream import api
from bus.network import Network, open_network
from bus.server import EmbeddedServer, ServerOptions
from bus.server_config import OPERATOR
from bus.subjects import Subjects
from ops.bench import flows, ours, usage
from ops.bench.child import CONNECT_WAIT_S, Order, Starts
from ops.bench.figures import Round
from ops.bench.flow_figures import Cores, FlowRound, Overhead, Sharing, overhead, sharing
from ops.bench.processes import BenchFailed, Child, child, daemon, last_words
from ops.status import ask

OMEGAS = 3
READY_WITHIN_S = 60.0
QUIET_CORES = 0.2
QUIET_FOR_S = 0.5
"""An Omega that has used no more for so long has come to the end of its start: AutoGen is loaded when it is ready already."""

OnPair = Callable[[str, int, int], None]
"""Hears of each pair of rounds that is done: of what, how many so far, of how many."""


class FlowEffort(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    chains: dict[int, int]
    """By how many are in flight, how many runs a round has; bare tasks are as many as their steps."""
    overhead_pairs: int
    runs: int
    """By one Omega and by `OMEGAS`, all in flight at once."""
    sharing_pairs: int
    warm_up: int
    """Runs for each Omega that has just started, before it is measured."""


EFFORT = FlowEffort(chains={1: 20, 64: 256}, overhead_pairs=5, runs=1000, sharing_pairs=3, warm_up=32)
QUICK = FlowEffort(chains={1: 2, 8: 8}, overhead_pairs=1, runs=16, sharing_pairs=1, warm_up=2)


class FlowRuns(msgspec.Struct, frozen=True):
    """All of it."""

    overhead: list[Overhead]
    sharing: Sharing


async def measure(effort: FlowEffort, on_pair: OnPair) -> FlowRuns:
    """Measure on a fresh server and store.

    Raises:
        BenchFailed: a process ended, or not every step has exactly one stored task and result.
        ServerFailed: the server did not start.
    """
    with tempfile.TemporaryDirectory(prefix="sanctuary-bench-") as directory:
        options = ServerOptions(store=Path(directory, "store"), port=-1)
        async with EmbeddedServer(options) as server, _bench(server, Path(directory, "omegas.log")) as bench:
            async with bench.omegas(1, effort.warm_up):
                rows = [await bench.overhead(*setting, effort, on_pair) for setting in effort.chains.items()]
            shared = await bench.sharing(effort, on_pair)
            await bench.check()
        return FlowRuns(rows, shared)


class _Bench:
    def __init__(
        self, server: EmbeddedServer, network: Network, log: Path, children: tuple[Child, Child, Child]
    ) -> None:
        """Take a connection of the operator, where the Omegas log to, the worker and who submit bare tasks and runs."""
        self._server = server
        self._log = log
        self._network = network
        self._worker, self._bare, self._flows = children
        self._tasks = 0
        self._runs = 0

    async def overhead(self, in_flight: int, chains: int, effort: FlowEffort, on_pair: OnPair) -> Overhead:
        pairs: list[tuple[Round, Round]] = []
        await self._bare_tasks(in_flight * 2, in_flight)
        while len(pairs) < effort.overhead_pairs:
            if len(pairs) % 2:
                chained = await self._chains(chains, in_flight)
                pairs.append((await self._bare_tasks(chains * flows.STEPS, in_flight), chained))
            else:
                bare = await self._bare_tasks(chains * flows.STEPS, in_flight)
                pairs.append((bare, await self._chains(chains, in_flight)))
            on_pair(f"steps beside bare tasks, {in_flight} in flight", len(pairs), effort.overhead_pairs)
        return overhead(in_flight, flows.STEPS, pairs)

    async def sharing(self, effort: FlowEffort, on_pair: OnPair) -> Sharing:
        pairs: list[tuple[FlowRound, FlowRound]] = []
        while len(pairs) < effort.sharing_pairs:
            if len(pairs) % 2:
                more = await self._shared(OMEGAS, effort)
                pairs.append((await self._shared(1, effort), more))
            else:
                one = await self._shared(1, effort)
                pairs.append((one, await self._shared(OMEGAS, effort)))
            on_pair(f"{effort.runs} runs by one Omega and by {OMEGAS}", len(pairs), effort.sharing_pairs)
        return sharing(OMEGAS, flows.STEPS, os.cpu_count() or 1, pairs)

    async def check(self) -> None:
        """Hold the streams against what was asked for: each task and start is stored once, and each has one result."""
        subjects = self._network.subjects
        results = (await api(self._network.requester, f"STREAM.INFO.{subjects.results}"))["state"]["messages"]
        tasks = await self._stored(subjects.task(ours.TASK_TYPE))
        starts = await self._stored(subjects.workflow(flows.NAME))
        wanted = self._tasks + self._runs * flows.STEPS
        if tasks != wanted or starts < self._runs or results != wanted + self._runs:
            raise BenchFailed(
                f"{wanted} tasks and {self._runs} runs were wanted; {tasks} tasks and {starts} starts are stored, "
                f"{results} have results"
            )

    @asynccontextmanager
    async def omegas(self, count: int, warm_up: int) -> AsyncIterator[list[int]]:
        """Run so many Omegas; yields their process ids when all are warm."""
        async with AsyncExitStack() as stack:
            store = self._server.options.store
            started = [
                await stack.enter_async_context(daemon("omega", "--store", store, log=self._log)) for _ in range(count)
            ]
            begun = time.monotonic()
            while sum(answer.state == "ready" for answer in await ask(self._network, OMEGA)) < count:
                if time.monotonic() - begun > READY_WITHIN_S:
                    raise BenchFailed(
                        f"{count} Omegas did not get ready within {READY_WITHIN_S:g} s{last_words(self._log)}"
                    )
            await _quiet([process.pid for process in started])
            await self._chains(warm_up * count, warm_up * count)
            yield [process.pid for process in started]

    async def _shared(self, omegas: int, effort: FlowEffort) -> FlowRound:
        async with self.omegas(omegas, effort.warm_up) as omega_pids:
            pids = {
                "broker": [self._server.pid],
                "worker": [self._worker.pid],
                "submitter": [self._flows.pid],
                **{f"omega {number}": [pid] for number, pid in enumerate(omega_pids)},
            }
            before, begun = usage.read(pids), time.monotonic()
            done = await self._chains(effort.runs, effort.runs)
            used = usage.cores(before, usage.read(pids), time.monotonic() - begun)
        if used is None:
            return FlowRound(round=done, cores=None)
        parts, machine = used
        shares = tuple(parts[part] for part in parts if part.startswith("omega "))
        return FlowRound(
            round=done,
            cores=Cores(
                broker=parts["broker"],
                omegas=shares,
                worker=parts["worker"],
                submitter=parts["submitter"],
                machine=machine,
            ),
        )

    async def _bare_tasks(self, count: int, in_flight: int) -> Round:
        self._tasks += count
        return await self._round(self._bare, Order(count, in_flight))

    async def _chains(self, count: int, in_flight: int) -> Round:
        self._runs += count
        return await self._round(self._flows, Order(count, in_flight))

    async def _round(self, submitter: Child, order: Order) -> Round:
        asking = asyncio.create_task(submitter.ask(order, Round))
        watching = asyncio.create_task(self._worker.ended())
        try:
            await asyncio.wait({asking, watching}, return_when=asyncio.FIRST_COMPLETED)
            done = await asking if asking.done() else await watching
        finally:
            asking.cancel()
            watching.cancel()
        await self._worker.ask(None, Starts)
        return done

    async def _stored(self, subject: str) -> int:
        info = await api(
            self._network.requester, f"STREAM.INFO.{self._network.subjects.ledger}", {"subjects_filter": subject}
        )
        return sum((info["state"].get("subjects") or {}).values())


async def _quiet(pids: Sequence[int]) -> None:
    """Wait until these processes have nothing to do."""
    begun = time.monotonic()
    while (before := usage.read({"all": pids})) is not None:
        await asyncio.sleep(QUIET_FOR_S)
        used = usage.cores(before, usage.read({"all": pids}), QUIET_FOR_S)
        if used is None or used[0]["all"] <= QUIET_CORES * len(pids):
            return
        if time.monotonic() - begun > READY_WITHIN_S:
            raise BenchFailed(f"{len(pids)} Omegas without work were still busy after {READY_WITHIN_S:g} s")


@asynccontextmanager
async def _bench(server: EmbeddedServer, log: Path) -> AsyncIterator[_Bench]:
    async with AsyncExitStack() as stack:
        settings, subjects = server.settings_for(OPERATOR), Subjects(server.options.realm)
        # As Omega, who alone may make the network.
        maker = open_network(server.settings_for(OMEGA), subjects, name="bench", wait_s=CONNECT_WAIT_S)
        async with maker as network:
            await flows.prepare(network)
        network = await stack.enter_async_context(open_network(settings, subjects, name="bench", wait_s=CONNECT_WAIT_S))
        store = server.options.store
        worker = await stack.enter_async_context(child(store, "ours", "work"))
        bare = await stack.enter_async_context(child(store, "ours", "submit"))
        chains = await stack.enter_async_context(child(store, "flows", "submit"))
        yield _Bench(server, network, log, (worker, bare, chains))
