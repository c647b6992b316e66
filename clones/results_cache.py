"""Earlier completions that answer tasks which are asked for with `cache`: the same type, parameters and target, and the same engines.

The bucket `<realm>_cache` names the task that has done it, under `<type>.<digest>`. What counts is that task's stored result:
where that is none, a failure, or one whose artifacts are gone, the work is done anew. A network that does not answer costs the
cache, never the task.
"""

import asyncio
import functools
import hashlib
import json
import logging
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

import clones.engines
from bus.artifacts import Artifacts
from bus.buckets import last_in, put, subject_of
from bus.errors import SanctuaryError
from bus.network import Network
from bus.task import Done, Task
from clones.engines.contract import EngineError
from clones.engines.digest import DigestParams, of_files
from clones.engines.security.osv import database
from clones.params import TargetParams
from clones.sandbox import Limits, run_engine
from clones.scratch import scratch_directory
from clones.targets import Checkout
from schemas import SchemaError, TaskCompletion, decode_grown, encode, to_plain
from schemas.base import Told

KEPT_S = 7 * 24 * 3600
"""Well below what results and artifacts are kept for: an answer's artifacts are those of the earlier task, and outlive it."""
DIGEST_WITHIN_S = 60.0
DIGEST_SHARE = 0.25
"""The part of the time left that the digest of a target may take."""
PRODUCT = "sanctuary-bus"

if TYPE_CHECKING:
    from clones.engine_handler import Workshop

log = logging.getLogger(__name__)


class Remembered(Told, frozen=True, kw_only=True):
    """Which task has done it."""

    task_id: str
    at: datetime


class Memory:
    """What is known of one piece of work, and kept of it; of work that is not told apart by a `digest`, nothing."""

    def __init__(self, network: Network, artifacts: Artifacts, task: Task, counts: str, digest: str | None) -> None:
        """Take what counts beside the target, and the target's digest."""
        self._network = network
        self._artifacts = artifacts
        self._task = task
        self._digest = digest
        self._key = f"{task.task_type}.{hashlib.sha256(f'{counts}/{digest}'.encode()).hexdigest()}"
        self._revision = 0

    async def earlier(self, source: Checkout) -> Done | None:
        """Return the answer that an earlier completion is, told for this target; None where there is none, or none is wanted."""
        if self._digest is None:
            return None
        try:
            message = await last_in(self._network.requester, self._network.subjects.cache, self._key)
            if message is None:
                return None
            self._revision = message.sequence
            if self._task.cache != "use" or not message.data:
                return None
            return await self._told(decode_grown(Remembered, message.data).task_id, source)
        except (SanctuaryError, SchemaError) as error:
            log.warning("the cache of results cannot be read: %s", error)
            return None

    async def _told(self, task_id: str, source: Checkout) -> Done | None:
        result = await self._network.results.read(self._task.task_type, task_id)
        if not isinstance(result, TaskCompletion) or not isinstance(result.output, dict):
            return None
        if not all(await asyncio.gather(*(self._artifacts.holds(ref) for ref in result.artifacts))):
            return None
        output = {**result.output, "target": source.origin, "revision": source.revision}
        return Done(summary=result.summary, output=output, artifacts=result.artifacts, cached_from=task_id)

    async def look_again(self, source: Checkout, *, left_s: float) -> None:
        """Keep nothing where the target is not any more what it was when the work began."""
        if self._digest is not None and await digest_of(source, left_s) != self._digest:
            self._digest = None

    async def keep(self, done: Done) -> None:
        """Have later tasks answered with what this one completes with, unless a language model failed to have its say."""
        advice = done.output.get("advice")
        if self._digest is None or (advice is not None and advice.get("problem")):
            return
        subject = subject_of(self._network.subjects.cache, self._key)
        body = encode(Remembered(task_id=self._task.id, at=datetime.now(UTC)))
        try:
            # Of two at once one is kept.
            await put(self._network.requester, subject, body, self._revision, ttl=f"{KEPT_S}s")
        except SanctuaryError as error:
            log.warning("a result is not kept for later tasks: %s", error)


async def recall(
    task: Task, params: TargetParams, source: Checkout, workshop: "Workshop", *, left_s: float, alone: bool = True
) -> Memory:
    """Return what is known of this work, which is nothing where the task wants nothing of the cache.

    `left_s` is how long the task has; `alone` tells that its result rests on nothing but the target and the parameters.
    """
    wanted: dict[str, Any] = to_plain(params)
    del wanted["target"]
    model = None if workshop.adviser is None else workshop.adviser.model
    counts, digest = "", None
    if task.cache is not None and alone:
        digest = await digest_of(source, left_s)
        # Engines name the project after its directory.
        told = [wanted, source.path.name, model, _made_with(), await asyncio.to_thread(_engines), _advisories()]
        counts = json.dumps(told, sort_keys=True)
    return Memory(workshop.network, workshop.artifacts, task, counts, digest)


async def digest_of(source: Checkout, left_s: float) -> str | None:
    """Return the digest of a target's content, or None where it cannot be told within a part of the time that is left."""
    limits = Limits(timeout_s=max(1.0, min(DIGEST_WITHIN_S, left_s * DIGEST_SHARE)))
    try:
        async with scratch_directory("sanctuary-digest-") as out:
            output = await run_engine(
                engine="clones.engines.digest:digest",
                target=source.path,
                params=DigestParams(),
                out=out,
                limits=limits,
                on_progress=lambda *_: None,
            )
    except EngineError as error:
        log.warning("the cache of results is not used for %s: %s", source.origin, error.message)
        return None
    return str(output.data["digest"])


def _engines() -> str:
    """Return the digest of the engines' own code."""
    return of_files(Path(*clones.engines.__path__))


def _advisories() -> str:
    """Return what changes with the database of advisories."""
    return database.identity(database.path())


@functools.cache
def _made_with() -> tuple[str, ...]:
    """Return the versions of what the engines rest on."""
    found = [f"python {platform.python_version()} {sys.platform}", f"{PRODUCT} {version(PRODUCT)}"]
    for name in sorted({Requirement(each).name for each in requires(PRODUCT) or ()}):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue  # of an extra that is not installed
    return tuple(found)
