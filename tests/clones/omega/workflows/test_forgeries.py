"""Outsiders: whoever may submit tasks, and knows all that is public of a run, cannot answer for what the run asks for."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace
from nats.aio.msg import Msg

import bus.lease
import bus.topology
from bus.client import Submitter
from bus.consumers import consumer_state
from bus.jetstream import publish
from bus.journal import Journal
from bus.network import Network, open_network
from bus.schedules import standing
from bus.server import EmbeddedServer
from bus.sleepers import Sleepers
from bus.subjects import WORKFLOW_TYPE, Subjects
from bus.topology import Limits
from clones.omega.coordination import make_network
from clones.omega.workflows import driver
from clones.omega.workflows.wake_ups import mark_of
from clones.scheduling import run_id
from clones.workflows.ids import SECRET_BYTES, new_proof, step_id
from schemas import (
    Schedule,
    ScheduleChange,
    TaskAssignment,
    TaskCompletion,
    TaskEvent,
    TaskReassigned,
    TaskStarted,
    WorkflowBegun,
    WorkflowCompletion,
    WorkflowStart,
    decode,
    encode,
    new_id,
)
from tests.bus.eventually import eventually
from tests.bus.rig import Rig
from tests.bus.taking import answer, take
from tests.clones.omega.clocks import SetClock
from tests.clones.omega.workflows.flows import Doers, clones, completed, definition, history, put, start, task
from tests.clones.omega.workflows.told import decision, sleeps, verdict
from tests.clones.rig import ClonesRig
from tests.clones.step_ids import ids_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module", autouse=True)
def long_leases() -> Iterator[None]:
    """What a test holds as an Omega that is slow would stays its own, however busy the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (bus.lease, bus.topology):
            patch.setattr(module, "ACK_WAIT_S", 600.0)
        yield


@dataclass
class Outsider:
    """Somebody without credentials, who hears all that he may."""

    network: Network
    submitter: Submitter
    heard: list[Msg] = field(default_factory=list)

    async def listen(self) -> None:
        for family in ("event", "result"):
            await self.network.client.listen(self.network.subjects.every(family), self.heard.append)
        await self.network.client.listen("_INBOX.>", self.heard.append)
        await self.network.client.flush()

    async def forge(self, task_id: str, task_type: str = "security", target: str = "forged") -> None:
        """Store a task under this id, to be done before others."""
        forged = TaskAssignment(id=task_id, params={"target": target})
        await self.submitter.submit(task_type, forged, priority="high")

    async def done(self, task_id: str, task_type: str = "security") -> TaskCompletion:
        """What has come of a forged task."""
        result = await self.submitter.result(task_type, task_id, timeout_s=60)
        assert isinstance(result, TaskCompletion), result
        return result

    def was_told(self, words: str) -> bool:
        return any(words.encode() in message.data or words in message.subject for message in self.heard)


@dataclass
class Scene:
    rig: ClonesRig
    outsider: Outsider


@asynccontextmanager
async def opened(server: EmbeddedServer, workspace: Path) -> AsyncIterator[Scene]:
    subjects, settings = Subjects(server.network.realm), server.settings_for("operator")
    async with (
        open_network(settings, subjects, name="rig") as network,
        Submitter(network) as submitter,
        open_network(server.anonymous_settings(), subjects, name="outsider") as outside,
        Submitter(outside) as forger,
    ):
        await make_network(network, Limits())
        outsider = Outsider(outside, forger)
        await outsider.listen()
        yield Scene(ClonesRig(Rig(settings, network, submitter), workspace), outsider)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(server: EmbeddedServer, workspace: Path) -> AsyncIterator[Scene]:
    async with opened(server, workspace) as made:
        yield made


async def secret_of(rig: ClonesRig, workflow_id: str) -> str:
    begun = (await history(rig, workflow_id))[0].events[0]
    assert isinstance(begun, WorkflowBegun)
    return begun.secret


def guesses(workflow_id: str, step: str, public: Collection[str], **place: Any) -> list[str]:
    """The ids that the step would have, if what its id is made with were public."""
    return [step_id(workflow_id, step, secret=secret, **place) for secret in ("", *public)]


async def test_a_task_under_the_next_steps_id_changes_nothing(scene: Scene) -> None:
    rig, outsider = scene.rig, scene.outsider
    flow = definition(
        {
            "first": task("first"),
            "second": task("second", "first"),
            "each": task("each-${item}", "first", foreach="['a', 'b']"),
            "bad": task("bad", "second", "each", on_failure="continue"),
        },
        "steps",
        output={"second": "${steps.second.output.target}", "each": "${steps.each.output[].target}"},
    )
    await put(rig, flow)
    doers = Doers()
    release = doers.hold("first")
    async with clones(rig, doers), rig.omega():
        await start(rig, "steps", "public-1")
        await eventually(doers.begun("first"))
        first = next(each.id for each in doers.tasks if each.params["target"] == "first")
        await eventually(lambda: outsider.was_told(first))
        public = ("public-1", "steps", first)
        forged = [
            *guesses("public-1", "second", public),
            *guesses("public-1", "each", public, index=0),
            *guesses("public-1", "each", public, index=1),
        ]
        for each in forged:
            await outsider.forge(each)
            assert (await outsider.done(each)).output["target"] == "forged"
        release.set()
        ended = await completed(rig, "public-1")
    assert ended.output == {"second": "second", "each": ["each-a", "each-b"]}
    secret = await secret_of(rig, "public-1")
    assert len(secret) == 2 * SECRET_BYTES
    assert not outsider.was_told(secret)


async def test_a_task_under_the_id_of_a_step_that_runs_changes_nothing(scene: Scene) -> None:
    """Its events tell the id, once it has begun. Another assignment waits from then on until the step has its result."""
    rig, outsider = scene.rig, scene.outsider
    await put(rig, definition({"only": task("only")}, "known", output="${steps.only.output.target}"))
    doers = Doers()
    release = doers.hold("only")
    async with clones(rig, doers), rig.omega():
        await start(rig, "known", "public-2")
        own = (await ids_of(rig.network, "public-2"))("only")
        await eventually(lambda: outsider.was_told(own))
        await outsider.forge(own)
        # Whatever was stored after it is done by now.
        await outsider.forge("behind-it", target="behind")
        await outsider.done("behind-it")
        release.set()
        ended = await completed(rig, "public-2")
    assert (ended.output, doers.targets) == ("only", ["only", "behind"])


async def test_a_start_under_a_sub_workflows_id_changes_nothing(scene: Scene) -> None:
    rig, outsider = scene.rig, scene.outsider
    child = definition(
        {"deep": task("${input.at}")}, "child", input={"at": {}}, output={"found": "${steps.deep.output.target}"}
    )
    parent = definition(
        {"first": task("before"), "sub": {"workflow": "child", "params": {"at": "true"}, "needs": ["first"]}},
        "parent",
        output="${steps.sub.output.found}",
    )
    await put(rig, child, parent)
    doers = Doers()
    release = doers.hold("before")
    async with clones(rig, doers), rig.omega():
        await start(rig, "parent", "public-3")
        await eventually(doers.begun("before"))
        forged = guesses("public-3", "sub", ("public-3", "parent"))
        for each in forged:
            lie = WorkflowStart(id=each, input={"at": "forged"}, parent_id="public-3")
            await outsider.submitter.start_workflow("child", lie)
            assert (await outsider.done(each, WORKFLOW_TYPE)).output == {"found": "forged"}
        release.set()
        ended = await completed(rig, "public-3")
        sub = (await ids_of(rig.network, "public-3"))("sub")
        # And what runs below it follows from a secret of its own.
        deep = guesses(sub, "deep", (await secret_of(rig, "public-3"),))
    assert ended.output == "true"
    assert {each.id for each in doers.tasks if each.parent_id == sub}.isdisjoint(deep)
    assert sub not in forged


@pytest.mark.parametrize(
    ("name", "told"),
    [("dies", TaskStarted), ("drains", functools.partial(TaskReassigned, reason="the instance drains"))],
)
async def test_a_start_under_the_id_of_a_run_that_is_about_to_begin_changes_nothing(
    scene: Scene, name: str, told: Callable[..., TaskEvent]
) -> None:
    """An Omega that is slow, dies or drains may tell that it has a run before the run has a history."""
    rig, outsider, run = scene.rig, scene.outsider, f"public-{name}"
    flow = definition({"only": task("${input.at}")}, name, input={"at": {}}, output="${steps.only.output.target}")
    await put(rig, flow)
    await start(rig, name, run, input={"at": "true"})
    (held,) = await take(rig.network, rig.subjects.workflows_consumer)
    begun = told(
        task_id=run,
        task_type=WORKFLOW_TYPE,
        clone="omega",
        instance="omega-1",
        attempt=1,
        at=datetime.now(UTC),
        sequence=held.sequence,
    )
    await Journal(rig.network.requester, rig.subjects).store(begun)
    await eventually(lambda: outsider.was_told(run))
    for other, given in ((name, {"at": "forged"}), (name, {"else": 1}), ("unknown", {})):
        # Under other names than the library gives them: the server takes each for a start of its own.
        lie = encode(WorkflowStart(id=run, input=given))
        await outsider.network.requester.request(rig.subjects.workflow(other), lie)
    async with clones(rig, Doers()), rig.omega():

        async def all_but_one_are_gone() -> bool:
            state = await consumer_state(rig.network, rig.subjects.workflows_consumer)
            return state is not None and (state.num_pending, state.num_ack_pending) == (0, 1)

        await eventually(all_but_one_are_gone)
        assert await history(rig, run) == []
        await answer(rig.network, held, b"-NAK")
        ended = await completed(rig, run)
    assert ended.output == "true"


@pytest.mark.parametrize("waits", [False, True])
async def test_starts_under_the_id_of_a_run_that_has_begun_change_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    """Whatever mark they have: none of them counts as an attempt, takes the run from its driver, or is answered in its place."""
    monkeypatch.setattr(driver, "ALL_SILENT_S", 0.05)
    rig, outsider, name = scene.rig, scene.outsider, f"begun-{waits}".lower()
    steps = {"ask": {"decision": {"prompt": "?"}}, "only": task("only", "ask")} if waits else {"only": task("only")}
    await put(rig, definition(steps, name, output="${steps.only.output.target}"))
    doers = Doers()
    release = doers.hold("only")
    inbox, own = await _inbox(rig.network), f"public-{name}"
    async with clones(rig, doers), rig.omega():
        await start(rig, name, own, reply_to=inbox[0])
        await eventually(sleeps(rig, own) if waits else doers.begun("only"))
        # Its events tell the id.
        await eventually(lambda: outsider.was_told(own))
        before = [entry.activation for entry in await history(rig, own)]
        lie = encode(WorkflowStart(id=own, reply_to=f"_INBOX.{own}.lie"))
        proof = new_proof(own, secret="")
        for mark in ("", mark_of("0123456789abcdef"), mark_of(proof), mark_of(new_proof(own, secret="a" * 32))):
            for number in range(3):
                unique = f"{mark}{'' if mark else number}"
                await outsider.network.requester.request(
                    rig.subjects.workflow(name), lie, headers={"Nats-Msg-Id": unique}
                )

        async def are_gone() -> bool:
            state = await consumer_state(rig.network, rig.subjects.workflows_consumer)
            return state is not None and (state.num_pending, state.num_ack_pending) == (0, 0 if waits else 1)

        await eventually(are_gone)
        assert [entry.activation for entry in await history(rig, own)] == before
        assert (await Sleepers(rig.network).read(own)).sleeper is not None or not waits
        if waits:
            await verdict(rig, decision(workflow_id=own))
        release.set()
        ended = await completed(rig, own)
        copy = await inbox[1].next_msg(timeout=60)
    answered: WorkflowCompletion = decode(WorkflowCompletion, copy.data)
    assert answered.task_id == own
    assert not any(message.subject.endswith(".lie") for message in outsider.heard)
    assert (ended.output, ended.attempt, doers.targets) == ("only", 1, ["only"])


async def _inbox(network: Network) -> tuple[str, Any]:
    inbox = f"_INBOX.{new_id()}"
    return inbox, await network.client.subscribe(inbox)


async def test_a_start_under_the_id_of_a_schedules_run_changes_nothing(scene: Scene) -> None:
    rig, outsider = scene.rig, scene.outsider
    given = {"at": "true"}
    flow = definition({"only": task("${input.at}")}, "due", input={"at": {}}, output="${steps.only.output.target}")
    await put(rig, flow)
    clock = SetClock()
    hourly = Schedule(workflow="due", input=given, every_s=3600)
    async with clones(rig, Doers()), rig.omega(clock=clock), rig.omega(clock=clock):
        told = await verdict(rig, ScheduleChange(name="hourly", schedule=hourly))
        command, due = int(told.task_id.removeprefix("seq-")), clock.now() + timedelta(hours=1)
        found = await standing(rig.network, "hourly")
        assert found is not None
        assert found.record is not None
        assert (found.record.command, found.record.schedule) == (command, hourly)
        # All of it but the secret, which nobody is told.
        assert not outsider.was_told(found.record.secret)
        forged = run_id("hourly", replace(found.record, secret=""), due)
        await outsider.submitter.start_workflow("due", WorkflowStart(id=forged, input={"at": "forged"}))
        await outsider.done(forged, WORKFLOW_TYPE)
        clock.forward(hours=1)
        started: list[str] = []

        async def is_started() -> bool:
            now = await standing(rig.network, "hourly")
            assert now is not None
            assert now.record is not None
            started[:] = [now.record.last_id] if now.record.last_id else []
            return bool(started)

        await eventually(is_started)
        ended = await completed(rig, started[0])
        await verdict(rig, ScheduleChange(name="hourly"))
    assert (ended.output, ended.labels) == ("true", {"schedule": "hourly"})
    assert started == [run_id("hourly", found.record, due)]


async def test_omegas_agree_on_the_secret_of_a_run(scene: Scene) -> None:
    """Many starts under one id, and two Omegas: it is the one of the entry that stands first."""
    rig = scene.rig
    await put(rig, definition({"only": task("only")}, "once"))
    doers = Doers()
    async with clones(rig, doers), rig.omega(), rig.omega():
        body, subject = encode(WorkflowStart(id="public-5")), rig.subjects.workflow("once")
        await asyncio.gather(*(publish(rig.network.requester, subject, body) for _ in range(4)))
        await completed(rig, "public-5")
    own = (await ids_of(rig.network, "public-5"))("only")
    assert [each.id for each in doers.tasks] == [own]
