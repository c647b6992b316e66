"""The pull loop on a real server, with slots to spare and with few."""

import asyncio
from collections import Counter
from functools import partial
from typing import Any

import pytest

from bus.errors import JetStreamError, TopologyMismatch
from bus.jetstream import api
from bus.pull import PullLoop
from bus.subjects import PRIORITIES
from bus.task import Done, Task
from bus.topology import Limits, ensure
from schemas import Priority, TaskAssignment, TaskCompletion
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.rig import TYPE, Rig, Runs

ALL: tuple[Priority | None, ...] = (None, *PRIORITIES)
BOTH = pytest.mark.parametrize("capacity", [1, 3, 8, 40], ids=["one slot", "few slots", "more slots", "slots to spare"])


async def submit_many(rig: Rig, count: int, params: dict[str, Any] | None = None, *, prefix: str = "t") -> None:
    await asyncio.gather(
        *(
            rig.submitter.submit(
                TYPE, TaskAssignment(id=f"{prefix}{number}", params=params or {}), priority=ALL[number % 4]
            )
            for number in range(count)
        )
    )


@BOTH
async def test_each_task_starts_once_and_never_more_run_than_there_are_slots(patient: Rig, capacity: int) -> None:
    runs = Runs()
    async with patient.worker(runs, capacity=capacity) as worker:
        await submit_many(patient, 300, {"sleep_s": 0.001})
        await eventually(lambda: len(runs.finished) == 300)
        await eventually(patient.all_settled)
        assert worker.in_flight == 0
    assert len(runs.starts) == len(set(runs.starts)) == 300
    assert runs.most <= capacity
    assert len(await patient.results()) == 300


@pytest.mark.parametrize("capacity", [3, 8, 31, 40])
async def test_one_busy_subject_has_the_slots_that_the_others_do_not_need(rig: Rig, capacity: int) -> None:
    runs = Runs()
    async with rig.worker(runs, capacity=capacity):
        await asyncio.gather(*(rig.submit(f"t{number}", {"held": True}) for number in range(capacity)))
        # Beyond 31, pulls that wait on the other three hold a slot each.
        await eventually(lambda: runs.running >= (capacity if capacity <= 31 else capacity - 3))
        runs.released.set()
        await eventually(lambda: runs.has_finished(capacity))
    assert runs.most <= capacity


@BOTH
async def test_single_tasks_now_and_then_are_taken_at_once(patient: Rig, capacity: int) -> None:
    """Between them all pulls wait: the first task wins, and the other pulls are withdrawn without a task stuck in one."""
    runs = Runs()
    async with patient.worker(runs, capacity=capacity):
        for number in range(40):
            await patient.submitter.run(TYPE, TaskAssignment(), priority=ALL[number % 4], timeout_s=WITHIN_S)
    assert len(runs.starts) == 40


@BOTH
async def test_bursts_into_waiting_pulls_leave_nothing_stuck(patient: Rig, capacity: int) -> None:
    """More tasks at once than slots, just when a pull waits on each consumer: the surplus goes back at once."""
    runs = Runs()
    async with patient.worker(runs, capacity=capacity):
        for burst in range(6):
            await submit_many(patient, 8, prefix=f"b{burst}-")
            await eventually(partial(runs.has_finished, 8 * (burst + 1)))
    assert Counter(runs.starts).most_common(1)[0][1] == 1
    assert runs.most <= capacity


async def test_a_claimed_slot_is_free_again_where_its_pull_was_never_sent(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is served changes while a socket that is slow holds up what comes before a pull."""
    runs = Runs()
    async with rig.worker(runs, capacity=1, types=()) as worker:
        listen, stuck = worker._network.client.listen, asyncio.Event()

        async def slow(subject: str, *args: Any, **options: Any) -> Any:
            if "_INBOX" in subject and not worker._pulls._slots.has_free():
                stuck.set()
                await asyncio.Event().wait()
            return await listen(subject, *args, **options)

        monkeypatch.setattr(worker._network.client, "listen", slow)
        await worker.serve([rig.service(runs)])
        await asyncio.wait_for(stuck.wait(), WITHIN_S)
        monkeypatch.undo()
        await worker.serve([])
        await worker.serve([rig.service(runs)])
        assert isinstance(await rig.run(), TaskCompletion)


@pytest.mark.parametrize("capacity", [2, 8, 24])
async def test_under_backlog_slots_are_shared_by_weight(
    rig: Rig, capacity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where tasks are short and the server is far: slots that become free while a pull is on its way are shared too."""
    order: list[str] = []
    pull = PullLoop._pull

    async def far(*args: Any, **options: Any) -> None:
        await asyncio.sleep(0.004)
        await pull(*args, **options)

    monkeypatch.setattr(PullLoop, "_pull", far)
    # On a machine that is busy for a moment nobody loses its share, nor counts as lost.
    monkeypatch.setattr("bus.sharing.RESERVE_S", 60.0)
    monkeypatch.setattr("bus.pull_request.GRACE_S", 60.0)

    async def note(task: Task) -> Done:
        order.append(task.labels["priority"])
        await asyncio.sleep(0.001 * capacity)  # so that slots are scarce, however many there are
        return Done()

    for priority in PRIORITIES:
        await asyncio.gather(
            *(
                rig.submitter.submit(TYPE, TaskAssignment(labels={"priority": priority}), priority=priority)
                for _ in range(160)
            )
        )
    consumers = {
        rig.subjects.consumer(TYPE, priority): weight for priority, weight in zip(PRIORITIES, (8, 3, 1), strict=True)
    }
    async with rig.worker(note, capacity=capacity, consumers=consumers):
        await eventually(lambda: len(order) >= 132)
        shares = Counter(order[12:132])
    assert abs(shares["high"] - 80) <= 10
    assert abs(shares["medium"] - 30) <= 10
    assert abs(shares["low"] - 10) <= 6


async def test_a_worker_that_stops_hands_back_what_it_had_not_begun(patient: Rig) -> None:
    """Nothing that was on its way to the first worker waits out a lease."""
    runs = Runs()
    await submit_many(patient, 200, {"sleep_s": 0.002})
    async with patient.worker(runs, capacity=40, name="first", drain_s=30):
        await eventually(lambda: len(runs.finished) >= 20)
    assert len(runs.finished) < 200
    async with patient.worker(runs, capacity=40, name="second"):
        await eventually(lambda: len(runs.finished) == 200)
    assert len(runs.starts) == 200


async def test_what_is_on_its_way_to_a_worker_that_stops_goes_to_the_next_at_once(patient: Rig) -> None:
    runs = Runs()
    for burst in range(8):
        async with patient.worker(runs, capacity=40, name="first"):
            publishing = [asyncio.create_task(patient.submit(f"b{burst}-{number}")) for number in range(60)]
            await publishing[0]
        await asyncio.gather(*publishing)
    async with patient.worker(runs, capacity=40, name="second"):
        await eventually(patient.all_settled)
    assert len(await patient.results()) == 480


async def test_two_workers_share_200_equal_tasks(patient: Rig) -> None:
    """Neither has more than it has slots for, and neither waits while there is something to do."""
    first, second = Runs(), Runs()
    async with patient.worker(first, capacity=4, name="first"), patient.worker(second, capacity=4, name="second"):
        await asyncio.gather(*(patient.submit(f"t{number}", {"held": True}) for number in range(200)))
        for rounds in range(1, 6):
            await eventually(lambda: first.running == second.running == 4)
            assert len(first.starts) == len(second.starts) == 4 * rounds
            for runs in (first, second):
                runs.let_go()
            await eventually(lambda done=4 * rounds: first.has_finished(done) and second.has_finished(done))  # type: ignore[misc]
        for runs in (first, second):
            runs.released.set()
        await eventually(lambda: len(first.finished) + len(second.finished) == 200)
    assert len({task_id for task_id, _ in first.starts + second.starts}) == 200


async def test_without_faults_handlers_start_as_often_as_there_are_tasks(patient: Rig) -> None:
    runs = Runs()
    async with patient.worker(runs, capacity=50, name="first"), patient.worker(runs, capacity=50, name="second"):
        for wave in range(4):
            await asyncio.gather(*(patient.submit(f"{wave}-{number}") for number in range(500)))
        await eventually(lambda: len(runs.finished) == 2000, within_s=3 * WITHIN_S)
        await eventually(patient.all_settled)
    assert len(runs.starts) == 2000
    assert {attempt for _, attempt in runs.starts} == {1}
    assert len(await patient.results()) == 2000


async def test_consumers_that_are_made_after_the_worker_started(rig: Rig) -> None:
    runs = Runs()

    async def work() -> None:
        async with rig.worker(runs, types=("later",)):
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    ack = await rig.publish(b"{}", "later")  # before there is a consumer
    await ensure(rig.network.requester, rig.subjects, task_types={"later": ()})
    result = await rig.result(f"seq-{ack.seq}", "later")
    assert isinstance(result, TaskCompletion)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_a_consumer_that_vanishes_and_returns(rig: Rig) -> None:
    runs = Runs()
    async with rig.worker(runs, capacity=2):
        await rig.run()
        for priority in ALL:
            await api(
                rig.network.requester, f"CONSUMER.DELETE.{rig.subjects.ledger}.{rig.subjects.consumer(TYPE, priority)}"
            )
        await ensure(rig.network.requester, rig.subjects, task_types={TYPE: ()})
        # History is delivered anew; its result answers it without another run.
        await rig.run()
    assert len(runs.starts) == 2


class TestTopology:
    async def test_making_it_twice_and_by_many_at_once_changes_nothing(self, rig: Rig) -> None:
        await asyncio.gather(
            *(ensure(rig.network.requester, rig.subjects, task_types={TYPE: (), "new": ()}) for _ in range(8))
        )

    async def test_another_stream_of_the_name_is_told_in_words(self, rig: Rig) -> None:
        found = await api(rig.network.requester, f"STREAM.INFO.{rig.subjects.ledger}")
        changed = found["config"] | {"duplicate_window": 60_000_000_000}
        await api(rig.network.requester, f"STREAM.UPDATE.{rig.subjects.ledger}", changed)
        with pytest.raises(TopologyMismatch) as caught:
            await ensure(rig.network.requester, rig.subjects, task_types={TYPE: ()})
        assert caught.value.message == (
            f"the stream {rig.subjects.ledger} exists with another configuration: duplicate_window: "
            "is 60000000000, should be 120000000000. "
            "Give this network a realm of its own (--realm), or change or remove the stream with the nats command line"
        )

    async def test_another_consumer_of_the_name_is_told_in_words(self, rig: Rig) -> None:
        name = rig.subjects.consumer("other")
        config = {"durable_name": name, "filter_subject": rig.subjects.task("other"), "ack_policy": "explicit"}
        await api(
            rig.network.requester,
            f"CONSUMER.DURABLE.CREATE.{rig.subjects.ledger}.{name}",
            {"stream_name": rig.subjects.ledger, "config": config},
        )
        with pytest.raises(
            TopologyMismatch,
            match=rf"the consumer {rig.subjects.ledger}/{name} exists .* ack_wait: is 30000000000, should be 5000000000",
        ):
            await ensure(rig.network.requester, rig.subjects, task_types={"other": ()})

    async def test_the_intake_valve_may_be_turned(self, rig: Rig) -> None:
        async def valve() -> object:
            info = await api(rig.network.requester, f"STREAM.INFO.{rig.subjects.ledger}")
            return info["config"]["max_bytes"]

        assert await valve() == -1
        await ensure(
            rig.network.requester, rig.subjects, task_types={TYPE: ()}, limits=Limits(ledger_max_bytes=1 << 20)
        )
        assert await valve() == 1 << 20
        await ensure(rig.network.requester, rig.subjects, task_types={TYPE: ()})
        assert await valve() == 1 << 20

    async def test_an_error_of_the_server_keeps_its_code(self, rig: Rig) -> None:
        with pytest.raises(JetStreamError) as caught:
            await api(rig.network.requester, "STREAM.INFO.NO_SUCH_STREAM")
        assert caught.value.err_code == 10059
