"""The checker of runs finds what is not legal: a checker that finds nothing would let everything pass."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bus.histories import Written
from bus.subjects import WORKFLOW_TYPE
from clones.completeness.runs import Child, Life, run_breaches, strangers
from clones.workflows.advance import replay
from clones.workflows.ids import step_id
from clones.workflows.views import lines
from schemas import (
    Decision,
    DecisionMade,
    StepEnded,
    TaskAssignment,
    TaskCompletion,
    WorkflowBegun,
    WorkflowCompletion,
    WorkflowEntry,
    WorkflowEvent,
)
from tests.faults.flow_scene import deed, definition

AT = datetime(2026, 1, 1, tzinfo=UTC)
FLOW = definition("flow", {"one": deed(value="a"), "ask": {"decision": {}, "needs": ["one"]}, "two": deed("ask")})
SECRET = "0123456789abcdef0123456789abcdef"
ONE, TWO = (step_id("w", step, secret=SECRET) for step in ("one", "two"))


def ended(step: str, **fields: Any) -> StepEnded:
    place = {"step": step, "task_type": "deed", "task_id": step_id("w", step, secret=SECRET), "state": "completed"}
    return StepEnded(**{**place, **fields})


def decided(**fields: Any) -> DecisionMade:
    return DecisionMade(**{"step": "ask", "verdict": "approve", "decided_by": "ann", "command": 5, **fields})


def written(sequence: int, *events: WorkflowEvent, activation: int = 1, **fields: Any) -> Written:
    kept = {"workflow_id": "w", "workflow": "flow", "version": 1, "at": AT, "instance": "omega-1"}
    entry = WorkflowEntry(**{**kept, **fields}, activation=activation, events=events)
    return Written(sequence, AT, entry)


def completion(task_type: str, task_id: str) -> TaskCompletion:
    return TaskCompletion(
        task_id=task_id,
        task_type=task_type,
        clone="ann",
        instance="ann-1",
        attempt=1,
        started_at=AT,
        finished_at=AT,
        writer="w",
    )


def life(*history: Written) -> Life:
    """A run that is legal in all but, perhaps, its history."""
    history = history or (
        written(2, WorkflowBegun(input={}, secret=SECRET)),
        written(4, ended("one")),
        written(6, decided()),
        written(9, activation=7),
        written(10, ended("two"), activation=7),
    )
    state = replay(FLOW, "w", [each.entry for each in history])
    assert state is not None
    result = WorkflowCompletion(
        **msgspec.structs.asdict(completion(WORKFLOW_TYPE, "w")), workflow="flow", version=1, steps=lines(FLOW, state)
    )
    tasks = {("deed", each): completion("deed", each) for each in (ONE, TWO)}
    decision = Decision(workflow_id="w", step="ask", verdict="approve", decided_by="ann")
    return Life(
        workflow_id="w",
        definition=FLOW,
        history=history,
        activations=frozenset({1, 7}),
        children=(child(3, ONE, {"value": "a"}), child(8, TWO)),
        results={(WORKFLOW_TYPE, "w"): result, **tasks},
        commands={5: decision},
    )


def child(sequence: int, task_id: str, params: dict[str, Any] | None = None) -> Child:
    return Child(sequence, "deed", TaskAssignment(id=task_id, parent_id="w", params=params or {}))


def without(kept: Life, task_type: str, task_id: str) -> Life:
    return replace(kept, results={key: each for key, each in kept.results.items() if key != (task_type, task_id)})


def test_what_is_legal_is_no_breach() -> None:
    assert run_breaches(life()) + strangers(life()) == []


BAD_HISTORIES: dict[str, tuple[Written, ...]] = {
    "the activation falls from 7 to 1": (*life().history[:4], written(10, ended("two"))),
    "the activation 3 is no start or wake-up before it": (*life().history[:3], written(9, activation=3)),
    "the run has ended before": (*life().history, written(11, activation=7)),
    "('one', None, False) has ended before": (*life().history[:2], written(5, ended("one")), *life().history[2:]),
    "StepEnded of one changes nothing": (*life().history[:2], written(5, ended("one")), *life().history[2:]),
    "has the id x, not": (life().history[0], written(4, ended("one", task_id="x")), *life().history[2:]),
    "is failed, and its result is a TaskCompletion": (
        life().history[0],
        written(4, ended("one", state="failed", started_at=AT)),
    ),
    "the command 6 did not decide so on ask": (*life().history[:2], written(7, decided(command=6))),
    "the command 5 did not decide so on ask": (*life().history[:2], written(7, decided(decided_by="bob"))),
    "the version changes to 2": (*life().history[:4], written(10, ended("two"), activation=7, version=2)),
    "its history has no end": (*life().history[:4],),
    "WorkflowBegun is no beginning, or a second one": (
        life().history[0],
        written(3, WorkflowBegun(input={}, secret=SECRET)),
    ),
}


@pytest.mark.parametrize("says", BAD_HISTORIES)
def test_a_history_that_is_not_legal(says: str) -> None:
    assert any(says in breach for breach in run_breaches(life(*BAD_HISTORIES[says])))


BAD_STREAMS: dict[str, Callable[[Life], Life]] = {
    "ended without a result": lambda kept: without(kept, "deed", ONE),
    "it has no result": lambda kept: without(kept, WORKFLOW_TYPE, "w"),
    "was asked for 2 times": lambda kept: replace(kept, children=(*kept.children, child(9, TWO))),
    "is nothing that the history wants": lambda kept: replace(kept, children=(*kept.children, child(9, "else"))),
    "was never asked for": lambda kept: replace(kept, children=kept.children[:1]),
    "has ended and was not asked for before": lambda kept: replace(kept, children=kept.children[:1]),
    "was asked for before #6 said so": lambda kept: replace(kept, children=(kept.children[0], child(4, TWO))),
    "is not what the history wants": lambda kept: replace(
        kept, children=(child(3, ONE, {"value": "b"}), kept.children[1])
    ),
    "did not decide so": lambda kept: replace(kept, commands={}),
    "tells other things of its steps": lambda kept: replace(
        kept,
        results={
            **kept.results,
            (WORKFLOW_TYPE, "w"): msgspec.structs.replace(kept.results[WORKFLOW_TYPE, "w"], steps=()),
        },
    ),
}


@pytest.mark.parametrize("says", BAD_STREAMS)
def test_streams_that_are_not_legal(says: str) -> None:
    bad = BAD_STREAMS[says](life())
    found = run_breaches(bad) + strangers(bad)
    assert any(says in breach for breach in found)
