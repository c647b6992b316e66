"""One task's life on a real server: exactly one result, whatever the task and its handler do."""

import asyncio
import time
from functools import partial

import msgspec
import pytest

import bus.lease
import bus.topology
import bus.worker
from bus.delivery import Delivery
from bus.errors import LeaseLost
from bus.jetstream import api, publish
from bus.lease import Lease, LeaseKeeper, Stop
from bus.observer import Crash, Observer
from bus.server import EmbeddedServer
from bus.task import Done, Task, TaskError
from schemas import (
    MSGPACK,
    ErrorCode,
    TaskAssignment,
    TaskCompletion,
    TaskFailure,
    TaskProgress,
    TaskReassigned,
    TaskResult,
    TaskRetrying,
    TaskStarted,
    decode,
    encode,
)
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.rig import TYPE, LeaseClock, Rig, Runs, failure, open_rig


class TestDone:
    async def test_a_task_becomes_one_result(self, rig: Rig) -> None:
        runs = Runs()
        async with rig.worker(runs) as worker:
            result = await rig.run(
                {"output": [1, "two"]}, labels={"who": "me"}, traceparent="00-ab-cd-01", retry_of="older"
            )
            await eventually(rig.all_settled)
            assert worker.in_flight == 0
        assert isinstance(result, TaskCompletion)
        assert (result.output, result.summary, result.attempt, result.clone) == ([1, "two"], "done", 1, "echo")
        assert (result.labels, result.traceparent, result.retry_of) == ({"who": "me"}, "00-ab-cd-01", "older")
        assert result.started_at <= result.finished_at
        assert [message.subject for message in await rig.results()] == [rig.subjects.result(TYPE, result.task_id)]
        assert runs.starts == [(result.task_id, 1)]
        assert await rig.events(result.task_id) == []  # over within 100 ms: the result says it all

    async def test_plain_json_without_an_id_is_known_by_its_sequence(self, rig: Rig) -> None:
        async with rig.worker(Runs()):
            ack = await rig.publish(b'{"params": {"output": 7}}')
            result = await rig.result(f"seq-{ack.seq}")
        assert isinstance(result, TaskCompletion)
        assert result.output == 7

    async def test_the_ledger_holds_a_copy_of_the_result(self, rig: Rig) -> None:
        async with rig.worker(Runs()):
            result = await rig.run()

        async def copied() -> bool:
            return len(await rig.in_stream(rig.subjects.ledger, rig.subjects.result(TYPE, result.task_id))) == 1

        await eventually(copied)

    async def test_the_ledgers_copy_of_an_end_is_not_delivered_as_a_task(self, rig: Rig) -> None:
        runs = Runs()
        async with rig.worker(runs):
            for _ in range(5):
                await rig.run()
        assert len(runs.starts) == 5

    @pytest.mark.parametrize("content_type", [None, MSGPACK])
    async def test_reply_to_gets_a_copy_in_the_publishers_encoding(self, rig: Rig, content_type: str | None) -> None:
        replies = await rig.network.client.subscribe("_INBOX.mine")
        body = encode(TaskAssignment(id="one", params={"output": 5}, reply_to="_INBOX.mine"), content_type or "")
        async with rig.worker(Runs()):
            await rig.publish(body, content_type=content_type)
            message = await replies.next_msg(WITHIN_S)
        assert decode(TaskResult, message.data, content_type) == await rig.result("one")
        assert (message.headers or {}).get("Content-Type") == content_type

    async def test_an_integer_that_messagepack_cannot_hold_spoils_the_reply_only(self, rig: Rig) -> None:
        async def big(_: Task) -> Done:
            return Done(output=2**70)

        async with rig.worker(big):
            body = encode(TaskAssignment(id="big", reply_to="_INBOX.mine"), MSGPACK)
            await rig.publish(body, content_type=MSGPACK)
            result = await rig.result("big")
            await eventually(rig.all_settled)
        assert isinstance(result, TaskCompletion)
        assert result.output == 2**70


INVALID = {
    "empty": (b"", "the body is not JSON"),
    "not JSON": (b"hello", "the body is not JSON"),
    "binary garbage": (b"\x00\xff\xfe" * 100, "the body is not JSON"),
    "invalid UTF-8": (b'{"params": {"target": "\xff"}}', "the body is not JSON"),
    "a list": (b"[]", "Expected `object`, got `array`"),
    "an unknown field": (b'{"parms": {}}', "unknown field `parms`"),
    "a wrong type": (b'{"params": "target"}', "Expected `object`, got `str` - at `$.params`"),
    "another message": (b'{"type": "TaskCompletion"}', "Invalid value 'TaskCompletion' - at `$.type`"),
    "a negative limit": (b'{"timeout_s": -1}', "> 0.0 - at `$.timeout_s`"),
    "not a number": (b'{"timeout_s": NaN}', "the body is not JSON"),
    "nested too deeply": (b'{"params": {"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "nested too deeply"),
    "an id that is no token": (b'{"id": "a.b"}', "- at `$.id`"),
    "an id with a newline": (b'{"id": "a\\n"}', "- at `$.id`"),
    "an id of the network's": (b'{"id": "seq-1"}', "belong to the network"),
    "a reply elsewhere": (b'{"reply_to": "sanctuary.settle.echo.x"}', "only an inbox"),
    "a reply everywhere": (b'{"reply_to": "_INBOX.>"}', "only an inbox"),
    "2 MB": (b'{"params": {"a": "' + b"x" * 2_000_000 + b'"}}', "a task may have 1,048,576"),
    "a name of 1 MB": (b'{"' + b"x" * 1_000_000 + b'": 1}', "unknown field `xxx"),
}


class TestInvalid:
    @pytest.mark.parametrize("kind", INVALID)
    async def test_each_gets_one_failure_that_says_why(self, rig: Rig, kind: str) -> None:
        body, reason = INVALID[kind]
        runs = Runs()
        async with rig.worker(runs):
            ack = await rig.publish(body)
            result = await rig.result(f"seq-{ack.seq}")
            after = await rig.run()
            await eventually(rig.all_settled)
        assert isinstance(result, TaskFailure)
        assert (result.code, result.attempt, result.retryable) == (ErrorCode.INVALID_ASSIGNMENT, 0, False)
        assert reason in result.message
        assert len(result.message) < 10_000
        assert isinstance(after, TaskCompletion)
        assert runs.starts == [(after.task_id, 1)]
        assert len(await rig.results()) == 2

    async def test_bad_messagepack(self, rig: Rig) -> None:
        async with rig.worker(Runs()):
            acks = [
                await rig.publish(body, content_type=MSGPACK)
                for body in (b'{"params":{}}', b"\xc1", msgspec.msgpack.encode({1: 2}))
            ]
            results = [await rig.result(f"seq-{ack.seq}") for ack in acks]
        assert all(
            isinstance(result, TaskFailure) and result.code == ErrorCode.INVALID_ASSIGNMENT for result in results
        )

    async def test_the_failure_stands_under_the_id_and_reaches_the_inbox_where_these_can_be_read(
        self, rig: Rig
    ) -> None:
        replies = await rig.network.client.subscribe("_INBOX.mine")
        async with rig.worker(Runs()):
            await rig.publish(b'{"id": "mine", "reply_to": "_INBOX.mine", "oops": 1}')
            message = await replies.next_msg(WITHIN_S)
            result = await rig.result("mine")
        assert isinstance(result, TaskFailure)
        assert "unknown field `oops`" in result.message
        assert decode(TaskResult, message.data) == result


class TestDuplicates:
    async def test_an_id_that_was_used_before_is_answered_by_its_first_result(self, rig: Rig) -> None:
        runs = Runs()
        replies = await rig.network.client.subscribe("_INBOX.again")
        async with rig.worker(runs):
            first = await rig.run({"output": 1}, id="same")
            await rig.publish(encode(TaskAssignment(id="same", params={"output": 2}, reply_to="_INBOX.again")))
            message = await replies.next_msg(WITHIN_S)
            await eventually(rig.all_settled)
        reply: TaskResult = decode(TaskResult, message.data)
        assert reply == first
        assert runs.starts == [("same", 1)]
        assert len(await rig.results()) == 1

    async def test_the_same_submission_is_stored_once(self, rig: Rig) -> None:
        assignment = TaskAssignment(id="once")
        first = await rig.submitter.submit(TYPE, assignment)
        again = await rig.submitter.submit(TYPE, assignment)
        assert again == first
        assert await rig.unsettled() == 1

    async def test_a_task_that_ended_while_it_waited_is_not_run(self, rig: Rig) -> None:
        runs = Runs()
        submitted = await rig.submit("ended")
        cancelled = failure(submitted.id)
        await rig.network.results.settle(cancelled)
        async with rig.worker(runs):
            await eventually(rig.all_settled)
        assert runs.starts == []
        assert await rig.result("ended") == cancelled


class TestFailing:
    async def test_a_failure_that_is_not_retryable_ends_the_task(self, rig: Rig) -> None:
        runs = Runs()
        async with rig.worker(runs, retries=3):
            result = await rig.run({"fail": ErrorCode.TARGET_NOT_FOUND})
        assert isinstance(result, TaskFailure)
        assert (result.code, result.message, result.attempt) == ("target_not_found", "as asked", 1)
        assert result.started_at is not None
        assert len(runs.starts) == 1

    async def test_a_retryable_failure_is_tried_again_and_each_attempt_is_told(self, rig: Rig) -> None:
        runs = Runs()
        async with rig.worker(runs, retries=3):
            result = await rig.run({"fail": ErrorCode.TARGET_UNAVAILABLE, "until": 3})
        assert isinstance(result, TaskCompletion)
        assert [attempt for _, attempt in runs.starts] == [1, 2, 3]
        assert result.attempt == 3
        events = await rig.events(result.task_id)
        assert [(type(event), event.attempt) for event in events] == [
            (TaskRetrying, 1),
            (TaskStarted, 2),
            (TaskRetrying, 2),
            (TaskStarted, 3),
        ]
        retrying = events[0]
        assert isinstance(retrying, TaskRetrying)
        assert (retrying.code, retrying.message) == ("target_unavailable", "as asked")
        assert 0 < retrying.delay_s <= 0.02

    async def test_attempts_end_and_the_last_failure_is_the_result(self, rig: Rig) -> None:
        runs = Runs()
        async with rig.worker(runs, retries=2):
            result = await rig.run({"fail": ErrorCode.ENGINE_CRASHED})
        assert isinstance(result, TaskFailure)
        assert (result.code, result.attempt, result.retryable) == ("engine_crashed", 3, True)
        assert len(runs.starts) == 3

    async def test_the_task_says_how_many_retries_it_wants(self, rig: Rig) -> None:
        runs = Runs()
        async with rig.worker(runs, retries=5):
            result = await rig.run({"fail": ErrorCode.ENGINE_CRASHED}, retries=0)
        assert isinstance(result, TaskFailure)
        assert len(runs.starts) == 1

    async def test_what_a_handler_should_not_raise_is_observed_and_retried(self, rig: Rig) -> None:
        crashes: list[tuple[str | None, str]] = []

        class Crashes(Observer):
            def crashed(self, crash: Crash) -> None:
                crashes.append((crash.task_id, str(crash.error)))

        async def raises(_: Task) -> Done:
            raise ValueError("a\udcffb")  # as in the name of a file that is not UTF-8

        async with rig.worker(raises, retries=1, observer=Crashes()):
            result = await rig.run()
        assert isinstance(result, TaskFailure)
        assert (result.code, result.message, result.attempt) == ("handler_failed", "ValueError: a\\udcffb", 2)
        assert crashes == [(result.task_id, "a\udcffb")] * 2

    async def test_an_endless_message_is_cut(self, rig: Rig) -> None:
        async def verbose(_: Task) -> Done:
            raise TaskError(ErrorCode.ENGINE_FAILED, "x" * 20_000_000)

        async with rig.worker(verbose):
            result = await rig.run()
        assert isinstance(result, TaskFailure)
        assert result.code == ErrorCode.ENGINE_FAILED
        assert result.message.endswith("… (20,000,000 characters in all)")

    async def test_a_handler_that_is_cancelled_from_within_has_failed(self, rig: Rig) -> None:
        async def cancels_itself(_: Task) -> Done:
            raise asyncio.CancelledError

        async with rig.worker(cancels_itself):
            result = await rig.run()
        assert isinstance(result, TaskFailure)
        assert result.code == ErrorCode.HANDLER_FAILED

    async def test_an_output_that_json_cannot_hold_is_the_clones_failure(self, rig: Rig) -> None:
        async def odd(_: Task) -> Done:
            return Done(output={"what": object()})

        async with rig.worker(odd):
            result = await rig.run()
        assert isinstance(result, TaskFailure)
        assert result.code == ErrorCode.HANDLER_FAILED
        assert "Encoding objects of type object is unsupported" in result.message

    async def test_a_result_that_is_too_large_for_the_server(self, rig: Rig) -> None:
        limit = rig.network.max_payload

        async def large(_: Task) -> Done:
            return Done(output="x" * limit)

        async with rig.worker(large):
            result = await rig.run()
        assert isinstance(result, TaskFailure)
        assert result.code == ErrorCode.RESULT_TOO_LARGE
        assert f"the server takes {limit - 4096:,}" in result.message

    async def test_a_result_slot_with_garbage_in_it_is_let_go(self, rig: Rig) -> None:
        await publish(rig.network.requester, rig.subjects.settle(TYPE, "garbled"), b"garbage")
        runs = Runs()
        async with rig.worker(runs):
            await rig.submit("garbled")
            await rig.run()
            await eventually(rig.all_settled)
        assert [task_id for task_id, _ in runs.starts if task_id == "garbled"] == []


class TestTime:
    async def test_an_attempt_that_takes_too_long_is_cancelled(self, rig: Rig) -> None:
        runs = Runs()
        async with rig.worker(runs):
            result = await rig.run({"sleep_s": 600}, timeout_s=0.1)
        assert isinstance(result, TaskFailure)
        assert result.code == ErrorCode.START_TO_CLOSE_TIMEOUT
        assert "0.1 s" in result.message
        assert runs.cancelled == [result.task_id]

    async def test_schedule_to_close_ends_a_running_attempt(self, rig: Rig) -> None:
        runs = Runs()
        async with rig.worker(runs, retries=3):
            for limit_s in (0.2, 2.0, 20.0):  # the last of which it has begun within on any machine
                result = await rig.run({"sleep_s": 600}, schedule_to_close_s=limit_s)
                assert isinstance(result, TaskFailure)
                assert result.code == ErrorCode.DEADLINE_EXCEEDED
                assert "schedule_to_close_s" in result.message
                if runs.starts:
                    break
        assert runs.starts == [(result.task_id, 1)]
        assert runs.cancelled == [result.task_id]

    async def test_a_task_that_waited_too_long_does_not_start(self, rig: Rig) -> None:
        runs = Runs()
        await rig.submit("late", schedule_to_start_s=0.05)
        await asyncio.sleep(0.1)  # the limit itself, not a guess
        async with rig.worker(runs):
            result = await rig.result("late")
        assert isinstance(result, TaskFailure)
        assert (result.code, result.attempt) == (ErrorCode.DEADLINE_EXCEEDED, 0)
        assert runs.starts == []

    async def test_a_start_is_told_once_it_has_lasted_100_ms(self, rig: Rig) -> None:
        runs = Runs()
        async with rig.worker(runs):
            await rig.submit("long", {"held": True})

            async def told() -> bool:
                return [type(event) for event in await rig.events("long")] == [TaskStarted]

            await eventually(told)
            assert await rig.network.results.read(TYPE, "long") is None
            runs.released.set()
            await rig.result("long")
        assert len(await rig.events("long")) == 1

    async def test_progress_is_told_at_most_once_a_second(self, rig: Rig) -> None:
        async def reports(task: Task) -> Done:
            for percent in range(100):
                task.report(percent / 50, f"at {percent}")
            return Done()

        async with rig.worker(reports):
            result = await rig.run()

            async def told() -> bool:
                return len(await rig.events(result.task_id)) == 1

            await eventually(told)
        [progress] = await rig.events(result.task_id)
        assert isinstance(progress, TaskProgress)
        assert (progress.fraction, progress.message) == (0.0, "at 0")


class Deliveries(Observer):
    def __init__(self) -> None:
        self.count = 0

    def delivered(self, task_type: str, *, redelivered: bool) -> None:
        self.count += 1


class TestLeases:
    async def test_a_long_task_is_not_delivered_twice(
        self, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Long as the lease is here, for a machine that is too busy for a while to renew it, the task is longer."""
        for module in (bus.lease, bus.topology):
            monkeypatch.setattr(module, "ACK_WAIT_S", 4.0)
        monkeypatch.setattr(bus.lease, "TICK_S", 0.15)
        runs = Runs()
        async with open_rig(server) as rig, rig.worker(runs), rig.worker(runs, name="other"):
            result = await rig.run({"sleep_s": 5.0})
        assert isinstance(result, TaskCompletion)
        assert runs.starts == [(result.task_id, 1)]

    async def test_a_task_that_ends_elsewhere_stops_its_handler(self, patient: Rig) -> None:
        runs, deliveries = Runs(), Deliveries()
        replies = await patient.network.client.subscribe("_INBOX.mine")
        async with patient.worker(runs, observer=deliveries):
            await patient.submit("gone", {"sleep_s": 600}, reply_to="_INBOX.mine")
            await eventually(lambda: runs.running == 1)
            cancelled = failure("gone")
            await patient.network.results.settle(cancelled)
            await eventually(lambda: runs.cancelled == ["gone"])
            reply: TaskResult = decode(TaskResult, (await replies.next_msg(WITHIN_S)).data)
            assert reply == cancelled
            await eventually(patient.all_settled)
        assert await patient.result("gone") == cancelled
        assert deliveries.count == 1

    async def test_a_worker_that_was_away_longer_than_its_lease_says_nothing_more(
        self, brief: Rig, lease_clock: LeaseClock
    ) -> None:
        """As after SIGSTOP, or a call that blocks the whole process: the handler ends in every way before anything else is done."""
        for ending in ("done", "retry"):

            async def blocks(task: Task, ending: str = ending) -> Done:
                if task.attempt == 1:
                    await eventually(lambda: brief.has_started(task.id))
                    lease_clock.stop_for(60.0)
                    task.report(0.5, "never told")
                    if ending == "retry":
                        raise TaskError(ErrorCode.ENGINE_CRASHED, "never told")
                return Done(output=task.attempt)

            task_id = f"blocked-{ending}"
            async with brief.worker(blocks, retries=2):
                await brief.submit(task_id)
                result = await brief.result(task_id)
                await eventually(brief.all_settled)
            assert isinstance(result, TaskCompletion)
            assert (result.attempt, result.output) == (2, 2)
            events = await brief.events(task_id)
            assert [(type(event), event.attempt) for event in events] == [(TaskStarted, 1), (TaskStarted, 2)]

    async def test_a_handler_that_ignores_its_cancellation_changes_nothing(self, patient: Rig) -> None:
        async def stubborn(task: Task) -> Done:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                task.report(1.0, "I go on")
            return Done(output="mine")

        async with patient.worker(stubborn):
            await patient.submit("x")
            await eventually(lambda: patient.has_started("x"))
            cancelled = failure("x")
            await patient.network.results.settle(cancelled)
            await eventually(patient.all_settled)
        assert await patient.result("x") == cancelled

    async def test_a_task_that_kills_its_workers_comes_to_an_end(
        self, brief: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each attempt's worker falls silent: its connection is cut, as with kill -9."""
        monkeypatch.setattr(bus.worker, "HAND_BACK_S", 0.1)  # which it cannot
        runs = Runs()
        await brief.submit("killer", {"sleep_s": 600}, retries=1)
        for attempt in (1, 2):
            async with brief.worker(runs) as worker:
                await eventually(partial(brief.has_started, "killer", attempt))
                await worker._network.client.close()
        async with brief.worker(runs):
            result = await brief.result("killer")
        assert isinstance(result, TaskFailure)
        assert (result.code, result.attempt) == (ErrorCode.ATTEMPTS_EXHAUSTED, 2)
        assert "2 are allowed" in result.message
        assert runs.starts == [("killer", 1), ("killer", 2)]


class TestDraining:
    async def test_what_runs_may_finish(self, rig: Rig) -> None:
        runs = Runs()
        async with rig.worker(runs, drain_s=WITHIN_S):
            await rig.submit("x", {"held": True})
            await eventually(lambda: runs.running == 1)
            asyncio.get_running_loop().call_later(0.3, runs.released.set)
        assert runs.finished == ["x"]
        assert isinstance(await rig.result("x"), TaskCompletion)

    async def test_what_does_not_finish_is_handed_back_at_once_under_the_same_number(self, patient: Rig) -> None:
        runs = Runs()
        async with patient.worker(runs, name="first"):
            await patient.submit("x", {"held": True})
            await eventually(lambda: runs.running == 1)
        assert runs.cancelled == ["x"]
        runs.released.set()
        async with patient.worker(runs, name="second"):
            result = await patient.result("x")  # sooner than the lease would end
        assert isinstance(result, TaskCompletion)
        assert (result.clone, result.attempt) == ("second", 1)
        assert runs.starts == [("x", 1), ("x", 1)]
        kinds = [type(event) for event in await patient.events("x")]
        assert kinds[-2:] == [TaskReassigned, TaskStarted]

    async def test_a_handler_that_answers_its_cancellation_with_an_error_is_handed_back_too(self, patient: Rig) -> None:
        started = asyncio.Event()

        async def tidy(task: Task) -> Done:
            if task.attempt == 1 and not started.is_set():
                started.set()
                try:
                    await asyncio.sleep(600)
                except asyncio.CancelledError:
                    raise TaskError(ErrorCode.ENGINE_FAILED, "my subprocess was killed") from None
            return Done()

        async with patient.worker(tidy):
            await patient.submit("x")
            await started.wait()
        async with patient.worker(tidy):
            result = await patient.result("x")
        assert isinstance(result, TaskCompletion)
        assert result.attempt == 1

    async def test_what_had_not_begun_does_not_begin(self, patient: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        runs, may_read = Runs(), asyncio.Event()
        async with patient.worker(runs, name="first") as worker:
            read = worker._network.results.read

            async def slow(task_type: str, task_id: str) -> TaskResult | None:
                await may_read.wait()
                return await read(task_type, task_id)

            monkeypatch.setattr(worker._network.results, "read", slow)
            await patient.submit("x")
            await eventually(lambda: worker.in_flight == 1)
            stopping = asyncio.create_task(worker.stop(0))
            await eventually(lambda: all(lease.is_recalled() for lease in worker._leases.held))
            may_read.set()
            await stopping
        assert runs.starts == []
        async with patient.worker(runs, name="second"):
            result = await patient.result("x")
        assert (result.clone, result.attempt) == ("second", 1)

    async def test_stopping_is_bounded_where_a_result_cannot_be_stored(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bus.worker, "HAND_BACK_S", 0.2)
        runs = Runs()
        async with rig.worker(runs) as worker:
            await rig.submit("x", {"held": True})
            await eventually(lambda: runs.running == 1)
            await api(rig.network.requester, f"STREAM.DELETE.{rig.subjects.results}")
            runs.released.set()
            await eventually(lambda: runs.finished == ["x"])
            began = time.monotonic()
            await worker.stop(0)
            assert worker.in_flight == 0
            assert time.monotonic() - began < WITHIN_S


class TestHolding:
    async def test_a_task_is_held_once(self, rig: Rig) -> None:
        """A server that was killed may bring a task anew, counted from 1, while it runs here."""
        keeper = LeaseKeeper(rig.network)
        first = keeper.hold(a_delivery(1))
        assert first is not None
        assert keeper.hold(a_delivery(2)) is None
        assert keeper.hold(a_delivery(1)) is None
        other = keeper.hold(a_delivery(1, sequence=8))
        assert keeper.held == {first, other}
        keeper.let_go(first)
        assert keeper.hold(a_delivery(2)) is not None

    async def test_what_comes_just_as_its_task_was_given_back_is_held_anew(self, rig: Rig) -> None:
        """Who has given it back says nothing more, and lets go of it in the next turn of the event loop."""
        keeper = LeaseKeeper(rig.network)
        first = keeper.hold(a_delivery(1))
        assert first is not None
        given_back = asyncio.create_task(asyncio.sleep(0))
        first.run(given_back)
        await given_back
        second = keeper.hold(a_delivery(2))
        assert second is not None
        keeper.let_go(first)
        assert keeper.held == {second}

    async def test_a_lost_lease_gives_way_and_takes_nothing_with_it(self, rig: Rig) -> None:
        keeper = LeaseKeeper(rig.network)
        first = keeper.hold(a_delivery(1))
        assert first is not None
        running = asyncio.create_task(asyncio.sleep(30))
        first.run(running)
        first.renewed_at -= 60
        second = keeper.hold(a_delivery(2))
        assert second is not None
        await asyncio.wait({running}, timeout=WITHIN_S)
        assert running.cancelled()
        assert first.stop_reason is Stop.LEASE_LOST
        with pytest.raises(LeaseLost, match="#7 is lost"):
            first.check()
        keeper.let_go(first)
        assert keeper.held == {second}

    async def test_a_lease_that_is_lost_while_its_task_is_stopped_ends_that_too(self) -> None:
        lease = Lease(a_delivery(1), time.monotonic())

        async def hands_back() -> None:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                await asyncio.sleep(30)  # the network does not answer

        running = asyncio.create_task(hands_back())
        lease.run(running)
        lease.interruptible = True
        await asyncio.sleep(0)
        lease.recall()
        await asyncio.sleep(0)
        lease.stop(Stop.SETTLED)  # once is enough
        assert lease.stop_reason is Stop.HANDED_BACK
        lease.stop(Stop.LEASE_LOST)
        await asyncio.wait({running}, timeout=WITHIN_S)
        assert running.cancelled()


def a_delivery(delivered: int, *, sequence: int = 7) -> Delivery:
    return Delivery(
        subject="sanctuary.task.echo",
        data=b"{}",
        headers={},
        ack_subject="$JS.ACK.x",
        consumer="task_echo",
        sequence=sequence,
        stored_at_s=0.0,
        delivered=delivered,
    )
