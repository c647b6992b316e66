"""Who takes a type's tasks: its primary, and in its place a fallback."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from bus.consumers import consumer_state
from bus.jetstream import publish
from bus.server import EmbeddedServer, ServerOptions
from bus.subjects import PRIORITIES
from bus.worker import Worker
from schemas import TaskAssignment
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.rig import TYPE, Rig, Runs, open_rig
from tests.bus.working import is_primary_there, knows_of_a_primary, working
from tests.conftest import CLONES

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def primary_process(server: EmbeddedServer, rig: Rig) -> AsyncIterator[asyncio.subprocess.Process]:
    """A primary that has done its first task. It comes to no end with those that are `stuck`, which others do at once."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bus.primary", server.options.store, rig.subjects.realm), cwd=ROOT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
def no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the end of its connection, or its own word, tells that a primary is gone: waiting for its silence takes too long."""
    monkeypatch.setattr("bus.primaries.SILENCE_S", 600.0)


async def both_wait(rig: Rig) -> bool:
    """Whether two workers wait for tasks without a priority."""
    state = await consumer_state(rig.network, rig.subjects.consumer(TYPE))
    return state is not None and state.num_waiting == 2


async def all_but_held(rig: Rig, held: int) -> bool:
    return await rig.unsettled() <= held


@pytest.mark.parametrize("capacity", [2, 64], ids=["few slots", "slots to spare"])
async def test_a_fallback_starts_at_the_end_of_the_last_primary_s_connection(
    server: EmbeddedServer, rig: Rig, capacity: int, no_silence: None
) -> None:
    """kill -9 of the only primary under load, three times; between them the primary is back and nothing leaks."""
    fallback = Runs()
    async with working(
        rig, rig.service(fallback, place=1, only_when_absent=True), capacity=capacity, name="fallback"
    ) as worker:
        for number in range(3):
            async with primary_process(server, rig) as process:
                await knows_of_a_primary(rig, worker)
                await eventually(lambda: worker.in_flight == 0)
                fallback.starts.clear()
                # The primary's two slots are busy from here on, and still nothing leaks.
                await asyncio.gather(*(rig.submit(f"{number}-{each}", {"stuck": True}) for each in range(12)))
                await asyncio.sleep(0.4)
                assert not fallback.starts
                process.send_signal(signal.SIGKILL)
                await eventually(lambda: bool(fallback.starts))
                await process.wait()
            # All but what the primary was at, which comes again when its lease ends.
            await eventually(partial(all_but_held, rig, 2 * (number + 1)))
        await eventually(rig.all_settled)
    assert len(await rig.results()) == 36


@pytest.mark.parametrize("capacity", [2, 64], ids=["few slots", "slots to spare"])
async def test_a_fallback_for_absence_takes_nothing_while_a_primary_lives_however_busy(
    rig: Rig, capacity: int, no_silence: None
) -> None:
    first, fallback = Runs(), Runs()
    async with working(rig, rig.service(first), capacity=1, name="first"):
        await eventually(lambda: is_primary_there(rig))
        async with working(
            rig, rig.service(fallback, place=1, only_when_absent=True), capacity=capacity, name="fallback"
        ):
            await asyncio.gather(*(rig.submit(f"t{number}", {"sleep_s": 0.05}) for number in range(30)))
            await eventually(lambda: first.has_finished(30))
    assert not fallback.starts


@pytest.mark.parametrize("capacity", [2, 64], ids=["few slots", "slots to spare"])
async def test_a_fallback_for_busy_times_takes_what_the_primaries_have_no_slots_for(rig: Rig, capacity: int) -> None:
    first, fallback = Runs(), Runs()
    async with (
        working(rig, rig.service(first), capacity=4, name="first"),
        working(rig, rig.service(fallback, place=1), capacity=capacity, name="fallback"),
    ):
        for _ in range(10):
            await eventually(lambda: both_wait(rig))
            await rig.run()
        assert len(first.starts) == 10  # a free primary comes first
        await asyncio.gather(*(rig.submit(f"t{number}", {"held": True}) for number in range(20)))
        await eventually(lambda: first.running + fallback.running == min(20, 4 + capacity))
        assert fallback.running >= min(16, capacity)
        for runs in (first, fallback):
            runs.released.set()
        await eventually(lambda: len(first.finished) + len(fallback.finished) == 30)


async def test_a_primary_that_drains_hands_over_at_once_and_takes_over_when_it_is_back(
    rig: Rig, no_silence: None
) -> None:
    first, fallback = Runs(), Runs()

    async def is_handed_over(worker: Worker) -> None:
        """While the primary still has a task to finish."""
        await eventually(lambda: worker._serving._probe.is_absent(TYPE))
        assert (await rig.run()).clone == "fallback"
        first.released.set()

    async with working(rig, rig.service(fallback, place=1, only_when_absent=True), name="fallback") as worker:
        for number in range(3):
            first.released.clear()
            async with rig.worker(first, name="first", drain_s=WITHIN_S):
                await knows_of_a_primary(rig, worker)
                await rig.run()
                await rig.submit(f"long{number}", {"held": True})
                await eventually(lambda: first.running == 1)
                handing_over = asyncio.create_task(is_handed_over(worker))
            await handing_over
            # What ran has been finished within the drain.
            assert (await rig.result(f"long{number}")).clone == "first"
    assert len(first.starts) == 6


async def test_as_long_as_one_of_the_primaries_is_there_the_fallback_waits(rig: Rig, no_silence: None) -> None:
    runs, fallback = Runs(), Runs()
    async with working(rig, rig.service(fallback, place=1, only_when_absent=True), name="fallback") as worker:
        async with working(rig, rig.service(runs), name="second"):
            await knows_of_a_primary(rig, worker)
            async with working(rig, rig.service(runs), name="first"):
                await rig.run()
            for _ in range(5):
                assert (await rig.run()).clone == "second"
        assert (await rig.run()).clone == "fallback"


async def test_a_canary_alone_does_not_keep_the_fallback_from_the_tasks(rig: Rig) -> None:
    canary, fallback = Runs(), Runs()
    async with (
        working(rig, rig.service(canary), name="canary", share=0.01),
        working(rig, rig.service(fallback, place=1, only_when_absent=True), name="fallback"),
    ):
        for _ in range(10):
            await rig.run()
    assert len(fallback.starts) + len(canary.starts) == 10
    assert fallback.starts


async def test_tasks_for_a_fallback_alone_reach_it_while_a_primary_lives(rig: Rig, no_silence: None) -> None:
    first, fallback = Runs(), Runs()
    consumer = rig.subjects.handover_consumer(TYPE, "echo")
    served = rig.service(fallback, place=1, only_when_absent=True, direct_consumers={consumer: 8})
    async with working(rig, rig.service(first), name="first"), working(rig, served, name="echo") as worker:
        await knows_of_a_primary(rig, worker)
        ack = await publish(rig.network.requester, rig.subjects.handover(TYPE, "echo"), b"{}")
        assert (await rig.result(f"seq-{ack.seq}")).clone == "echo"
        assert (await rig.run()).clone == "first"
    assert [len(first.starts), len(fallback.starts)] == [1, 1]


async def test_a_primary_that_is_frozen_counts_as_absent_until_it_answers(
    server: EmbeddedServer, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.primaries.SILENCE_S", 1.0)
    fallback = Runs()
    async with (
        primary_process(server, rig) as process,
        working(rig, rig.service(fallback, place=1, only_when_absent=True), name="fallback") as worker,
    ):
        await knows_of_a_primary(rig, worker)
        process.send_signal(signal.SIGSTOP)
        # Where a pull of the frozen one waits still, it traps one task each, until the lease ends.
        await eventually(lambda: worker._serving._probe.is_absent(TYPE))
        for number in range(16):
            await rig.submitter.submit(TYPE, TaskAssignment(id=f"t{number}"), priority=PRIORITIES[number % 3])
        await eventually(lambda: len(fallback.finished) >= 8)
        process.send_signal(signal.SIGCONT)
        await eventually(lambda: not worker._serving._probe.is_absent(TYPE))
        await eventually(rig.all_settled)
    assert len(await rig.results()) == 16


async def test_over_a_break_of_the_connection_a_fallback_finds_out_anew(tmp_path: Path, no_silence: None) -> None:
    first, fallback = Runs(), Runs()
    options = ServerOptions(store=tmp_path / "store", port=-1, clones=CLONES)
    async with (
        EmbeddedServer(options) as server,
        open_rig(server) as rig,
        working(rig, rig.service(first), name="first"),
        working(rig, rig.service(fallback, place=1, only_when_absent=True), name="fallback") as worker,
    ):
        await rig.run()
        await server.kill()
        await server.restart()
        await eventually(lambda: worker._network.reconnects > 0)
        await knows_of_a_primary(rig, worker)
        assert (await rig.run()).clone == "first"


async def test_a_primary_that_is_not_heard_any_more_makes_itself_heard(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.primaries.CHECK_S", 600.0)
    async with working(rig, rig.service(Runs()), name="first") as worker:
        await eventually(lambda: is_primary_there(rig))
        announcements = worker._serving._announcements
        listening = announcements._listening[TYPE]
        await listening._conn._send_unsubscribe(listening._id)
        await listening._conn.flush()
        assert not await is_primary_there(rig)
        monkeypatch.setattr("bus.primaries.CHECK_S", 0.2)
        announcements._changed.set()  # those ten minutes are over
        await eventually(lambda: is_primary_there(rig))
        assert announcements._listening[TYPE] is not listening
