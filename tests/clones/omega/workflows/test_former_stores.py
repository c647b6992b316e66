"""A store that an earlier version made: Omegas of then kept no histories, and had a durable consumer for each workflow."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from bus.client import Submitter
from bus.consumers import consumer_state
from bus.jetstream import api, publish
from bus.journal import Journal
from bus.network import open_network
from bus.server import EmbeddedServer
from bus.subjects import WORKFLOW_TYPE, Subjects
from bus.topology import Limits, ensure_consumers, omega_consumers, streams
from clones.omega.coordination import make_network
from clones.workflows.ids import step_id
from schemas import TaskAssignment, TaskCompletion, TaskFailure, TaskResult, TaskStarted, WorkflowStart, encode
from tests.bus.eventually import eventually
from tests.bus.rig import Rig
from tests.clones.omega.workflows.flows import Doers, clones, completed, history, states, submitted
from tests.clones.omega.workflows.told import is_idle
from tests.clones.rig import TABLE, ClonesRig, put_table

FORMER = "workflow_review"
TYPES = ("security", "performance", "architecture", "testing", "documentation")
_serial = itertools.count(1)


def of_then(step: str) -> str:
    """The id of a step's task in the run `w`, as Omegas of then made it."""
    return step_id("w", step, secret="")


class FormerStore:
    """A realm as the earlier version left it, with nobody there."""

    def __init__(self, rig: ClonesRig) -> None:
        self.rig = rig

    async def make(self) -> None:
        network, subjects = self.rig.network, self.rig.subjects
        for stream in streams(subjects, Limits()):
            had = [subject for subject in stream["subjects"] if not subject.endswith(".history.*")]
            await api(network.requester, f"STREAM.CREATE.{stream['name']}", {**stream, "subjects": had})
        *others, workflows = omega_consumers(subjects)
        review = {**workflows, "name": FORMER, "durable_name": FORMER, "filter_subject": subjects.workflow("review")}
        await ensure_consumers(network.requester, subjects, [*others, review])
        routes = {name: route for name, route in TABLE.routes.items() if name in TYPES}
        asks_nobody = {name: msgspec.structs.replace(route, may_ask=()) for name, route in routes.items()}
        await put_table(network, msgspec.structs.replace(TABLE, routes=asks_nobody))

    async def store(self, body: bytes, name: str = "review") -> int:
        """Store a start; an Omega of then has taken it, and died."""
        stored = await publish(self.rig.network.requester, self.rig.subjects.workflow(name), body)
        return stored.seq

    async def start(self, workflow_id: str, name: str = "review") -> int:
        sequence = await self.store(encode(WorkflowStart(id=workflow_id, input={"target": "project"})), name)
        if name == "review":
            started = TaskStarted(
                task_id=workflow_id,
                task_type=WORKFLOW_TYPE,
                clone="omega",
                instance="omega-of-then",
                attempt=1,
                at=datetime.now(UTC),
                sequence=sequence,
            )
            await Journal(self.rig.network.requester, self.rig.subjects).store(started)
        return sequence

    async def take(self) -> None:
        """Take from the former consumer what there is, as an Omega of then that dies with it."""
        async with self.pulls():
            pass

    @asynccontextmanager
    async def pulls(self) -> AsyncIterator[None]:
        """Pull from the former consumer, as an Omega of then, while this is open."""
        client = self.rig.network.client
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox)
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self.rig.subjects.ledger}.{FORMER}"
        wanted = {"batch": 10, "group": "jobs", "expires": 300_000_000_000}
        await client.publish(subject, msgspec.json.encode(wanted), reply=inbox)
        await eventually(self.is_pulled)
        try:
            yield
        finally:
            await subscription.unsubscribe()

    async def is_pulled(self) -> bool:
        state = await consumer_state(self.rig.network, FORMER)
        return state is not None and state.num_waiting > 0

    async def end(self, task_id: str, task_type: str = WORKFLOW_TYPE, code: str = "") -> TaskResult:
        common: dict[str, Any] = {
            "task_id": task_id,
            "task_type": task_type,
            "clone": "omega",
            "instance": "of-then",
            "finished_at": datetime.now(UTC),
            "writer": f"of-then/{task_id}",
        }
        result: TaskResult = TaskFailure(**common, code=code, message="of then")
        if not code:
            result = TaskCompletion(**common, attempt=1, started_at=datetime.now(UTC), output={"target": "project"})
        assert (await self.rig.network.results.settle(result)).won
        return result

    async def former_consumer(self) -> bool:
        return await consumer_state(self.rig.network, FORMER) is not None


@pytest_asyncio.fixture
async def former(server: EmbeddedServer, workspace: Path) -> AsyncIterator[FormerStore]:
    subjects = Subjects(f"former{next(_serial)}")
    settings = server.settings_for("operator")
    async with open_network(settings, subjects, name="rig") as network, Submitter(network) as submitter:
        store = FormerStore(ClonesRig(Rig(settings, network, submitter), workspace))
        await store.make()
        yield store


async def test_what_has_ended_is_not_begun_again(former: FormerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new consumer brings all that was ever started; what RESULTS has forgotten stands in the ledger."""
    rig = former.rig
    for workflow_id in ("old", "forgotten"):
        await former.start(workflow_id)
    await former.start("typo", "reviwe")
    bad = f"seq-{await former.store(b'no JSON')}"
    ended = [
        await former.end("old"),
        await former.end("forgotten"),
        await former.end("typo", code="unknown_workflow"),
        await former.end(bad, code="invalid_assignment"),
    ]
    copies = rig.subjects.result(WORKFLOW_TYPE, "*")

    async def copied() -> bool:
        return len(await rig.bus.in_stream(rig.subjects.ledger, copies)) == len(ended)

    await eventually(copied)
    await api(rig.network.requester, f"STREAM.PURGE.{rig.subjects.results}")
    monkeypatch.setattr("bus.execution.RESULTS_MAX_AGE_S", 0.0)
    await make_network(rig.network, Limits())
    doers = Doers()
    async with clones(rig, doers), rig.omega():
        await eventually(lambda: is_idle(rig))
    assert doers.tasks == []
    assert await rig.bus.in_stream(rig.subjects.ledger, rig.subjects.every("history")) == []
    assert await rig.bus.in_stream(rig.subjects.results, rig.subjects.every("result")) == []
    assert len(await rig.bus.in_stream(rig.subjects.ledger, copies)) == len(ended)


async def test_a_run_is_gone_on_with_and_asks_for_nothing_twice(
    former: FormerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server has forgotten the ids of what was asked for.
    monkeypatch.setattr("clones.omega.workflows.issuing.REMEMBERED_S", -60.0)
    rig = former.rig
    await former.start("w")
    await former.take()
    for step in ("security", "architecture", "testing"):
        assignment = TaskAssignment(id=of_then(step), params={"target": "project"}, parent_id="w")
        await publish(rig.network.requester, rig.subjects.task(step), encode(assignment))
    await former.end(of_then("security"), "security")
    await make_network(rig.network, Limits())
    doers = Doers()
    async with clones(rig, doers), rig.omega():
        ended = await completed(rig)
        await eventually(lambda: is_idle(rig))
    assert ended.attempt == 2
    assert states(ended) == {
        "security": "completed",
        "architecture": "completed",
        "testing": "completed",
        "performance": "skipped",
        "report": "completed",
    }
    assert sorted(task.task_type for task in doers.tasks) == ["architecture", "documentation", "testing"]
    asked = [str(assignment.id) for assignment in await submitted(rig)]
    assert sorted(asked) == sorted(map(of_then, ("security", "architecture", "testing", "report")))
    assert (await history(rig))[0].workflow == "review"


async def test_what_the_earlier_version_needs_is_removed_when_it_is_gone(former: FormerStore) -> None:
    network = former.rig.network
    async with former.pulls():
        await make_network(network, Limits())
        assert await former.former_consumer()

    async def removed() -> bool:
        await make_network(network, Limits())
        return not await former.former_consumer()

    await eventually(removed)
    ledger = await api(network.requester, f"STREAM.INFO.{former.rig.subjects.ledger}")
    assert former.rig.subjects.history("*") in ledger["config"]["subjects"]
