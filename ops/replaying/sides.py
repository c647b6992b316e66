"""What is read of one side of a replay, the recorded ledger or the realm that it was driven into: results, files, steps, decisions."""

import asyncio
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bus.artifacts import Artifacts
from bus.errors import ArtifactMissing
from bus.jetstream import last_of_each
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from ops.archive.source import Source
from schemas import (
    ArtifactRef,
    DecisionMade,
    SchemaError,
    StepEnded,
    TaskCompletion,
    TaskResult,
    WorkflowEntry,
    WorkflowEvent,
    decode,
)

MOST_DATA_BYTES = 128 * 1024 * 1024
"""Of findings that travelled as an artifact, so much is compared by what it says; larger ones by their digests alone."""
LOOKED_AT = 128
"""Results that are looked for at once."""


class Part(NamedTuple):
    """A step of a run that has ended."""

    path: str
    """The step's name, with the element's number in a fan-out; of a sub-workflow's, behind the name of the step that it is."""
    task_type: str
    task_id: str


class Side:
    """One side. All methods raise SanctuaryError where it cannot be read."""

    def __init__(self, network: Network, source: Source) -> None:
        self.network = network
        self._source = source
        self._artifacts = Artifacts(network)

    async def result(self, task_type: str, task_id: str) -> TaskResult | None:
        """Return a task's result; None where it has none, or none that can be read here."""
        try:
            async for message in self._source.matching([self.network.subjects.result(task_type, task_id)]):
                result: TaskResult = decode(TaskResult, message.data)
                return result
            return await self.network.results.read(task_type, task_id)
        except SchemaError:
            return None

    async def ended(self, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return which of these tasks have a result."""
        subjects, wanted, found = self.network.subjects, list(keys), set[tuple[str, str]]()
        for start in range(0, len(wanted), LOOKED_AT):
            named = {subjects.result(*key): key for key in wanted[start : start + LOOKED_AT]}
            stored = await last_of_each(self.network.requester, subjects.results, named)
            found |= {named[subject] for subject in stored}
        return found

    async def had_ended(self, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """As `ended`, of a ledger that may be older than what the server keeps of results."""
        found = await self.ended(keys)
        return found | {key for key in set(keys) - found if await self.result(*key) is not None}

    async def data(self, result: TaskResult) -> Any:
        """Return the findings that travelled as an artifact, or its digest where they are gone or large; None: there are none."""
        ref = data_artifact(result)
        if ref is None:
            return None
        if ref.size_bytes > MOST_DATA_BYTES:
            return {"digest": ref.digest}
        with tempfile.TemporaryDirectory(prefix="sanctuary-replay-") as directory:
            path = Path(directory) / "data.json"
            try:
                await self._artifacts.get(ref.name, path)
            except ArtifactMissing:
                return {"digest": ref.digest}
            return await asyncio.to_thread(_decoded, path)

    async def events(self, workflow_id: str) -> list[WorkflowEvent]:
        """Return what a run's history tells, as far as it can be read here."""
        found: list[WorkflowEvent] = []
        async for message in self._source.matching([self.network.subjects.history(workflow_id)]):
            try:
                entry: WorkflowEntry = decode(WorkflowEntry, message.data)
            except SchemaError:
                break  # of a later version
            found += entry.events
        return found

    async def parts(self, workflow_id: str, path: str = "") -> list[Part]:
        """Return the steps of a run, and of its sub-workflows, that have results; each once."""
        found: dict[str, Part] = {}
        for event in await self.events(workflow_id):
            if not isinstance(event, StepEnded):
                continue
            place = "" if event.index is None else f"[{event.index}]"
            undone = " (undone)" if event.compensation else ""
            name = f"{path}{event.step}{place}{undone}"
            found[name] = Part(name, event.task_type, event.task_id)
            if event.task_type == WORKFLOW_TYPE:
                for part in await self.parts(event.task_id, f"{name}/"):
                    found[part.path] = part
        return list(found.values())

    async def decisions(self, workflow_id: str) -> dict[str, DecisionMade]:
        """Return what people decided in a run, by step."""
        return {event.step: event for event in await self.events(workflow_id) if isinstance(event, DecisionMade)}


def data_artifact(result: TaskResult) -> ArtifactRef | None:
    """Return the artifact that a result's findings travelled as, where they did."""
    if not isinstance(result, TaskCompletion) or not isinstance(result.output, dict):
        return None
    name = result.output.get("data_artifact")
    return next((ref for ref in result.artifacts if ref.name == name), None)


def _decoded(path: Path) -> Any:
    return msgspec.json.decode(path.read_bytes())
