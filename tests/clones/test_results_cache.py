"""Tasks that an earlier one's result answers, and those that it does not."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from bus.artifacts import Artifacts
from bus.jetstream import api
from bus.task import Done, Task
from clones.base import Clone, serves
from clones.engine_handler import EngineHandler, Workshop
from clones.harness import network_of
from clones.params import ArchitectureParams
from clones.params import TestingParams as OfTesting  # pytest takes whatever is named Test… for tests
from clones.results_cache import Memory, recall
from clones.targets import Checkout, TargetPolicy
from schemas import Route, TaskCompletion
from tests.bus.eventually import WITHIN_S
from tests.bus.rig import failure
from tests.clones.rig import ClonesRig
from tests.clones.test_engine_handler import project

pytestmark = pytest.mark.usefixtures("patient_connections")

ENGINE = "clones.engines.architecture:analyse"
BUDGET_S = 60.0
"""Well within what the route gives an attempt, which would set another budget otherwise, and with it another key."""


async def done(rig: ClonesRig, task_id: str, cache: str | None, target: str = "project") -> TaskCompletion:
    result = await rig.run("architecture", {"target": target, "budget_s": BUDGET_S}, id=task_id, cache=cache)
    assert isinstance(result, TaskCompletion), result
    return result


async def test_the_same_work_is_done_once_where_that_will_do(clones_rig: ClonesRig, workspace: Path) -> None:
    directory = project(workspace)
    async with clones_rig.clone("gamma"):
        assert (await done(clones_rig, "plain", None)).cached_from is None
        first = await done(clones_rig, "first", "use")
        assert first.cached_from is None  # what was not asked for with `cache` answers nobody
        second = await done(clones_rig, "second", "use")
        assert second.cached_from == "first"
        assert (second.output, second.summary, second.artifacts) == (first.output, first.summary, first.artifacts)
        assert (second.task_id, second.clone) == ("second", "gamma")
        assert (await done(clones_rig, "third", "use")).cached_from == "first"
        assert (await done(clones_rig, "bypass", None)).cached_from is None
        assert (await done(clones_rig, "anew", "refresh")).cached_from is None
        assert (await done(clones_rig, "fourth", "use")).cached_from == "anew"
        # The same elsewhere is told for where it is.
        elsewhere = await done(clones_rig, "fifth", "use", str(project(workspace / "other")))
        assert (elsewhere.cached_from, elsewhere.output["target"]) == ("anew", str(workspace / "other" / "project"))
        (directory / "shop" / "new.py").write_text("")
        changed = await done(clones_rig, "sixth", "use")
        assert (changed.cached_from, changed.output["data"]["modules"]) == (None, 3)


async def test_only_a_completion_with_all_its_files_answers(clones_rig: ClonesRig, workspace: Path) -> None:
    project(workspace)
    async with clones_rig.clone("gamma"):
        first = await done(clones_rig, "first", "use")
        store = await clones_rig.network.client.jetstream(timeout=WITHIN_S).object_store(clones_rig.subjects.artifacts)
        await store.delete(first.artifacts[0].name)
        assert (await done(clones_rig, "second", "use")).cached_from is None
        assert (await done(clones_rig, "third", "use")).cached_from == "second"
        # Nor does one that failed in the end, or has no result.
        ended = msgspec.structs.replace(failure("failed"), task_type="architecture")
        await clones_rig.network.results.settle(ended)
        for task_id in ("failed", "nobody"):
            memory = await memory_of(clones_rig, workspace, task_id)
            await memory.earlier(checkout_of(workspace))
            await memory.keep(Done(output={}))
            assert await memory.earlier(checkout_of(workspace)) is None
            assert (await done(clones_rig, f"after-{task_id}", "use")).cached_from is None


def checkout_of(workspace: Path) -> Checkout:
    return Checkout(path=workspace / "project", revision=None, origin=str(workspace / "project"))


def task_of(task_id: str, cache: str | None) -> Task:
    now = datetime.now(UTC)
    fields = {field.name: None for field in msgspec.structs.fields(Task) if field.required}
    told = {"id": task_id, "task_type": "architecture", "params": {}, "cache": cache, "stored_at": now}
    return Task(**fields | told)  # type: ignore[arg-type]


async def memory_of(
    rig: ClonesRig,
    workspace: Path,
    task_id: str = "t",
    *,
    cache: str | None = "use",
    params: Any = None,
    alone: bool = True,
    left_s: float = 100.0,
) -> Memory:
    workshop = Workshop(
        network=rig.network, artifacts=Artifacts(rig.network), targets=TargetPolicy(workspace=workspace)
    )
    params = params or ArchitectureParams(target="project", budget_s=BUDGET_S)
    source = checkout_of(workspace)
    return await recall(task_of(task_id, cache), params, source, workshop, left_s=left_s, alone=alone)


async def kept(rig: ClonesRig) -> int:
    info = await api(rig.network.requester, f"STREAM.INFO.KV_{rig.subjects.cache}")
    return int(info["state"]["messages"])


async def test_what_cannot_be_told_for_certain_is_not_kept(clones_rig: ClonesRig, workspace: Path) -> None:
    directory = project(workspace)
    source = checkout_of(workspace)
    for memory in (
        await memory_of(clones_rig, workspace, cache=None),
        await memory_of(clones_rig, workspace, alone=False),
    ):
        await memory.look_again(source, left_s=100.0)
        await memory.keep(Done(output={}))
    memory = await memory_of(clones_rig, workspace)
    await memory.keep(Done(output={"advice": {"problem": "it timed out"}}))
    (directory / "shop" / "new.py").write_text("")  # while the engine runs
    await memory.look_again(source, left_s=100.0)
    await memory.keep(Done(output={}))
    assert await kept(clones_rig) == 0
    memory = await memory_of(clones_rig, workspace)
    await memory.look_again(source, left_s=100.0)
    await memory.keep(Done(output={"advice": {"problem": ""}}))
    assert await kept(clones_rig) == 1


async def test_parameters_count_but_for_where_the_target_is(clones_rig: ClonesRig, workspace: Path) -> None:
    project(workspace)
    keys = [
        (await memory_of(clones_rig, workspace, params=params))._key
        for params in (
            OfTesting(target="project", budget_s=60),
            OfTesting(target="elsewhere", budget_s=60),
            OfTesting(target="project", budget_s=61),
            OfTesting(target="project", budget_s=60, pytest_args=("-x",)),
        )
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


async def test_without_the_bucket_the_work_is_done_all_the_same(clones_rig: ClonesRig, workspace: Path) -> None:
    project(workspace)
    await api(clones_rig.network.requester, f"STREAM.DELETE.KV_{clones_rig.subjects.cache}")
    async with clones_rig.clone("gamma"):
        assert (await done(clones_rig, "first", "use")).cached_from is None
        assert (await done(clones_rig, "second", "use")).cached_from is None


class Analyst(Clone):
    name = "analyst"
    routes: ClassVar = {"inspect": Route(clone="analyst")}

    @serves("inspect")
    async def inspect(self, task: Task, params: ArchitectureParams) -> Done:
        return await EngineHandler(ENGINE, ArchitectureParams, self.workshop)(task)


async def test_a_clone_has_the_rights_that_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path)
    async with network_of(Analyst, workspace=tmp_path) as network:
        first = await network.run("inspect", {"target": "project"}, id="first", cache="use")
        second = await network.run("inspect", {"target": "project"}, cache="use")
        assert isinstance(first, TaskCompletion)
        assert isinstance(second, TaskCompletion)
        assert (first.cached_from, second.cached_from) == (None, "first")
