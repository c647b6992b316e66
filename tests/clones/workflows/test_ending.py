"""Runs that end without being done: what runs is cancelled, what is done is undone."""

from datetime import timedelta
from typing import Any

from clones.workflows.commands import CancelTask, SubmitTask
from clones.workflows.views import expected, outstanding, timers
from schemas import (
    Approval,
    CancelRequested,
    Compensation,
    InputField,
    Step,
    StepInvalid,
    WorkflowBegun,
    WorkflowDefinition,
)
from tests.clones.workflows.world import World


def workflow(**fields: Any) -> WorkflowDefinition:
    return WorkflowDefinition(name="it", **fields)


SAGA = workflow(
    steps={
        "flight": Step(task="x", compensate=Compensation(task="drop", params={"id": "${steps.flight.output.id}"})),
        "hotel": Step(task="x", needs=("flight",), compensate=Compensation(task="drop", retries=5)),
        "mail": Step(task="x", needs=("hotel",)),
        "pay": Step(task="x", needs=("hotel",)),
    },
)


def test_a_failure_cancels_what_runs_and_undoes_what_is_done_newest_first() -> None:
    world = World(SAGA)
    world.end("flight", output={"id": 5, "more": "unread"})
    world.end("hotel")
    world.end("pay", code="engine_failed")
    assert world.cancelled == ["mail"]
    assert list(world.open) == ["mail"]
    assert world.finish is None
    world.end("mail", code="cancelled")
    assert world.states()["mail"] == "cancelled"
    assert list(world.open) == ["hotel!"]
    world.end("hotel!")
    undo = world.open["flight!"]
    assert isinstance(undo, SubmitTask)
    assert (undo.task_type, undo.params) == ("drop", {"id": 5})
    world.end("flight!")
    assert world.finish is not None
    assert (world.finish.completed, world.finish.code) == (False, "step_failed")
    assert world.finish.details == {"step": "pay", "code": "engine_failed", "message": "engine_failed it"}
    assert world.line("flight").compensated == "done"


def test_what_is_done_although_it_was_cancelled_is_undone_too() -> None:
    world = World(SAGA)
    world.end("flight", output={"id": 5})
    world.tell(CancelRequested(by="ann", reason="too dear", command=9))
    assert world.cancelled == ["hotel"]
    world.end("hotel")
    assert list(world.open) == ["hotel!"]
    world.end("hotel!")
    world.end("flight!")
    assert world.finish is not None
    assert (world.finish.code, world.finish.message) == ("cancelled", "cancelled by ann: too dear")
    assert world.states() == {"flight": "completed", "hotel": "completed", "mail": "skipped", "pay": "skipped"}


def test_what_cannot_be_undone_is_named() -> None:
    world = World(SAGA)
    world.end("flight", output={"id": 5})
    world.end("hotel", code="engine_failed")
    world.end("flight!", code="handler_failed")
    assert world.finish is not None
    assert world.finish.details["not_undone"] == ["flight"]
    assert world.finish.message.endswith("not undone: flight")
    assert world.line("flight").compensated == "failed"


def test_a_compensation_that_is_refused_or_has_no_parameters_is_not_undone() -> None:
    definition = workflow(
        steps={
            "a": Step(task="x", compensate=Compensation(task="drop")),
            "b": Step(task="x", compensate=Compensation(task="drop", params={"n": "${abs(steps.b.output)}"})),
            "c": Step(task="x", needs=("a", "b")),
        }
    )
    world = World(definition)
    world.end("a")
    world.end("b", output="no number")
    world.end("c", code="engine_failed")
    assert list(world.open) == ["a!"]
    world.tell(StepInvalid(step="a", code="unknown_task_type", message="no route serves drop"))
    assert world.finish is not None
    assert world.finish.details["not_undone"] == ["a", "b"]


def test_a_fan_out_fails_with_its_first_failure_and_each_element_is_undone() -> None:
    definition = workflow(
        input={"list": InputField(kind="list")},
        steps={
            "each": Step(
                task="x",
                foreach="input.list",
                parallelism=2,
                compensate=Compensation(task="drop", params={"of": "${item}", "got": "${steps.each.output}"}),
            )
        },
    )
    world = World(definition, list=["a", "b", "c", "d", "e"])
    for key in ("each[0]", "each[1]", "each[2]"):
        world.end(key, output=key)
    world.end("each[3]", code="engine_failed")
    assert world.cancelled == ["each[4]"]
    world.end("each[4]", code="cancelled")
    assert list(world.open) == ["each[0]!", "each[1]!"]
    undo = world.open["each[1]!"]
    assert isinstance(undo, SubmitTask)
    assert undo.params == {"of": "b", "got": "each[1]"}
    world.end("each[0]!")
    assert list(world.open) == ["each[1]!", "each[2]!"]
    world.end("each[2]!")
    world.end("each[1]!")
    assert world.finish is not None
    assert world.finish.details["index"] == 3
    assert "each[3]" in world.finish.message


def test_what_would_begin_as_the_run_ends_does_not_begin() -> None:
    definition = workflow(
        steps={
            "a": Step(task="x"),
            "b": Step(task="x", needs=("a",)),
            "c": Step(task="x", needs=("a",), params={"n": "${abs(steps.a.output)}"}),
        }
    )
    world = World(definition)
    world.end("a", output="no number")
    assert world.open == {}
    assert world.states() == {"a": "completed", "b": "cancelled", "c": "failed"}
    assert world.finish is not None
    assert "abs" in world.finish.message


def test_the_limit_of_the_run_ends_it() -> None:
    definition = workflow(
        input={"limit": InputField(kind="number")}, steps={"a": Step(task="x")}, timeout_s="${input.limit}"
    )
    world = World(definition, limit=60)
    ((at, fired),) = timers(definition, world.state)
    assert at == world.at + timedelta(seconds=60)
    world.tell(fired)
    assert timers(definition, world.state) == ()
    world.end("a", code="cancelled")
    assert world.finish is not None
    assert (world.finish.code, world.finish.message) == ("deadline_exceeded", "the workflow took longer than its 60 s")


def test_the_start_has_the_last_word_about_the_limit() -> None:
    definition = workflow(steps={"a": Step(task="x")}, timeout_s=60)
    world = World(definition, WorkflowBegun(input={}, timeout_s=5.0))
    assert timers(definition, world.state)[0][0] == world.at + timedelta(seconds=5)


def test_a_limit_that_is_no_duration_ends_the_run_before_it_begins() -> None:
    definition = workflow(input={"limit": InputField()}, steps={"a": Step(task="x")}, timeout_s="${input.limit}")
    world = World(definition, limit="soon")
    assert world.asked == {}
    assert world.finish is not None
    assert world.finish.code == "incompatible_task"
    assert "'soon'" in world.finish.message


def test_a_result_that_cannot_be_made_fails_the_run_and_undoes_it() -> None:
    definition = workflow(
        steps={"a": Step(task="x", compensate=Compensation(task="drop"))}, output="${abs(steps.a.output)}"
    )
    world = World(definition)
    world.end("a", output="no number")
    world.end("a!")
    assert world.finish is not None
    assert world.finish.code == "incompatible_task"


def test_a_cancel_ends_what_waits() -> None:
    world = World(workflow(steps={"ask": Step(decision=Approval(prompt="?"))}))
    world.tell(CancelRequested())
    assert world.states() == {"ask": "cancelled"}
    assert world.finish is not None
    assert world.finish.message == "cancelled since its parent has ended"


def test_whoever_takes_an_ending_run_over_cancels_again() -> None:
    world = World(workflow(steps={"a": Step(task="x"), "b": Step(workflow="sub"), "c": Step(task="x")}))
    world.end("a", code="engine_failed")
    assert world.cancelled == ["b", "c"]
    assert set(outstanding(world.definition, world.state)) == set(world.commands[-1])
    assert {each.task_type for each in expected(world.definition, world.state)} == {"x", "workflow"}
    world.tell(StepInvalid(step="c", code="cancelled", message="it was never stored"))
    assert world.states()["c"] == "cancelled"
    (left,) = outstanding(world.definition, world.state)
    assert not isinstance(left, CancelTask)
    world.end("b")
    assert outstanding(world.definition, world.state) == (world.finish,)
    assert expected(world.definition, world.state) == ()


def test_one_task_that_a_person_cancels_is_a_failure_of_its_step() -> None:
    world = World(workflow(steps={"a": Step(task="x")}))
    world.end("a", code="cancelled")
    assert world.finish is not None
    assert (world.finish.code, world.finish.details["code"]) == ("step_failed", "cancelled")
