"""Tasks whose time is over end once and in time, whoever is there to end them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

import clones.agenda
import clones.deadlines
import clones.overdue
from bus.identity import Identity
from bus.jetstream import api, publish
from bus.network import open_network
from bus.server import EmbeddedServer
from bus.topology import ACK_WAIT_S, ensure_consumers, omega_consumers
from bus.unfinished import unfinished
from clones.deadlines import Deadlines
from clones.workflows import WORKFLOWS
from schemas import (
    Route,
    RoutingTable,
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
from tests.bus.rig import TYPE, Rig, Runs, open_rig
from tests.bus.taking import Taken, answer, store, take
from tests.clones.rig import ClonesRig

PARKING = "parking"
ON_TIME_S = 5.0


ROUTES = {
    TYPE: Route(clone="echo", timeout_s=20),
    PARKING: Route(clone="echo", timeout_s=20, when_exhausted="park"),
}


@pytest_asyncio.fixture
async def rig(server: EmbeddedServer) -> AsyncIterator[Rig]:
    """A realm with the consumers of two task types."""
    async with open_rig(server, types=(TYPE, PARKING)) as opened:
        await ensure_consumers(opened.network.requester, opened.subjects, omega_consumers(opened.subjects, WORKFLOWS))
        yield opened


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and waits are shortened, where how late a task ends is not what the test is about."""
    monkeypatch.setattr(clones.deadlines, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(clones.overdue, "AGAIN_S", 0.2)
    for module in (clones.agenda, clones.deadlines):
        monkeypatch.setattr(module, "BEHIND_S", 0.2)


@asynccontextmanager
async def omega(rig: Rig) -> AsyncIterator[dict[str, Route]]:
    """Omega's eye on deadlines, on a connection of its own; the routes may be changed."""
    routes = dict(ROUTES)
    async with open_network(rig.settings, rig.subjects, name="omega") as network:
        running = asyncio.create_task(Deadlines(network, Identity("omega"), lambda: RoutingTable(routes=routes)).run())
        try:
            yield routes
            assert not running.done(), "the eye on deadlines is closed"
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def ended(rig: Rig, task_id: str, limit_s: float) -> TaskFailure:
    """Return a task's failure, and see that it came in time and that there is one."""
    result = await rig.result(task_id, within_s=limit_s + 2 * ON_TIME_S)
    assert isinstance(result, TaskFailure)
    [stored] = await rig.in_stream(rig.subjects.results, rig.subjects.result(TYPE, task_id))
    [task] = [
        each
        for each in await rig.in_stream(rig.subjects.ledger, rig.subjects.task(TYPE))
        if task_id.encode() in each.data
    ]
    late_s = (stored.stored_at - task.stored_at).total_seconds() - limit_s
    assert 0 <= late_s <= ON_TIME_S
    print(f"{result.code} {late_s:.1f} s after its time")  # noqa: T201  the figure that this test is for
    return result


async def begin(
    rig: Rig, task_id: str, *, task_type: str = TYPE, attempt: int = 1, kind: Any = TaskStarted, **fields: Any
) -> Taken:
    """Take a task as a worker that says it has begun, and then nothing more."""
    [taken] = await take(rig.network, rig.subjects.consumer(task_type))
    event = kind(
        task_id=task_id,
        task_type=task_type,
        clone="echo",
        instance="echo-1",
        attempt=attempt,
        at=datetime.now(UTC),
        **{"sequence": taken.sequence, **fields},
    )
    await publish(rig.network.requester, rig.subjects.event(task_type, task_id), encode(event))
    return taken


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
    async with omega(rig):
        await rig.submit("mine", schedule_to_start_s=0.5)
        await begin(rig, "mine")
        await rig.submit("later", schedule_to_start_s=0.7)
        await ended(rig, "later", 0.7)
        assert await rig.network.results.read(TYPE, "mine") is None


@pytest.mark.usefixtures("quick")
async def test_it_began_in_time_and_has_a_limit_on_all_of_it(rig: Rig) -> None:
    async with omega(rig):
        await rig.submit("mine", schedule_to_start_s=0.5, schedule_to_close_s=1.0)
        await begin(rig, "mine")
        result = await ended(rig, "mine", 1.0)
    assert "(schedule_to_close_s)" in result.message
    assert result.attempt == 1


@pytest.mark.usefixtures("quick")
async def test_a_parked_task_leaves_its_queue(rig: Rig) -> None:
    """Handed back for an hour, it comes again for the next worker to find its result."""
    async with omega(rig):
        await rig.submit("mine", schedule_to_close_s=1.5)
        taken = await begin(rig, "mine", kind=TaskParked, code="engine_crashed", message="as asked")
        await answer(rig.network, taken, b'-NAK {"delay": 3600000000000}')
        await ended(rig, "mine", 1.5)
        [again] = await take(rig.network, rig.subjects.consumer(TYPE))
        assert (again.sequence, again.delivered) == (taken.sequence, 2)


@pytest.mark.usefixtures("quick")
async def test_a_task_that_a_worker_has_parked(rig: Rig) -> None:
    """Its worker is woken to find the result, so that nothing of the task is left."""
    async with omega(rig), rig.worker(Runs(), parks=True):
        await rig.submit("mine", {"fail": "engine_crashed"}, retries=0, schedule_to_close_s=1.0)
        result = await ended(rig, "mine", 1.0)
        await eventually(rig.all_settled)
    assert isinstance((await rig.events("mine"))[-1], TaskParked)
    assert (result.code, result.clone) == ("deadline_exceeded", "omega")


async def test_a_living_worker_has_the_first_word(rig: Rig) -> None:
    runs = Runs()
    async with omega(rig), rig.worker(runs):
        await rig.submit("mine", {"sleep_s": 30}, schedule_to_close_s=1.0)
        result = await rig.result("mine")
        await rig.submit("short", {"sleep_s": 30}, timeout_s=0.5, retries=0)
        timed_out = await rig.result("short")
        await rig.submit("well", {"sleep_s": 0.3}, schedule_to_start_s=0.2, schedule_to_close_s=5, timeout_s=4)
        assert isinstance(await rig.result("well"), TaskCompletion)
    assert isinstance(result, TaskFailure) and isinstance(timed_out, TaskFailure)
    assert (result.code, result.clone) == ("deadline_exceeded", "echo")
    assert (timed_out.code, timed_out.clone) == ("start_to_close_timeout", "echo")
    assert len(await rig.results()) == 3


async def test_the_last_attempt_of_an_instance_that_is_gone(rig: Rig) -> None:
    async with omega(rig):
        await rig.submit("mine", timeout_s=1.0, retries=1)
        await begin(rig, "mine", attempt=2)
        result = await ended(rig, "mine", 1.0)
    assert (result.code, result.attempt) == ("start_to_close_timeout", 2)
    assert "ran longer than 1 s and its instance echo-1 did not end it" in result.message


@pytest.mark.usefixtures("quick")
async def test_attempts_that_omega_leaves_to_the_next_worker(rig: Rig) -> None:
    """Not the last one, forgiven, of another assignment, of none; and one whose route parks what has used up its attempts."""
    told: list[dict[str, Any]] = [
        {"attempt": 1},
        {"attempt": 2, "forgiven": 1},
        {"attempt": 2, "sequence": 1},
        {"attempt": 2, "sequence": -1},
    ]
    for number, fields in enumerate(told):
        await rig.submit(f"t{number}", timeout_s=0.2, retries=1)
        await begin(rig, f"t{number}", **fields)
    await rig.publish(b'{"id":"parked","timeout_s":0.2,"retries":0}', PARKING)
    await begin(rig, "parked", task_type=PARKING)
    await rig.submit("mine", timeout_s=0.2, retries=1)
    await begin(rig, "mine", attempt=2)
    async with omega(rig):
        await rig.result("mine")
        await rig.submit("later", schedule_to_close_s=0.5)
        await rig.result("later")
    assert len(await rig.results()) == 2


@pytest.mark.usefixtures("quick")
async def test_an_instance_that_is_there_and_does_not_answer(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be stopped, and may go on: Omega waits until its lease is over for certain."""
    assert clones.overdue.LEASE_OVER_S > ACK_WAIT_S
    monkeypatch.setattr(clones.overdue, "LEASE_OVER_S", 1.5)
    asked = await rig.network.client.subscribe(rig.subjects.status("echo", "echo-1"))
    async with omega(rig):
        await rig.submit("mine", timeout_s=0.2, retries=0)
        await begin(rig, "mine")
        began = time.monotonic()
        result = await rig.result("mine", within_s=15)
    assert isinstance(result, TaskFailure)
    assert result.code == "start_to_close_timeout"
    assert time.monotonic() - began > 1.5 + 0.2
    assert asked.pending_msgs > 0


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
async def test_handed_over_it_keeps_the_time_of_the_task_that_it_was(rig: Rig) -> None:
    await rig.submit("mine", schedule_to_close_s=2.0)
    first = await begin(rig, "mine", kind=TaskParked, code="engine_crashed", message="as asked")
    await asyncio.sleep(1.0)  # the time that counts
    [handed] = await store(
        rig.network, b'{"id":"mine","schedule_to_close_s":2.0}', subject=rig.subjects.handover(TYPE, "echo")
    )
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
    [stored] = await rig.results()
    [task] = await rig.in_stream(rig.subjects.ledger, rig.subjects.task(TYPE))
    assert 2.0 <= (stored.stored_at - task.stored_at).total_seconds() < 2.9


@pytest.mark.usefixtures("quick")
async def test_an_id_that_is_used_once_more_ends_nobody_elses_task(rig: Rig) -> None:
    async with omega(rig):
        await rig.submit("mine")
        await begin(rig, "mine")
        await store(rig.network, b'{"id":"mine","schedule_to_close_s":0.1}', b'{"id":"other","schedule_to_close_s":1}')
        await rig.result("other")
        assert await rig.network.results.read(TYPE, "mine") is None


@pytest.mark.usefixtures("quick")
async def test_two_omegas(rig: Rig) -> None:
    async with omega(rig), omega(rig):
        for number in range(200):
            await rig.submit(f"t{number}", schedule_to_close_s=1.0)
        for number in range(200):
            await rig.result(f"t{number}")
    results = await rig.results()
    assert len(results) == len({message.subject for message in results}) == 200


async def test_ten_thousand_queued_tasks(rig: Rig) -> None:
    """Stored in a moment and all due at once: the most that there is to do."""
    count, limit_s = 10_000, 3.0
    numbers = range(count)
    for first in numbers[::500]:
        bodies = (b'{"id":"t%d","schedule_to_close_s":3}' % number for number in numbers[first : first + 500])
        await asyncio.gather(*(store(rig.network, body) for body in bodies))
    idle = Deadlines(rig.network, Identity("omega"), lambda: RoutingTable(routes=ROUTES))
    looks_s = []
    for _ in range(4):
        began = time.monotonic()
        await idle.look()
        looks_s.append(time.monotonic() - began)
    async with omega(rig):

        async def all_ended() -> bool:
            info = await api(rig.network.requester, f"STREAM.INFO.{rig.subjects.results}")
            return bool(info["state"]["messages"] == count)

        await eventually(all_ended, within_s=60)
    tasks = await rig.in_stream(rig.subjects.ledger, rig.subjects.task(TYPE))
    stored_at: dict[str | None, datetime] = {decode(TaskAssignment, task.data).id: task.stored_at for task in tasks}
    ended_at = {message.subject.rsplit(".", 1)[1]: message.stored_at for message in await rig.results()}
    late_s = [(ended_at[f"t{number}"] - stored_at[f"t{number}"]).total_seconds() - limit_s for number in numbers]
    print(  # noqa: T201  the figures that this test is for
        f"{count} queued tasks: the first look took {looks_s[0]:.2f} s, the last one {looks_s[-1] * 1000:.1f} ms; "
        f"they ended {min(late_s):.1f} to {max(late_s):.1f} s after their time"
    )
    assert min(late_s) > 0
    assert max(late_s) < ON_TIME_S


@pytest.mark.usefixtures("quick")
async def test_a_consumer_that_somebody_deleted_is_made_anew(rig: Rig) -> None:
    await rig.submit("mine")
    async with omega(rig):
        for consumer in (rig.subjects.consumer(TYPE), rig.subjects.commands_consumer):
            await api(rig.network.requester, f"CONSUMER.DELETE.{rig.subjects.ledger}.{consumer}")
        assert [each async for each in unfinished(rig.network, TYPE)] == []

        async def is_back() -> bool:
            return [each.request.id async for each in unfinished(rig.network, TYPE)] == ["mine"]

        await eventually(is_back)
        async with rig.worker(Runs()):
            assert isinstance(await rig.result("mine"), TaskCompletion)


async def test_omega_does_it(clones_rig: ClonesRig) -> None:
    async with clones_rig.omega():
        asked = TaskAssignment(params={"target": "."}, schedule_to_start_s=0.5)
        result = await clones_rig.submitter.run("security", asked, timeout_s=2 * ON_TIME_S)
    assert isinstance(result, TaskFailure)
    assert (result.code, result.clone) == ("deadline_exceeded", "omega")
