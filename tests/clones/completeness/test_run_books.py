"""Runs of workflows in the ledger's books: judged when they and all their tasks have ended."""

from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import msgspec
import pytest
from pytest import MonkeyPatch

from bus.intake import WAKE_UP
from bus.jetstream import StoredMessage
from clones.completeness import followed, looking
from clones.workflows.advance import replay
from clones.workflows.ids import step_id
from clones.workflows.views import lines
from schemas import (
    ErrorCode,
    StepEnded,
    TaskAssignment,
    TaskCompletion,
    WorkflowBegun,
    WorkflowCompletion,
    WorkflowEntry,
    WorkflowEvent,
    WorkflowInForce,
    WorkflowStart,
    encode,
)
from tests.clones.completeness.ledger import AT, Ledger
from tests.faults.flow_scene import deed, definition

FLOW = definition("flow", {"one": deed(value="a")})
SECRET = "0123456789abcdef0123456789abcdef"
ONE = step_id("w", "one", secret=SECRET)


def write(ledger: Ledger, *, told: bool = True, **changed: Any) -> int:
    """A run of one step, legal but for what is `changed`; returns the number of its result. Not `told`: its history has no end."""
    given: dict[str, Any] = {"params": {"value": "a"}, "output": None, "id": ONE, **changed}
    ledger.definitions["flow", 1] = WorkflowInForce(definition=FLOW, version=1, at=AT)
    start = ledger.store("workflow.flow", encode(WorkflowStart(id="w")))
    begun = _entry(start, WorkflowBegun(input={}, secret=SECRET))
    ledger.store("history.w", encode(begun))
    ledger.store("task.deed", encode(TaskAssignment(id=given["id"], parent_id="w", params=given["params"])))
    ledger.done(given["id"], task_type="deed")
    ended = _entry(
        start,
        StepEnded(step="one", task_type="deed", task_id=ONE, state="completed", started_at=AT, finished_at=AT),
    )
    state = replay(FLOW, "w", [begun, ended])
    assert state is not None
    if told:
        ledger.store("history.w", encode(ended))
    result = WorkflowCompletion(
        task_id="w",
        task_type="workflow",
        clone="omega",
        instance="omega-1",
        attempt=1,
        started_at=AT,
        finished_at=AT,
        writer="w",
        workflow="flow",
        version=1,
        steps=lines(FLOW, state),
        output=given["output"],
    )
    return ledger.store("result.workflow.w", encode(result))


def _entry(start: int, *events: WorkflowEvent) -> WorkflowEntry:
    return WorkflowEntry(
        workflow_id="w", workflow="flow", version=1, at=AT, instance="omega-1", activation=start, events=events
    )


async def both(ledger: Ledger) -> list[tuple[str, int]]:
    """What is found, be the check broken off or not."""
    found: list[tuple[str, int]] = [(each.rule, each.sequence) for each in await ledger.findings()]
    for cut in range(1, len(ledger.messages)):
        assert [(each.rule, each.sequence) for each in await ledger.findings(cut=cut)] == found, cut
    return found


async def test_one_that_follows_from_its_history() -> None:
    ledger = Ledger()
    write(ledger)
    assert await both(ledger) == []


BAD: dict[str, Callable[[Ledger], int]] = {
    "other parameters": lambda ledger: write(ledger, params={"value": "b"}),
    "another output": lambda ledger: write(ledger, output="b"),
    "a step that was never asked for": lambda ledger: write(ledger, id="else"),
    "no end": lambda ledger: write(ledger, told=False),
}


@pytest.mark.parametrize("name", BAD)
async def test_one_that_does_not(name: str) -> None:
    ledger = Ledger()
    number = BAD[name](ledger)
    rules = await both(ledger)
    assert ("run", number) in rules


async def test_what_strangers_name_its_part_is_nothing_to_it() -> None:
    """Anybody may submit tasks, and name what parent he likes."""
    ledger = Ledger()
    ledger.store("task.deed", encode(TaskAssignment(id="early", parent_id="w")))
    write(ledger)
    ledger.store("task.deed", encode(TaskAssignment(id="late", parent_id="w")))
    ledger.store("task.deed", encode(TaskAssignment(id=ONE, parent_id="w")))
    assert await both(ledger) == []


async def test_one_of_a_later_version_or_without_its_definition_is_not_judged() -> None:
    ledger = Ledger()
    write(ledger, output="b")
    ledger.definitions.clear()
    assert await both(ledger) == []


@pytest.mark.parametrize("bound", [(looking, "MOST_RUN_BYTES", 300), (followed, "MOST_CHILDREN", 1)])
async def test_one_that_is_too_large_is_not_judged(
    bound: tuple[ModuleType, str, int], monkeypatch: MonkeyPatch
) -> None:
    ledger = Ledger()
    monkeypatch.setattr(*bound)
    write(ledger, output="b")
    # Nor is it known whether it had this cancelled, which was never asked for.
    result = ledger.messages.pop()
    ledger.failed("cancelled", ErrorCode.CANCELLED, 0)
    ledger.store("result.workflow.w", result.data)
    assert await both(ledger) == []


async def test_what_is_cancelled_before_it_is_asked_for_has_a_result_all_the_same() -> None:
    """As long as a run that may have cancelled it is not over, nobody is told; then it is known whether it was its."""
    ledger = Ledger()
    start = ledger.store("workflow.flow", encode(WorkflowStart(id="other")))
    number = ledger.failed("nobodys", ErrorCode.CANCELLED, 0)
    assert await both(ledger) == []
    failed = TaskCompletion(
        task_id="other",
        task_type="workflow",
        clone="omega",
        instance="omega-1",
        attempt=1,
        started_at=AT,
        finished_at=AT + timedelta(seconds=1),
        writer=f"command-{start}",
    )
    command = ledger.store("command.workflow", b"{}")
    ledger.store("result.workflow.other", encode(msgspec.structs.replace(failed, writer=f"command-{command}")))
    assert await both(ledger) == [("no_task", number)]


async def test_one_whose_beginning_was_purged_is_not_judged() -> None:
    """It was woken behind what was purged: what follows has no beginning, and says nothing."""
    ledger = Ledger()
    write(ledger)
    wake_up = StoredMessage("r.workflow.flow", 3, AT, encode(WorkflowStart(id="w")), {"Nats-Msg-Id": f"{WAKE_UP}.1"})
    ledger.messages[2] = wake_up
    ledger.first = 3
    assert await ledger.findings() == []
