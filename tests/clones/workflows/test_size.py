"""Workflows of many steps: what an event costs does not grow with what has happened before."""

import time

from clones.workflows.views import expected, outstanding
from schemas import Compensation, InputField, Step, WorkflowDefinition
from tests.clones.workflows.world import World

MOST_S = 0.001
"""An event of 500 parallel steps; measured, it takes a tenth of that."""


def cost_s(world: World) -> float:
    """Return what one event costs, the fastest half of all being looked at: the machine does other things too."""
    taken = []
    for key in list(world.open):
        began = time.perf_counter()
        world.end(key)
        taken.append(time.perf_counter() - began)
    assert world.finish is not None or world.open
    return sorted(taken)[len(taken) // 2]


def test_five_hundred_parallel_steps() -> None:
    steps = {f"s{place}": Step(task="x") for place in range(500)}
    definition = WorkflowDefinition(name="wide", steps={**steps, "last": Step(task="x", needs=tuple(steps))})
    assert cost_s(World(definition)) < MOST_S


def test_a_fan_out_of_five_hundred() -> None:
    step = Step(task="x", foreach="input.list", parallelism=500, params={"n": "${item}"})
    definition = WorkflowDefinition(name="wide", input={"list": InputField(kind="list")}, steps={"each": step})
    world = World(definition, list=list(range(500)))
    assert len(outstanding(definition, world.state)) == len(expected(definition, world.state)) == 500
    assert cost_s(world) < MOST_S


def test_undoing_a_part_costs_what_doing_it_did() -> None:
    """However many parts there are: none is looked at again for each that is undone."""
    undo = Compensation(task="undo")
    each = Step(task="x", foreach="input.list", parallelism=16, compensate=undo)
    steps = {"each": each, "last": Step(task="x", needs=("each",))}
    definition = WorkflowDefinition(name="wide", input={"list": InputField(kind="list")}, steps=steps)
    world = World(definition, list=list(range(6000)))

    def end_s(count: int) -> float:
        taken = []
        for _ in range(count):
            key = next(iter(world.open))
            began = time.perf_counter()
            world.end(key)
            taken.append(time.perf_counter() - began)
        return sorted(taken)[count // 2]

    done_s = end_s(5900)
    end_s(100)
    world.end("last", code="engine_failed")
    assert len(world.open) == 16
    # Measured, it takes half as long again; where all parts were looked at each time, it took ten times as long.
    assert end_s(1000) < 4 * done_s
