"""Measures both runtimes, in turn, and prints the medians of their rounds. Needs `autogen-ext[grpc]`.

A message is a dataclass with one number, sent by one process to one agent in another, over loopback, through the embedded
NATS server or autogen-ext's host. They do not give the same: ours places agents, keeps the order of events, and tells callers of
workers that die or freeze, which is part of the times here (see "What differs" and "What is guaranteed" in docs/autogen.md).
Nothing is durable in either, and no state is kept.
"""

import argparse
import asyncio
import socket
import statistics
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from bus.server import EmbeddedServer, ServerOptions
from ops.bench_autogen.process import Figures

_WORTH = (
    ("send_message p50 (ms)", "call_p50_ms", False),
    ("send_message p99 (ms)", "call_p99_ms", False),
    ("send_message, 64 in flight (1/s)", "calls_in_flight_per_s", True),
    ("publish delivered (1/s)", "delivered_per_s", True),
    ("publish lost", "notes_lost", None),
)


async def _spawn(stack: AsyncExitStack, *arguments: str) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops.bench_autogen.process", *arguments, stdout=PIPE
    )
    stack.push_async_callback(_end, process)
    return process


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


async def _line(process: Process) -> bytes:
    if process.stdout is None or not (line := await process.stdout.readline()):
        raise SystemExit("a process of the run ended early; its own message stands above")
    return line


async def _run(kind: str, server: EmbeddedServer) -> Figures:
    async with AsyncExitStack() as stack:
        if kind == "grpc":
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                address = f"127.0.0.1:{probe.getsockname()[1]}"
            await _line(await _spawn(stack, "host", address))
        else:
            address = str(server.options.store)
        await _line(await _spawn(stack, "worker", kind, address))
        return msgspec.json.decode(await _line(await _spawn(stack, "drive", kind, address)), type=Figures)


async def _main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with EmbeddedServer(ServerOptions(store=Path(directory) / "store", port=-1)) as server:
            both: dict[str, list[Figures]] = {"nats": [], "grpc": []}
            for _ in range(rounds):
                for kind, figures in both.items():
                    figures.append(await _run(kind, server))
    print(f"{'median of ' + str(rounds):36}{'NATS':>10}{'gRPC':>10}{'':>8}")  # noqa: T201  what the command is for
    for title, field, more_is_better in _WORTH:
        ours, theirs = (statistics.median(getattr(one, field) for one in both[kind]) for kind in ("nats", "grpc"))
        factor = "" if more_is_better is None else f"{ours / theirs if more_is_better else theirs / ours:7.1f}x"
        print(f"{title:36}{ours:10.2f}{theirs:10.2f}{factor:>8}")  # noqa: T201  as above


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m ops.bench_autogen", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rounds", nargs="?", type=int, default=3, help="how often each is measured; 3 if not said")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("there has to be at least one round")
    asyncio.run(_main(arguments.rounds))
