"""What is no task ends once and soon, whether a clone is there or not, and ends nobody's task."""

import pytest

from schemas import TaskCompletion, TaskFailure, TaskResult, decode, sequence_id
from tests.bus.eventually import eventually
from tests.bus.rig import TYPE, Rig, Runs
from tests.bus.taking import store
from tests.clones.omega.deadlines.overseer import ON_TIME_S, begin, omega

TYPO = b'{"id":"mine","schedule_to_strat_s":1}'


async def test_with_no_clone_there_it_ends_once_a_second_or_so_after_it_was_stored(rig: Rig) -> None:
    async with omega(rig), omega(rig):
        await store(rig.network, TYPO)
        result = await rig.result("mine")
        [unnamed] = await store(rig.network, b"no JSON")
        await rig.result(sequence_id(unnamed))
    assert isinstance(result, TaskFailure)
    assert (result.code, result.clone, result.attempt) == ("invalid_assignment", "omega", 0)
    assert "unknown field `schedule_to_strat_s`. A TaskAssignment takes: params" in result.message
    [task, _] = await rig.in_stream(rig.subjects.ledger, rig.subjects.task(TYPE))
    stored = await rig.results()
    assert len(stored) == 2
    assert 1.0 <= (stored[0].stored_at - task.stored_at).total_seconds() <= ON_TIME_S


@pytest.mark.usefixtures("quick")
async def test_the_id_of_a_task_that_has_begun_is_not_taken_from_it(rig: Rig) -> None:
    async with omega(rig):
        await rig.submit("mine")
        await begin(rig, "mine")
        [sequence] = await store(rig.network, TYPO)
        result = await rig.result(sequence_id(sequence))
        assert await rig.network.results.read(TYPE, "mine") is None
    assert isinstance(result, TaskFailure)
    assert result.code == "invalid_assignment"


@pytest.mark.usefixtures("quick")
async def test_a_worker_that_comes_later_finds_it_ended(rig: Rig) -> None:
    inbox = f"_INBOX.{TYPE}.mine"
    subscription = await rig.network.client.subscribe(inbox)
    await store(rig.network, b'{"id":"mine","params":7,"reply_to":"%s"}' % inbox.encode())
    async with omega(rig):
        told: TaskResult = decode(TaskResult, (await subscription.next_msg(timeout=ON_TIME_S)).data)
        assert told == await rig.result("mine")
        async with rig.worker(Runs()):
            await eventually(rig.all_settled)
    assert len(await rig.results()) == 1


@pytest.mark.usefixtures("patient")
async def test_a_worker_that_is_there_has_the_first_word(rig: Rig) -> None:
    async with omega(rig), rig.worker(Runs()):
        await store(rig.network, TYPO)
        result = await rig.result("mine")
        assert isinstance(await rig.run(), TaskCompletion)
    assert result.clone == "echo"
