"""Omega dies at each step of telling a run something; carried out again, the run is told once, and wakes."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bus.client import Submitter
from bus.definitions import Definitions
from bus.histories import Histories
from bus.identity import Identity
from bus.network import Network, open_network
from bus.results import Results
from bus.sleepers import Sleepers, sleeper
from bus.task import Handler
from clones.omega.clock import SystemClock
from clones.omega.commands import command_handler
from clones.omega.once import store_command
from clones.omega.workflows import cancelling, telling
from clones.omega.workflows.steering import workflows_of
from clones.workflows.ids import new_proof
from schemas import CancelRequested, Command, DecisionMade, WorkflowBegun, WorkflowEntry, WorkflowStart
from tests.clones.omega.test_deaths import Died, Mortal, as_task
from tests.clones.omega.workflows.flows import definition, history, put
from tests.clones.omega.workflows.told import activations, cancel, decision, putting
from tests.clones.rig import TABLE, ClonesRig

FLOW = definition({"ask": {"decision": {"prompt": "?"}}})


async def sleeping(rig: ClonesRig, workflow_id: str) -> None:
    """A run that waits for its decision, as its driver leaves it."""
    begun = await rig.submitter.start_workflow("flow", WorkflowStart(id=workflow_id))
    entry = WorkflowEntry(
        workflow_id=workflow_id,
        workflow="flow",
        version=1,
        at=datetime.now(UTC),
        instance="omega-1",
        activation=begun.sequence,
        events=(WorkflowBegun(input={}),),
    )
    await Histories(rig.network).append(entry, last=0)
    record = sleeper(
        "flow",
        workflow_id,
        WorkflowStart(),
        activation=begun.sequence,
        since=entry.at,
        waits_for={},
        until=None,
        nonce=new_proof(workflow_id, secret=""),
    )
    assert await Sleepers(rig.network).lie_down(record)


def handler_on(network: Network) -> Handler:
    identity = Identity("omega")
    workflows = workflows_of(network, identity, Submitter(network), lambda: TABLE, SystemClock())
    return command_handler(identity, workflows)


@pytest.mark.parametrize("once_answered", [False, True])
@pytest.mark.parametrize("tell", [lambda run: decision(workflow_id=run), cancel], ids=["decide", "cancel"])
async def test_a_run_is_told_once_and_wakes(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], Command], once_answered: bool
) -> None:
    monkeypatch.setattr(cancelling, "WITHIN_S", 0.01)
    monkeypatch.setattr(telling, "NUDGE_S", 0.1)
    await put(clones_rig, FLOW)
    deaths = 0
    while True:
        run = f"w{deaths}"
        await sleeping(clones_rig, run)
        started = await activations(clones_rig)
        wanted = tell(run)
        task = as_task(await store_command(clones_rig.network, wanted), wanted)
        async with open_network(clones_rig.bus.settings, clones_rig.subjects, name="omega") as network:
            mortal = Mortal(network.requester, deaths, once_answered=once_answered)
            network.requester, network.results = mortal, Results(mortal, network.subjects)
            try:
                first = await handler_on(network)(task)
            except Died:
                first = None
        told = [await handler_on(clones_rig.network)(task) for _ in range(2)]
        assert told[0] == told[1], f"died at request {deaths}"
        assert first is None or first == told[0]
        events = [event for entry in await history(clones_rig, run) for event in entry.events]
        made = [event for event in events if isinstance(event, DecisionMade | CancelRequested)]
        assert [event.command for event in made] == [task.sequence], f"died at request {deaths}"
        assert await activations(clones_rig) == started + 1, f"died at request {deaths}"
        if first is not None:
            break
        deaths += 1
    assert deaths >= 6


@pytest.mark.parametrize("once_answered", [False, True])
async def test_a_definition_gets_one_version(clones_rig: ClonesRig, once_answered: bool) -> None:
    deaths = 0
    while True:
        wanted = putting(definition({"only": {"wait": {"for_s": deaths + 1}}}))
        task = as_task(await store_command(clones_rig.network, wanted), wanted)
        async with open_network(clones_rig.bus.settings, clones_rig.subjects, name="omega") as network:
            network.requester = Mortal(network.requester, deaths, once_answered=once_answered)
            try:
                first = await handler_on(network)(task)
            except Died:
                first = None
        told = [await handler_on(clones_rig.network)(task) for _ in range(2)]
        assert told[0] == told[1]
        assert first is None or first == told[0]
        versions = await Definitions(clones_rig.network).versions("flow")
        assert [each.version for each in versions] == list(range(1, deaths + 2)), f"died at request {deaths}"
        if first is not None:
            break
        deaths += 1
    assert deaths >= 2
