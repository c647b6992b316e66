"""One process of a run: `host`, `worker` or `drive`, of `nats` at the store of a server or of `grpc` at an address.

A driver prints its figures as JSON.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
from autogen_core import AgentId, AgentRuntime, TopicId

from bus.store import read_network
from ops.bench_autogen.agents import AGENT, TOPIC, Count, Note, Ping, know_messages, serve

_WARM_UP = 200
_CALLS = 1000
_IN_FLIGHT = 64
_CONCURRENT_CALLS = 4000
_NOTES = 4000
_PATIENCE_S = 30.0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one driver measured."""

    call_p50_ms: float
    call_p99_ms: float
    calls_in_flight_per_s: float
    """With 64 in flight."""
    delivered_per_s: float
    notes_lost: int
    """Published and not delivered within 30 s."""


async def _runtime(kind: str, address: str) -> AgentRuntime:
    if kind == "nats":
        from bus.agent_runtime import NatsAgentRuntime

        network = read_network(Path(address))
        if network is None:
            raise SystemExit(f"no server runs on {address}")
        ours = NatsAgentRuntime(network.settings_for("operator"))
        await ours.start()
        return ours
    from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntime

    theirs = GrpcWorkerAgentRuntime(address)
    await theirs.start()
    return theirs


async def _host(address: str) -> None:
    from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntimeHost

    GrpcWorkerAgentRuntimeHost(address).start()
    await _ready()


async def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def _worker(kind: str, address: str) -> None:
    await serve(await _runtime(kind, address))
    await _ready()


async def measure(runtime: AgentRuntime) -> Figures:
    """Measure calls one by one, calls with 64 in flight, and events."""
    know_messages(runtime)
    agent = AgentId(AGENT, "one")
    for number in range(_WARM_UP):
        await runtime.send_message(Ping(number), agent)
    durations = sorted([await _timed(runtime, agent, number) for number in range(_CALLS)])
    numbers = iter(range(_CONCURRENT_CALLS))

    async def call_on() -> None:
        for number in numbers:
            await runtime.send_message(Ping(number), agent)

    began = time.perf_counter()
    await asyncio.gather(*(call_on() for _ in range(_IN_FLIGHT)))
    concurrent_s = time.perf_counter() - began
    before = await _counted(runtime, agent)
    began = time.perf_counter()
    for number in range(_NOTES):
        await runtime.publish_message(Note(number), TopicId(TOPIC, "one"))
    while (delivered := await _counted(runtime, agent) - before) < _NOTES:
        if time.perf_counter() - began > _PATIENCE_S:
            break
        await asyncio.sleep(0.005)
    return Figures(
        call_p50_ms=durations[_CALLS // 2] * 1000,
        call_p99_ms=durations[_CALLS * 99 // 100] * 1000,
        calls_in_flight_per_s=_CONCURRENT_CALLS / concurrent_s,
        delivered_per_s=delivered / (time.perf_counter() - began),
        notes_lost=_NOTES - delivered,
    )


async def _timed(runtime: AgentRuntime, agent: AgentId, number: int) -> float:
    began = time.perf_counter()
    await runtime.send_message(Ping(number), agent)
    return time.perf_counter() - began


async def _counted(runtime: AgentRuntime, agent: AgentId) -> int:
    answer: Any = await runtime.send_message(Count(), agent)
    return int(answer.number)


async def _drive(kind: str, address: str) -> None:
    figures = await measure(await _runtime(kind, address))
    sys.stdout.buffer.write(msgspec.json.encode(figures) + b"\n")
    sys.stdout.flush()


if __name__ == "__main__":
    role, *rest = sys.argv[1:]
    asyncio.run(_host(*rest) if role == "host" else _worker(*rest) if role == "worker" else _drive(*rest))
