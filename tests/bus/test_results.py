"""Results on a real server: stored once, whoever writes and whatever answer gets lost."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from nats.aio.msg import Msg

import bus.latest
from bus.errors import RequestTimeout, StorageFull
from bus.network import open_network
from bus.results import Results
from bus.topology import Limits
from schemas import TaskAssignment, TaskCompletion, TaskResult, decode, encode
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.rig import TYPE, Rig, Runs, failure, open_rig


class LosesAnswers:
    """A requester whose answers to the first `lost` publishes of a result never arrive, though the server stored them."""

    def __init__(self, requester: Any, lost: int) -> None:
        self._requester = requester
        self._lost = lost

    async def request(self, subject: str, payload: bytes = b"", **options: Any) -> Msg:
        answer: Msg = await self._requester.request(subject, payload, **options)
        if ".settle." in subject and self._lost > 0:
            self._lost -= 1
            raise RequestTimeout("lost")
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._requester, name)


class TestFirstWriterWins:
    async def test_of_many_writers_one_wins_and_all_learn_which(self, rig: Rig) -> None:
        tasks, writers = [f"task-{number}" for number in range(40)], 6
        seen: list[str] = []

        async def saw(message: Msg) -> None:
            result: TaskResult = decode(TaskResult, message.data)
            seen.append(f"{result.task_id} {result.writer}")

        await rig.network.client.subscribe(rig.subjects.every("result"), cb=saw)
        await rig.network.client.flush()
        async with AsyncExitStack() as stack:
            networks = [
                await stack.enter_async_context(open_network(rig.settings, rig.subjects, name=f"writer {number}"))
                for number in range(writers)
            ]
            # Half of them lose their first answers, as at a break of the connection.
            stores = [
                Results(LosesAnswers(network.requester, 5 * (number % 2)), rig.subjects)  # type: ignore[arg-type]
                for number, network in enumerate(networks)
            ]
            settlements = await asyncio.gather(
                *(
                    store.settle(failure(task, writer=f"{number}-{task}"))
                    for task in tasks
                    for number, store in enumerate(stores)
                )
            )
        winners = Counter(settlement.result.task_id for settlement in settlements if settlement.won)
        assert winners == dict.fromkeys(tasks, 1)
        standing = {settlement.result.task_id: settlement.result for settlement in settlements if settlement.won}
        assert all(settlement.result == standing[settlement.result.task_id] for settlement in settlements)
        held: list[TaskResult] = [decode(TaskResult, message.data) for message in await rig.results()]
        assert {result.task_id: result for result in held} == standing
        # Refused ones are never announced, not even for a moment.
        await eventually(lambda: len(seen) >= len(tasks))
        assert sorted(seen) == sorted(f"{result.task_id} {result.writer}" for result in standing.values())

    async def test_who_lost_the_answer_knows_its_own_result(self, rig: Rig) -> None:
        results = Results(LosesAnswers(rig.network.requester, 1), rig.subjects)  # type: ignore[arg-type]
        mine = failure("a", writer="me")
        settlement = await results.settle(mine)
        assert (settlement.won, settlement.result) == (True, mine)

    async def test_who_comes_second_gets_the_first_even_where_its_answer_was_lost(self, rig: Rig) -> None:
        first = failure("a", writer="first")
        await rig.network.results.settle(first)
        results = Results(LosesAnswers(rig.network.requester, 2), rig.subjects)  # type: ignore[arg-type]
        settlement = await results.settle(failure("a", writer="second"))
        assert (settlement.won, settlement.result) == (False, first)

    async def test_a_message_id_used_elsewhere_does_not_swallow_a_result(self, rig: Rig) -> None:
        await rig.submitter.submit(TYPE, TaskAssignment(id="a"))
        assert (await rig.network.results.settle(failure("a"))).won
        assert await rig.network.results.read(TYPE, "a") is not None

    async def test_the_same_id_of_two_types_are_two_tasks(self, rig: Rig) -> None:
        await rig.network.results.settle(failure("a"))
        assert await rig.network.results.read("other", "a") is None


class TestReading:
    async def test_readers_in_a_crowd_each_get_their_own(self, rig: Rig) -> None:
        for number in range(0, 300, 3):
            await rig.network.results.settle(failure(f"t{number}"))
        found = await asyncio.gather(*(rig.network.results.read(TYPE, f"t{number}") for number in range(1500)))
        for number, result in enumerate(found):
            assert (result is not None) == (number < 300 and number % 3 == 0)
            assert result is None or result.task_id == f"t{number}"

    async def test_a_crowd_of_results_beyond_what_the_server_sends_at_once(self, rig: Rig) -> None:
        """It hangs up on who leaves that much unread, as a process may that is stopped for a while."""
        large = msgspec.structs.replace(failure("a"), message="x" * 4_000_000)
        for number in range(20):
            await rig.network.results.settle(msgspec.structs.replace(large, task_id=f"t{number}"))
        reading = asyncio.gather(*(rig.network.results.read(TYPE, f"t{number}") for number in range(20)))
        await asyncio.sleep(0.05)  # the question is sent by then
        time.sleep(1.0)  # noqa: ASYNC251  as long as this, nothing in the process goes on
        found = await reading
        assert rig.network.reconnects == 0
        assert [result.task_id for result in found if result is not None] == [f"t{number}" for number in range(20)]

    async def test_a_reader_that_gives_up_takes_nobody_along(self, rig: Rig) -> None:
        await rig.network.results.settle(failure("a"))
        given_up, other = (asyncio.create_task(rig.network.results.read(TYPE, "a")) for _ in range(2))
        await asyncio.sleep(0)
        given_up.cancel()
        assert await other is not None

    async def test_an_odd_failure_reaches_the_readers_and_the_next_reader_is_served(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def odd(*_: object, **__: object) -> None:
            raise KeyError("odd")

        await rig.network.results.settle(failure("a"))
        with monkeypatch.context() as patched:
            patched.setattr(bus.latest, "last_of_each", odd)
            with pytest.raises(KeyError):
                await rig.network.results.read(TYPE, "a")
        assert await rig.network.results.read(TYPE, "a") is not None


class TestWaiting:
    async def test_a_result_is_found_though_its_reply_is_lost(self, rig: Rig) -> None:
        """Replies are best effort; the waiter looks by itself."""
        rig.submitter._inbox = "_INBOX.nobody.listens.here."
        async with rig.worker(Runs()):
            result = await rig.run({"output": 1})
        assert isinstance(result, TaskCompletion)

    async def test_a_waiter_that_comes_late(self, rig: Rig) -> None:
        await rig.network.results.settle(failure("a"))
        rig.submitter._ticker.cancel()  # which would have it look again, a second later
        assert (await rig.result("a")).task_id == "a"

    async def test_a_waiter_that_comes_first(self, rig: Rig) -> None:
        waiting = asyncio.create_task(rig.result("a"))
        await eventually(lambda: len(rig.submitter._wakes) == 1)
        await rig.network.results.settle(failure("a"))
        assert (await waiting).task_id == "a"
        assert rig.submitter._wakes == {}

    async def test_nothing_in_time(self, rig: Rig) -> None:
        with pytest.raises(TimeoutError):
            await rig.result("never", within_s=0.1)
        with pytest.raises(TimeoutError):
            await rig.run(within_s=0.1)  # nobody works
        assert rig.submitter._wakes == {}

    async def test_a_task_that_is_too_large_is_refused_before_it_is_sent(self, rig: Rig) -> None:
        with pytest.raises(ValueError, match="upload large input"):
            await rig.run({"a": "x" * 1_100_000})
        assert await rig.unsettled() == 0


class TestFullLedger:
    async def test_new_tasks_are_refused_and_the_running_ones_result_is_stored(self, server: Any) -> None:
        runs = Runs()
        async with open_rig(server, limits=Limits(ledger_max_bytes=64 * 1024)) as rig, rig.worker(runs):
            await rig.submit("running", {"held": True})
            await eventually(lambda: runs.running == 1)
            accepted = 0
            with pytest.raises(StorageFull):
                while True:
                    await rig.publish(b"x" * 8000, "other")
                    accepted += 1
            assert 0 < accepted <= 8
            with pytest.raises(StorageFull):
                while True:
                    await rig.publish(encode(TaskAssignment(labels={"a": "x" * 200})), "other")
            runs.released.set()
            result = await rig.result("running")
            assert isinstance(result, TaskCompletion)
            assert await rig.network.results.read(TYPE, "running") == result
            await eventually(rig.all_settled)


async def test_no_reader_is_forgotten_however_their_reads_meet(rig: Rig) -> None:
    """A reader that comes just as a request ends must not count on it."""
    results = rig.network.results
    await results.settle(failure("there"))

    async def reads(number: int) -> list[bool]:
        return [await results.read(TYPE, "there" if turn % 3 else f"{number}-{turn}") is not None for turn in range(60)]

    async with asyncio.timeout(2 * WITHIN_S):
        found = await asyncio.gather(*(reads(number) for number in range(40)))
    assert found == [[turn % 3 != 0 for turn in range(60)]] * 40
