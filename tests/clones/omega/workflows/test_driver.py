"""A run from its start to its result, by one Omega that nothing happens to."""

from datetime import timedelta

import msgspec
import pytest

from bus.consumers import consumer_state
from bus.jetstream import publish
from bus.subjects import WORKFLOW_TYPE
from bus.task import Done, Task
from schemas import (
    ErrorCode,
    StepEnded,
    TaskCompletion,
    TaskFailure,
    WorkflowBegun,
    WorkflowCompletion,
    encode,
)
from tests.bus.eventually import eventually
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
from tests.clones.rig import ClonesRig
from tests.clones.step_ids import ids_of

CHAIN = definition(
    {
        "one": task("${input.where}"),
        "two": task("${steps.one.output.target}/two", "one", task="testing"),
        "three": task("three", "two"),
    },
    input={"where": {"required": True}},
    output={"last": "${steps.three.output.target}", "second": "${steps.two.output.target}"},
)


async def test_steps_one_after_the_other(clones_rig: ClonesRig) -> None:
    await put(clones_rig, CHAIN)
    doers = Doers()
    async with clones(clones_rig, doers), clones_rig.omega() as omega:
        await start(clones_rig, input={"where": "here"}, labels={"team": "a"}, traceparent="00-ab-cd-01")
        ended = await completed(clones_rig)
    assert doers.targets == ["here", "here/two", "three"]
    assert (ended.workflow, ended.version, ended.task_type) == ("flow", 1, WORKFLOW_TYPE)
    assert (ended.clone, ended.instance) == ("omega", omega.identity.instance)
    assert ended.output == {"last": "three", "second": "here/two"}
    assert states(ended) == dict.fromkeys(("one", "two", "three"), "completed")
    assert ended.labels == {"team": "a"}
    own = await ids_of(clones_rig.network)
    for assigned, step in zip(await submitted(clones_rig), ("one", "two", "three"), strict=True):
        assert (assigned.id, assigned.parent_id) == (own(step), "w")
        assert (assigned.labels, assigned.traceparent) == ({"team": "a"}, "00-ab-cd-01")


async def test_the_history_tells_all_of_it(clones_rig: ClonesRig) -> None:
    await put(clones_rig, CHAIN)
    async with clones(clones_rig, Doers()), clones_rig.omega() as omega:
        await start(clones_rig, input={"where": "here"})
        await completed(clones_rig)
    entries = await history(clones_rig)
    events = [event for entry in entries for event in entry.events]
    assert isinstance(events[0], WorkflowBegun)
    assert [event.step for event in events[1:] if isinstance(event, StepEnded)] == ["one", "two", "three"]
    [begun] = await clones_rig.bus.in_stream(clones_rig.subjects.ledger, clones_rig.subjects.workflow("flow"))
    assert {entry.activation for entry in entries} == {begun.sequence}
    assert {entry.instance for entry in entries} == {omega.identity.instance}


async def test_a_plain_publish_starts_it(clones_rig: ClonesRig) -> None:
    await put(clones_rig, definition({"only": task("here")}))
    async with clones(clones_rig, Doers()), clones_rig.omega():
        await clones_rig.network.client.publish(clones_rig.subjects.workflow("flow"), b'{"input": {}, "id": "plain"}')
        assert (await completed(clones_rig, "plain")).summary


async def test_it_is_called_and_answers(clones_rig: ClonesRig) -> None:
    await put(clones_rig, definition({"only": task("here")}, summary="all of ${steps.only.output.target}"))
    async with clones(clones_rig, Doers()), clones_rig.omega():
        subject = clones_rig.subjects.call_workflow("flow")
        answer = await clones_rig.network.client.request(subject, b"{}", timeout=60)
    told = msgspec.json.decode(answer.data, type=WorkflowCompletion)
    assert told.summary == "all of here"


async def test_a_fan_out_runs_as_many_at_once_as_it_may(clones_rig: ClonesRig) -> None:
    steps = {"each": task("${item}", foreach="input.places", parallelism=2)}
    flow = definition(steps, input={"places": {"kind": "list"}}, output="${steps.each.output[*].target}")
    await put(clones_rig, flow)
    doers = Doers()
    hold = [doers.hold(place) for place in "abcde"]
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig, input={"places": list("abcde")})
        await eventually(doers.begun("a", "b"))
        assert set(doers.targets) == {"a", "b"}
        for event in hold:
            event.set()
        ended = await completed(clones_rig)
    assert ended.output == list("abcde")
    assert sorted(doers.targets) == list("abcde")
    [line] = ended.steps
    assert (line.items, line.items_failed) == (5, 0)


async def test_a_step_that_fails_ends_it_and_what_is_done_is_undone(clones_rig: ClonesRig) -> None:
    undo = {"task": "documentation", "params": {"target": "undo ${steps.made.output.target}"}}
    steps = {"made": task("made", compensate=undo), "bad": task("bad", "made"), "never": task("never", "bad")}
    await put(clones_rig, definition(steps))
    doers = Doers()
    doers.failing.add("bad")
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        ended = await failed(clones_rig)
    assert (ended.code, doers.targets) == (ErrorCode.STEP_FAILED, ["made", "bad", "undo made"])
    assert "bad" in ended.message
    assert states(ended) == {"made": "completed", "bad": "failed", "never": "skipped"}
    assert ended.steps[0].compensated == "done"
    undone = (await submitted(clones_rig))[-1]
    own = await ids_of(clones_rig.network)
    assert undone.id == own("made", compensation=True)


async def test_a_sub_workflow_runs_and_its_output_is_the_steps(clones_rig: ClonesRig) -> None:
    inner = definition(
        {"deep": task("${input.at}")}, "inner", input={"at": {}}, output={"found": "${steps.deep.output.target}"}
    )
    outer = definition({"sub": {"workflow": "inner", "params": {"at": "below"}}}, output="${steps.sub.output.found}")
    await put(clones_rig, inner, outer)
    async with clones(clones_rig, Doers()), clones_rig.omega():
        await start(clones_rig, labels={"team": "a"})
        ended = await completed(clones_rig)
        child = await completed(clones_rig, (await ids_of(clones_rig.network))("sub"))
    assert ended.output == "below"
    assert (child.workflow, child.labels) == ("inner", {"team": "a"})


async def test_the_files_of_the_steps_that_it_names_are_the_results(clones_rig: ClonesRig) -> None:
    await put(clones_rig, definition({"only": task("here")}, artifacts=["only"]))
    async with clones(clones_rig, Doers()), clones_rig.omega():
        await start(clones_rig)
        assert (await completed(clones_rig)).artifacts == ()


@pytest.mark.parametrize(
    ("name", "given", "code", "says"),
    [
        ("nothing", {}, ErrorCode.UNKNOWN_WORKFLOW, "there is no workflow 'nothing'; known: design, flow,"),
        ("flow", {}, ErrorCode.INCOMPATIBLE_TASK, "the input has no where"),
        ("flow", {"depth": 1}, ErrorCode.INCOMPATIBLE_TASK, "takes no input depth"),
    ],
)
async def test_what_cannot_begin_fails_in_words(
    clones_rig: ClonesRig, name: str, given: dict[str, object], code: str, says: str
) -> None:
    await put(clones_rig, CHAIN)
    async with clones_rig.omega():
        await start(clones_rig, name, input=given)
        ended = await clones_rig.bus.result("w", WORKFLOW_TYPE, within_s=60)
    assert isinstance(ended, TaskFailure)
    assert (ended.code, says in ended.message) == (code, True), ended.message
    assert await history(clones_rig) == []


async def test_an_input_of_whatever_depth_comes_to_an_end(clones_rig: ClonesRig) -> None:
    """What can just be read could not be written any more with an entry of the history around it."""
    await put(clones_rig, definition({"only": {"wait": {"for_s": 0.001}}}, input={"deep": {"kind": "any"}}))
    depths = (200, 201, 900)
    async with clones_rig.omega():
        for depth in depths:
            body = b'{"id":"w%d","input":{"deep":%s1%s}}' % (depth, b"[" * depth, b"]" * depth)
            await publish(clones_rig.network.requester, clones_rig.subjects.workflow("flow"), body)
        first, *others = [await clones_rig.bus.result(f"w{depth}", WORKFLOW_TYPE, within_s=60) for depth in depths]
    assert isinstance(first, WorkflowCompletion)
    assert all(isinstance(end, TaskFailure) and "is nested too deeply" in end.message for end in others)


async def test_a_version_that_is_not_there_is_told(clones_rig: ClonesRig) -> None:
    await put(clones_rig, CHAIN)
    async with clones_rig.omega():
        await start(clones_rig, input={"where": "x"}, version=7)
        ended = await clones_rig.bus.result("w", WORKFLOW_TYPE, within_s=60)
    assert isinstance(ended, TaskFailure)
    assert ended.message == "there is no version 7 of the workflow flow; the newest is 1"


async def test_a_task_type_that_nobody_serves_fails_the_step(clones_rig: ClonesRig) -> None:
    await put(clones_rig, definition({"only": task("here", task="cooking")}))
    async with clones_rig.omega():
        await start(clones_rig)
        ended = await failed(clones_rig)
    assert ended.steps[0].code == ErrorCode.UNKNOWN_TASK_TYPE
    assert "no clone serves 'cooking'" in ended.steps[0].message
    assert await submitted(clones_rig) == []


class Large(Doers):
    """Outputs of so many bytes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    async def __call__(self, task: Task) -> Done:
        await super().__call__(task)
        return Done(output="x" * self.size)


async def test_an_output_that_no_entry_can_hold_fails_its_step(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clones.omega.workflows.driver.HEADROOM_BYTES", clones_rig.network.max_payload - 2000)
    await put(clones_rig, definition({"only": task("here")}, output="${steps.only.output}"))
    async with clones(clones_rig, Large(3000)), clones_rig.omega():
        await start(clones_rig)
        ended = await failed(clones_rig)
    assert ended.steps[0].code == ErrorCode.RESULT_TOO_LARGE
    assert "its history takes 2,000" in ended.steps[0].message


async def test_results_that_go_into_no_single_entry_are_written_in_several(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clones.omega.workflows.chronicle.MOST_BYTES", 3000)
    steps = {"each": task("${item}", foreach="['a', 'b', 'c', 'd']")}
    await put(clones_rig, definition(steps, output="${length(steps.each.output)}"))
    async with clones(clones_rig, Large(2500)), clones_rig.omega():
        await start(clones_rig)
        assert (await completed(clones_rig)).output == 4
    assert max(len(entry.events) for entry in await history(clones_rig)) == 1


async def test_the_same_start_twice_runs_once(clones_rig: ClonesRig, caplog: pytest.LogCaptureFixture) -> None:
    await put(clones_rig, CHAIN)
    doers = Doers()
    hold = doers.hold("three")
    async with clones(clones_rig, doers), clones_rig.omega():
        body = b'{"id": "w", "input": {"where": "here"}}'
        await clones_rig.network.client.publish(clones_rig.subjects.workflow("flow"), body)
        await eventually(doers.begun("three"))
        await clones_rig.network.client.publish(clones_rig.subjects.workflow("flow"), body)

        async def is_let_go() -> bool:
            state = await consumer_state(clones_rig.network, clones_rig.subjects.workflows_consumer)
            return state is not None and (state.num_pending, state.num_ack_pending) == (0, 1)

        await eventually(lambda: "is let go" in caplog.text)
        await eventually(is_let_go)
        hold.set()
        await completed(clones_rig)
    assert doers.targets == ["here", "here/two", "three"]
    assert len({entry.activation for entry in await history(clones_rig)}) == 1


async def test_times_in_the_result_are_the_runs(clones_rig: ClonesRig) -> None:
    await put(clones_rig, CHAIN)
    async with clones(clones_rig, Doers()), clones_rig.omega():
        await start(clones_rig, input={"where": "here"})
        ended = await completed(clones_rig)
    entries = await history(clones_rig)
    assert ended.started_at == entries[0].at
    assert timedelta(0) <= ended.finished_at - entries[-1].at < timedelta(seconds=60)
    assert isinstance(ended, TaskCompletion) and encode(ended)
