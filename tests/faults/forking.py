"""Processes forked from one that has everything loaded: a daemon is there in a few milliseconds."""

import asyncio
import multiprocessing
from collections.abc import Callable
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    modules = ("archive_processes", "flow_processes", "machine_processes", "notary_processes")
    context.set_forkserver_preload(["pytest", *(f"tests.faults.{module}" for module in modules)])
    return context


def fork(target: Callable[..., None], *arguments: object) -> ForkServerProcess:
    """Start a process; it ends with this one at the latest."""
    process = _context().Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


async def gone(process: ForkServerProcess, *, within_s: float = 60.0) -> None:
    """Return once a process has ended."""
    await asyncio.to_thread(process.join, within_s)
    assert not process.is_alive(), "the process does not end"
