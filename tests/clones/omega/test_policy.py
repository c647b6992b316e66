"""What Omega decides by the route about tasks that their clones could not do, once for each time that one is parked."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

import clones.omega.commands
from bus.attempts import backoff_delay_s
from bus.jetstream import publish
from bus.task import Task
from clones.omega.absence import is_absent
from clones.omega.commands import ESCALATION_BACKOFF, ESCALATION_RETRIES
from clones.omega.policy import Policy, by_route
from schemas import (
    ErrorEscalation,
    RecoveryAction,
    Route,
    RoutingTable,
    TaskCompletion,
    TaskFailure,
    TaskParked,
    TaskResult,
    TaskStarted,
    decode,
    encode,
    sequence_id,
    to_plain,
)
from tests.bus.eventually import eventually
from tests.bus.rig import QUICK, Runs
from tests.clones.omega.test_commands import TYPE, action, clone, is_parked, omega, submit, table, verdict
from tests.clones.rig import ClonesRig


def parked(by: str = "beta", attempt: int = 1) -> TaskParked:
    return TaskParked(
        task_id="t",
        task_type=TYPE,
        clone=by,
        instance=f"{by}-1",
        attempt=attempt,
        at=datetime.now(UTC),
        code="engine_crashed",
        message="oops",
    )


def escalation(**fields: object) -> ErrorEscalation:
    whole = {"task_id": "t", "task_type": TYPE, "attempt": 1, "awaits_decision": True, **fields}
    return ErrorEscalation(
        severity="high",
        clone="beta",
        instance="beta-1",
        code="engine_crashed",
        message="oops",
        at=datetime.now(UTC),
        **whole,  # type: ignore[arg-type]
    )


async def store(rig: ClonesRig, subject: str, message: object) -> int:
    return (await publish(rig.network.requester, subject, encode(message))).seq


async def escalate(rig: ClonesRig, **fields: object) -> int:
    return await store(rig, rig.subjects.escalation("high", "beta"), escalation(**fields))


async def park(rig: ClonesRig, by: str = "beta") -> int:
    return await store(rig, rig.subjects.event(TYPE, "t"), parked(by))


async def decision(rig: ClonesRig, sequence: int, *, within_s: float = 60) -> TaskResult:
    return await rig.submitter.result("escalation", sequence_id(sequence), timeout_s=within_s)


async def commands(rig: ClonesRig) -> list[RecoveryAction]:
    messages = await rig.bus.in_stream(rig.subjects.ledger, rig.subjects.every("command"))
    return [decode(RecoveryAction, message.data) for message in messages]


ROUTE = Route(clone="beta", fallback=("delta", "sigma"), when_exhausted="fallback")


@pytest.mark.parametrize(
    ("by", "what", "to"),
    [
        (("beta",), "reassign", "delta"),
        (("delta",), "reassign", "beta"),
        (("beta", "delta", "beta"), "reassign", "sigma"),
        (("beta", "delta", "sigma"), "fail", None),
    ],
)
def test_each_clone_of_the_route_gets_its_turn_and_then_it_fails(
    by: tuple[str, ...], what: str, to: str | None
) -> None:
    decided = by_route(ROUTE, TYPE, "t", [parked(each) for each in by], ())
    assert decided is not None
    assert (decided.action, decided.clone, decided.by) == (what, to, "omega")
    assert "engine_crashed: oops" in decided.reason


def test_a_route_that_parks_leaves_it_to_a_person() -> None:
    route = Route(clone="beta", fallback=("delta",), when_exhausted="park")
    assert by_route(route, TYPE, "t", [parked()], ()) is None


@pytest.mark.parametrize(("there", "to"), [((), "delta"), (("sigma",), "sigma"), (("delta", "sigma"), "delta")])
async def test_a_clone_that_is_there_comes_first(clones_rig: ClonesRig, there: tuple[str, ...], to: str) -> None:
    await submit(clones_rig, "t")
    sequence = await escalate(clones_rig)
    await park(clones_rig)
    async with AsyncExitStack() as stack:
        for name in there:
            await stack.enter_async_context(clones_rig.clone(name, {}))
            await eventually(lambda: is_there(clones_rig, name))  # noqa: B023  it is awaited here
        told = await Policy(clones_rig.network, lambda: RoutingTable(routes={TYPE: ROUTE})).decide(as_task(sequence))
    assert told.output["clone"] == to


@pytest.mark.parametrize(("task_type", "task_id"), [(">", "t"), ("*", "t"), (TYPE, "*"), (TYPE, "t.>"), (TYPE, "")])
async def test_an_escalation_chooses_no_tasks_by_wildcards(clones_rig: ClonesRig, task_type: str, task_id: str) -> None:
    async with omega(clones_rig, table("fallback")):
        sequence = await escalate(clones_rig, task_type=task_type, task_id=task_id)
        await park(clones_rig)
        decided = await decision(clones_rig, sequence)
    assert isinstance(decided, TaskCompletion)
    assert decided.output == {"decision": "noted"}
    assert await commands(clones_rig) == []


async def test_the_fallback_does_what_the_primary_cannot(clones_rig: ClonesRig) -> None:
    routes = table("fallback")
    beta, delta = Runs(), Runs()
    async with (
        clone(clones_rig, beta, routes=routes),
        clone(clones_rig, delta, "delta", routes=routes),
        omega(clones_rig, routes),
    ):
        await submit(clones_rig, "t", fail="engine_crashed", until=2)
        result = await clones_rig.bus.result("t", TYPE)
    assert (type(result), result.clone, result.attempt) == (TaskCompletion, "delta", 2)
    (command,) = await commands(clones_rig)
    assert (command.action, command.clone, command.by) == ("reassign", "delta", "omega")


async def test_what_no_clone_can_do_fails(clones_rig: ClonesRig) -> None:
    routes = table("fallback")
    async with (
        clone(clones_rig, Runs(), routes=routes),
        clone(clones_rig, Runs(), "delta", routes=routes),
        omega(clones_rig, routes),
    ):
        await submit(clones_rig, "t", fail="engine_crashed")
        result = await clones_rig.bus.result("t", TYPE)
    assert isinstance(result, TaskFailure)
    assert result.code == "failed_by_operator"
    assert "no fallback clone is left: beta, delta could not do it" in result.message
    assert [command.action for command in await commands(clones_rig)] == ["reassign", "fail"]


async def test_a_parked_task_waits_for_a_person_and_says_how(clones_rig: ClonesRig) -> None:
    async with clone(clones_rig, Runs()), omega(clones_rig):
        await submit(clones_rig, "t", fail="engine_crashed", until=2)
        await eventually(lambda: is_parked(clones_rig, "t"))
        (entry,) = await clones_rig.bus.in_stream(clones_rig.subjects.ledger, clones_rig.subjects.every("escalation"))
        told = await decision(clones_rig, entry.sequence)
        assert isinstance(told, TaskCompletion)
        assert told.output["decision"] == "waits for a person"
        assert await commands(clones_rig) == []
        await verdict(clones_rig, action("t", "retry"))
        assert isinstance(await clones_rig.bus.result("t", TYPE), TaskCompletion)


async def test_an_escalation_that_waits_for_nothing_is_noted(clones_rig: ClonesRig) -> None:
    async with omega(clones_rig):
        told = await decision(clones_rig, await escalate(clones_rig, awaits_decision=False))
    assert isinstance(told, TaskCompletion)
    assert told.output == {"decision": "noted"}


async def test_the_decision_waits_until_the_task_is_parked(clones_rig: ClonesRig) -> None:
    await submit(clones_rig, "t")
    async with omega(clones_rig, table("fallback")):
        sequence = await escalate(clones_rig)
        await eventually(lambda: has_retried(clones_rig, sequence))
        assert await commands(clones_rig) == []
        await park(clones_rig)
        told = await decision(clones_rig, sequence)
    assert isinstance(told, TaskCompletion)
    assert told.output["decision"] == "reassign"


async def test_an_escalation_over_what_is_never_parked_costs_a_handful_of_entries(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_s = sum(
        backoff_delay_s(replace(ESCALATION_BACKOFF, jitter=0), number + 1) for number in range(ESCALATION_RETRIES)
    )
    assert waited_s > 120, "a parking may be on its way over a lease's end, or a reconnection"
    monkeypatch.setattr(clones.omega.commands, "ESCALATION_BACKOFF", QUICK)
    async with omega(clones_rig, table("fallback")):
        sequence = await escalate(clones_rig)
        told = await decision(clones_rig, sequence)
    assert isinstance(told, TaskFailure)
    assert len(await clones_rig.bus.events(sequence_id(sequence), "escalation")) <= 10


async def is_there(rig: ClonesRig, name: str) -> bool:
    return not await is_absent(rig.network, name)


async def has_retried(rig: ClonesRig, sequence: int) -> bool:
    return bool(await rig.bus.events(sequence_id(sequence), "escalation"))


@pytest.mark.parametrize("what", ["started", "settled"])
async def test_what_has_gone_on_already_is_left_alone(clones_rig: ClonesRig, what: str) -> None:
    await submit(clones_rig, "t")
    sequence = await escalate(clones_rig)
    await park(clones_rig)
    if what == "settled":
        async with omega(clones_rig):
            await verdict(clones_rig, action("t", "fail"))
    else:
        started = TaskStarted(task_id="t", task_type=TYPE, clone="beta", instance="b", attempt=2, at=datetime.now(UTC))
        await store(clones_rig, clones_rig.subjects.event(TYPE, "t"), started)
    before = len(await commands(clones_rig))
    told = await Policy(clones_rig.network, lambda: table("fallback")).decide(as_task(sequence))
    assert told.output["decision"] == "decided otherwise"
    assert len(await commands(clones_rig)) == before


async def test_one_parking_is_decided_once_whoever_says_it_how_often(clones_rig: ClonesRig) -> None:
    """Two escalations, their worker having died in between, each carried out by several Omegas at once."""
    await submit(clones_rig, "t")
    first, second = await escalate(clones_rig), await escalate(clones_rig)
    await park(clones_rig)
    policy = Policy(clones_rig.network, lambda: table("fallback"))
    told = await asyncio.gather(*(policy.decide(as_task(sequence)) for sequence in (first, second, first, second)))
    assert {each.output["decision"] for each in told} == {"reassign"}
    assert len(await commands(clones_rig)) == 1
    # Later ones are decided by escalations of their own.
    await park(clones_rig, "delta")
    late = await policy.decide(as_task(first))
    assert late.output["decision"] == "decided otherwise"
    third = await escalate(clones_rig)
    await park(clones_rig, "delta")
    assert (await policy.decide(as_task(third))).output["decision"] == "fail"
    assert [command.action for command in await commands(clones_rig)] == ["reassign", "fail"]


def as_task(sequence: int) -> Task:
    now = datetime.now(UTC)
    return Task(
        id=sequence_id(sequence),
        task_type="escalation",
        params=to_plain(escalation()),
        attempt=1,
        timeout_s=60,
        instance="omega-1",
        sequence=sequence,
        stored_at=now,
        started_at=now,
        labels={},
        parent_id=None,
        traceparent=None,
        report=lambda *_: None,
    )
