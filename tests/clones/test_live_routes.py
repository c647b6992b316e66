"""A change of the routing table takes effect in running daemons, under load, and without losing a task."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from nats.errors import NoRespondersError

from bus.jetstream import publish
from bus.task import Done, Task
from clones.routing import types_of
from schemas import (
    Route,
    RouteChange,
    RoutingTable,
    TaskAssignment,
    TaskCompletion,
    TaskFailure,
    TaskResult,
    Weights,
    decode,
    encode,
)
from tests.bus.eventually import WITHIN_S, eventually
from tests.clones.rig import TABLE, ClonesRig, Running, put_table

EFFECT_S = 2.0
"""Within which a change takes effect on a machine that has nothing else to do."""
TYPE = "security"
SHORT_S = 0.02
LONG_S = 0.5
"""Of tasks that are to run beside each other: so long that a slow machine has begun all of them before the first is over."""


def routed(task_type: str = TYPE, table: RoutingTable = TABLE, **settings: Any) -> RoutingTable:
    """The table with other settings of one route."""
    return replace(table, routes={**table.routes, task_type: replace(table.routes[task_type], **settings)})


async def change(rig: ClonesRig, table: RoutingTable, base: int) -> None:
    """Have Omega put a table into force."""
    body = encode(RouteChange(table=table, base_revision=base))
    answer = await rig.network.client.request(rig.subjects.call_command(), body, timeout=WITHIN_S)
    verdict: TaskResult = decode(TaskResult, answer.data)
    assert isinstance(verdict, TaskCompletion), verdict


class Busy:
    """A handler that notes what runs beside what."""

    def __init__(self, sleep_s: float = SHORT_S) -> None:
        self.sleep_s = sleep_s
        self.running = 0
        self.starts: list[tuple[float, str]] = []
        """When each task began, and whose instance began it."""
        self.beside: list[tuple[float, int]] = []
        """When each task began, and how many ran then."""

    async def __call__(self, task: Task) -> Done:
        now = time.monotonic()
        self.running += 1
        self.starts.append((now, task.instance.partition("-")[0]))
        self.beside.append((now, self.running))
        try:
            await asyncio.sleep(task.params.get("sleep_s", self.sleep_s))
        finally:
            self.running -= 1
        return Done()

    def clones_since(self, moment: float) -> set[str]:
        return {clone for at, clone in self.starts if at >= moment}

    def most_since(self, moment: float) -> int:
        return max((count for at, count in self.beside if at >= moment), default=0)


@asynccontextmanager
async def load(rig: ClonesRig, clients: int = 16, task_type: str = TYPE) -> AsyncIterator[list[TaskResult]]:
    """Clients that have task after task done; at the end each has its last result."""
    results: list[TaskResult] = []
    ending = asyncio.Event()

    async def client() -> None:
        while not ending.is_set():
            results.append(await rig.submitter.run(task_type, TaskAssignment(), timeout_s=2 * WITHIN_S))

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
        try:
            yield results
        finally:
            ending.set()


async def is_heard(rig: ClonesRig, task_type: str = TYPE) -> bool:
    """Tell whether a primary of a type says that it is there."""
    try:
        await rig.network.client.request(rig.subjects.presence(task_type), timeout=WITHIN_S)
    except NoRespondersError:
        return False
    return True


def place(running: Running, task_type: str = TYPE) -> int | None:
    """The clone's place for a type; None: it does not serve it."""
    return next((each.place for each in running.daemon.worker.services if each.task_type == task_type), None)


async def test_concurrency_weights_and_limits_under_load(clones_rig: ClonesRig) -> None:
    busy = Busy(LONG_S)
    table = routed(concurrency=1, rate_per_s=None, timeout_s=7, retries=5)
    table = replace(table, weights=Weights(high=2, medium=2, low=2))
    async with clones_rig.omega(), clones_rig.clone("beta", {TYPE: busy}, capacity=8) as beta:
        async with load(clones_rig) as results:
            await eventually(lambda: busy.most_since(0) == 8)
            busy.sleep_s = SHORT_S
            await change(clones_rig, table, 1)
            await eventually(lambda: beta.daemon.worker.services[0].concurrency == 1)
            # What was on its way when it changed has begun by then.
            changed = len(busy.starts)
            await eventually(lambda: len(busy.starts) >= changed + 20)
            seen_from = time.monotonic()
            await eventually(lambda: len([at for at, _ in busy.starts if at > seen_from]) >= 20)
            assert busy.most_since(seen_from) == 1
            await change(clones_rig, TABLE, 2)
            busy.sleep_s = LONG_S
            back_at = time.monotonic()
            await eventually(lambda: busy.most_since(back_at) == 8)
        (service,) = beta.daemon.worker.services
    assert all(isinstance(result, TaskCompletion) for result in results)
    assert (service.timeout_s, service.retries, service.concurrency) == (240, 2, None)


async def test_what_a_worker_goes_by(clones_rig: ClonesRig) -> None:
    """Weights, timeout, retries, rate: what the worker makes of them is tested with the worker."""
    async with clones_rig.omega(), clones_rig.clone("beta", {TYPE: Busy()}) as beta:
        await eventually(lambda: place(beta) == 0)
        table = routed(timeout_s=7, retries=5, rate_per_s=3, when_exhausted="park", schedule_to_start_s=60)
        await change(clones_rig, replace(table, weights=Weights(high=9, low=2)), 1)
        await eventually(lambda: beta.daemon.worker.services[0].timeout_s == 7)
        (service,) = beta.daemon.worker.services
    assert (service.retries, service.rate_per_s, service.parks, service.schedule_to_start_s) == (5, 3, True, 60)
    assert sorted(service.consumers.values()) == [2, 3, 9, 9]


async def test_a_new_timeout_counts_for_the_next_attempt(clones_rig: ClonesRig) -> None:
    async with clones_rig.omega(), clones_rig.clone("beta", {TYPE: Busy()}) as beta:
        await eventually(lambda: place(beta) == 0)
        await change(clones_rig, routed(timeout_s=0.2, retries=0), 1)
        await eventually(lambda: beta.daemon.worker.services[0].timeout_s == 0.2)
        result = await clones_rig.run(TYPE, {"sleep_s": 30})
    assert isinstance(result, TaskFailure)
    assert result.code == "start_to_close_timeout"


async def test_a_type_moves_to_another_clone_under_load(clones_rig: ClonesRig) -> None:
    busy = Busy()
    moved = routed(clone="gamma", fallback=("beta",))
    async with (
        clones_rig.omega(),
        clones_rig.clone("beta", {TYPE: busy}) as beta,
        clones_rig.clone("gamma", {TYPE: busy}) as gamma,
    ):
        await eventually(lambda: place(beta) == 0)
        assert place(gamma) is None
        async with load(clones_rig) as results:
            await eventually(lambda: len(results) > 50)
            assert busy.clones_since(0) == {"beta"}
            await change(clones_rig, moved, 1)
            await eventually(lambda: (place(beta), place(gamma)) == (1, 0))
            # Until it hears that the other one is there, the clone before goes on in its place.
            await eventually(lambda: is_heard(clones_rig))
            heard = len(busy.starts)
            await eventually(lambda: [clone for _, clone in busy.starts[heard:]][-50:] == ["gamma"] * 50)
            since, count = time.monotonic(), len(results)
            await eventually(lambda: len(results) > count + 50)
            assert busy.clones_since(since) == {"gamma"}
    assert all(isinstance(result, TaskCompletion) for result in results)


@pytest.mark.usefixtures("long_leases")
async def test_what_runs_where_a_type_is_taken_from_ends_there(clones_rig: ClonesRig) -> None:
    busy = Busy()
    async with (
        clones_rig.omega(),
        clones_rig.clone("beta", {TYPE: busy}) as beta,
        clones_rig.clone("gamma", {TYPE: busy}) as gamma,
    ):
        await eventually(lambda: place(beta) == 0)
        running = asyncio.create_task(clones_rig.run(TYPE, {"sleep_s": 3}))
        await eventually(lambda: busy.running == 1)
        await change(clones_rig, routed(clone="gamma", fallback=()), 1)
        await eventually(lambda: (place(beta), place(gamma)) == (None, 0))
        result = await running
    assert (result.clone, result.attempt) == ("beta", 1)
    assert isinstance(result, TaskCompletion)


async def test_a_fallback_that_is_added_takes_over(clones_rig: ClonesRig) -> None:
    busy = Busy()
    async with clones_rig.omega(), clones_rig.clone("sigma", {TYPE: busy}) as sigma:
        waiting = asyncio.create_task(clones_rig.run(TYPE, {}))
        await change(clones_rig, routed(fallback=("sigma",)), 1)
        await eventually(lambda: place(sigma) == 1)
        assert (await waiting).clone == "sigma"


async def test_a_type_comes_and_goes(clones_rig: ClonesRig) -> None:
    """A task that comes at once is none that nobody serves; one that comes when the type is gone is told so."""
    busy = Busy()
    wider = replace(TABLE, routes={**TABLE.routes, "translate": Route(clone="gamma")})
    async with clones_rig.omega(), clones_rig.clone("gamma", {"translate": busy}) as gamma:
        await change(clones_rig, wider, 1)
        first = await clones_rig.run("translate", {})
        assert isinstance(first, TaskCompletion)
        await change(clones_rig, TABLE, 2)
        await eventually(lambda: place(gamma, "translate") is None)
        gone = await clones_rig.run("translate", {})
        assert isinstance(gone, TaskFailure)
        assert gone.code == "unknown_task_type"
        await change(clones_rig, wider, 3)
        again = await clones_rig.run("translate", {})
        assert isinstance(again, TaskCompletion)
        assert len(busy.starts) == 2


async def test_a_type_that_a_clone_cannot_do_is_escalated_once_and_the_rest_served(clones_rig: ClonesRig) -> None:
    busy = Busy()
    async with clones_rig.omega(), clones_rig.clone("gamma", {"architecture": busy}, complete=True) as gamma:
        await eventually(lambda: place(gamma, "architecture") == 0)
        lacking = sorted(name for name in types_of(TABLE, "gamma") if name != "architecture")
        await eventually(lambda: _told(clones_rig, lacking))
        await change(clones_rig, routed(clone="gamma", fallback=()), 1)
        await eventually(lambda: _told(clones_rig, [*lacking, TYPE]))
        assert isinstance(await clones_rig.run("architecture", {}), TaskCompletion)
    told = (await clones_rig.escalations())[-1]
    assert (told.clone, told.code, told.awaits_decision) == ("gamma", "incompatible_task", False)
    assert told.message.startswith("routing table 2 gives security to gamma, which has no handler for it")


async def _told(rig: ClonesRig, types: list[str]) -> bool:
    return [escalation.task_type for escalation in await rig.escalations()] == types


async def test_a_table_that_cannot_be_read_leaves_the_last_one_in_use(clones_rig: ClonesRig) -> None:
    async with clones_rig.omega(), clones_rig.clone("beta", {TYPE: Busy()}) as beta:
        await eventually(lambda: place(beta) == 0)
        key = f"$KV.{clones_rig.subjects.routes}.table"
        ack = await publish(clones_rig.network.requester, key, b"no table")
        await asyncio.sleep(EFFECT_S)
        assert isinstance(await clones_rig.run(TYPE, {}), TaskCompletion)
        body = encode(RouteChange(table=TABLE, base_revision=ack.seq))
        answer = await clones_rig.network.client.request(clones_rig.subjects.call_command(), body, timeout=WITHIN_S)
        verdict: TaskResult = decode(TaskResult, answer.data)
        assert isinstance(verdict, TaskFailure)
        assert verdict.code == "routes_refused"
        assert f"nats kv revert {clones_rig.subjects.routes} table REVISION" in verdict.message
        # Reverted, it can be changed as before.
        reverted = await put_table(clones_rig.network, TABLE, base_revision=ack.seq)
        await change(clones_rig, routed(timeout_s=7), reverted)
        await eventually(lambda: beta.daemon.worker.services[0].timeout_s == 7)
