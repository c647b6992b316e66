"""Runs as the ledger tells of them, and what is asked for when one is run again."""

import pytest

from bus.definitions import Definitions
from bus.errors import SanctuaryError
from ops.workflows import again, find_run, known, known_to
from schemas import DecisionMade
from tests.ops.rig import OpsRig
from tests.ops.runs import HandMade, store


async def test_a_run_is_read_with_its_steps_and_what_it_waits_for(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    await store(network)
    run = HandMade(network, "r1")
    await run.begin(labels={"team": "a"})
    found = await find_run(network, Definitions(network), "r1")
    assert (found.name, found.version, found.story.labels) == ("release", 1, {"team": "a"})
    assert [(line.step, line.state) for line in found.lines] == [
        ("tests", "running"),
        ("each", "running"),
        ("go", "pending"),
        ("publish", "pending"),
    ]
    assert found.awaited == ()
    await run.tell(run.ended("tests"), run.ended("each", 0))
    found = await find_run(network, Definitions(network), "r1")
    assert [(each.step, each.prompt) for each in found.awaited] == [("go", "Release /project?")]
    assert [(ended.step, ended.index) for ended in found.ended] == [("tests", None), ("each", 0)]
    await run.tell(DecisionMade(step="go", verdict="approve", decided_by="ann", command=9))
    assert (await find_run(network, Definitions(network), "r1")).awaited == ()


async def test_a_run_that_has_not_begun_has_no_steps_yet(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    await HandMade(network, "r1").start(input={"target": "."})
    found = await find_run(network, Definitions(network), "r1")
    assert (found.name, found.version, found.begun, found.lines) == ("release", None, None, ())


async def test_a_run_whose_definition_is_gone_still_has_its_history(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    await HandMade(network, "r1").begin()
    found = await find_run(network, Definitions(network), "r1")
    assert (found.definition, found.lines, len(found.history)) == (None, (), 1)


async def test_no_run_of_this_id(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    with pytest.raises(SanctuaryError, match="there is no run r9"):
        await find_run(network, Definitions(network), "r9")


async def test_a_failed_run_is_run_again_or_gone_on_with(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    await store(network)
    run = HandMade(network, "r1")
    await run.begin(labels={"team": "a"}, timeout_s=60.0, parent_id="up", reply_to="_INBOX.x")
    definitions = Definitions(network)
    with pytest.raises(ValueError, match="has not ended"):
        again(await find_run(network, definitions, "r1"), resume=True)
    lines = (await find_run(network, definitions, "r1")).lines
    await run.settle(lines, failed="step_failed")
    failed = await find_run(network, definitions, "r1")

    resumed = again(failed, resume=True)
    assert (resumed.retry_of, resumed.resume, resumed.version) == ("r1", True, 1)
    assert (resumed.labels, resumed.timeout_s) == ({"team": "a"}, 60.0)
    assert (resumed.parent_id, resumed.reply_to) == (None, None)
    retried = again(failed, resume=False)
    assert (retried.retry_of, retried.resume, retried.version) == ("r1", False, None)
    assert retried.input == resumed.input == {"target": "/project", "files": ["a", "b"]}
    assert len({"r1", resumed.id, retried.id}) == 3


async def test_what_was_completed_or_never_began_is_not_gone_on_with(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    await store(network)
    done, unborn = HandMade(network, "done"), HandMade(network, "unborn")
    await done.begin()
    await done.settle(())
    await unborn.start(input={"target": "."})
    await unborn.settle((), failed="incompatible_task")
    definitions = Definitions(network)
    completed = await find_run(network, definitions, "done")
    with pytest.raises(ValueError, match="nothing is left to go on with"):
        again(completed, resume=True)
    assert again(completed, resume=False).retry_of == "done"
    with pytest.raises(ValueError, match="never began"):
        again(await find_run(network, definitions, "unborn"), resume=True)


async def test_workflows_by_name(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    await store(network)
    await store(network, version=2)
    assert (await known(Definitions(network), "release")).version == 2
    with pytest.raises(
        ValueError, match=r"there is no workflow 'relese' \(did you mean release\?\)\. Known: .*release"
    ):
        await known(Definitions(network), "relese")
    types, workflows = await known_to(network)
    assert {"testing", "security"} <= types
    assert "release" in workflows
