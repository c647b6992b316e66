"""Omega dies at each step of each command, before and after what it sends is sent; carried out again, it is done once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from nats.aio.msg import Msg

from bus.client import Submitter
from bus.identity import Identity
from bus.jetstream import publish
from bus.network import Network, open_network
from bus.requests import Requester
from bus.results import Results
from bus.task import Done, Handler, Task, TaskError
from clones.omega.clock import SystemClock
from clones.omega.commands import command_handler
from clones.omega.workflows.steering import workflows_of
from schemas import Command, TaskAssignment, TaskParked, TaskResumed, decode, encode, sequence_id, to_plain
from tests.bus.rig import failure
from tests.clones.omega.test_commands import TYPE, action, cancel, table
from tests.clones.rig import ClonesRig


class Died(Exception):
    """The process is gone."""


class Mortal(Requester):
    """A requester whose process dies at its request number `at`, before it is sent or once it is answered."""

    def __init__(self, inner: Requester, at: int, *, once_answered: bool) -> None:
        self._inner = inner
        self._left = at
        self._once_answered = once_answered
        self.died = False

    async def request(self, *arguments: Any, **options: Any) -> Msg:
        return await self._live(lambda: self._inner.request(*arguments, **options))

    async def collect(self, *arguments: Any, **options: Any) -> list[Msg]:
        return await self._live(lambda: self._inner.collect(*arguments, **options))

    async def _live(self, send: Callable[[], Awaitable[Any]]) -> Any:
        if self.died:
            raise Died
        self._left -= 1
        self.died = self._left < 0
        if self.died and not self._once_answered:
            raise Died
        answer = await send()
        if self.died:
            raise Died
        return answer


async def store(rig: ClonesRig, subject: str, message: object) -> int:
    return (await publish(rig.network.requester, subject, encode(message))).seq


async def parked(rig: ClonesRig, task_id: str) -> None:
    sequence = await store(rig, rig.subjects.task(TYPE), TaskAssignment(id=task_id))
    event = TaskParked(
        task_id=task_id,
        task_type=TYPE,
        clone="beta",
        instance="beta-1",
        attempt=1,
        at=datetime.now(UTC),
        sequence=sequence,
        code="engine_crashed",
        message="oops",
    )
    await store(rig, rig.subjects.event(TYPE, task_id), event)


async def ended(rig: ClonesRig, task_id: str) -> None:
    await store(rig, rig.subjects.task(TYPE), TaskAssignment(id=task_id))
    await rig.network.results.settle(msgspec.structs.replace(failure(task_id), task_type=TYPE))


def handler_on(network: Network) -> Handler:
    identity = Identity("omega")
    return command_handler(identity, workflows_of(network, identity, Submitter(network), table, SystemClock()))


async def trace(rig: ClonesRig, task_id: str) -> dict[str, int]:
    """What the ledger holds of a task that a command may have made: new tasks, handovers, and events that it goes on."""
    tasks = await rig.bus.in_stream(rig.subjects.ledger, rig.subjects.task(TYPE))
    handovers = await rig.bus.in_stream(rig.subjects.ledger, rig.subjects.handover(TYPE, "delta"))
    found = [decode(TaskAssignment, message.data) for message in (*tasks, *handovers)]
    resumed = [event for event in await rig.bus.events(task_id, TYPE) if isinstance(event, TaskResumed)]
    result = await rig.network.results.read(TYPE, task_id)
    return {
        "new": sum(each.retry_of == task_id for each in found),
        "handed": sum(decode(TaskAssignment, message.data).id == task_id for message in handovers),
        "resumed": len(resumed),
        "settled": int(result is not None and result.writer.startswith("command-")),
    }


NOTHING = {"new": 0, "handed": 0, "resumed": 0, "settled": 0}


@pytest.mark.parametrize("once_answered", [False, True])
@pytest.mark.parametrize(
    ("before", "command", "leaves"),
    [
        (parked, cancel, {"settled": 1}),
        (parked, lambda task_id: action(task_id, "complete", output=1), {"settled": 1}),
        (parked, lambda task_id: action(task_id, "fail"), {"settled": 1}),
        (parked, lambda task_id: action(task_id, "retry"), {"resumed": 1}),
        (parked, lambda task_id: action(task_id, "reassign", clone="delta"), {"resumed": 1, "handed": 1}),
        (ended, lambda task_id: action(task_id, "retry"), {"new": 1}),
        (ended, lambda task_id: action(task_id, "reassign", clone="delta"), {"new": 1}),
    ],
)
async def test_a_command_is_carried_out_once_wherever_its_omega_dies(
    clones_rig: ClonesRig,
    before: Callable[[ClonesRig, str], Awaitable[None]],
    command: Callable[[str], Command],
    leaves: dict[str, int],
    once_answered: bool,
) -> None:
    deaths = 0
    while True:
        task_id = f"t{deaths}"
        await before(clones_rig, task_id)
        wanted = command(task_id)
        sequence = await store(clones_rig, clones_rig.subjects.command(TYPE), wanted)
        task = as_task(sequence, wanted)
        async with open_network(clones_rig.bus.settings, clones_rig.subjects, name="omega") as network:
            mortal = Mortal(network.requester, deaths, once_answered=once_answered)
            network.requester, network.results = mortal, Results(mortal, network.subjects)
            try:
                first = await handler_on(network)(task)
            except Died:
                first = None
        # Twice more: nobody knows how often it comes.
        told = [await handler_on(clones_rig.network)(task) for _ in range(2)]
        assert told[0] == told[1], f"died at request {deaths}"
        assert first is None or first == told[0]
        assert await trace(clones_rig, task_id) == NOTHING | leaves, f"died at request {deaths}"
        if first is not None:
            break
        deaths += 1
    assert deaths >= 4


def as_task(sequence: int, command: Command) -> Task:
    now = datetime.now(UTC)
    return Task(
        id=sequence_id(sequence),
        task_type="command",
        params=to_plain(command),
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


async def test_of_several_commands_at_once_one_moves_the_task(clones_rig: ClonesRig) -> None:
    await parked(clones_rig, "t")
    wanted = [action("t", "retry"), action("t", "reassign", clone="delta"), action("t", "retry")]
    sequences = [await store(clones_rig, clones_rig.subjects.command(TYPE), each) for each in wanted]
    handler = handler_on(clones_rig.network)
    told = await asyncio.gather(
        *(handler(as_task(sequence, each)) for sequence, each in zip(sequences, wanted, strict=True)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, Done) for each in told) == 1
    refused = [each for each in told if isinstance(each, TaskError)]
    assert [each.code for each in refused] == ["command_refused"] * 2
    assert all("was let go on" in each.message for each in refused)
    assert (await trace(clones_rig, "t"))["resumed"] == 1
