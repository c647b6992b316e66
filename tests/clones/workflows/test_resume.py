"""What a run keeps of the one that it resumes."""

from typing import Any

from clones.workflows.commands import SubmitTask
from clones.workflows.views import kept
from schemas import (
    Approval,
    Compensation,
    InputField,
    Step,
    Wait,
    WorkflowBegun,
    WorkflowDefinition,
)
from tests.clones.workflows.world import RUN, World


def workflow(**fields: Any) -> WorkflowDefinition:
    return WorkflowDefinition(name="it", **fields)


def resumed(failed: World) -> World:
    ended, skipped = kept(failed.definition, failed.state)
    begun = WorkflowBegun(input=failed.state.begun.input, retry_of=RUN, resumed=True, kept=ended, skipped=skipped)
    return World(failed.definition, begun)


def test_it_goes_on_at_the_failed_step_with_what_the_others_gave() -> None:
    definition = workflow(
        input={"more": InputField(kind="boolean", default=False)},
        steps={
            "a": Step(task="x"),
            "ask": Step(decision=Approval(prompt="?")),
            "nap": Step(wait=Wait(for_s=9)),
            "more": Step(task="x", when="input.more"),
            "b": Step(
                task="x",
                needs=("a", "ask", "nap", "more"),
                params={"got": "${steps.a.output}", "by": "${steps.ask.output.decided_by}"},
            ),
            "c": Step(task="x", needs=("b",)),
        },
    )
    world = World(definition, more=False)
    world.end("a", output=[1])
    world.decide("ask")
    world.fire("nap")
    world.end("b", code="engine_failed")
    again = resumed(world)
    assert list(again.open) == ["b"]
    asked = again.open["b"]
    assert isinstance(asked, SubmitTask)
    assert asked.params == {"got": [1], "by": "ann"}
    assert again.line("a").task_id == world.line("a").task_id
    assert again.line("more").state == "skipped"
    again.end("b")
    again.end("c")
    assert again.finish is not None
    assert again.finish.completed


def test_a_rejected_decision_is_asked_for_again() -> None:
    world = World(workflow(steps={"a": Step(task="x"), "ask": Step(decision=Approval(), needs=("a",))}))
    world.end("a")
    world.decide("ask", "reject")
    again = resumed(world)
    assert again.states() == {"a": "completed", "ask": "waiting"}


def test_of_a_fan_out_what_is_not_completed_is_done_again() -> None:
    definition = workflow(
        input={"list": InputField(kind="list")}, steps={"each": Step(task="x", foreach="input.list", parallelism=2)}
    )
    world = World(definition, list=[1, 2, 3, 4])
    world.end("each[0]", output="one")
    world.end("each[2]", output="three")
    world.end("each[1]", code="engine_failed")
    world.end("each[3]", code="cancelled")
    again = resumed(world)
    assert list(again.open) == ["each[1]", "each[3]"]


def test_what_was_undone_is_done_again_and_so_is_what_was_made_of_it() -> None:
    definition = workflow(
        steps={
            "a": Step(task="x", compensate=Compensation(task="undo")),
            "b": Step(task="x", needs=("a",)),
            "other": Step(task="x"),
            "c": Step(task="x", needs=("b", "other")),
        }
    )
    world = World(definition)
    for key in ("a", "b", "other"):
        world.end(key)
    world.end("c", code="engine_failed")
    world.end("a!")
    ended, skipped = kept(definition, world.state)
    assert [end.step for end in ended] == ["other"]
    assert skipped == ()
    again = resumed(world)
    assert list(again.open) == ["a"]


def test_a_failure_that_was_provided_for_stays() -> None:
    definition = workflow(
        steps={
            "a": Step(task="x", on_failure="mend"),
            "mend": Step(task="x"),
            "b": Step(task="x", on_failure="continue"),
            "c": Step(task="x", needs=("a", "mend", "b")),
        }
    )
    world = World(definition)
    world.end("a", code="engine_failed")
    world.end("b", code="engine_failed")
    world.end("mend")
    world.end("c", code="engine_failed")
    again = resumed(world)
    assert list(again.open) == ["c"]
    assert again.states() == {"a": "failed", "mend": "completed", "b": "failed", "c": "running"}


def test_a_run_that_has_done_nothing_leaves_nothing() -> None:
    definition = workflow(steps={"a": Step(task="x"), "b": Step(task="x", needs=("a",))})
    assert kept(definition, World(definition).state) == ((), ())
