"""A process whose event loop is blocked tells why, and ends itself where it stays so; and only such a process."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from clones.watchdog import EXIT_STATUS, LOOKS, WARNED_AFTER

LONG_S = 60.0

PROGRAM = """
import asyncio, logging, re, sys, threading, time
import clones.watchdog
from clones.watchdog import watched

warned, over = threading.Event(), threading.Event()

def hear(record):
    text = record.getMessage()
    if "in blocks\\n" in text:
        warned.set()
    if warned.is_set() and "turns again" in text:
        over.set()
    return True

def blocks():
    warned.wait()
    time.sleep(0.9)

def sleeps():
    time.sleep(600)

def holds_the_log():
    logging.getLogger().handlers[0].acquire()
    time.sleep(600)

def holds_the_interpreter():
    re.match(r"(a+)+$", "a" * 60 + "b")

async def turns_again():
    while not over.is_set():
        await asyncio.sleep(0.01)

async def main():
    await asyncio.to_thread(int)
    with watched({limit_s}):
        print("watched", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        {what}
    print("ended", flush=True)

logging.basicConfig(format="%(levelname)s %(message)s")
logging.getLogger().handlers[0].addFilter(hear)
clones.watchdog.WARNED_AFTER = {warned_after}
asyncio.run(main())
"""
PATIENT = LOOKS - 4
"""Looks until the log tells of a blocking, where none is to be told of: the machine may do something else for a moment."""


@asynccontextmanager
async def running(
    what: str, *, limit_s: float, warned_after: int = WARNED_AFTER
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program above, once it is watched; a line of input lets it go on to `what`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM.format(what=what, limit_s=limit_s, warned_after=warned_after)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), LONG_S) == b"watched\n"
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_loop_that_is_blocked_for_a_while_is_told_of_once_with_what_blocks_it() -> None:
    async with running("blocks(); await turns_again()", limit_s=6) as process:
        out, told = await asyncio.wait_for(process.communicate(b"go on\n"), LONG_S)
    assert (process.returncode, out) == (0, b"ended\n")
    said = told.decode()
    # The machine may have kept the loop from turning too, and that is told of as well: but not with these lines in the stack.
    assert said.count(", in blocks\n") == 1
    (warning,) = (part for part in said.split("WARNING ") if ", in blocks\n" in part)
    assert warning.startswith("the event loop has been blocked for 0.8 s")
    assert "put what blocks into asyncio.to_thread" in warning
    assert ", in main\n" in warning
    behind = said.partition(warning)[2]
    over = re.findall(r"WARNING the event loop turns again; it was blocked for about ([\d.]+) s", behind)
    assert 0.8 <= float(over[0]) < 6


async def test_a_process_whose_log_is_blocked_ends_all_the_same() -> None:
    async with running("holds_the_log()", limit_s=0.75) as process:
        await asyncio.wait_for(process.communicate(b"go on\n"), LONG_S)
    assert process.returncode == EXIT_STATUS


@pytest.mark.parametrize(("blocks", "status"), [("sleeps", EXIT_STATUS), ("holds_the_interpreter", -signal.SIGVTALRM)])
async def test_a_blocked_loop_ends_its_process_with_all_stacks(blocks: str, status: int) -> None:
    async with running(f"{blocks}()", limit_s=0.75) as process:
        _, said = await asyncio.wait_for(process.communicate(b"go on\n"), LONG_S)
    assert process.returncode == status
    assert f"in {blocks}" in said.decode()
    if status == EXIT_STATUS:
        assert "the event loop has been blocked for 0.75 s" in said.decode()


async def test_a_process_that_was_stopped_goes_on() -> None:
    async with running("pass", limit_s=1.5, warned_after=PATIENT) as process:
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(4)  # more than twice the limit
        process.send_signal(signal.SIGCONT)
        out, said = await asyncio.wait_for(process.communicate(b"go on\n"), LONG_S)
    assert (process.returncode, out, said) == (0, b"ended\n", b"")


async def test_work_that_yields_may_take_long() -> None:
    busy = "for _ in range(100): time.sleep(0.02); await asyncio.sleep(0)"
    async with running(busy, limit_s=1.5, warned_after=PATIENT) as process:
        out, said = await asyncio.wait_for(process.communicate(b"go on\n"), LONG_S)
    assert (process.returncode, out, said) == (0, b"ended\n", b"")
