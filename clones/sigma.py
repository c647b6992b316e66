"""Sigma: documentation, what changed between versions, what there is to know, and the report over all clones' findings."""

import asyncio
import dataclasses
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from bus.errors import SanctuaryError
from bus.task import Done, Task, TaskError
from clones.engine_handler import (
    FINISH_S,
    EngineHandler,
    Handlers,
    Workshop,
    advised,
    deliver,
    left_s,
    open_target,
    put,
    read_params,
    run,
    within_time,
)
from clones.engines.contract import EngineOutput
from clones.params import ApiChangesParams, ChangelogParams, CompareParams, DocumentationParams, KnowledgeParams
from clones.reporting import collect
from clones.results_cache import recall
from clones.scratch import scratch_directory
from clones.targets import Checkout
from schemas import ErrorCode

ENGINE = "clones.engines.documentation:analyse"
API_CHANGES = "clones.engines.api_changes:analyse"
MODEL_SHARE = 0.5
"""The part of the time left that a model gets where a report is still to be written."""


def handlers(workshop: Workshop) -> Handlers:
    """Return what Sigma does for each of its task types."""

    async def document(task: Task) -> Done:
        ends_at = asyncio.get_running_loop().time() + task.timeout_s - FINISH_S
        params = read_params(task, DocumentationParams)
        if params.report_alone and not params.report_over:
            raise TaskError.incompatible("params.report_alone: there is nothing to report; name tasks in report_over")
        async with scratch_directory("sanctuary-out-") as directory:
            out = _subdirectory(directory, "documentation")
            async with open_target(params.target, workshop) as source:
                # A report over others rests on what those found.
                alone = not params.report_over
                memory = await recall(task, params, source, workshop, left_s=left_s(ends_at), alone=alone)
                if (earlier := await memory.earlier(source)) is not None:
                    return earlier
                if params.report_alone:
                    output = EngineOutput(summary=f"A report over {len(params.report_over)} tasks.", data={})
                else:
                    asked = within_time(params, left_s(ends_at))
                    output = await run(ENGINE, source, asked, out=out, task=task, workshop=workshop, ends_at=ends_at)
                await memory.look_again(source, left_s=left_s(ends_at))
            done = await deliver(output, source, out, task, workshop)
            if not params.report_alone:
                share = MODEL_SHARE if params.report_over else 1.0
                done = await advised(done, output, task, workshop, ends_at=ends_at, share=share)
            if params.report_over:
                done = await _report(task, params, done, directory, workshop)
            await memory.keep(done)
            return done

    async def compare_api(task: Task) -> Done:
        ends_at = asyncio.get_running_loop().time() + task.timeout_s - FINISH_S
        params = read_params(task, ApiChangesParams)
        async with AsyncExitStack() as stack:
            source = await stack.enter_async_context(open_target(params.target, workshop))
            memory = await recall(task, params, source, workshop, left_s=left_s(ends_at), alone=params.against is None)
            if (told := await memory.earlier(source)) is not None:
                return told
            asked = CompareParams(**msgspec.structs.asdict(params))
            if params.against is not None:
                earlier = await _opened(stack, params.against, workshop)
                asked = msgspec.structs.replace(asked, against_path=str(earlier.path), against_origin=earlier.origin)
            out = await stack.enter_async_context(scratch_directory("sanctuary-out-"))
            output = await run(API_CHANGES, source, asked, out=out, task=task, workshop=workshop, ends_at=ends_at)
            await memory.look_again(source, left_s=left_s(ends_at))
            done = await deliver(output, source, out, task, workshop)
        done = await advised(done, output, task, workshop, ends_at=ends_at)
        await memory.keep(done)
        return done

    return {
        "documentation": document,
        "api-changes": compare_api,
        "changelog": EngineHandler("clones.engines.changelog:analyse", ChangelogParams, workshop),
        "knowledge": EngineHandler("clones.engines.knowledge:analyse", KnowledgeParams, workshop),
    }


async def _opened(stack: AsyncExitStack, against: str, workshop: Workshop) -> Checkout:
    try:
        return await stack.enter_async_context(open_target(against, workshop))
    except TaskError as error:
        words = f"params.against: {error.message}. A revision of the target's own history is named by `since`"
        raise TaskError(error.code, words, retryable=error.retryable) from None


async def _report(task: Task, params: DocumentationParams, done: Done, directory: Path, workshop: Workshop) -> Done:
    # Imported here: a template engine is of no use to Sigma before the first report.
    from clones.engines.report import render

    task.report(0.8, "writing the report")
    pictures, pages = _subdirectory(directory, "pictures"), _subdirectory(directory, "report")
    try:
        report = await collect(workshop.network, workshop.artifacts, task, params, documentation=done, out=pictures)
        files = await asyncio.to_thread(render, report, pages)
        refs = [await put(workshop.artifacts, task, pages / file.name, file.name, file.media_type) for file in files]
    except SanctuaryError as error:
        raise TaskError(ErrorCode.NETWORK_UNAVAILABLE, error.message) from None
    return dataclasses.replace(done, artifacts=(*refs, *done.artifacts))


def _subdirectory(directory: Path, name: str) -> Path:
    path = Path(directory, name)
    path.mkdir()
    return path
