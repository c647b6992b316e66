"""A realm for runs of workflows whose processes die, and what its streams and its bucket of effects must hold afterwards."""

import asyncio
import itertools
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from bus import buckets
from bus.client import Submitter
from bus.definitions import create
from bus.histories import Written
from bus.jetstream import StoredMessage
from bus.ledger import stream_entries
from bus.network import Network, open_network
from bus.server import EmbeddedServer
from bus.subjects import WORKFLOW_TYPE, Subjects
from bus.topology import Limits
from clones.completeness.runs import Child, Life, cancelled, run_breaches, strangers
from clones.omega.coordination import make_network
from clones.omega.once import is_wake_up
from schemas import (
    Command,
    TaskAssignment,
    TaskResult,
    WorkflowDefinition,
    WorkflowEntry,
    WorkflowInForce,
    WorkflowStart,
    convert,
    decode,
)
from tests.clones.completeness.whole import findings
from tests.clones.rig import put_table
from tests.faults.books import settled_books
from tests.faults.flow_processes import TABLE, TYPE, Prepare, effects, start_clone, start_omega
from tests.faults.forking import gone
from tests.faults.machine_processes import Place

ENDED_PAUSE_S = 1.0
_serial = itertools.count(1)


def deed(*needs: str, **fields: Any) -> dict[str, Any]:
    """A step that is a deed; what is no field of a step is a parameter."""
    known: dict[str, Any] = {
        name: fields.pop(name) for name in ("foreach", "parallelism", "compensate", "when") if name in fields
    }
    return {"task": TYPE, "params": fields, "needs": needs, **known}


def definition(name: str, steps: Mapping[str, Any], **fields: Any) -> WorkflowDefinition:
    return convert(WorkflowDefinition, {"name": name, "steps": dict(steps), **fields})


class FlowScene:
    """One realm, its Omegas and clones, and what runs there."""

    def __init__(self, network: Network, submitter: Submitter, place: Place, prepare: Prepare) -> None:
        self.network = network
        self.submitter = submitter
        self.place = place
        self.processes: dict[str, ForkServerProcess] = {}
        """By instance, its clone first."""
        self.runs: dict[str, WorkflowDefinition] = {}
        """Those that were begun by `run`."""
        self.keeps = False
        """Whether another process is started in the place of each that dies."""
        self._prepare = prepare
        self._definitions: dict[str, WorkflowDefinition] = {}

    @property
    def subjects(self) -> Subjects:
        return self.network.subjects

    # Processes

    def start(self, clone: str) -> str:
        """Start an Omega or a clone, and return its instance."""
        instance = f"{clone}-{next(_serial)}"
        begin = start_omega if clone == "omega" else start_clone
        process = self.processes[instance] = begin(self.place, instance, self._prepare)
        asyncio.get_running_loop().add_reader(process.sentinel, self._ended, instance)
        return instance

    def _ended(self, instance: str) -> None:
        asyncio.get_running_loop().remove_reader(self.processes[instance].sentinel)
        if self.keeps:
            process = self.processes.pop(instance)
            process.join()
            killed = process.exitcode == -signal.SIGKILL
            process.close()
            clone = instance.partition("-")[0]
            # One that cannot begin ends again and again.
            asyncio.get_running_loop().call_later(0.0 if killed else ENDED_PAUSE_S, self._replace, clone)

    def _replace(self, clone: str) -> None:
        if self.keeps:
            self.start(clone)

    def kill(self, instance: str) -> None:
        """End a process by kill -9."""
        process = self.processes[instance]
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGKILL)

    # Runs

    async def put(self, *definitions: WorkflowDefinition) -> None:
        for each in definitions:
            self._definitions[each.name] = each
            assert await create(self.network, WorkflowInForce(definition=each, version=1, at=datetime.now(UTC)))

    async def run(self, name: str, workflow_id: str, **fields: Any) -> None:
        """Begin a run."""
        self.runs[workflow_id] = self._definitions[name]
        await self.submitter.start_workflow(name, WorkflowStart(id=workflow_id, **fields))

    async def result(self, workflow_id: str, *, within_s: float) -> TaskResult:
        return await self.submitter.result(WORKFLOW_TYPE, workflow_id, timeout_s=within_s)

    # What there is

    async def lives(self) -> list[Life]:
        """All runs, sub-workflows among them, as the streams have them."""
        subjects, requester = self.subjects, self.network.requester

        async def read(stream: str, family: str) -> list[StoredMessage]:
            return [each async for each in stream_entries(requester, stream, f"{subjects.realm}.{family}.>")]

        results: dict[tuple[str, str], TaskResult] = {}
        for message in await read(subjects.results, "result"):
            result: TaskResult = decode(TaskResult, message.data)
            results[result.task_type, result.task_id] = result
        commands: dict[int, Command] = {}
        for message in await read(subjects.ledger, "command"):
            commands[message.sequence] = decode(Command, message.data)
        histories: dict[str, list[Written]] = {}
        for message in await read(subjects.ledger, "history"):
            entry: WorkflowEntry = decode(WorkflowEntry, message.data)
            histories.setdefault(entry.workflow_id, []).append(Written(message.sequence, message.stored_at, entry))
        children: dict[str | None, list[Child]] = {}
        for message in await read(subjects.ledger, "task"):
            task: TaskAssignment = decode(TaskAssignment, message.data)
            children.setdefault(task.parent_id, []).append(Child(message.sequence, message.subject.split(".")[2], task))
        activations: dict[str, set[int]] = {}
        for message in await read(subjects.ledger, "workflow"):
            start: WorkflowStart = decode(WorkflowStart, message.data)
            assert start.id is not None
            activations.setdefault(start.id, set()).add(message.sequence)
            if not is_wake_up(message):
                children.setdefault(start.parent_id, []).append(Child(message.sequence, WORKFLOW_TYPE, start))
        return [
            Life(
                workflow_id=workflow_id,
                definition=self._definitions[entries[0].entry.workflow],
                history=entries,
                activations=frozenset(activations.get(workflow_id, ())),
                children=children.get(workflow_id, ()),
                results=results,
                commands=commands,
            )
            for workflow_id, entries in histories.items()
        ]

    async def effects(self) -> set[str]:
        """The ids of the tasks that were done; each was done once, by creation."""
        bucket, requester = effects(self.subjects.realm), self.network.requester
        found = [buckets.key_of(bucket, message) async for message in buckets.changes(requester, bucket)]
        assert [key for key, count in Counter(found).items() if count > 1] == []
        return set(found)

    async def check(self, *, within_s: float, server_died: bool = False) -> list[Life]:
        """Hold the streams to the promises once all has ended; returns the runs. `server_died` as of `breaches`."""
        books = await settled_books(self.network, within_s=within_s)
        lives = await self.lives()
        books.hold(never_asked=[key for life in lives for key in cancelled(life)], server_died=server_died)
        assert self.runs.keys() <= {life.workflow_id for life in lives}
        found = {life.workflow_id: said for life in lives if (said := run_breaches(life) + strangers(life))}
        assert not found, (found, [life.history for life in lives if life.workflow_id in found])
        assert await findings(self.network) == []
        return lives


@asynccontextmanager
async def open_flow_scene(server: EmbeddedServer, directory: Path, prepare: Prepare) -> AsyncIterator[FlowScene]:
    """A fresh realm, without any process yet; each that is started does `prepare` first."""
    realm = f"flows{next(_serial)}"
    place = Place(server.options.store, realm, directory / f"{realm}.journal", kept_s=0.0)
    async with (
        open_network(server.settings_for("operator"), Subjects(realm), name="flows") as network,
        Submitter(network) as submitter,
    ):
        await put_table(network, TABLE)
        await make_network(network, Limits())
        await buckets.ensure_bucket(network.requester, effects(realm))
        scene = FlowScene(network, submitter, place, prepare)
        try:
            yield scene
        finally:
            scene.keeps = False
            for process in scene.processes.values():
                process.kill()
                await gone(process)
