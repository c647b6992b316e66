"""What is wrong with a definition is told, with its place."""

from typing import Any

import pytest

from clones.workflows.checking import problems
from clones.workflows.problems import dotted
from schemas import Approval, Compensation, InputField, Step, Wait, WorkflowDefinition

GOOD = Step(task="x")


def told(*, task_types: Any = None, workflows: Any = None, **fields: Any) -> dict[str, str]:
    definition = WorkflowDefinition(name="it", **fields)
    found = problems(definition, task_types=task_types, workflows=workflows)
    return {dotted(problem.path): problem.message for problem in found}


@pytest.mark.parametrize(
    ("step", "place", "words"),
    [
        (Step(), "steps.s", "it has none"),
        (Step(task="x", wait=Wait(for_s=1)), "steps.s.wait", "it has task and wait"),
        (Step(wait=Wait()), "steps.s.wait", "exactly one of for_s and until"),
        (Step(wait=Wait(for_s=1, until="x")), "steps.s.wait", "exactly one of for_s and until"),
        (Step(wait=Wait(for_s=1), foreach="input.list"), "steps.s.foreach", "a wait has none"),
        (Step(decision=Approval(), compensate=Compensation(task="x")), "steps.s.compensate", "a decision has none"),
        (Step(workflow="w", retries=0), "steps.s.retries", "only tasks have it"),
        (
            Step(task="x", needs=("before", "befroe")),
            "steps.s.needs[1]",
            "there is no step befroe (did you mean before?)",
        ),
        (Step(task="x", needs=("before", "before")), "steps.s.needs[1]", "before is named twice"),
        (Step(task="x", needs=("s",)), "steps.s.needs[0]", "cannot need itself"),
        (Step(task="x", on_failure="s"), "steps.s.on_failure", "its own branch"),
        (
            Step(task="x", on_failure="contine"),
            "steps.s.on_failure",
            "there is no step contine; or say fail, or continue",
        ),
        (Step(task="x", when="steps.before.state"), "steps.s.when", "name before in needs"),
        (Step(task="x", when="item"), "steps.s.when", "item is there in a step with foreach alone"),
        (Step(task="x", foreach="item.list"), "steps.s.foreach", "item is there in a step with foreach alone"),
        (Step(task="x", when="steps.before ||"), "steps.s.when", "no JMESPath"),
        (Step(task="x", params={"a": ["${itme}"]}), "steps.s.params.a[0]", "there is no itme"),
        (Step(task="x", params={"a": "${input.lst}"}), "steps.s.params.a", "did you mean list?"),
        (Step(task="x", params={"a": "${workflow.di}"}), "steps.s.params.a", "workflow has no di"),
        (Step(task="x", params={"a": "${keys(steps)}"}), "steps.s.params.a", "name the step"),
        (Step(task="x", params={"a": "${@}"}), "steps.s.params.a", "reads everything"),
        (Step(task="x", needs=("before",), when="steps.before.outptu"), "steps.s.when", "did you mean output?"),
        (Step(task="x", timeout_s="${steps.s.output}"), "steps.s.timeout_s", "may not have ended"),
        (Step(decision=Approval(prompt="${nobody}")), "steps.s.decision.prompt", "there is no nobody"),
        (Step(wait=Wait(until="${")), "steps.s.wait.until", "has no end"),
        (
            Step(task="x", compensate=Compensation(task="x", params={"a": "${steps.before.output}"})),
            "steps.s.compensate.params.a",
            "may not have ended",
        ),
    ],
)
def test_a_step_that_cannot_be(step: Step, place: str, words: str) -> None:
    found = told(input={"list": InputField(kind="list")}, steps={"before": GOOD, "s": step})
    assert list(found) == [place]
    assert words in found[place]


def test_what_may_be_read() -> None:
    reads = Step(
        task="x",
        needs=("b",),
        when="steps.a.state == 'completed' && input.list[0]",
        foreach="steps.b.output[]",
        params={"i": "${index}", "of": "${item.x}", "run": "${workflow.id}"},
        compensate=Compensation(task="x", params={"mine": "${steps.c.output}", "of": "${item}"}),
        on_failure="mend",
    )
    steps = {
        "a": GOOD,
        "b": Step(task="x", needs=("a",)),
        "c": reads,
        "mend": Step(task="x", params={"w": "${steps.c.code}"}),
    }
    assert told(input={"list": InputField(kind="list")}, steps=steps, output="${steps.a.items}", artifacts=("c",)) == {}


def test_steps_that_wait_for_each_other_are_named_once() -> None:
    found = told(
        steps={
            "a": Step(task="x", needs=("c",)),
            "b": Step(task="x", needs=("a",)),
            "c": Step(task="x", needs=("b",)),
            "d": Step(task="x", needs=("c",)),
        }
    )
    assert found == {"steps.a.needs": "these steps wait for each other: a -> b -> c -> a"}


def test_a_branch_waits_for_its_step() -> None:
    found = told(steps={"a": Step(task="x", needs=("b",), on_failure="b"), "b": GOOD})
    assert found == {"steps.a.needs": "these steps wait for each other: a -> b -> a"}


def test_the_result_reads_steps_that_are_there() -> None:
    found = told(
        steps={"a": GOOD},
        output={"x": ["${steps.b.output}"]},
        summary="${item}",
        artifacts=("c",),
        timeout_s="${steps.a.output}",
    )
    assert list(found) == ["output.x[0]", "summary", "timeout_s", "artifacts[0]"]


def test_an_input_fits_its_kind() -> None:
    found = told(
        input={
            "a": InputField(kind="integer", default=1.5),
            "b": InputField(required=True, default="x"),
            "c": InputField(one_of=("x", 3)),
            "d": InputField(default="z", one_of=("x", "y")),
        },
        steps={"a": GOOD},
    )
    assert list(found) == ["input.a.default", "input.b.default", "input.c.one_of[1]", "input.d.default"]


def test_types_and_workflows_are_checked_where_they_are_known() -> None:
    steps = {"a": Step(task="securty", compensate=Compensation(task="undo")), "b": Step(workflow="revew")}
    assert told(steps=steps) == {}
    review = WorkflowDefinition(name="review", steps={"a": GOOD})
    found = told(steps=steps, task_types={"security"}, workflows={"review": review})
    assert found == {
        "steps.a.task": "no route serves the task type securty (did you mean security?)",
        "steps.a.compensate.task": "no route serves the task type undo",
        "steps.b.workflow": "there is no workflow revew (did you mean review?)",
    }


def test_a_workflow_may_not_begin_itself() -> None:
    assert "itself" in told(steps={"a": Step(workflow="it")}, workflows={})["steps.a.workflow"]
    far = WorkflowDefinition(name="far", steps={"a": Step(workflow="it")})
    near = WorkflowDefinition(name="near", steps={"a": Step(workflow="far")})
    found = told(steps={"a": Step(workflow="near")}, workflows={"far": far, "near": near})
    assert found == {"steps.a.workflow": "near begins it in its turn, without end"}


@pytest.mark.parametrize(
    ("step", "place", "words"),
    [
        (
            Step(task="testing", params={"target": ".", "pytest_arg": []}),
            "steps.s.params.pytest_arg",
            "testing takes no parameter pytest_arg (did you mean pytest_args?); it takes target, pytest_args, budget_s",
        ),
        (Step(task="security"), "steps.s.params", "security needs target"),
        (Step(task="testing", params={"target": ".", "budget_s": 1}), "steps.s.params.budget_s", ">= 10"),
        (
            Step(task="impact", params={"target": ".", "files": ["a", 7]}),
            "steps.s.params.files[1]",
            "expected `str`, got `int`",
        ),
        (
            Step(task="x", compensate=Compensation(task="security", params={"target": ".", "x": 1})),
            "steps.s.compensate.params.x",
            "takes no parameter x",
        ),
        (Step(workflow="w", params={"a": 3}), "steps.s.params.a", "must be text"),
        (Step(workflow="w"), "steps.s.params", "the workflow w needs a"),
        (Step(workflow="w", params={"a": "x", "bb": 1}), "steps.s.params.bb", "takes no input bb; it takes a"),
    ],
)
def test_parameters_that_a_step_cannot_take(step: Step, place: str, words: str) -> None:
    child = WorkflowDefinition(name="w", input={"a": InputField(required=True)}, steps={"x": GOOD})
    found = told(steps={"s": step}, workflows={"w": child})
    assert list(found) == [place]
    assert words in found[place]


def test_parameters_that_a_step_may_take() -> None:
    """What has no value yet is not looked into, nor what clones of one's own take."""
    opened = {"target": "${input.list[0]}", "budget_s": "${input.list[1]}", "pytest_args": ["${input.list[2]}"]}
    own = Step(task="translate", params={"anything": 1})
    fields = {"list": InputField(kind="list")}
    assert told(input=fields, steps={"s": Step(task="testing", params=opened), "own": own}) == {}
