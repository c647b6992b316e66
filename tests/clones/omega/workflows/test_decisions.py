"""Waiting for a person: over days, restarts and deaths, decided once, by somebody who stands in the ledger."""

import asyncio
from typing import Any

import pytest

from bus.subjects import WORKFLOW_TYPE
from schemas import (
    DecisionMade,
    TaskAssignment,
    TaskCompletion,
    WorkflowStart,
    WorkflowWaiting,
    decode,
    encode,
    sequence_id,
)
from tests.bus.eventually import eventually
from tests.clones.omega.clocks import SetClock
from tests.clones.omega.workflows.flows import (
    Doers,
    clones,
    completed,
    definition,
    failed,
    history,
    put,
    start,
    states,
    submitted,
    task,
)
from tests.clones.omega.workflows.told import activations, decision, refusal, sleeps, verdict
from tests.clones.rig import ClonesRig

APPROVED = definition(
    {
        "before": task("before"),
        "ask": {"decision": {"prompt": "Is ${input.what} good?"}, "needs": ["before"]},
        "after": task("${steps.ask.output.decided_by}", "ask"),
    },
    input={"what": {"default": "it"}},
)
BESIDE = definition({"ask": {"decision": {"prompt": "?"}}, "beside": task("beside"), "after": task("after", "ask")})


async def made(rig: ClonesRig) -> list[DecisionMade]:
    return [event for entry in await history(rig) for event in entry.events if isinstance(event, DecisionMade)]


async def test_two_days_later_another_omega_goes_on(clones_rig: ClonesRig) -> None:
    clock, doers = SetClock(), Doers()
    await put(clones_rig, APPROVED)
    async with clones(clones_rig, doers):
        async with clones_rig.omega(clock=clock):
            await start(clones_rig)
            await eventually(sleeps(clones_rig))
        clock.forward(days=2)
        async with clones_rig.omega(clock=clock) as second:
            told = await verdict(clones_rig, decision(comment="fine"))
            ended = await completed(clones_rig)
    assert told.summary == "ask of workflow w is approved by ann"
    assert told.output == {"workflow_id": "w", "step": "ask", "verdict": "approve", "decided_by": "ann"}
    [decided] = await made(clones_rig)
    assert (decided.decided_by, decided.comment, f"seq-{decided.command}") == ("ann", "fine", told.task_id)
    assert ended.instance == second.identity.instance
    assert (ended.finished_at - ended.started_at).days == 2
    assert doers.targets == ["before", "ann"]
    assert len(await submitted(clones_rig)) == 2
    assert await activations(clones_rig) == 2


async def test_while_it_sleeps_nobody_holds_it(clones_rig: ClonesRig) -> None:
    await put(clones_rig, APPROVED)
    async with clones(clones_rig, Doers()), clones_rig.omega() as omega:
        await start(clones_rig)
        await eventually(sleeps(clones_rig))
        await eventually(lambda: omega.daemon.worker.in_flight == 0)
        last = (await clones_rig.bus.events("w", WORKFLOW_TYPE))[-1]
        assert isinstance(last, WorkflowWaiting)
        assert last.message == "waits for a decision on ask"
        assert await clones_rig.network.results.read(WORKFLOW_TYPE, "w") is None


async def test_a_rejection_fails_it(clones_rig: ClonesRig) -> None:
    await put(clones_rig, APPROVED)
    doers = Doers()
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await eventually(sleeps(clones_rig))
        await verdict(clones_rig, decision(verdict="reject", comment="too early"))
        ended = await failed(clones_rig)
    assert ended.code == "step_failed"
    assert (ended.details["step"], ended.details["code"]) == ("ask", "rejected")
    assert states(ended) == {"before": "completed", "ask": "failed", "after": "skipped"}
    assert doers.targets == ["before"]


async def test_its_limit_is_a_durable_timer(clones_rig: ClonesRig) -> None:
    limited = definition({"ask": {"decision": {"timeout_s": 172_800}, "on_failure": "late"}, "late": task("late")})
    clock = SetClock()
    await put(clones_rig, limited)
    async with clones(clones_rig, Doers()):
        async with clones_rig.omega(clock=clock):
            await start(clones_rig)
            await eventually(sleeps(clones_rig))
        clock.forward(days=2, seconds=1)
        async with clones_rig.omega(clock=clock):
            ended = await completed(clones_rig)
    assert states(ended) == {"ask": "failed", "late": "completed"}
    assert next(line for line in ended.steps if line.step == "ask").code == "deadline_exceeded"


async def test_a_driver_hears_at_once(clones_rig: ClonesRig) -> None:
    """It waits for a task too, and so it is awake; nothing but what it hears makes it look."""
    await put(clones_rig, BESIDE)
    doers = Doers()
    release = doers.hold("beside")
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await eventually(doers.begun("beside"))
        await verdict(clones_rig, decision())
        await eventually(doers.begun("after"))
        release.set()
        await completed(clones_rig)
    assert await activations(clones_rig) == 1


async def test_a_run_without_an_id_of_its_own_wakes(clones_rig: ClonesRig) -> None:
    await put(clones_rig, APPROVED)
    async with clones(clones_rig, Doers()), clones_rig.omega():
        client = clones_rig.network.client
        await client.publish(clones_rig.subjects.workflow("flow"), b'{"input":{"what":"this"}}')
        subject = clones_rig.subjects.workflow("flow")

        async def is_stored() -> bool:
            return bool(await clones_rig.bus.in_stream(clones_rig.subjects.ledger, subject))

        await eventually(is_stored)
        [started] = await clones_rig.bus.in_stream(clones_rig.subjects.ledger, subject)
        workflow_id = sequence_id(started.sequence)
        await eventually(sleeps(clones_rig, workflow_id))
        await verdict(clones_rig, decision(workflow_id=workflow_id))
        await completed(clones_rig, workflow_id)


async def test_a_forged_wake_up_begins_nothing(clones_rig: ClonesRig) -> None:
    """Under an id that the network gives, and has not given yet."""
    await put(clones_rig, APPROVED)
    body = encode(WorkflowStart(id="seq-900"))
    async with clones(clones_rig, Doers()), clones_rig.omega():
        js = clones_rig.network.client.jetstream()
        await js.publish(clones_rig.subjects.workflow("flow"), body, headers={"Nats-Msg-Id": "wake-up.forged"})
        await start(clones_rig)
        await eventually(sleeps(clones_rig))
    assert await history(clones_rig, "seq-900") == []
    assert await clones_rig.network.results.read(WORKFLOW_TYPE, "seq-900") is None


async def test_it_is_decided_once(clones_rig: ClonesRig) -> None:
    await put(clones_rig, BESIDE)
    doers = Doers()
    release = doers.hold("beside")
    async with clones(clones_rig, doers), clones_rig.omega(), clones_rig.omega():
        await start(clones_rig)
        await eventually(doers.begun("beside"))
        told = await asyncio.gather(
            *(_outcome(clones_rig, decision(verdict=word)) for word in ("approve", "reject", "approve", "reject"))
        )
        assert sum(told) == 1
        why = await refusal(clones_rig, decision(verdict="reject"))
        release.set()
        await eventually(lambda: _ended(clones_rig))
    [decided] = await made(clones_rig)
    word = {"approve": "approved", "reject": "rejected"}[decided.verdict]
    assert why.message == f"ask of workflow w was {word} already by ann"


async def _outcome(rig: ClonesRig, wanted: Any) -> bool:
    sequence = (await rig.network.client.jetstream().publish(rig.subjects.command("workflow"), encode(wanted))).seq
    return isinstance(await rig.submitter.result("command", sequence_id(sequence), timeout_s=60), TaskCompletion)


async def _ended(rig: ClonesRig) -> bool:
    return await rig.network.results.read(WORKFLOW_TYPE, "w") is not None


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (decision("before"), "before of workflow w takes no decision; these wait: ask"),
        (decision("nowhere"), "workflow w has no step 'nowhere'; these wait: ask"),
        (decision(workflow_id="v"), "no run v is known"),
        (decision().__class__(workflow_id="w", step="ask", verdict="approve", decided_by=" "), "at `$.decided_by`"),
    ],
)
async def test_what_cannot_be_decided_is_told_in_words(clones_rig: ClonesRig, wanted: Any, says: str) -> None:
    await put(clones_rig, APPROVED)
    async with clones(clones_rig, Doers()), clones_rig.omega():
        await start(clones_rig)
        await eventually(sleeps(clones_rig))
        told = await refusal(clones_rig, wanted)
    assert says in told.message


async def test_before_it_waits_and_after_it_has_ended(clones_rig: ClonesRig) -> None:
    await put(clones_rig, APPROVED)
    doers = Doers()
    release = doers.hold("before")
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await eventually(doers.begun("before"))
        early = await refusal(clones_rig, decision())
        release.set()
        await eventually(sleeps(clones_rig))
        await verdict(clones_rig, decision())
        await completed(clones_rig)
        late = await refusal(clones_rig, decision("before"))
    assert early.message == (
        "ask of workflow w does not wait for its decision: it is pending; none of its steps waits for one now"
    )
    assert late.message == "workflow w has ended, and waits for no decision any more"


async def test_the_steps_of_a_run_are_children_of_it(clones_rig: ClonesRig) -> None:
    """After it was woken too, with the labels of the start."""
    await put(clones_rig, APPROVED)
    async with clones(clones_rig, Doers()), clones_rig.omega():
        await start(clones_rig, labels={"team": "a"})
        await eventually(sleeps(clones_rig))
        await verdict(clones_rig, decision())
        ended = await completed(clones_rig)
    assert ended.labels == {"team": "a"}
    messages = await clones_rig.bus.in_stream(clones_rig.subjects.ledger, clones_rig.subjects.every("task"))
    assert [decode(TaskAssignment, each.data).labels for each in messages] == [{"team": "a"}] * 2
