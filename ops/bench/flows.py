"""Runs of a workflow whose steps do nothing, one after the other, for Omegas and a worker of `ops.bench.ours`."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from bus.client import Submitter
from bus.definitions import create
from bus.network import Network
from bus.routes import ensure_bucket, put
from bus.subjects import WORKFLOW_TYPE
from bus.topology import Limits
from clones.omega.coordination import make_network
from clones.omega.workflows.arrivals import Arrivals
from ops.bench.ours import TASK_TYPE
from schemas import (
    Route,
    RoutesInForce,
    RoutingTable,
    Step,
    TaskResult,
    WorkflowCompletion,
    WorkflowDefinition,
    WorkflowInForce,
    WorkflowStart,
)

NAME = "chain"
STEPS = 10
LOOK_EVERY_S = 5.0
"""How often a result is looked for that nobody has announced."""


def chain() -> WorkflowDefinition:
    """Return the workflow: each step has the one before in its parameters, as steps do."""
    steps = {"s1": Step(task=TASK_TYPE)}
    for number in range(2, STEPS + 1):
        before = f"s{number - 1}"
        steps[f"s{number}"] = Step(task=TASK_TYPE, needs=(before,), params={"after": f"${{steps.{before}.task_id}}"})
    return WorkflowDefinition(name=NAME, steps=steps, output={"last": f"${{steps.s{STEPS}.state}}"})


async def prepare(network: Network) -> None:
    """Make a network that has the workflow and the type of its steps."""
    await ensure_bucket(network)
    table = RoutingTable(routes={TASK_TYPE: Route(clone="bench")})
    await put(network, RoutesInForce(table=table, at=datetime.now(UTC), command=0), base_revision=0)
    await make_network(network, Limits())
    await create(network, WorkflowInForce(definition=chain(), version=1, at=datetime.now(UTC)))


@asynccontextmanager
async def submitter(network: Network, client: Submitter) -> AsyncIterator[Callable[[str], Awaitable[float]]]:
    """Yield what starts one run and returns the seconds until its result was seen."""
    async with Arrivals(network) as arrivals:

        async def submit(workflow_id: str) -> float:
            heard = asyncio.Event()

            def hear(_task_id: str, _body: bytes | None) -> None:
                heard.set()

            begun = time.perf_counter()
            await arrivals.expect(WORKFLOW_TYPE, workflow_id, hear)
            await client.start_workflow(NAME, WorkflowStart(id=workflow_id))
            result = None
            while result is None:
                result = await _result(network, workflow_id, heard)
            arrivals.forget(WORKFLOW_TYPE, workflow_id, hear)
            _check(result)
            return time.perf_counter() - begun

        yield submit


async def _result(network: Network, workflow_id: str, heard: asyncio.Event) -> TaskResult | None:
    try:
        async with asyncio.timeout(LOOK_EVERY_S):
            await heard.wait()
    except TimeoutError:
        pass
    return await network.results.read(WORKFLOW_TYPE, workflow_id)


def _check(result: TaskResult) -> None:
    if not isinstance(result, WorkflowCompletion):
        raise RuntimeError(getattr(result, "message", str(result)))
    if [line.state for line in result.steps] != ["completed"] * STEPS:
        raise RuntimeError(f"a run ended with {result.steps}")
