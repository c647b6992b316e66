"""What events make of a run that goes well, or whose failures are provided for."""

from datetime import timedelta
from typing import Any

import pytest

from clones.workflows.advance import advance, replay
from clones.workflows.commands import StartWorkflow, SubmitTask
from clones.workflows.ids import step_id
from clones.workflows.views import awaited_decisions, lines, outstanding, timers
from schemas import (
    Approval,
    ArtifactRef,
    InputField,
    Step,
    StepInvalid,
    TimerFired,
    Wait,
    WorkflowBegun,
    WorkflowDefinition,
)
from tests.clones.workflows.world import NOON, RUN, World


def workflow(**fields: Any) -> WorkflowDefinition:
    return WorkflowDefinition(name="it", **fields)


def test_steps_begin_when_what_they_need_is_done() -> None:
    world = World(workflow(steps={"a": Step(task="x"), "b": Step(task="x"), "c": Step(task="y", needs=("a", "b"))}))
    assert list(world.open) == ["a", "b"]
    world.end("b")
    assert list(world.open) == ["a"]
    (begun,) = world.end("a")
    assert isinstance(begun, SubmitTask)
    assert (begun.task_type, begun.task_id, begun.since) == ("y", step_id(RUN, "c", secret=""), world.at)
    world.end("c")
    assert world.finish is not None
    assert world.finish.summary == "3 of 3 steps done"


def test_parameters_are_made_of_the_input_and_of_earlier_results() -> None:
    definition = workflow(
        input={"who": InputField()},
        steps={
            "a": Step(task="x"),
            "b": Step(
                task="y",
                needs=("a",),
                params={
                    "whole": "${steps.a.output.found}",
                    "text": "${input.who} has ${length(steps.a.output.found)}, run ${workflow.id} of ${workflow.version}",
                    "deep": [{"type": "${steps.a.task_type}"}],
                    "plain": "$${input.who}",
                },
                timeout_s="${steps.a.output.limit}",
                retries=2,
                cache="use",
                priority="high",
            ),
        },
        output={"b": "${steps.b.output}"},
    )
    world = World(definition, WorkflowBegun(input={"who": "ann"}, priority="low"))
    assert world.open["a"].priority == "low"
    world.end("a", output={"found": [1, 2], "limit": 90, "not": "read"})
    asked = world.open["b"]
    assert isinstance(asked, SubmitTask)
    assert asked.params == {
        "whole": [1, 2],
        "text": "ann has 2, run run-1 of 3",
        "deep": [{"type": "x"}],
        "plain": "${input.who}",
    }
    assert (asked.timeout_s, asked.retries, asked.cache, asked.priority) == (90.0, 2, "use", "high")
    world.end("b", output="all of it")
    assert world.finish is not None
    assert world.finish.output == {"b": "all of it"}


def test_a_condition_that_does_not_hold_skips_the_step_alone() -> None:
    definition = workflow(
        input={"deep": InputField(kind="boolean")},
        steps={
            "a": Step(task="x", when="input.deep"),
            "b": Step(task="y", needs=("a",), params={"of": "${steps.a.state}", "got": "${steps.a.output}"}),
        },
    )
    world = World(definition, deep=False)
    assert world.line("a").message == "its condition does not hold"
    asked = world.open["b"]
    assert isinstance(asked, SubmitTask)
    assert asked.params == {"of": "skipped", "got": None}
    world.end("b")
    assert world.finish is not None
    assert world.finish.summary == "1 of 2 steps done (1 skipped)"


class TestFanOut:
    DEFINITION = workflow(
        input={"list": InputField(kind="list")},
        steps={
            "each": Step(
                task="x",
                foreach="input.list",
                parallelism=2,
                params={"n": "${item.n}", "at": "${index}"},
                on_failure="continue",
            ),
            "all": Step(
                task="y",
                needs=("each",),
                params={"outputs": "${steps.each.output}", "bad": "${steps.each.items[?state=='failed'].code}"},
            ),
        },
    )

    def test_runs_a_step_for_each_element_so_many_at_once(self) -> None:
        world = World(self.DEFINITION, list=[{"n": n} for n in "abc"])
        assert list(world.open) == ["each[0]", "each[1]"]
        assert [command.params for command in world.open.values() if isinstance(command, SubmitTask)] == [
            {"n": "a", "at": 0},
            {"n": "b", "at": 1},
        ]
        world.end("each[1]", output="B")
        assert list(world.open) == ["each[0]", "each[2]"]
        world.end("each[2]", code="engine_failed")
        assert world.line("each").state == "running"
        world.end("each[0]", output="A")
        asked = world.open["all"]
        assert isinstance(asked, SubmitTask)
        assert asked.params == {"outputs": ["A", "B", None], "bad": ["engine_failed"]}
        line = world.line("each")
        assert (line.state, line.items, line.items_failed, line.code) == ("failed", 3, 1, "engine_failed")
        assert "1 of 3 failed" in line.message

    def test_over_nothing_is_done_at_once(self) -> None:
        world = World(self.DEFINITION, list=[])
        assert world.line("each").state == "completed"
        assert list(world.open) == ["all"]

    @pytest.mark.parametrize(("value", "words"), [(None, "null"), ("text", "a str"), ({"a": 1}, "a dict")])
    def test_over_what_is_no_list_fails(self, value: Any, words: str) -> None:
        world = World(self.DEFINITION, list=value)
        line = world.line("each")
        assert line.code == "incompatible_task"
        assert words in line.message

    def test_elements_whose_parameters_cannot_be_made_fail_alone(self) -> None:
        definition = workflow(
            steps={
                "each": Step(task="x", foreach="[`1`, 'a']", params={"n": "${abs(item)}"}, on_failure="continue"),
            },
        )
        world = World(definition)
        assert list(world.open) == ["each[0]"]
        world.end("each[0]")
        assert world.line("each").items_failed == 1
        assert world.finish is not None
        assert world.finish.completed


class TestBranches:
    DEFINITION = workflow(
        steps={
            "a": Step(task="x", on_failure="mend"),
            "mend": Step(task="m", params={"why": "${steps.a.message}"}),
            "check": Step(task="c", needs=("mend",)),
            "after": Step(task="y", needs=("a",)),
            "join": Step(task="z", needs=("a", "check")),
            "last": Step(task="z", needs=("join",)),
        },
    )

    def test_a_branch_is_done_after_a_failure_alone(self) -> None:
        world = World(self.DEFINITION)
        world.end("a", code="engine_failed")
        asked = world.open["mend"]
        assert isinstance(asked, SubmitTask)
        assert asked.params == {"why": "engine_failed it"}
        assert world.states()["after"] == "skipped"
        assert world.line("after").message == "a failed"
        world.end("mend")
        world.end("check")
        world.end("join")
        world.end("last")
        assert world.finish is not None
        assert world.finish.completed

    def test_a_branch_that_is_not_taken_is_skipped_and_what_needs_it_alone_too(self) -> None:
        world = World(self.DEFINITION)
        world.end("a")
        assert set(world.open) == {"after", "join"}
        assert world.line("check").message == "the branch mend was not taken"
        world.end("join")
        world.end("after")
        world.end("last")
        assert world.states() == {
            "a": "completed", "mend": "skipped", "check": "skipped", "after": "completed", "join": "completed",
            "last": "completed",
        }  # fmt: skip

    def test_a_branch_that_cannot_be_gone_lets_the_failure_through(self) -> None:
        definition = workflow(
            steps={
                "p": Step(task="x", on_failure="q"),
                "q": Step(task="x"),
                "a": Step(task="x", on_failure="mend"),
                "mend": Step(task="x", needs=("p",)),
            },
        )
        world = World(definition)
        world.end("a", code="engine_failed")
        world.end("p", code="engine_failed")
        assert world.open == {}
        assert world.finish is not None
        assert world.finish.details["step"] == "a"

    def test_one_branch_may_belong_to_several_steps(self) -> None:
        definition = workflow(
            steps={
                "a": Step(task="x", on_failure="mend"),
                "b": Step(task="x", on_failure="mend"),
                "mend": Step(task="m", needs=("a",)),
                "join": Step(task="z", needs=("b", "mend")),
            },
        )
        world = World(definition)
        world.end("a")
        world.end("b", code="engine_failed")
        assert set(world.open) == {"mend"}
        world.end("mend")
        assert set(world.open) == {"join"}

        untaken = World(definition)
        untaken.end("a")
        untaken.end("b")
        assert set(untaken.open) == {"join"}


class TestDecisions:
    DEFINITION = workflow(
        input={"tag": InputField()},
        steps={
            "ask": Step(decision=Approval(prompt="Release ${input.tag}?", timeout_s=172_800), on_failure="no"),
            "yes": Step(task="x", needs=("ask",), params={"by": "${steps.ask.output.decided_by}"}),
            "no": Step(task="y", params={"why": "${steps.ask.output.comment}"}),
        },
    )

    def test_waits_for_a_person(self) -> None:
        world = World(self.DEFINITION, tag="1.2")
        (awaited,) = awaited_decisions(self.DEFINITION, world.state)
        assert awaited.step == "ask"
        assert awaited.prompt == "Release 1.2?"
        assert awaited.until == world.at + timedelta(days=2)
        assert outstanding(self.DEFINITION, world.state) == ()
        world.decide("ask")
        asked = world.open["yes"]
        assert isinstance(asked, SubmitTask)
        assert asked.params == {"by": "ann"}
        assert world.states()["no"] == "skipped"
        assert world.line("ask").message == "approved by ann"

    def test_a_rejection_fails_the_step(self) -> None:
        world = World(self.DEFINITION, tag="1.2")
        world.decide("ask", "reject", "not on a Friday")
        asked = world.open["no"]
        assert isinstance(asked, SubmitTask)
        assert asked.params == {"why": "not on a Friday"}
        assert world.line("ask").code == "rejected"

    def test_a_second_decision_changes_nothing(self) -> None:
        world = World(self.DEFINITION, tag="1.2")
        world.decide("ask")
        state = world.state
        assert world.decide("ask", "reject") == ()
        assert world.state is state

    def test_nobody_in_time_fails_the_step(self) -> None:
        world = World(self.DEFINITION, tag="1.2")
        assert [fired for _, fired in timers(self.DEFINITION, world.state)] == [TimerFired(step="ask")]
        world.fire("ask")
        assert world.line("ask").code == "deadline_exceeded"
        assert "no" in world.open


class TestWaits:
    def test_ends_by_its_timer(self) -> None:
        definition = workflow(steps={"nap": Step(wait=Wait(for_s="${`60`}")), "a": Step(task="x", needs=("nap",))})
        world = World(definition)
        assert timers(definition, world.state) == ((world.at + timedelta(seconds=60), TimerFired(step="nap")),)
        assert world.line("nap").state == "waiting"
        world.fire("nap")
        assert "a" in world.open

    def test_until_a_moment_that_has_passed_ends_at_once(self) -> None:
        definition = workflow(steps={"nap": Step(wait=Wait(until="2030-01-02T13:00:00+01:00"))})
        assert World(definition).finish is not None

    @pytest.mark.parametrize("moment", ["tomorrow", "2031-01-01T00:00:00"])
    def test_until_what_is_no_moment_fails(self, moment: str) -> None:
        world = World(workflow(steps={"nap": Step(wait=Wait(until=moment))}))
        assert world.finish is not None
        assert world.finish.details["code"] == "incompatible_task"
        assert moment in world.finish.message

    def test_the_soonest_timer_comes_first(self) -> None:
        steps = {"long": Step(wait=Wait(for_s=60)), "short": Step(wait=Wait(for_s=5))}
        definition = workflow(steps=steps, timeout_s=30)
        fired = [timer for _, timer in timers(definition, World(definition).state)]
        assert fired == [TimerFired(step="short"), TimerFired(), TimerFired(step="long")]


def test_a_sub_workflow_is_a_step() -> None:
    definition = workflow(
        input={"target": InputField()},
        steps={"sub": Step(workflow="review", params={"target": "${input.target}"}, timeout_s=60)},
        output="${steps.sub.output.found}",
    )
    world = World(definition, target="/x")
    asked = world.open["sub"]
    assert isinstance(asked, StartWorkflow)
    assert (asked.workflow, asked.input, asked.workflow_id, asked.timeout_s) == (
        "review", {"target": "/x"}, step_id(RUN, "sub", secret=""), 60.0,
    )  # fmt: skip
    world.end("sub", output={"found": 3})
    assert world.finish is not None
    assert world.finish.output == 3


def test_files_of_the_named_steps_are_in_the_result() -> None:
    file = ArtifactRef(name="n", filename="report.md", media_type="text/markdown", size_bytes=3, digest="SHA-256=x")
    definition = workflow(steps={"a": Step(task="x"), "b": Step(task="x")}, artifacts=("b",))
    world = World(definition)
    world.end("b", artifacts=(file,))
    world.end("a")
    assert world.finish is not None
    assert world.finish.artifacts == (file,)


def test_a_step_that_is_refused_has_failed() -> None:
    definition = workflow(steps={"a": Step(task="x", on_failure="continue")})
    world = World(definition)
    world.tell(StepInvalid(step="a", code="unknown_task_type", message="no route serves x"))
    assert world.line("a").code == "unknown_task_type"
    assert world.finish is not None
    assert world.finish.completed


def test_what_does_not_apply_changes_nothing() -> None:
    definition = workflow(
        steps={"a": Step(task="x"), "b": Step(decision=Approval()), "c": Step(task="x", needs=("b",))}
    )
    world = World(definition)
    state = world.state
    other = World(definition).ended("a")
    for event in (
        WorkflowBegun(input={}),
        StepInvalid(step="c", code="x", message="not begun"),
        StepInvalid(step="nobody", code="x", message=""),
        TimerFired(step="b"),
        TimerFired(),
        *(other.__class__(step="a", state="completed", task_type="x", task_id=of) for of in ("another",)),
        other.__class__(step="a", index=0, state="completed", task_type="x", task_id=other.task_id),
        other.__class__(step="a", compensation=True, state="completed", task_type="x", task_id=other.task_id),
    ):
        assert world.tell(event) == ()
        assert world.state is state, event
    assert world.decide("a") == ()


def test_a_history_makes_the_state_again() -> None:
    definition = workflow(steps={"a": Step(task="x"), "b": Step(task="x", needs=("a",))})
    world = World(definition)
    world.end("a")
    assert replay(definition, RUN, world.entries) == world.state
    assert replay(definition, RUN, ()) is None
    assert lines(definition, None)[0].state == "pending"


def test_nothing_comes_before_the_beginning() -> None:
    with pytest.raises(ValueError, match="has not begun"):
        advance(workflow(steps={"a": Step(task="x")}), None, TimerFired(), NOON, RUN, version=1)
