"""Workflows of any shape, and how their steps fare, drawn by hypothesis."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from clones.workflows.views import awaited_decisions, timers
from schemas import (
    Approval,
    Compensation,
    DecisionMade,
    InputField,
    Step,
    Wait,
    WorkflowBegun,
    WorkflowDefinition,
    WorkflowEvent,
)
from tests.clones.workflows.world import World, is_undo

LIST = ["a", "b", "c"]


@dataclass(frozen=True)
class Fate:
    """A workflow, and which of what it asks for fails: the same in whatever order things happen."""

    definition: WorkflowDefinition
    failing: frozenset[str]

    def world(self, begun: WorkflowBegun | None = None) -> World:
        return World(self.definition, begun, list=LIST)

    def next_events(self, world: World) -> list[tuple[str, WorkflowEvent]]:
        """Return all that could happen next, what is still asked for by its key."""
        found: list[tuple[str, WorkflowEvent]] = []
        for key, command in world.open.items():
            code = "engine_failed" if key in self.failing and not is_undo(command) else ""
            if key in world.cancelled:
                # Whether what is cancelled is done all the same is fate as well.
                code = "" if f"{key} late" in self.failing else "cancelled"
            found.append((key, world.ended(key, code=code, output={"key": key, "list": LIST})))
        for awaited in awaited_decisions(self.definition, world.state):
            verdict = "reject" if awaited.step in self.failing else "approve"
            found.append(("", decision(awaited.step, verdict)))
        waits = {name for name, step in self.definition.steps.items() if step.wait is not None}
        found += [("", fired) for _, fired in timers(self.definition, world.state) if fired.step in waits]
        return found


def decision(step: str, verdict: Any) -> WorkflowEvent:
    return DecisionMade(step=step, verdict=verdict, decided_by="ann", command=7)


def keys(definition: WorkflowDefinition) -> list[str]:
    found: list[str] = []
    for name, step in definition.steps.items():
        found += [name] if not step.foreach else [f"{name}[{index}]" for index in range(len(LIST))]
    return found


@st.composite
def steps(draw: st.DrawFn, earlier: list[str], later: list[str]) -> Step:
    needs = tuple(draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3))) if earlier else ()
    failures = ["continue", "continue", "fail", *later]
    common: dict[str, Any] = {"needs": needs, "on_failure": draw(st.sampled_from(failures))}
    if needs and draw(st.integers(0, 3)) == 0:
        common["when"] = f"steps.{needs[0]}.output.key"
    kind = draw(st.sampled_from(["task", "task", "task", "each", "workflow", "decision", "wait"]))
    if kind == "decision":
        return Step(decision=Approval(prompt="?"), **common)
    if kind == "wait":
        return Step(wait=Wait(for_s=60), **common)
    if kind == "workflow":
        return Step(workflow="other", **common)
    if draw(st.booleans()):
        common["compensate"] = Compensation(task="undo")
    if needs:
        common["params"] = {"of": [f"${{steps.{need}.output}}" for need in needs]}
    if kind == "each":
        foreach = f"steps.{needs[0]}.output.list || `[]`" if needs and draw(st.booleans()) else "input.list"
        return Step(task="x", foreach=foreach, parallelism=draw(st.integers(1, 3)), **common)
    return Step(task="x", **common)


@st.composite
def fates(draw: st.DrawFn) -> Fate:
    names = [f"s{place}" for place in range(draw(st.integers(1, 7)))]
    made = {name: draw(steps(names[:place], names[place + 1 :])) for place, name in enumerate(names)}
    definition = WorkflowDefinition(
        name="drawn",
        input={"list": InputField(kind="list")},
        steps=made,
        output={name: f"${{steps.{name}.output}}" for name in names},
    )
    every = keys(definition)
    failing = draw(st.lists(st.sampled_from(every), unique=True, max_size=4))
    late = draw(st.lists(st.sampled_from(every), unique=True, max_size=2))
    # What fails is not done late.
    return Fate(definition, frozenset((*failing, *(f"{key} late" for key in late if key not in failing))))
