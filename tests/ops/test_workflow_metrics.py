"""What an Omega's /metrics say of workflows, held against what was run."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from bus.histories import Histories
from bus.identity import Identity
from bus.network import open_network
from bus.worker import Worker
from clones.omega.clock import Clock
from clones.omega.coordination import coordination
from clones.omega.workflows.observer import ObservedHistories
from ops.metrics import Metrics
from schemas import Schedule, WorkflowBegun, WorkflowEntry
from tests.bus.eventually import eventually
from tests.clones.omega.clocks import SetClock
from tests.clones.omega.test_scheduled_runs import put_into_force
from tests.clones.omega.workflows.flows import (
    Doers,
    clones,
    completed,
    definition,
    failed,
    history,
    put,
    start,
    task,
)
from tests.clones.omega.workflows.told import cancel, decision, sleeps, verdict
from tests.clones.rig import ClonesRig
from tests.ops.rig import OpsRig
from tests.ops.test_metrics import scrape, total

FAN = definition(
    {"each": task("${item}", foreach="input.places"), "last": task("last", "each")},
    name="fan",
    input={"places": {"kind": "list"}},
)
ASKS = definition({"first": task("first"), "ask": {"decision": {}, "needs": ["first"]}}, name="asks")


@asynccontextmanager
async def omega(rig: ClonesRig, clock: Clock | None = None) -> AsyncIterator[str]:
    """An Omega as `sanctuary omega` has it; yields where its metrics are."""
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(open_network(rig.bus.settings, rig.subjects, name="omega"))
        identity = Identity("omega")
        metrics = Metrics(identity, network)
        observer = metrics.workflow_observer()
        services = await stack.enter_async_context(coordination(network, identity, clock=clock, observer=observer))
        worker = Worker(network, services, identity, capacity=16, observer=metrics.observer)
        await worker.start()
        stack.push_async_callback(worker.stop, 0.0)
        url = stack.enter_context(metrics.served(0))
        assert url is not None
        yield url


async def test_runs_steps_and_histories(ops_rig: OpsRig, tmp_path: Path) -> None:
    rig = ClonesRig(ops_rig.bus, tmp_path)
    await put(rig, FAN, ASKS)
    doers = Doers()
    doers.failing.add("broken")
    async with clones(rig, doers), omega(rig) as url:
        await start(rig, "fan", "good", input={"places": ["a", "b", "c"]})
        await start(rig, "fan", "bad", input={"places": ["broken"]})
        await start(rig, "nothing-of-the-kind", "unknown")
        await completed(rig, "good")
        await failed(rig, "bad")
        await rig.bus.result("unknown", "workflow")
        for workflow_id in ("decided", "cancelled"):
            await start(rig, "asks", workflow_id)
            await eventually(sleeps(rig, workflow_id))

        async def shows(name: str, value: float, **labels: str) -> bool:
            return total(await scrape(url), name, **labels) == value

        await eventually(lambda: shows("sanctuary_workflow_runs_sleeping", 2))
        # A run is known to sleep a moment before it is left.
        await eventually(lambda: shows("sanctuary_workflow_runs_active", 0))
        await verdict(rig, decision(workflow_id="decided"))
        await completed(rig, "decided")
        await verdict(rig, cancel("cancelled"))
        await failed(rig, "cancelled")
        await eventually(lambda: shows("sanctuary_workflow_runs_ended_total", 4))
        await eventually(lambda: shows("sanctuary_workflow_runs_sleeping", 0))
        families = await scrape(url)

    begun, ended = "sanctuary_workflow_runs_begun_total", "sanctuary_workflow_runs_ended_total"
    assert (total(families, begun, workflow="fan"), total(families, begun, workflow="asks")) == (2, 2)
    assert total(families, ended, workflow="fan", outcome="completed") == 1
    assert total(families, ended, workflow="fan", outcome="failed") == 1
    assert total(families, ended, workflow="asks", outcome="completed") == 1
    assert total(families, ended, workflow="asks", outcome="cancelled") == 1
    assert total(families, "sanctuary_workflow_run_seconds_count", workflow="fan") == 2
    steps = "sanctuary_workflow_steps_ended_total"
    assert total(families, steps, workflow="fan", outcome="completed") == 4
    assert total(families, steps, workflow="fan", outcome="failed") == 1
    assert total(families, "sanctuary_workflow_wake_ups_total", workflow="asks") == 2
    entries = [entry for each in ("good", "bad", "decided", "cancelled") for entry in await history(rig, each)]
    assert total(families, "sanctuary_workflow_append_seconds_count") == len(entries)
    # What nobody has stored makes no series.
    assert {
        sample.labels["workflow"] for each in families for sample in each.samples if "workflow" in sample.labels
    } == {"fan", "asks"}


async def test_a_history_that_has_grown_meanwhile(ops_rig: OpsRig) -> None:
    metrics = Metrics(Identity("omega"), ops_rig.bus.network)
    histories = ObservedHistories(Histories(ops_rig.bus.network), metrics.workflow_observer())
    begun = WorkflowEntry(
        workflow_id="w",
        workflow="flow",
        version=1,
        at=datetime.now(UTC),
        instance="omega-1",
        activation=1,
        events=(WorkflowBegun(input={}),),
    )
    with metrics.served(0) as url:
        assert url is not None
        assert total(await scrape(url), "sanctuary_workflow_append_conflicts_total") == 0
        assert await histories.append(begun, last=0) is not None
        assert await histories.append(begun, last=0) is None
        families = await scrape(url)
    assert total(families, "sanctuary_workflow_append_conflicts_total") == 1
    assert total(families, "sanctuary_workflow_runs_begun_total", workflow="flow") == 1


async def test_schedules(ops_rig: OpsRig, tmp_path: Path) -> None:
    rig = ClonesRig(ops_rig.bus, tmp_path)
    clock = SetClock()
    await put(rig, definition({"rest": {"wait": {"for_s": 600}}}, name="slow"))
    async with omega(rig, clock) as url:
        await put_into_force(rig, "hourly", Schedule(workflow="slow", every_s=3600.0, catch_up_s=3600.0))

        async def told(name: str, count: int) -> None:
            async def does() -> bool:
                return total(await scrape(url), f"sanctuary_schedule_{name}_total") == count

            await eventually(does)

        clock.forward(hours=1)
        await told("starts", 1)
        clock.forward(hours=5)
        await told("missed", 1)
