"""A recorded review driven through a second realm: real engines give equal outcomes, and one that was changed is found out."""

import dataclasses
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from bus.artifacts import Artifacts
from bus.server import EmbeddedServer
from bus.subjects import WORKFLOW_TYPE
from bus.task import Done, Handler, Task
from clones import beta
from clones.engine_handler import Workshop
from clones.targets import TargetPolicy
from ops.replaying.plan import Selection
from schemas import TaskCompletion, WorkflowStart
from tests.clones.completeness.whole import findings
from tests.clones.rig import MODULES, TABLE, ClonesRig, open_clones_rig
from tests.integration.shop import make_shop
from tests.ops.replaying.scene import different, replayed, verdicts

ENDED_WITHIN_S = 300.0
STEPS = ("architecture", "report", "security", "testing")
ALONE = structs.replace(
    TABLE, routes={name: structs.replace(route, fallback=()) for name, route in TABLE.routes.items()}
)
"""A fallback that is up before its primary would do that one's work, and find what a forgetful primary overlooks."""


@asynccontextmanager
async def working(rig: ClonesRig, *, changed: bool = False) -> AsyncIterator[None]:
    """Omega and the four clones with their engines; `changed` has Beta overlook what it would find."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(rig.omega())
        for name in MODULES:
            handlers = forgetful(rig) if changed and name == "beta" else None
            await stack.enter_async_context(rig.clone(name, handlers))
        yield


def forgetful(rig: ClonesRig) -> Mapping[str, Handler]:
    """Beta's handlers, of which the security analysis loses its findings."""
    targets = TargetPolicy(workspace=rig.workspace)
    handlers = dict(beta.handlers(Workshop(network=rig.network, artifacts=Artifacts(rig.network), targets=targets)))
    scan = handlers["security"]

    async def overlooks(task: Task) -> Done:
        done = await scan(task)
        assert isinstance(done, Done)
        assert done.output["data"]["findings"]
        return dataclasses.replace(done, output={**done.output, "data": {**done.output["data"], "findings": []}})

    return {**handlers, "security": overlooks}


@pytest.mark.timeout(600)
async def test_a_review_has_equal_outcomes_and_a_changed_engine_is_found_out(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    make_shop(tmp_path / "shop")
    begun = Selection(start=datetime.now(UTC) - timedelta(minutes=1))
    async with open_clones_rig(server, tmp_path, ALONE) as recorded:
        async with working(recorded):
            start = WorkflowStart(id="review", input={"target": "shop"}, labels={"team": "a"})
            await recorded.submitter.start_workflow("review", start)
            result = await recorded.submitter.result(WORKFLOW_TYPE, "review", timeout_s=ENDED_WITHIN_S)
            assert isinstance(result, TaskCompletion), result
        async with open_clones_rig(server, tmp_path, ALONE) as target, working(target):
            told = await replayed(recorded.network, target.network, begun, wait_s=ENDED_WITHIN_S)
            assert await findings(target.network) == []
        expected = {("review", step) for step in ("", *STEPS)}
        assert verdicts(told) == dict.fromkeys(expected, "equal"), different(told)
        named = Selection(workflows=frozenset({"review"}))
        async with open_clones_rig(server, tmp_path, ALONE) as target, working(target, changed=True):
            told = await replayed(recorded.network, target.network, named, wait_s=ENDED_WITHIN_S)
    (row,) = different(told)
    assert (row.step, row.verdict) == ("security", "different")
    (difference,) = row.differences
    assert difference.startswith("$.output.data.findings[0]: gone: ")
    assert not told.equal
