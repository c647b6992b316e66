"""Putting definitions into force: checked, numbered, once; running runs keep theirs; the product's give way to a person's."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bus import buckets
from bus.definitions import Definitions
from bus.sleepers import Sleepers
from bus.subjects import WORKFLOW_TYPE
from clones.omega.clock import SystemClock
from clones.omega.workflows.definition_changes import put_definition, store_shipped
from clones.omega.workflows.waking import Waker
from clones.workflows.shipped import shipped
from schemas import TaskRetrying, WorkflowDefinition, WorkflowPut
from tests.bus.eventually import eventually
from tests.clones.omega.workflows.flows import Doers, clones, completed, definition, history, put, start, task
from tests.clones.omega.workflows.told import decision, putting, refusal, sleeps, verdict
from tests.clones.rig import TABLE, ClonesRig

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ONE = definition({"ask": {"decision": {"prompt": "?"}}, "after": task("old", "ask")})
TWO = definition({"ask": {"decision": {"prompt": "?"}}, "after": task("new", "ask")})


async def carried_out(rig: ClonesRig, wanted: WorkflowPut, sequence: int) -> Any:
    """What comes of a command, the ledger's entry `sequence`, at an Omega of its own."""
    definitions = Definitions(rig.network)
    types = TABLE.routes
    clock = SystemClock()
    done = await put_definition(rig.network, definitions, wanted, sequence=sequence, task_types=types, clock=clock)
    return done.output


async def test_versions_count(clones_rig: ClonesRig) -> None:
    async with clones_rig.omega():
        first = await verdict(clones_rig, putting(ONE, by="ann", reason="try"))
        same = await verdict(clones_rig, putting(ONE))
        second = await verdict(clones_rig, putting(TWO))
        back = await verdict(clones_rig, putting(ONE))
    assert first.summary == "version 1 of the workflow flow is in force"
    assert first.output == {"workflow": "flow", "version": 1, "replaced": 0, "is_new": True}
    assert same.summary == "nothing is new: version 1 of the workflow flow is the same, and stays in force"
    assert (same.output["version"], same.output["is_new"]) == (1, False)
    assert (second.output["version"], second.output["replaced"]) == (2, 1)
    assert back.output["version"] == 3
    stored = await Definitions(clones_rig.network).versions("flow")
    assert (stored[0].by, stored[0].reason, f"seq-{stored[0].command}") == ("ann", "try", first.task_id)


async def test_carried_out_again_it_is_done_once(clones_rig: ClonesRig) -> None:
    """By an Omega that took it up after another died, when others have put theirs since, and by two at once."""
    first = await asyncio.gather(*(carried_out(clones_rig, putting(ONE), 70) for _ in range(6)))
    assert len({each["version"] for each in first}) == 1
    await carried_out(clones_rig, putting(TWO), 80)
    again = await carried_out(clones_rig, putting(ONE), 70)
    assert again["version"] == first[0]["version"]
    assert len(await Definitions(clones_rig.network).versions("flow")) == 2


async def test_of_two_at_once_each_gets_its_number(clones_rig: ClonesRig) -> None:
    wanted = [msgspec.structs.replace(ONE, description=str(number)) for number in range(6)]
    told = await asyncio.gather(
        *(carried_out(clones_rig, putting(each), 70 + number) for number, each in enumerate(wanted))
    )
    assert sorted(each["version"] for each in told) == [1, 2, 3, 4, 5, 6]


async def test_what_cannot_run_is_refused_in_words(clones_rig: ClonesRig) -> None:
    wrong = definition(
        {"one": task("x", "two"), "two": task("y", "one"), "three": {"task": "nothing"}, "four": {"workflow": "none"}}
    )
    async with clones_rig.omega():
        told = await refusal(clones_rig, putting(wrong))
    assert told.code == "command_refused"
    assert "nothing" in told.message
    paths = [each["path"] for each in told.details["problems"]]
    assert "steps.three.task" in paths and "steps.four.workflow" in paths
    assert await Definitions(clones_rig.network).newest("flow") is None


async def test_a_run_keeps_its_version(clones_rig: ClonesRig) -> None:
    await put(clones_rig, ONE)
    doers = Doers()
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await eventually(sleeps(clones_rig))
        await verdict(clones_rig, putting(TWO))
        await start(clones_rig, workflow_id="v")
        await eventually(sleeps(clones_rig, "v"))
        for workflow_id in ("w", "v"):
            await verdict(clones_rig, decision(workflow_id=workflow_id))
        old, new = await completed(clones_rig), await completed(clones_rig, "v")
    assert (old.version, new.version) == (1, 2)
    assert sorted(doers.targets) == ["new", "old"]


async def test_the_shipped_ones_are_there_from_the_start(clones_rig: ClonesRig) -> None:
    stored = await Definitions(clones_rig.network).all_newest()
    assert {name: each.definition for name, each in stored.items()} == {each.name: each for each in shipped()}
    assert all((each.version, each.command, each.by) == (1, 0, "omega") for each in stored.values())


async def test_a_later_product_brings_its_own_and_a_person_keeps_theirs(clones_rig: ClonesRig) -> None:
    async def at_start(*brought: WorkflowDefinition) -> int:
        definitions = Definitions(clones_rig.network)
        await asyncio.gather(*(store_shipped(clones_rig.network, definitions, brought, NOW) for _ in range(3)))
        newest = await definitions.newest("flow")
        assert newest is not None
        return newest.version

    assert await at_start(ONE) == 1
    assert await at_start(ONE) == 1
    assert await at_start(TWO) == 2
    assert await at_start(ONE) == 2  # an Omega of the earlier product, started again
    own = msgspec.structs.replace(ONE, description="ours")
    assert (await carried_out(clones_rig, putting(own), 70))["version"] == 3
    third = msgspec.structs.replace(ONE, description="the product's third")
    assert await at_start(third) == 3


@pytest.mark.parametrize("how", ["cannot be read", "was deleted"])
async def test_a_number_is_given_once(clones_rig: ClonesRig, how: str) -> None:
    """Also where somebody has meddled with the newest version."""
    await put(clones_rig, ONE)
    await put(clones_rig, TWO, version=2)
    requester, bucket = clones_rig.network.requester, clones_rig.subjects.workflows
    newest = await buckets.last_in(requester, bucket, "flow.2")
    assert newest is not None
    if how == "was deleted":
        await buckets.delete(requester, newest.subject, newest.sequence)
    else:
        await buckets.put(requester, newest.subject, b"{", newest.sequence)
    async with asyncio.timeout(60):
        output = await carried_out(clones_rig, putting(TWO), 70)
        again = await carried_out(clones_rig, putting(TWO), 70)
    assert output == again == {"workflow": "flow", "version": 3, "replaced": 1, "is_new": True}


async def test_a_run_whose_version_cannot_be_read_here_is_left_to_others(clones_rig: ClonesRig) -> None:
    """An Omega of an earlier version takes it while all are upgraded, and does not end it."""
    await put(clones_rig, ONE)
    async with clones_rig.omega():
        await start(clones_rig)
        await eventually(sleeps(clones_rig))
    requester, bucket = clones_rig.network.requester, clones_rig.subjects.workflows
    stored = await buckets.last_in(requester, bucket, "flow.1")
    assert stored is not None
    grown = stored.data.replace(b'"version":1', b'"version":[1]')
    revision = await buckets.put(requester, stored.subject, grown, stored.sequence)
    assert revision is not None
    await Waker(clones_rig.network, Sleepers(clones_rig.network), SystemClock()).wake("w")
    doers = Doers()
    async with clones(clones_rig, doers):
        async with clones_rig.omega():
            await eventually(lambda: is_put_off(clones_rig))
        await buckets.put(requester, stored.subject, stored.data, revision)
        async with clones_rig.omega():
            await verdict(clones_rig, decision())
            await completed(clones_rig)
    assert doers.targets == ["old"]


MORE, OTHER = (b'"steps":{', b'"quota":3,"steps":{'), (b'"steps":{', b'"steps":[],"former":{')
"""A later version says more than is known here, or what nobody here can read."""


async def grow(rig: ClonesRig, key: str, how: tuple[bytes, bytes]) -> tuple[bytes, int]:
    """Have a stored version be of a later version of the product; returns what it said, and the revision."""
    requester, bucket = rig.network.requester, rig.subjects.workflows
    stored = await buckets.last_in(requester, bucket, key)
    assert stored is not None
    grown = stored.data.replace(*how)
    revision = await buckets.put(requester, stored.subject, grown, stored.sequence)
    assert revision is not None
    return stored.data, revision


@pytest.mark.parametrize("how", [MORE, OTHER])
async def test_what_a_later_version_has_stored_is_not_run_here(clones_rig: ClonesRig, how: tuple[bytes, bytes]) -> None:
    """Neither without the fields that are not known here nor by the version before: Omegas that know them do it."""
    nap = definition({"nap": {"wait": {"for_s": 0.1}}})
    await put(clones_rig, ONE)
    await put(clones_rig, nap, version=2)
    body, revision = await grow(clones_rig, "flow.2", how)
    async with clones_rig.omega():
        call = clones_rig.subjects.call_workflow("flow")
        calling = asyncio.create_task(clones_rig.network.requester.request(call, b'{"id":"w"}', timeout_s=90))
        await eventually(lambda: is_put_off(clones_rig))
        assert await history(clones_rig) == []
        subject = buckets.subject_of(clones_rig.subjects.workflows, "flow.2")
        await buckets.put(clones_rig.network.requester, subject, body, revision)
        calling.cancel()
    async with clones_rig.omega():
        assert (await completed(clones_rig)).version == 2


@pytest.mark.parametrize("how", [MORE, OTHER])
async def test_what_a_later_product_brought_stays(clones_rig: ClonesRig, how: tuple[bytes, bytes]) -> None:
    await put(clones_rig, ONE)
    await grow(clones_rig, "flow.1", how)
    definitions = Definitions(clones_rig.network)
    await store_shipped(clones_rig.network, definitions, [TWO], NOW)
    assert [each.version for each in await definitions.versions("flow")] == ([1] if how is MORE else [])
    # Whether it is the same as what a person puts cannot be told here.
    assert (await carried_out(clones_rig, putting(ONE), 70))["version"] == 2


async def is_put_off(rig: ClonesRig) -> bool:
    return any(isinstance(event, TaskRetrying) for event in await rig.bus.events("w", WORKFLOW_TYPE))
