"""Tasks whose time is over end once and in time, whoever is there to end them."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bus.consumers import consumer_state
from bus.jetstream import api, publish
from bus.unfinished import unfinished
from schemas import (
    Route,
    TaskAssignment,
    TaskCompletion,
    TaskFailure,
    TaskParked,
    TaskResult,
    TaskStarted,
    decode,
    encode,
)
from tests.bus.eventually import eventually
from tests.bus.rig import TYPE, Rig, Runs
from tests.bus.taking import answer, store
from tests.clones.omega.deadlines.overseer import ON_TIME_S, begin, ended, omega
from tests.clones.rig import ClonesRig


@pytest.mark.parametrize("kind", ["schedule_to_close", "schedule_to_start"])
async def test_queued_with_no_clone_alive(rig: Rig, kind: str) -> None:
    async with omega(rig):
        await rig.submit("mine", {}, **{f"{kind}_s": 1.0})
        result = await ended(rig, "mine", 1.0)
    assert (result.code, result.clone, result.attempt) == ("deadline_exceeded", "omega", 0)
    assert f"({kind}_s)" in result.message


@pytest.mark.usefixtures("quick")
async def test_queued_with_the_routes_limit_which_may_change(rig: Rig) -> None:
    async with omega(rig) as routes:
        await rig.submit("patient", schedule_to_start_s=3600.0)
        await rig.submit("mine")
        await rig.submit("watched", schedule_to_close_s=0.2)
        await rig.result("watched")  # so it has looked
        routes[TYPE] = Route(clone="echo", schedule_to_start_s=1.0)
        assert (await rig.result("mine")).code == "deadline_exceeded"  # type: ignore[union-attr]
        assert await rig.network.results.read(TYPE, "patient") is None


@pytest.mark.usefixtures("quick")
async def test_it_began_in_time(rig: Rig) -> None:
    await rig.submit("mine", schedule_to_start_s=0.5)
    await begin(rig, "mine")
    async with omega(rig):
        await rig.submit("later", schedule_to_start_s=0.7)
        await ended(rig, "later", 0.7)
        assert await rig.network.results.read(TYPE, "mine") is None


@pytest.mark.usefixtures("quick")
async def test_it_began_in_time_and_has_a_limit_on_all_of_it(rig: Rig) -> None:
    await rig.submit("mine", schedule_to_start_s=0.5, schedule_to_close_s=1.0)
    await begin(rig, "mine")
    async with omega(rig):
        result = await ended(rig, "mine", 1.0)
    assert "(schedule_to_close_s)" in result.message
    assert result.attempt == 1


@pytest.mark.usefixtures("quick")
async def test_a_parked_task_leaves_its_queue(rig: Rig) -> None:
    """It was handed back for an hour, and no worker has to come for it."""
    await rig.submit("mine", schedule_to_close_s=1.5)
    taken = await begin(rig, "mine", kind=TaskParked, code="engine_crashed", message="as asked")
    await answer(rig.network, taken, b'-NAK {"delay": 3600000000000}')
    async with omega(rig):
        await ended(rig, "mine", 1.5)
        await eventually(rig.all_settled)


@pytest.mark.usefixtures("quick")
async def test_a_task_that_a_worker_has_parked(rig: Rig, put_clock_forward: Callable[[float], None]) -> None:
    """Its worker is woken to find the result, so that nothing of the task is left."""

    async def is_parked() -> bool:
        told = await rig.events("mine")
        return bool(told) and isinstance(told[-1], TaskParked)

    async with rig.worker(Runs(), parks=True):
        await rig.submit("mine", {"fail": "engine_crashed"}, retries=0, schedule_to_close_s=600.0)
        await eventually(is_parked)
        put_clock_forward(700)
        async with omega(rig):
            result = await rig.result("mine")
            await eventually(rig.all_settled)
    assert await is_parked()
    assert isinstance(result, TaskFailure)
    assert (result.code, result.clone) == ("deadline_exceeded", "omega")


@pytest.mark.usefixtures("patient")
async def test_a_living_worker_has_the_first_word(rig: Rig) -> None:
    runs = Runs()
    async with omega(rig), rig.worker(runs):
        await rig.submit("mine", {"sleep_s": 30}, schedule_to_close_s=1.0)
        result = await rig.result("mine")
        await rig.submit("short", {"sleep_s": 30}, timeout_s=0.5, retries=0)
        timed_out = await rig.result("short")
        await rig.submit("well", {"sleep_s": 0.3}, schedule_to_start_s=20, schedule_to_close_s=25, timeout_s=20)
        assert isinstance(await rig.result("well"), TaskCompletion)
    assert isinstance(result, TaskFailure) and isinstance(timed_out, TaskFailure)
    assert (result.code, result.clone) == ("deadline_exceeded", "echo")
    assert (timed_out.code, timed_out.clone) == ("start_to_close_timeout", "echo")
    assert len(await rig.results()) == 3


@pytest.mark.usefixtures("quick")
async def test_the_result_reaches_the_inbox(rig: Rig) -> None:
    inbox = f"_INBOX.{TYPE}.mine"
    subscription = await rig.network.client.subscribe(inbox)
    async with omega(rig):
        await rig.submit("mine", schedule_to_close_s=0.3, reply_to=inbox)
        message = await subscription.next_msg(timeout=ON_TIME_S)
    result: TaskResult = decode(TaskResult, message.data)
    assert result == await rig.result("mine")


@pytest.mark.usefixtures("quick")
async def test_handed_over_it_has_the_time_that_was_left(rig: Rig) -> None:
    await rig.submit("mine", schedule_to_close_s=600.0)
    first = await begin(rig, "mine", kind=TaskParked, code="engine_crashed", message="as asked")
    handover = rig.subjects.handover(TYPE, "echo")
    left = b'{"id":"mine","schedule_to_close_s":0.5}'  # as if all else had passed
    [handed] = await store(rig.network, left, subject=handover)
    started = TaskStarted(
        task_id="mine",
        task_type=TYPE,
        clone="echo",
        instance="echo-1",
        attempt=2,
        at=datetime.now(UTC),
        sequence=handed,
    )
    await publish(rig.network.requester, rig.subjects.event(TYPE, "mine"), encode(started))
    await answer(rig.network, first, b"+ACK")
    async with omega(rig):
        await rig.result("mine")
    [task] = await rig.in_stream(rig.subjects.ledger, handover)
    [stored] = await rig.results()
    assert (stored.stored_at - task.stored_at).total_seconds() >= 0.5


@pytest.mark.usefixtures("quick")
async def test_an_id_that_is_used_once_more_ends_nobody_elses_task(rig: Rig) -> None:
    async with omega(rig):
        await rig.submit("mine")
        await begin(rig, "mine")
        await store(rig.network, b'{"id":"mine","schedule_to_close_s":0.1}', b'{"id":"other","schedule_to_close_s":1}')
        await rig.result("other")
        assert await rig.network.results.read(TYPE, "mine") is None


@pytest.mark.usefixtures("quick")
async def test_a_consumer_that_somebody_deleted_is_made_anew(rig: Rig) -> None:
    await rig.submit("mine")
    async with omega(rig):
        names = (rig.subjects.consumer(TYPE), rig.subjects.commands_consumer)
        before = [await consumer_state(rig.network, name) for name in names]
        for name in names:
            await api(rig.network.requester, f"CONSUMER.DELETE.{rig.subjects.ledger}.{name}")

        async def are_new() -> bool:
            now = [await consumer_state(rig.network, name) for name in names]
            return all(old and new and new.created > old.created for old, new in zip(before, now, strict=True))

        await eventually(are_new)
        assert [each.request.id async for each in unfinished(rig.network, {TYPE})] == ["mine"]
        async with rig.worker(Runs()):
            assert isinstance(await rig.result("mine"), TaskCompletion)


async def test_omega_does_it(clones_rig: ClonesRig) -> None:
    async with clones_rig.omega():
        asked = TaskAssignment(params={"target": "."}, schedule_to_start_s=0.5)
        result = await clones_rig.submitter.run("security", asked, timeout_s=2 * ON_TIME_S)
    assert isinstance(result, TaskFailure)
    assert (result.code, result.clone) == ("deadline_exceeded", "omega")
