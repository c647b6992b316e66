"""Histories as they were when a version wrote them: `python -m tests.clones.workflows.golden_histories` writes missing ones.

A file that stands is never written again. Where a change makes one fail, runs that are under way would go another way than they
began: the change must be made so that they do not.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from clones.workflows.shipped import shipped
from clones.workflows.views import kept, lines
from schemas import (
    Approval,
    CancelRequested,
    Compensation,
    InputField,
    Step,
    StepInvalid,
    Wait,
    WorkflowBegun,
    WorkflowDefinition,
)
from tests.clones.workflows.world import RUN, World

GOLDEN = Path(__file__).parent / "golden"

RELEASE = WorkflowDefinition(
    name="release",
    input={
        "target": InputField(required=True),
        "parts": InputField(kind="list", default=["a", "b", "c"]),
        "publish": InputField(kind="boolean", default=True),
    },
    timeout_s=604_800,
    steps={
        "scan": Step(task="security", params={"target": "${input.target}"}, on_failure="excuse"),
        "excuse": Step(task="documentation", params={"why": "${steps.scan.code}: ${steps.scan.message}"}),
        "build": Step(
            task="build",
            foreach="input.parts",
            parallelism=2,
            params={"part": "${item}", "label": "${index}: ${item}"},
            compensate=Compensation(task="unbuild", params={"part": "${item}", "file": "${steps.build.output.file}"}),
        ),
        "notes": Step(workflow="changelog", params={"target": "${input.target}"}, on_failure="continue"),
        "gather": Step(
            task="documentation",
            needs=("scan", "excuse", "build", "notes"),
            params={"files": "${steps.build.output[].file}", "notes": "${steps.notes.output}"},
        ),
        "ask": Step(decision=Approval(prompt="Release ${input.target}?", timeout_s=172_800), needs=("gather",)),
        "cool": Step(wait=Wait(for_s=3600), needs=("ask",)),
        "publish": Step(
            task="publish",
            needs=("cool",),
            when="input.publish",
            params={"by": "${steps.ask.output.decided_by}"},
            compensate=Compensation(task="withdraw"),
        ),
        "tell": Step(task="mail", needs=("publish",)),
    },
    output={"files": "${steps.build.output[].file}", "published": "${steps.publish.state == 'completed'}"},
    summary="${input.target} is released, by ${steps.ask.output.decided_by}",
    artifacts=("gather",),
)
INPUT: dict[str, Any] = {"target": "/src", "parts": ["a", "b", "c"], "publish": True}


def released() -> World:
    world = _built(World(RELEASE, WorkflowBegun(input=INPUT, labels={"team": "x"}, priority="low")))
    world.end("scan", output={"findings": []})
    world.end("notes", output={"text": "new"})
    world.end("gather")
    world.decide("ask", comment="well done")
    world.fire("cool")
    world.end("publish")
    world.end("tell")
    return world


def rejected_in_secret() -> World:
    """As `rejected_and_undone`, with ids that follow from a secret of the run's own."""
    world = _built(World(RELEASE, WorkflowBegun(input=INPUT, secret="000102030405060708090a0b0c0d0e0f")))
    world.end("scan")
    world.end("notes", output={"text": "new"})
    world.end("gather")
    world.decide("ask", "reject", "not now")
    for place in (1, 0, 2):
        world.end(f"build[{place}]!")
    return world


def failure_with_a_branch() -> World:
    world = _built(World(RELEASE, WorkflowBegun(input={**INPUT, "publish": False})))
    world.end("scan", code="engine_crashed")
    world.end("notes", code="step_failed")
    world.end("excuse")
    world.end("gather")
    world.decide("ask")
    world.fire("cool")
    world.end("tell")
    return world


def rejected_and_undone() -> World:
    world = _built(World(RELEASE, WorkflowBegun(input=INPUT)))
    world.end("notes", output={"text": "new"})
    world.end("scan")
    world.end("gather")
    world.decide("ask", "reject", "not now")
    for key in ("build[1]!", "build[0]!"):
        world.end(key)
    world.end("build[2]!", code="handler_failed")
    return world


def cancelled_in_the_middle() -> World:
    world = World(RELEASE, WorkflowBegun(input=INPUT))
    world.end("build[1]", output={"file": "b.whl"})
    world.tell(CancelRequested(by="ann", reason="wrong branch", command=41))
    world.end("build[0]", output={"file": "a.whl"})
    world.end("scan", code="cancelled")
    world.tell(StepInvalid(step="build", index=2, code="cancelled", message="it was never stored"))
    world.end("notes", code="cancelled")
    world.end("build[0]!")
    world.end("build[1]!")
    return world


def resumed_after_a_failure() -> World:
    first = _built(World(RELEASE, WorkflowBegun(input=INPUT)), fail="build[2]")
    for key in ("scan", "notes"):
        first.end(key, code="cancelled")
    for key in ("build[0]!", "build[1]!"):
        first.end(key)
    ended, skipped = kept(RELEASE, first.state)
    world = World(RELEASE, WorkflowBegun(input=INPUT, retry_of="run-0", resumed=True, kept=ended, skipped=skipped))
    _built(world)
    world.end("scan")
    world.end("notes", output={"text": "new"})
    world.end("gather", code="engine_failed")
    for key in ("build[0]!", "build[1]!", "build[2]!"):
        world.end(key)
    return world


def over_its_limit() -> World:
    world = World(RELEASE, WorkflowBegun(input=INPUT, timeout_s=60.0))
    world.fire()
    for key in list(world.open):
        world.end(key, code="cancelled")
    return world


def still_under_way() -> World:
    world = _built(World(RELEASE, WorkflowBegun(input=INPUT)))
    world.end("scan")
    world.end("notes", output={"text": "new"})
    world.end("gather")
    return world


def review() -> World:
    (definition,) = (each for each in shipped() if each.name == "review")
    given = {"target": "/src", "command": None, "pytest_args": ["-q"], "step_timeout_s": 900.0}
    world = World(definition, WorkflowBegun(input=given))
    world.end("security", output={"findings": []}, sequence=12)
    world.end("architecture", code="engine_failed")
    world.end("testing", output={"ran": True}, sequence=14)
    world.end("report")
    return world


def _built(world: World, fail: str = "") -> World:
    for place, part in enumerate("abc"):
        key = f"build[{place}]"
        world.end(key, code="engine_failed" if key == fail else "", output={"file": f"{part}.whl", "log": "unread"})
    return world


SCENARIOS: dict[str, Callable[[], World]] = {
    scenario.__name__: scenario
    for scenario in (
        released,
        rejected_in_secret,
        failure_with_a_branch,
        rejected_and_undone,
        cancelled_in_the_middle,
        resumed_after_a_failure,
        over_its_limit,
        still_under_way,
        review,
    )
}


def told(world: World) -> dict[str, Any]:
    """Return a world as a golden file has it: commands by the entry that they follow from."""
    return {
        "workflow_id": RUN,
        "definition": world.definition,
        "entries": world.entries,
        "commands": [[plain_command(command) for command in commands] for commands in world.commands],
        "lines": lines(world.definition, world.state),
    }


def plain_command(command: Any) -> dict[str, Any]:
    fields = msgspec.structs.asdict(command)
    plain: dict[str, Any] = as_json({"command": type(command).__name__, **fields})
    return plain


def as_json(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for name, scenario in SCENARIOS.items():
        path = GOLDEN / f"{name}.json"
        if not path.exists():
            path.write_bytes(msgspec.json.format(msgspec.json.encode(told(scenario())), indent=1) + b"\n")


if __name__ == "__main__":
    main()
