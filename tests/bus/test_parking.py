"""Tasks whose attempts have run out, and who may run one: on a real server, with decisions as Omega writes them."""

import asyncio
import itertools
import math
import time
from datetime import UTC, datetime
from functools import partial

import pytest
from msgspec import structs
from nats.aio.msg import Msg

import bus.execution
import bus.parking
from bus.delivery import parse
from bus.execution import Executor
from bus.identity import Identity
from bus.jetstream import PubAck, StoredMessage, api, last_of, publish
from bus.lease import Lease
from bus.observer import Observer
from bus.parking import used_up
from bus.task import Done, Task, TaskError
from bus.topology import ACK_WAIT_S, Limits, ensure
from bus.wake import wake
from bus.worker import Worker
from schemas import (
    Backoff,
    ErrorCode,
    ErrorEscalation,
    TaskAssignment,
    TaskCompletion,
    TaskEvent,
    TaskFailure,
    TaskParked,
    TaskResult,
    TaskResumed,
    TaskRetrying,
    TaskStarted,
    decode,
    encode,
)
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.rig import TYPE, Rig, Runs, failure
from tests.bus.taking import Taken, answer, take


async def store(rig: Rig, event: TaskEvent) -> PubAck:
    return await publish(rig.network.requester, rig.subjects.event(TYPE, event.task_id), encode(event))


async def is_parked(rig: Rig, task_id: str) -> bool:
    events = await rig.events(task_id)
    return bool(events) and isinstance(events[-1], TaskParked)


async def has_unsettled(rig: Rig, count: int) -> bool:
    return await rig.unsettled() == count


async def escalations(rig: Rig) -> list[ErrorEscalation]:
    messages: list[StoredMessage] = await rig.in_stream(rig.subjects.ledger, rig.subjects.every("escalation"))
    return [decode(ErrorEscalation, message.data) for message in messages]


def resumed(task_id: str, sequence: int, *, attempt: int, to: str | None = None) -> TaskResumed:
    return TaskResumed(
        task_id=task_id,
        task_type=TYPE,
        clone="omega",
        instance="omega-1",
        attempt=attempt,
        at=datetime.now(UTC),
        sequence=sequence,
        forgiven=attempt,
        command=1,
        to=to,
    )


@pytest.mark.parametrize(
    ("used", "allowed", "begins", "ends"),
    [(1, 1, "1 attempt ended ", "; 1 is allowed"), (3, 2, "3 attempts ended ", "; 2 are allowed")],
)
def test_attempts_are_counted_in_words(used: int, allowed: int, begins: str, ends: str) -> None:
    words = used_up(used, allowed)
    assert words.startswith(begins)
    assert words.endswith(ends)


class TestParking:
    async def test_a_task_is_parked_when_its_attempts_have_run_out(self, rig: Rig) -> None:
        inbox = await rig.network.client.subscribe("_INBOX.asker")
        parked: list[tuple[str, str]] = []

        class Hears(Observer):
            def parked(self, task_type: str, task_id: str, code: str) -> None:
                parked.append((task_id, code))

        async with rig.worker(Runs(), retries=1, parks=True, severity="critical", observer=Hears()):
            submitted = await rig.submit("x", {"fail": ErrorCode.ENGINE_CRASHED}, reply_to="_INBOX.asker")
            await eventually(partial(is_parked, rig, "x"))
            await eventually(lambda: parked == [("x", "engine_crashed")])
            await eventually(lambda: has_unsettled(rig, 1))
        events = await rig.events("x")
        assert [(type(event), event.attempt, event.sequence) for event in events] == [
            (TaskRetrying, 1, submitted.sequence),
            (TaskStarted, 2, submitted.sequence),
            (TaskParked, 2, submitted.sequence),
        ]
        (escalation,) = await escalations(rig)
        assert (escalation.task_id, escalation.severity, escalation.attempt) == ("x", "critical", 2)
        assert escalation.awaits_decision
        assert decode(ErrorEscalation, (await inbox.next_msg(WITHIN_S)).data) == escalation
        assert await rig.network.results.read(TYPE, "x") is None

    async def test_what_cannot_be_retried_fails_at_once(self, rig: Rig) -> None:
        async with rig.worker(Runs(), retries=1, parks=True, non_retryable=frozenset({ErrorCode.ENGINE_CRASHED})):
            result = await rig.run({"fail": ErrorCode.ENGINE_CRASHED})
        assert isinstance(result, TaskFailure)
        assert (result.attempt, result.code, result.retryable) == (1, "engine_crashed", False)

    async def test_a_parked_task_stays_parked_over_the_death_of_its_worker(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bus.parking, "KEPT_S", 0.05)
        runs = Runs()
        async with rig.worker(runs, parks=True):
            await rig.submit("x", {"fail": ErrorCode.ENGINE_CRASHED})
            await eventually(partial(is_parked, rig, "x"))
        async with rig.worker(runs, parks=True, name="next"):
            await rig.run()  # by then it has come again more than once
            await asyncio.sleep(0.2)
        assert [task_id for task_id, _ in runs.starts].count("x") == 1
        await eventually(lambda: has_unsettled(rig, 1))

    async def test_a_resumed_task_goes_on_at_once_with_all_its_retries(self, rig: Rig) -> None:
        runs = Runs()
        async with rig.worker(runs, retries=1, parks=True):
            submitted = await rig.submit("x", {"fail": ErrorCode.ENGINE_CRASHED, "until": 4})
            await eventually(partial(is_parked, rig, "x"))
            await store(rig, resumed("x", submitted.sequence, attempt=2))
            await wake(rig.network, rig.subjects.consumer(TYPE), submitted.sequence)
            result = await rig.result("x")
            await eventually(rig.all_settled)
        assert isinstance(result, TaskCompletion)
        assert [attempt for _, attempt in runs.starts] == [1, 2, 3, 4]
        assert result.attempt == 4

    async def test_a_task_that_is_let_go_on_before_it_was_handed_back_goes_on(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its worker is slow to hand it back for an hour, and is given it again meanwhile."""
        async with rig.worker(Runs(), parks=True) as worker:
            results = worker._network.results
            read = results.read

            async def slow(task_type: str, task_id: str) -> TaskResult | None:
                if await is_parked(rig, task_id):
                    await store(rig, resumed("x", submitted.sequence, attempt=1))
                    await wake(rig.network, rig.subjects.consumer(TYPE), submitted.sequence)
                    await eventually(lambda: all(lease.delivered_again for lease in worker._leases.held))
                return await read(task_type, task_id)

            monkeypatch.setattr(results, "read", slow)
            submitted = await rig.submit("x", {"fail": ErrorCode.ENGINE_CRASHED, "until": 2})
            result = await rig.result("x")
        assert isinstance(result, TaskCompletion)
        assert result.attempt == 2

    async def test_a_result_ends_a_parked_task(self, rig: Rig) -> None:
        async with rig.worker(Runs(), parks=True):
            submitted = await rig.submit("x", {"fail": ErrorCode.ENGINE_CRASHED})
            await eventually(partial(is_parked, rig, "x"))
            await rig.network.results.settle(failure("x"))
            await wake(rig.network, rig.subjects.consumer(TYPE), submitted.sequence)
            await eventually(rig.all_settled)


class TestInCharge:
    async def test_of_two_assignments_the_one_in_charge_runs(self, rig: Rig) -> None:
        """The task was handed over: the first assignment leaves the queue, the second runs, also where it comes early."""
        runs = Runs()
        handover = rig.subjects.handover(TYPE, "echo")
        direct = {rig.subjects.handover_consumer(TYPE, "echo"): 1}
        async with rig.worker(runs, parks=True, direct_consumers=direct):
            first = await rig.submit("x", {"fail": ErrorCode.ENGINE_CRASHED, "until": 2})
            await eventually(partial(is_parked, rig, "x"))
            body = encode(TaskAssignment(id="x", params={"fail": ErrorCode.ENGINE_CRASHED, "until": 2}))
            second = await publish(rig.network.requester, handover, body)
            await asyncio.sleep(2 * bus.execution.EARLY_S)
            assert runs.starts == [("x", 1)]
            await store(rig, resumed("x", second.seq, attempt=1, to="echo"))
            await wake(rig.network, rig.subjects.consumer(TYPE), first.sequence)
            result = await rig.result("x")
            await eventually(rig.all_settled)
        assert isinstance(result, TaskCompletion)
        assert runs.starts == [("x", 1), ("x", 2)]
        begun = [event.sequence for event in await rig.events("x") if isinstance(event, TaskStarted)]
        assert set(begun) <= {second.seq}

    async def test_an_id_that_events_have_told_ends_nobody_s_task(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All may read events, and submit a task of their own under an id that they found there."""
        monkeypatch.setattr(bus.execution, "SECOND_S", 0.1)
        runs = Runs()
        async with rig.worker(runs):
            await rig.submit("x", {"sleep_s": 0.5, "output": "asked"})
            await eventually(partial(rig.has_started, "x"))
            await rig.publish(b'{"id": "x", "params": {"output": "forged"}}')
            result = await rig.result("x")
            await eventually(rig.all_settled)
        assert isinstance(result, TaskCompletion)
        assert result.output == "asked"
        assert runs.starts == [("x", 1)]

    async def test_a_handover_of_which_nothing_was_told_runs(self, rig: Rig) -> None:
        direct = {rig.subjects.handover_consumer(TYPE, "echo"): 1}
        async with rig.worker(Runs(), direct_consumers=direct):
            await publish(rig.network.requester, rig.subjects.handover(TYPE, "echo"), b'{"id": "new"}')
            assert isinstance(await rig.result("new"), TaskCompletion)


def listened_for(worker: Worker) -> list[str]:
    """The results that a worker wants to hear of."""
    return [each.subject for each in worker._network.client._subs.values() if ".result." in each.subject]


class TestEndedFromOutside:
    async def test_a_result_stops_a_running_handler_at_once(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        """Before the lease's next tick, so that a cancelled task ends within a fraction of a second."""
        monkeypatch.setattr("bus.lease.TICK_S", 600.0)
        runs = Runs()
        async with rig.worker(runs) as worker:
            await rig.submit("x", {"sleep_s": 60})
            await eventually(lambda: bool(listened_for(worker)))
            await worker._network.client.flush()
            await rig.network.results.settle(failure("x"))
            await eventually(lambda: runs.cancelled == ["x"])
            await eventually(rig.all_settled)
        assert runs.finished == []

    async def test_interest_in_results_ends_with_the_attempt(self, rig: Rig) -> None:
        runs = Runs()
        async with rig.worker(runs) as worker:
            for number in range(5):
                await rig.submit(f"x{number}", {"held": True})
            await eventually(lambda: len(listened_for(worker)) == 5)
            runs.released.set()
            for number in range(5):
                await rig.result(f"x{number}")
            await eventually(lambda: not listened_for(worker))

    async def test_a_result_that_results_has_forgotten_is_found_in_the_ledger(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As after a consumer was made anew: it delivers all history."""
        monkeypatch.setattr(bus.execution, "RESULTS_MAX_AGE_S", 0.0)
        runs = Runs()
        await rig.submit("x")
        settled = failure("x")
        await rig.network.results.settle(settled)
        subject = rig.subjects.result(TYPE, "x")

        async def copied() -> bool:
            return await last_of(rig.network.requester, rig.subjects.ledger, subject) is not None

        await eventually(copied)
        await rig.network.client.request(f"$JS.API.STREAM.PURGE.{rig.subjects.results}", b"", timeout=WITHIN_S)
        async with rig.worker(runs):
            await eventually(rig.all_settled)
        assert runs.starts == []


async def take_before(rig: Rig, *task_ids: str) -> list[Taken]:
    """Take what is submitted, as for a first attempt of which nothing came; handed back, it is delivered for the second time."""
    taken = await take(rig.network, rig.subjects.consumer(TYPE), len(task_ids))
    for task_id, stolen in zip(task_ids, taken, strict=True):
        await store(rig, begun(task_id, stolen.sequence))
    return taken


def begun(task_id: str, sequence: int) -> TaskStarted:
    return TaskStarted(
        task_id=task_id,
        task_type=TYPE,
        clone="dead",
        instance="dead-1",
        attempt=1,
        at=datetime.now(UTC),
        sequence=sequence,
    )


async def test_of_tasks_that_lost_their_worker_one_at_a_time_has_its_last_attempt(rig: Rig) -> None:
    """So that a task which kills its worker again takes no other one's last attempt with it."""
    runs = Runs()
    ids = [f"x{number}" for number in range(4)]
    for task_id in ids:
        await rig.submit(task_id, {"sleep_s": 0.1})
    for stolen in await take_before(rig, *ids):
        await answer(rig.network, stolen, b"-NAK")
    async with rig.worker(runs, retries=1, capacity=8):
        for task_id in ids:
            result = await rig.result(task_id)
            assert (type(result), result.attempt) == (TaskCompletion, 2)
    assert runs.most == 1


async def test_a_task_whose_time_is_over_while_it_waits_for_its_last_attempt_does_not_start(rig: Rig) -> None:
    runs = Runs()
    await rig.submit("first", {"held": True})
    await rig.submit("second", schedule_to_close_s=0.5)
    first, second = await take_before(rig, "first", "second")
    async with rig.worker(runs, retries=1) as worker:
        await answer(rig.network, first, b"-NAK")
        await eventually(lambda: runs.running == 1)
        await answer(rig.network, second, b"-NAK")
        await eventually(lambda: worker.in_flight == 2)
        await asyncio.sleep(0.6)  # the limit itself, not a guess
        runs.released.set()
        assert isinstance(await rig.result("first"), TaskCompletion)
        result = await rig.result("second")
        assert isinstance(result, TaskFailure)
        assert result.code == ErrorCode.DEADLINE_EXCEEDED
    assert runs.starts == [("first", 2)]


async def test_an_attempt_that_was_promised_is_made_though_the_route_allows_fewer_by_then(rig: Rig) -> None:
    runs = Runs()

    async def is_retrying() -> bool:
        return any(isinstance(event, TaskRetrying) for event in await rig.events("x"))

    slowly = Backoff(initial_s=0.5, jitter=0)
    async with rig.worker(runs, retries=1, backoff=slowly) as worker:
        await rig.submit("x", {"fail": ErrorCode.ENGINE_CRASHED})
        await eventually(is_retrying)
        await worker.serve([rig.service(runs, retries=0)])
        result = await rig.result("x")
    assert isinstance(result, TaskFailure)
    assert (result.attempt, result.code) == (2, ErrorCode.ENGINE_CRASHED)
    assert [attempt for _, attempt in runs.starts] == [1, 2]


class TestLostLeases:
    """Of a task whose lease is over nothing is said, whatever was about to be said when it ended."""

    async def execute(self, rig: Rig, delivered: int, *, recalled: bool = False) -> None:
        """Have a worker that was frozen since go on with the delivery of that number."""
        heard: asyncio.Queue[Msg] = asyncio.Queue()
        inbox = rig.network.client.new_inbox()
        await rig.network.client.listen(inbox, heard.put_nowait)
        for _ in range(delivered - 1):
            (stolen,) = await take(rig.network, rig.subjects.consumer(TYPE))
            await answer(rig.network, stolen, b"-NAK")
        ask = f"$JS.API.CONSUMER.MSG.NEXT.{rig.subjects.ledger}.{rig.subjects.consumer(TYPE)}"
        await rig.network.client.publish(ask, b'{"batch": 1, "group": "jobs", "priority": 0}', reply=inbox)
        delivery = parse(await asyncio.wait_for(heard.get(), WITHIN_S))
        assert delivery is not None
        assert delivery.delivered == delivered
        lease = Lease(delivery, -math.inf)
        if recalled:
            lease.recall()
        executor = Executor(rig.network, Identity("frozen"), Observer())
        await executor.execute(lease, rig.service(Runs(), parks=True))
        await rig.network.client.flush()

    async def test_a_parked_task_is_not_kept(self, brief: Rig) -> None:
        submitted = await brief.submit("x")
        await store(brief, TaskParked(**structs.asdict(begun("x", submitted.sequence)), code="x", message=""))
        await self.execute(brief, 2)
        assert await take(brief.network, brief.subjects.consumer(TYPE))  # whoever holds it keeps it; here nobody does

    async def test_a_task_is_not_handed_back(self, patient: Rig) -> None:
        await patient.submit("x")
        await self.execute(patient, 1, recalled=True)
        assert not await take(patient.network, patient.subjects.consumer(TYPE), wait_s=0.3)


async def test_a_handed_over_task_that_is_not_in_charge_looks_less_and_less_often(rig: Rig) -> None:
    looked_at: list[float] = []

    class Looks(Observer):
        def delivered(self, task_type: str, *, redelivered: bool) -> None:
            looked_at.append(time.monotonic())

    consumer = rig.subjects.handover_consumer(TYPE, "echo")
    await store(rig, begun("x", 1))
    await publish(rig.network.requester, rig.subjects.handover(TYPE, "echo"), b'{"id": "x"}')
    async with rig.worker(Runs(), direct_consumers={consumer: 1}, observer=Looks()):
        await eventually(lambda: len(looked_at) >= 4)
    for number, (last, following) in enumerate(itertools.pairwise(looked_at[:4])):
        assert following - last >= 0.95 * bus.execution.EARLY_S * 2**number


async def test_what_the_server_forgot_to_have_delivered_is_told_by_its_events(rig: Rig) -> None:
    """A server that is killed loses the last 100 ms of its consumers' state: a parked task comes as if for the first time."""
    runs = Runs()
    async with rig.worker(runs, capacity=1):
        await rig.submit("busy", {"held": True})
        await eventually(lambda: runs.running == 1)
        submitted = await rig.submit("x")
        await store(
            rig,
            TaskParked(
                task_id="x",
                task_type=TYPE,
                clone="dead",
                instance="dead-1",
                attempt=2,
                at=datetime.now(UTC),
                sequence=submitted.sequence,
                code="engine_crashed",
                message="",
            ),
        )
        await rig.submit("y")
        runs.released.set()
        await rig.result("y")
    assert runs.starts == [("busy", 1), ("y", 1)]
    await eventually(lambda: has_unsettled(rig, 1))


async def test_with_a_full_ledger_it_is_parked_once_there_is_room(rig: Rig) -> None:
    """Meanwhile it keeps its slot, so that nothing is lost, and the others go on in those that are left."""
    full = asyncio.Event()

    async def limit(ledger_max_bytes: int) -> None:
        limits = Limits(ledger_max_bytes=ledger_max_bytes)
        await ensure(rig.network.requester, rig.subjects, task_types={}, limits=limits)

    async def runs(task: Task) -> Done:
        await full.wait()
        if task.id == "hopeless":
            raise TaskError(ErrorCode.ENGINE_CRASHED, "oops")
        return Done(summary="done")

    others = [f"other-{number}" for number in range(6)]
    async with rig.worker(runs, capacity=2, parks=True, retries=0) as worker:
        for task_id in ("hopeless", *others):
            await rig.submit(task_id)
        for task_id in ("hopeless", others[0]):  # of which nothing more is told until they may end
            await eventually(partial(rig.has_started, task_id))
        info = await api(rig.network.requester, f"STREAM.INFO.{rig.subjects.ledger}")
        await limit(info["state"]["bytes"])
        full.set()
        for task_id in others:
            assert isinstance(await rig.result(task_id), TaskCompletion)
        await eventually(lambda: worker.in_flight == 1)
        await asyncio.sleep(ACK_WAIT_S + 1)  # longer than the task is left to a worker that says nothing
        assert worker.in_flight == 1
        assert not await is_parked(rig, "hopeless")
        assert await escalations(rig) == []
        await limit(-1)
        await eventually(lambda: is_parked(rig, "hopeless"))
        await eventually(lambda: worker.in_flight == 0)
        assert [type(event) for event in await rig.events("hopeless")] == [TaskStarted, TaskParked]
        (escalation,) = await escalations(rig)
        assert escalation.task_id == "hopeless"
