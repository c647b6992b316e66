"""Runs that do an ended one again: from the beginning, or from where it failed, keeping what was completed."""

import pytest

from schemas import WorkflowStart, encode
from tests.bus.eventually import eventually
from tests.clones.omega.workflows.flows import (
    Doers,
    clones,
    completed,
    definition,
    failed,
    put,
    start,
    states,
    submitted,
    task,
)
from tests.clones.omega.workflows.told import cancel, decision, putting, refusal, sleeps, verdict
from tests.clones.rig import ClonesRig
from tests.clones.step_ids import ids_of

FLOW = definition(
    {
        "first": task("${input.where}"),
        "skipped": task("never", when="input.where == 'elsewhere'"),
        "ask": {"decision": {"prompt": "?"}, "needs": ["first"]},
        "second": task("second/${steps.first.output.target}", "ask"),
        "last": task("last", "second", "skipped"),
    },
    input={"where": {"required": True}},
    output="${steps.first.output.target}",
)


async def failed_at_second(rig: ClonesRig, doers: Doers) -> None:
    doers.failing.add("second/here")
    await start(rig, input={"where": "here"})
    await eventually(sleeps(rig))
    await verdict(rig, decision())
    ended = await failed(rig)
    assert states(ended)["second"] == "failed"
    doers.failing.clear()
    doers.tasks.clear()


async def test_it_goes_on_where_it_failed(clones_rig: ClonesRig) -> None:
    """With its input and its version; nobody is asked again."""
    await put(clones_rig, FLOW)
    doers = Doers()
    async with clones(clones_rig, doers), clones_rig.omega():
        await failed_at_second(clones_rig, doers)
        await verdict(clones_rig, putting(definition({"other": task("other")})))
        await start(clones_rig, workflow_id="again", retry_of="w", resume=True)
        ended = await completed(clones_rig, "again")
    assert doers.targets == ["second/here", "last"]
    assert (ended.version, ended.retry_of, ended.output) == (1, "w", "here")
    assert states(ended) == {
        "first": "completed",
        "skipped": "skipped",
        "ask": "completed",
        "second": "completed",
        "last": "completed",
    }
    ids = [each.id for each in await submitted(clones_rig)]
    before, again = await ids_of(clones_rig.network, "w"), await ids_of(clones_rig.network, "again")
    assert ids == [before("first"), before("second"), again("second"), again("last")]


async def test_from_the_beginning(clones_rig: ClonesRig) -> None:
    await put(clones_rig, FLOW)
    doers = Doers()
    async with clones(clones_rig, doers), clones_rig.omega():
        await failed_at_second(clones_rig, doers)
        await start(clones_rig, workflow_id="again", retry_of="w", input={"where": "there"})
        await eventually(sleeps(clones_rig, "again"))
        await verdict(clones_rig, decision(workflow_id="again"))
        ended = await completed(clones_rig, "again")
    assert doers.targets == ["there", "second/there", "last"]
    assert ended.retry_of == "w"


async def test_a_cancelled_one_goes_on(clones_rig: ClonesRig) -> None:
    await put(clones_rig, FLOW)
    doers = Doers()
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig, input={"where": "here"})
        await eventually(sleeps(clones_rig))
        await verdict(clones_rig, cancel())
        await failed(clones_rig)
        await start(clones_rig, workflow_id="again", retry_of="w", resume=True)
        await eventually(sleeps(clones_rig, "again"))
        await verdict(clones_rig, decision(workflow_id="again"))
        await completed(clones_rig, "again")
    assert doers.targets == ["here", "second/here", "last"]


@pytest.mark.parametrize("how", ["it runs", "it was completed", "it never was", "of another name"])
async def test_what_cannot_go_on_is_refused(clones_rig: ClonesRig, how: str) -> None:
    """To a call before anything is stored, to whoever publishes as the run's result."""
    other = definition({"only": task("only")}, name="other")
    await put(clones_rig, definition({"only": task("here")}), other)
    doers = Doers()
    if how == "it runs":
        doers.hold("here")
    if how == "of another name":
        doers.failing.add("here")
    name = "other" if how == "of another name" else "flow"
    wanted = WorkflowStart(id="again", retry_of="x" if how == "it never was" else "w", resume=True)
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await (eventually(doers.begun("here")) if how == "it runs" else clones_rig.bus.result("w", "workflow"))
        subject = clones_rig.subjects.call_workflow(name)
        called = await clones_rig.network.client.request(subject, encode(wanted), timeout=60)
        await clones_rig.submitter.start_workflow(name, wanted)
        stored = await clones_rig.bus.result("again", "workflow")
        await refusal(clones_rig, cancel("nothing"))
    says = {
        "it runs": "there is no ended run w that could go on",
        "it was completed": "there is no ended run w that could go on",
        "it never was": "there is no ended run x that could go on",
        "of another name": "w is a run of flow, not of other",
    }[how]
    assert called.headers is not None
    assert called.headers["Nats-Service-Error-Code"] == "incompatible_task"
    assert says in called.headers["Nats-Service-Error"]
    assert says in stored.message  # type: ignore[union-attr]
