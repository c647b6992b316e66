"""From a task to an engine's run and back: parameters, target, limits, artifacts."""

import asyncio
import dataclasses
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from bus.artifacts import Artifacts
from bus.errors import ArtifactMissing, SanctuaryError
from bus.network import Network
from bus.task import Done, Handler, Task, TaskError
from clones.asks import ask
from clones.engines.contract import EngineError, EngineOutput
from clones.membership import Membership
from clones.misfits import describe_misfit
from clones.models.asking import Adviser
from clones.models.questions import question
from clones.params import TargetParams
from clones.results_cache import recall
from clones.sandbox import Limits, run_engine
from clones.scratch import scratch_directory
from clones.targets import Checkout, TargetPolicy, checkout
from schemas import ArtifactRef, ErrorCode, SchemaError, TaskResult, convert, to_plain

if TYPE_CHECKING:
    from autogen_core import AgentRuntime

FINISH_S = 1.0
"""What an attempt keeps of its time for the network, so that a slow engine ends with its own error and not the attempt's."""
BUDGET_SHARE = 0.85
"""The part of an attempt's time that an engine which runs the target's code gives to that; the rest is for what it found."""
MIN_BUDGET_S = 10.0
MAX_INLINE_BYTES = 512 * 1024
"""Larger findings travel as an artifact; the result then holds `output.data_artifact` instead of `output.data`."""
MAX_NOT_ANALYSED = 200

Handlers = Mapping[str, Handler]
"""Task type to what serves it."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Workshop:
    """What a clone works with. One that is new to a network gets a connection of its own while it holds this."""

    network: Network
    artifacts: Artifacts
    targets: TargetPolicy
    memory_bytes: int = Limits(timeout_s=1).memory_bytes
    """For each process of an engine."""
    adviser: Adviser | None = None
    """The language model that this clone was given; None: it was given none."""
    membership: Membership | None = None

    async def ask(
        self,
        task: Task,
        task_type: str,
        params: Mapping[str, Any],
        *,
        key: str | None = None,
        timeout_s: float | None = None,
    ) -> TaskResult:
        """Have another clone do a task for `task`, as far as its route's `may_ask` allows; see `clones.asks.ask`."""
        return await ask(self.network, task, task_type, params, key=key, timeout_s=timeout_s)

    async def agents(self) -> "AgentRuntime":
        """Return the network's runtime of agents, joined and started; the first call loads AutoGen.

        What is registered there is reached from the whole network: `await runtime.send_message(message, AgentId("writer", "default"))`.
        It is stopped when the clone begins to drain, and left when it has.

        Raises:
            SanctuaryError: the network does not let us join, or does not answer; the next call tries again.
        """
        if self.membership is None:
            raise SanctuaryError("this workshop was made without a membership in the network's agents")
        return await self.membership.runtime()


_P = TypeVar("_P", bound=msgspec.Struct)


def read_params(task: Task, kind: type[_P]) -> _P:
    """Return the task's parameters as `kind`.

    Raises:
        TaskError: `incompatible_task`, saying which parameter is wrong and how.
    """
    try:
        return convert(kind, task.params)
    except SchemaError as error:
        raise TaskError.incompatible(describe_misfit(task.task_type, kind, error.message)) from None


def within_time(params: TargetParams, limit_s: float) -> TargetParams:
    """Return `params` with a budget that ends before the attempt does, so that what was found by then is reported."""
    budget_s = getattr(params, "budget_s", None)
    if budget_s is None or budget_s <= limit_s * BUDGET_SHARE:
        return params
    return msgspec.structs.replace(params, budget_s=max(MIN_BUDGET_S, limit_s * BUDGET_SHARE))


def left_s(ends_at: float) -> float:
    """Return how long it is until a moment of the event loop's clock."""
    return ends_at - asyncio.get_running_loop().time()


class EngineHandler:
    """Serves one task type with one engine."""

    def __init__(self, engine: str, params: type[TargetParams], workshop: Workshop) -> None:
        """Take the engine's name as of `run_engine`, and the struct of its parameters."""
        self._engine = engine
        self._params = params
        self._workshop = workshop

    async def __call__(self, task: Task) -> Done:
        """Run the engine on the task's target.

        Raises:
            TaskError: the parameters, the target or the engine do not allow it.
        """
        ends_at = asyncio.get_running_loop().time() + task.timeout_s - FINISH_S
        params = within_time(read_params(task, self._params), task.timeout_s - FINISH_S)
        async with scratch_directory("sanctuary-out-") as out:
            async with open_target(params.target, self._workshop) as source:
                memory = await recall(task, params, source, self._workshop, left_s=left_s(ends_at))
                if (earlier := await memory.earlier(source)) is not None:
                    return earlier
                params = within_time(params, left_s(ends_at))
                output = await run(
                    self._engine, source, params, out=out, task=task, workshop=self._workshop, ends_at=ends_at
                )
                await memory.look_again(source, left_s=left_s(ends_at))
            done = await deliver(output, source, out, task, self._workshop)
        done = await advised(done, output, task, self._workshop, ends_at=ends_at)
        await memory.keep(done)
        return done


async def advised(
    done: Done, output: EngineOutput, task: Task, workshop: Workshop, *, ends_at: float, share: float = 1.0
) -> Done:
    """Return `done` with a model's words on what the engine found, as `output["advice"]`; as it is where there is no model.

    `ends_at`, by the event loop's clock, is when the task must be done; `share` of the time until then is the model's.
    """
    if workshop.adviser is None:
        return done
    # In a thread, as findings may be many.
    asked = await asyncio.to_thread(question, task.task_type, output.data)
    if asked is None:
        return done
    task.report(0.95, f"asking {workshop.adviser.model}")
    advice = await workshop.adviser.ask(task.task_type, asked, within_s=left_s(ends_at) * share)
    return dataclasses.replace(done, output={**done.output, "advice": to_plain(advice)})


@asynccontextmanager
async def open_target(target: str, workshop: Workshop) -> AsyncIterator[Checkout]:
    """Yield the target's Checkout; its errors are TaskErrors."""
    try:
        async with checkout(target, workshop.targets) as source:
            yield source
    except EngineError as error:
        raise task_error(error) from None


async def run(
    engine: str, source: Checkout, params: TargetParams, *, out: Path, task: Task, workshop: Workshop, ends_at: float
) -> EngineOutput:
    """Run an engine on a checkout until `ends_at`, by the event loop's clock, and at least a second; raises TaskError."""
    limits = Limits(timeout_s=max(1.0, left_s(ends_at)), memory_bytes=workshop.memory_bytes)
    try:
        return await run_engine(
            engine=engine, target=source.path, params=params, out=out, limits=limits, on_progress=task.report
        )
    except EngineError as error:
        raise task_error(error) from None


def task_error(error: EngineError) -> TaskError:
    """Return an engine's error as the task's."""
    return TaskError(error.code, error.message, retryable=error.retryable)


async def deliver(output: EngineOutput, source: Checkout, out: Path, task: Task, workshop: Workshop) -> Done:
    """Store the engine's files and return the task's result.

    `output` of the result: `{"target", "revision", "data" | "data_artifact", "not_analysed", "not_analysed_total"}`.
    """
    try:
        refs = [
            await put(workshop.artifacts, task, out / file.name, file.name, file.media_type) for file in output.files
        ]
        body: dict[str, Any] = {"target": source.origin, "revision": source.revision}
        data = msgspec.json.encode(output.data)
        if len(data) <= MAX_INLINE_BYTES:
            body["data"] = output.data
        else:
            path = out / "data.json"
            await asyncio.to_thread(path.write_bytes, data)
            refs.append(await put(workshop.artifacts, task, path, "data.json", "application/json"))
            body["data_artifact"] = refs[-1].name
    except SanctuaryError as error:
        raise TaskError(ErrorCode.NETWORK_UNAVAILABLE, error.message) from None
    left_out = (*source.not_analysed, *output.not_analysed)
    body["not_analysed"] = to_plain(left_out[:MAX_NOT_ANALYSED])
    body["not_analysed_total"] = len(left_out)
    return Done(summary=output.summary, output=body, artifacts=tuple(refs))


async def put(artifacts: Artifacts, task: Task, path: Path, name: str, media_type: str) -> ArtifactRef:
    """Store one file of a task, under a name that no other attempt uses."""
    return await artifacts.put(path, name=f"{task.id}/{task.attempt}/{name}", filename=name, media_type=media_type)


def artifact_fetcher(artifacts: Artifacts) -> Callable[[str], Awaitable[Path]]:
    """Return what fetches an uploaded archive for `clones.targets`."""

    async def fetch(name: str) -> Path:
        path = _temporary_file()
        try:
            await artifacts.get(name, path)
        except BaseException as error:
            path.unlink(missing_ok=True)  # also where the task was cancelled meanwhile
            if isinstance(error, ArtifactMissing):
                words = f"{error.message}; upload it first (sanctuary submit --upload)"
                raise EngineError(words, code=ErrorCode.TARGET_NOT_FOUND) from None
            if isinstance(error, SanctuaryError):
                raise EngineError(error.message, code=ErrorCode.TARGET_UNAVAILABLE, retryable=True) from None
            raise
        return path

    return fetch


def _temporary_file() -> Path:
    descriptor, name = tempfile.mkstemp(prefix="sanctuary-upload-")
    os.close(descriptor)
    return Path(name)
