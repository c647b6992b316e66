"""Runs of workflows as an Omega writes them, written by hand: what reads them needs no Omega."""

from datetime import UTC, datetime

from bus.buckets import ensure_bucket
from bus.definitions import create
from bus.histories import Histories
from bus.jetstream import publish
from bus.network import Network
from clones.workflows.ids import step_id
from schemas import (
    Approval,
    Compensation,
    InputField,
    Step,
    StepEnded,
    StepLine,
    WorkflowBegun,
    WorkflowCompletion,
    WorkflowDefinition,
    WorkflowEntry,
    WorkflowEvent,
    WorkflowFailure,
    WorkflowInForce,
    WorkflowStart,
    encode,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RELEASE = WorkflowDefinition(
    name="release",
    description="Tests, then a person, then the rest.",
    input={"target": InputField(required=True, description="What is released."), "files": InputField(kind="list")},
    steps={
        "tests": Step(
            task="testing",
            params={"target": "${input.target}"},
            compensate=Compensation(task="documentation", params={"target": "${input.target}"}),
        ),
        "each": Step(task="security", foreach="input.files", params={"target": "${item}"}),
        "go": Step(decision=Approval(prompt="Release ${input.target}?"), needs=("tests",)),
        "publish": Step(task="documentation", params={"target": "${input.target}"}, needs=("go", "each")),
    },
)
"""A task, a fan-out, a decision, and what comes after."""


async def store(network: Network, definition: WorkflowDefinition = RELEASE, version: int = 1) -> None:
    """Put a definition into force."""
    await ensure_bucket(network.requester, network.subjects.workflows)
    assert await create(network, WorkflowInForce(definition=definition, version=version, at=NOW, by="ann"))


class HandMade:
    """A run whose history is written event by event."""

    def __init__(self, network: Network, workflow_id: str, name: str = "release") -> None:
        self.id = workflow_id
        self.name = name
        self._network = network
        self._last = 0
        self.start_sequence = 0

    async def start(self, **fields: object) -> None:
        """Store its start."""
        body = encode(WorkflowStart(id=self.id, **fields))  # type: ignore[arg-type]
        self.start_sequence = (
            await publish(self._network.requester, self._network.subjects.workflow(self.name), body)
        ).seq

    async def tell(self, *events: WorkflowEvent) -> None:
        """Append an entry."""
        entry = WorkflowEntry(
            workflow_id=self.id,
            workflow=self.name,
            version=1,
            at=datetime.now(UTC),
            instance="omega-1",
            activation=self.start_sequence,
            events=events,
        )
        last = await Histories(self._network).append(entry, last=self._last)
        assert last is not None
        self._last = last

    async def begin(self, files: tuple[str, ...] = ("a", "b"), **fields: object) -> None:
        """Store its start and its first event."""
        given = {"target": "/project", "files": list(files)}
        await self.start(input=given, **fields)
        await self.tell(WorkflowBegun(input=given))

    def ended(self, step: str, index: int | None = None, **fields: object) -> StepEnded:
        """A step's task as it ended."""
        known = {
            "state": "completed",
            "task_type": "testing",
            "clone": "delta",
            "task_id": step_id(self.id, step, index, secret=""),
        }
        return StepEnded(step=step, index=index, **{**known, **fields})  # type: ignore[arg-type]

    async def settle(self, lines: tuple[StepLine, ...], *, failed: str = "") -> None:
        """Give it its result."""
        common = {
            "task_id": self.id,
            "task_type": "workflow",
            "clone": "omega",
            "instance": "omega-1",
            "finished_at": datetime.now(UTC),
            "writer": f"omega-1.{self.id}",
            "attempt": 1,
            "workflow": self.name,
            "version": 1,
            "steps": lines,
        }
        if failed:
            result: WorkflowFailure | WorkflowCompletion = WorkflowFailure(
                code=failed, message="tests failed", **common
            )  # type: ignore[arg-type]
        else:
            result = WorkflowCompletion(started_at=datetime.now(UTC), summary="4 steps done", **common)  # type: ignore[arg-type]
        await self._network.results.settle(result)
