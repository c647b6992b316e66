"""Two realms on one server, each with Omega and one clone for all, and what was recorded in the first."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bus.definitions import create
from bus.network import Network
from bus.server import EmbeddedServer
from bus.task import Done, Task, TaskError
from ops.archive.source import open_source
from ops.replaying.comparing import Row
from ops.replaying.plan import Selection
from ops.replaying.report import Replay
from ops.replaying.run import replay
from schemas import WorkflowDefinition, WorkflowInForce, convert
from tests.clones.rig import ClonesRig, open_clones_rig

WITHIN_S = 60.0
FLOW = convert(
    WorkflowDefinition,
    {
        "name": "flow",
        "input": {"value": {"kind": "any"}},
        "steps": {
            "one": {"task": "testing", "params": {"value": "${input.value}"}},
            "asks": {"decision": {"prompt": "Go on?"}, "needs": ["one"], "when": "input.value == 'asks'"},
            "each": {"task": "security", "foreach": "[`1`, `2`]", "params": {"value": "${item}"}, "needs": ["one"]},
            "two": {"task": "documentation", "needs": ["each", "asks"], "params": {"value": "last"}},
        },
        "output": "${steps.two.output.value}",
    },
)
Answer = Callable[[Task], Any]


def same(task: Task) -> Any:
    """The answer that follows from the parameters alone."""
    if task.params.get("fails"):
        raise TaskError("engine_failed", f"as asked, by {task.instance}")
    return {"value": task.params.get("value"), "type": task.task_type, "duration_s": id(task) % 97}


@asynccontextmanager
async def realm(server: EmbeddedServer, workspace: Path, answer: Answer = same) -> AsyncIterator[ClonesRig]:
    """A realm in which every task gets the answer that `answer` gives."""

    async def work(task: Task) -> Done:
        return Done(summary=f"done by {task.instance}", output=answer(task))

    async with open_clones_rig(server, workspace) as rig:
        assert await create(rig.network, WorkflowInForce(definition=FLOW, version=1, at=datetime.now(UTC)))
        types = ("security", "testing", "documentation", "architecture")
        handlers: dict[str, Callable[[Task], Awaitable[Done]]] = dict.fromkeys(types, work)
        owners = {"beta": ("security",), "delta": ("testing",), "sigma": ("documentation",), "gamma": ("architecture",)}
        async with (
            rig.omega(),
            _clones(rig, {name: {each: handlers[each] for each in own} for name, own in owners.items()}),
        ):
            yield rig


@asynccontextmanager
async def _clones(rig: ClonesRig, handlers: dict[str, Any]) -> AsyncIterator[None]:
    if not handlers:
        yield
        return
    (name, own), *rest = handlers.items()
    async with rig.clone(name, own), _clones(rig, dict(rest)):
        yield


async def replayed(recorded: Network, target: Network, selection: Selection | None = None, **options: Any) -> Replay:
    """Replay what is selected, all where nothing is, without pauses."""
    source = await open_source(recorded, None, recorded.subjects.realm)
    given: dict[str, Any] = {"speed": float("inf"), "wait_s": WITHIN_S, "progress": lambda *_: None, **options}
    return await replay(source, recorded, target, selection or Selection(), **given)


def verdicts(told: Replay) -> dict[tuple[str, str], str]:
    """The verdict on each submission and on each step."""
    return {(row.task_id, row.step): row.verdict for row in told.rows}


def different(told: Replay) -> list[Row]:
    return [row for row in told.rows if row.verdict != "equal"]
