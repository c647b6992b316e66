"""One process of a bench: a submitter or a worker, the floor's, ours or the unsigned realm's, or what starts runs of a workflow.

    python -m ops.bench.child <store> floor|ours|unsigned submit|work
    python -m ops.bench.child <store> flows submit

Speaks in lines of JSON: says `{}` when it is ready, then answers each line on stdin, until stdin ends. A submitter takes
`{"tasks": n, "in_flight": k}` and answers with its round; a worker takes `{}` and answers with the start latencies since it
was last asked.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from bus.client import Submitter
from bus.errors import ServerFailed
from bus.network import Network, open_network
from bus.server_config import OPERATOR
from bus.store import read_network
from bus.subjects import Subjects
from ops.bench import floor, flows, ours
from ops.bench.figures import Round
from schemas import new_id

CONNECT_WAIT_S = 10.0
LINE_BYTES = 64 * 1024 * 1024


class Order(msgspec.Struct, frozen=True):
    """What a submitter is to do."""

    tasks: int
    in_flight: int


class Starts(msgspec.Struct, frozen=True):
    """What a worker saw."""

    starts_s: list[float]


async def closed_loop(submit: Callable[[str], Awaitable[float]], order: Order) -> Round:
    """Run `order.tasks` tasks, each lane submitting its next one when it has seen its last one's result."""
    prefix = new_id()
    numbers = iter(range(order.tasks))
    latencies: list[float] = []

    async def lane() -> None:
        for number in numbers:
            latencies.append(await submit(f"{prefix}-{number}"))  # noqa: PERF401  the lanes share the list

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as lanes:
        for _ in range(order.in_flight):
            lanes.create_task(lane())
    return Round(seconds=time.perf_counter() - begun, latencies_s=latencies)


@asynccontextmanager
async def _submitting(network: Network, side: str) -> AsyncIterator[Callable[[bytes], Awaitable[Round]]]:
    async with AsyncExitStack() as stack:
        if side == "floor":
            submit = await floor.submitter(network.client)
        else:
            client = await stack.enter_async_context(Submitter(network))
            if side == "flows":
                submit = await stack.enter_async_context(flows.submitter(network, client))
            else:
                submit = ours.submitter(client)

        async def answer(line: bytes) -> Round:
            return await closed_loop(submit, msgspec.json.decode(line, type=Order))

        yield answer


@asynccontextmanager
async def _working(network: Network, side: str) -> AsyncIterator[Callable[[bytes], Awaitable[Starts]]]:
    latency = ours.StartLatency()

    async def answer(_: bytes) -> Starts:
        seen, latency.waited_s = latency.waited_s, []
        return Starts(seen)

    # In a group: a worker that fails ends the process.
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(floor.work(network.client) if side == "floor" else ours.work(network, latency))
        yield answer
        serving.cancel()


async def main(store: Path, side: str, part: str) -> None:
    """Serve orders until stdin ends."""
    where = read_network(store)
    if where is None:
        raise ServerFailed(f"no server runs on {store}")
    orders = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    settings = where.settings_for(OPERATOR)
    subjects = Subjects(ours.UNSIGNED if side == ours.UNSIGNED else where.realm)
    async with (
        open_network(settings, subjects, name=f"bench {side} {part}", wait_s=CONNECT_WAIT_S) as network,
        (_submitting if part == "submit" else _working)(network, side) as answer,
    ):
        _say(b"{}")
        async for line in orders:
            _say(msgspec.json.encode(await answer(line)))


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
