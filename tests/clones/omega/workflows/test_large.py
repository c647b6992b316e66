"""Runs of many steps, and runs within runs, as whole Omegas and clones have them."""

import pytest

from schemas import ErrorCode
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

STEPS = 500
UNDO = {"task": "documentation"}


@pytest.mark.timeout(300)
async def test_five_hundred_steps_of_their_own_side_by_side(clones_rig: ClonesRig) -> None:
    names = [f"step-{number}" for number in range(STEPS)]
    await put(clones_rig, definition({name: task(name) for name in names}))
    doers = Doers()
    async with clones(clones_rig, doers, capacity=128), clones_rig.omega():
        await start(clones_rig)
        ended = await completed(clones_rig, within_s=240)
    assert set(states(ended).values()) == {"completed"}
    # Each was stored once and done once, also where an Omega had to look for many at a time.
    assert sorted(doers.targets) == sorted(names)
    assert len(await submitted(clones_rig)) == STEPS


async def test_workflows_within_workflows_three_deep(clones_rig: ClonesRig) -> None:
    """What is given goes down, and what comes of it comes up."""
    place = {"place": {"required": True}}
    inner = definition(
        {"look": task("${input.place}/look")}, "inner", input=place, output="${steps.look.output.target}"
    )
    middle = definition(
        {"sub": {"workflow": "inner", "params": {"place": "${input.place}/inner"}}},
        "middle",
        input=place,
        output={"inner": "${steps.sub.output}"},
    )
    outer = definition(
        {
            "each": {"workflow": "middle", "foreach": "input.places", "params": {"place": "${item}/middle"}},
            "last": task("last", "each"),
        },
        "outer",
        input={"places": {"kind": "list"}},
        output="${steps.each.output[].inner}",
    )
    await put(clones_rig, inner, middle, outer)
    doers = Doers()
    async with clones(clones_rig, doers), clones_rig.omega(), clones_rig.omega():
        await start(clones_rig, "outer", input={"places": ["a", "b"]}, labels={"team": "a"})
        ended = await completed(clones_rig, within_s=60)
    assert ended.output == ["a/middle/inner/look", "b/middle/inner/look"]
    assert sorted(doers.targets[:2]) == ended.output
    assert doers.targets[2:] == ["last"]
    assert {tuple(each.labels.items()) for each in await submitted(clones_rig)} == {(("team", "a"),)}


async def test_what_fails_three_deep_undoes_what_is_done_above(clones_rig: ClonesRig) -> None:
    inner = definition(
        {"one": task("one", compensate={**UNDO, "params": {"target": "undo one"}}), "bad": task("bad", "one")}, "inner"
    )
    middle = definition(
        {
            "two": task("two", compensate={**UNDO, "params": {"target": "undo two"}}),
            "sub": {"workflow": "inner", "needs": ["two"]},
        },
        "middle",
    )
    outer = definition(
        {
            "three": task("three", compensate={**UNDO, "params": {"target": "undo three"}}),
            "four": task("four", "three", compensate={**UNDO, "params": {"target": "undo four"}}),
            "sub": {"workflow": "middle", "needs": ["four"]},
        },
        "outer",
    )
    await put(clones_rig, inner, middle, outer)
    doers = Doers()
    doers.failing.add("bad")
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig, "outer")
        ended = await failed(clones_rig, within_s=60)
    assert ended.code == ErrorCode.STEP_FAILED
    assert [line.compensated for line in ended.steps] == ["done", "done", None]
    # From within outwards, and the newest first.
    undone = ["undo one", "undo two", "undo four", "undo three"]
    assert doers.targets == ["three", "four", "two", "one", "bad", *undone]
    assert (await history(clones_rig))[0].workflow == "outer"
