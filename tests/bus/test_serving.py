"""What a worker serves changes while it works."""

import asyncio
import time

import pytest

from bus.jetstream import api
from bus.pull import PullLoop
from bus.task import Done, Service, Task
from schemas import Priority, TaskAssignment, TaskCompletion
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.rig import TYPE, Rig, Runs, weights
from tests.bus.working import make, working

BOTH = pytest.mark.parametrize("capacity", [3, 100], ids=["few slots", "slots to spare"])
MEANWHILE = 50
"""Tasks at most that start, beside those in hand, while one that comes first is stored, run and answered."""
PRIORITIES: tuple[Priority | None, ...] = (None, "high", "medium", "low")


@BOTH
async def test_a_type_is_served_and_then_not_any_more(rig: Rig, capacity: int) -> None:
    await make(rig, "other")
    runs, others = Runs(), Runs()
    echo, other = rig.service(runs), rig.service(others, "other")
    async with working(rig, echo, capacity=capacity) as worker:
        assert list(worker.services) == [echo]
        await rig.submitter.submit("other", TaskAssignment(id="waits"))
        await rig.run()
        assert not others.starts
        await worker.serve([echo, other])
        assert list(worker.services) == [echo, other]
        assert isinstance(await rig.result("waits", "other"), TaskCompletion)
        await rig.run()
        await worker.serve([other])
        await rig.submit("left")
        await rig.submitter.run("other", TaskAssignment(), timeout_s=WITHIN_S)
        assert len(runs.starts) == 2
        await worker.serve([echo])
        await rig.result("left")
        await worker.serve([])
        assert worker.services == ()
    assert [len(runs.starts), len(others.starts)] == [3, 2]


@BOTH
async def test_what_runs_goes_on_under_the_service_that_it_began_with(rig: Rig, capacity: int) -> None:
    go_on = asyncio.Event()

    async def first(task: Task) -> Done:
        await go_on.wait()
        return Done(output="first")

    async def second(task: Task) -> Done:
        return Done(output="second")

    async with working(rig, rig.service(first), capacity=capacity) as worker:
        await rig.submit("a")
        await eventually(lambda: worker.in_flight == 1)
        await worker.serve([rig.service(second)])
        later = await rig.run()
        assert isinstance(later, TaskCompletion)
        assert later.output == "second"
        await worker.serve([])
        go_on.set()
        result = await rig.result("a")
        assert isinstance(result, TaskCompletion)
        assert result.output == "first"
        await eventually(lambda: worker.in_flight == 0)


@BOTH
async def test_a_consumer_that_is_missing_stops_none_of_the_others(patient: Rig, capacity: int) -> None:
    runs, new = Runs(), Runs()
    async with working(patient, patient.service(runs), capacity=capacity) as worker:
        await worker.serve([patient.service(runs), patient.service(new, "new")])
        for number in range(20):
            await patient.submitter.run(TYPE, TaskAssignment(), priority=PRIORITIES[number % 4], timeout_s=WITHIN_S)
        await patient.publish(b"{}", "new")
        await make(patient, "new")
        await eventually(lambda: new.has_finished(1))
        for _ in range(20):
            await patient.submitter.run("new", TaskAssignment(), timeout_s=WITHIN_S)


@BOTH
async def test_nothing_is_lost_or_run_twice_where_services_change_all_the_time(patient: Rig, capacity: int) -> None:
    """Changes come faster than the pulls that they withdraw; what a pull brings too late is handed back at once."""
    await make(patient, "other")
    runs, others = Runs(), Runs()
    echo, other = patient.service(runs), patient.service(others, "other")
    heavier = patient.service(
        runs, consumers={name: 10 * weight for name, weight in weights(patient.subjects, TYPE).items()}
    )
    changes = [[echo], [echo, other], [heavier, other], [patient.service(runs, concurrency=2), other], [other, echo]]
    async with working(patient, echo, capacity=capacity) as worker:

        async def change() -> None:
            for number in range(100):
                await worker.serve(changes[number % len(changes)])
                await asyncio.sleep(0.01)

        changing = asyncio.create_task(change())
        await asyncio.gather(*(patient.submit(f"t{number}", {"sleep_s": 0.001}) for number in range(300)))
        await asyncio.gather(
            *(
                patient.submitter.submit("other", TaskAssignment(id=f"o{number}"), priority="low")
                for number in range(100)
            )
        )
        await changing
        await eventually(lambda: runs.has_finished(300) and others.has_finished(100), within_s=2 * WITHIN_S)
        await eventually(patient.all_settled)
        # All slots are there, and no more.
        await worker.serve([echo])
        runs.most = 0
        await asyncio.gather(*(patient.submit(f"u{number}", {"held": True}) for number in range(capacity)))
        await eventually(lambda: runs.running >= capacity - 4)
        runs.released.set()
        await eventually(lambda: runs.has_finished(300 + capacity))
        assert runs.most <= capacity
    assert len(runs.starts) == len(set(runs.starts)) == 300 + capacity
    assert len(others.starts) == len(set(others.starts)) == 100


async def test_weights_change_live(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.pull_request.GRACE_S", 60.0)  # a server that is slow for once keeps nobody from its turns
    order: list[str] = []

    async def note(task: Task) -> Done:
        order.append(task.labels["priority"])
        await asyncio.sleep(0.002)
        return Done()

    def service(high: int, low: int) -> Service:
        return rig.service(
            note, consumers={rig.subjects.consumer(TYPE, "high"): high, rig.subjects.consumer(TYPE, "low"): low}
        )

    for priority in PRIORITIES[1::2]:
        await asyncio.gather(
            *(
                rig.submitter.submit(TYPE, TaskAssignment(labels={"priority": str(priority)}), priority=priority)
                for _ in range(200)
            )
        )
    async with working(rig, service(9, 1), capacity=1) as worker:
        await eventually(lambda: len(order) >= 60)
        await worker.serve([service(1, 9)])
        changed = len(order) + 5
        await eventually(lambda: len(order) >= changed + 60)
    assert 49 <= order[:60].count("high") <= 59
    assert 1 <= order[changed : changed + 60].count("high") <= 11


@BOTH
async def test_a_high_task_is_taken_at_once_while_low_ones_flood(rig: Rig, capacity: int) -> None:
    """With slots to spare, its consumer has a waiting pull of its own; with few, its turn is the next."""
    runs = Runs()
    for wave in range(4):
        await asyncio.gather(
            *(
                rig.submitter.submit(
                    TYPE, TaskAssignment(id=f"low{wave}-{n}", params={"sleep_s": 0.01}), priority="low"
                )
                for n in range(500)
            )
        )
    async with working(rig, rig.service(runs), capacity=capacity):
        await eventually(lambda: len(runs.finished) > 20)
        meanwhile = []
        for number in range(10):
            high = TaskAssignment(id=f"high{number}")
            await rig.submitter.submit(TYPE, high, priority="high")
            before = len(runs.starts)
            await rig.result(f"high{number}")
            meanwhile.append(runs.starts.index((f"high{number}", 1)) - before)
        assert sorted(meanwhile)[5] < MEANWHILE + capacity
        assert not runs.has_finished(2010)


@pytest.mark.parametrize("capacity", [2, 100], ids=["few slots", "slots to spare"])
class TestLostPulls:
    async def test_a_pull_that_the_server_forgot_is_sent_again(
        self,
        rig: Rig,
        capacity: int,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr("bus.pull_request.HEARTBEAT_S", 0.5)
        monkeypatch.setattr("bus.pull_request.SILENCE_S", 1.2)
        runs = Runs()
        async with working(rig, rig.service(runs), capacity=capacity) as worker:
            await rig.run()
            pulls: PullLoop = worker._pulls
            await eventually(lambda: all(pull._heard for pull in pulls._open) and len(pulls._open) > 0)
            # The server ends a pull in whose answers nobody has an interest.
            client = pulls._client
            for sid in tuple(client._listeners):
                if client._subs[sid].subject.count(".") == 1:
                    await client._send_unsubscribe(sid)
            await client.flush()
            await rig.submit("late")
            result = await rig.result("late")
            assert isinstance(result, TaskCompletion)
            assert "is sent again" in caplog.text
            await rig.run()

    async def test_a_pull_that_waits_is_kept_as_long_as_the_server_knows_it(
        self, rig: Rig, capacity: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("bus.pull_request.HEARTBEAT_S", 0.2)
        monkeypatch.setattr("bus.pull_request.SILENCE_S", 20.0)
        async with working(rig, rig.service(Runs()), capacity=capacity) as worker:
            await rig.run()
            pulls: PullLoop = worker._pulls

            def heard_since(moment: float) -> bool:
                """Whether the server has said of each pull that it knows of it."""
                heard = [at for pull in pulls._open for at in pull._heard.values()]
                return len(heard) == 4 and min(heard) > moment

            await eventually(lambda: heard_since(0.0))
            waiting = set(pulls._open)
            for _ in range(3):
                now = time.monotonic()
                await eventually(lambda: heard_since(now))  # noqa: B023  waited for here and now
            assert pulls._open == waiting
            assert "is sent again" not in caplog.text

    async def test_a_consumer_is_made_anew_under_a_worker_that_waits(self, rig: Rig, capacity: int) -> None:
        runs = Runs()
        async with working(rig, rig.service(runs), capacity=capacity):
            await rig.run()
            name = rig.subjects.consumer(TYPE, "high")
            await api(rig.network.requester, f"CONSUMER.DELETE.{rig.subjects.ledger}.{name}")
            await rig.run()  # through the bare subject
            await make(rig, TYPE)
            await rig.submitter.run(TYPE, TaskAssignment(), priority="high", timeout_s=WITHIN_S)
        assert len(runs.starts) == 3
