"""The workflows that come with the product, each run by real clones on a project with a history, and on one without."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bus.definitions import Definitions
from clones.params import PARAMS
from clones.workflows.advance import advance
from clones.workflows.checking import problems
from clones.workflows.commands import SubmitTask
from clones.workflows.inputs import filled
from clones.workflows.shipped import shipped
from ops.cli.files import fetch_run
from ops.workflows import Run, find_run
from schemas import (
    TaskCompletion,
    WorkflowBegun,
    WorkflowCompletion,
    WorkflowDefinition,
    WorkflowFailure,
    WorkflowStart,
    convert,
)
from tests.bus.eventually import eventually
from tests.integration.sums import BROKEN, FAILING, FAILURE_BROUGHT_BY, SLOWED, make_sums
from tests.ops.network import Client, Command, needs_proc, running

pytestmark = pytest.mark.timeout(900)
ENDED_WITHIN_S = 600.0
"""All the runs share one machine: far more than they take where it has nothing else to do."""
BENCH = "python bench.py"
POINTS = [[1, 100], [2, 190], [4, 340], [8, 520], [16, 610]]
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "review": ("review", {"target": "sums", "command": BENCH}),
    "release-check": ("release-check", {"target": "sums"}),
    "design": ("design", {"target": "sums", "points": POINTS}),
    "incident": ("incident", {"target": "sums", "tests": [FAILING], "command": ["python", "bench.py"]}),
    "onboard": ("onboard", {"target": "sums"}),
    "plain-release": ("release-check", {"target": "plain"}),
    "plain-incident": ("incident", {"target": "plain"}),
    "nowhere": ("review", {"target": "nowhere"}),
}
"""What is run, by its id: `sums` has a history, `plain` has none."""
DEFINITIONS = {definition.name: definition for definition in shipped()}


def test_they_are_the_five() -> None:
    assert sorted(DEFINITIONS) == ["design", "incident", "onboard", "release-check", "review"]


@pytest.mark.parametrize("definition", shipped(), ids=lambda definition: definition.name)
def test_nothing_is_wrong_with_a_definition(definition: WorkflowDefinition) -> None:
    assert problems(definition, task_types=PARAMS, workflows=DEFINITIONS) == ()
    assert all(field.description for field in definition.input.values())
    for name, step in definition.steps.items():
        taken = PARAMS[step.task].__struct_fields__ if step.task else ()
        assert set(step.params) <= set(taken), name
        # Only what writes the report, or decides over it, ends the run where it fails.
        assert step.on_failure == ("fail" if name in {"report", "approval"} else "continue"), name
        assert step.decision is not None or step.timeout_s is not None, name


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """A network in whose workspace the projects are, and which works at all the runs."""
    directory = tmp_path_factory.mktemp("shipped")
    make_sums(directory / "sums")
    shutil.copytree(directory / "sums", directory / "plain", ignore=shutil.ignore_patterns(".git"))
    with running("up", "--port", "-1", directory=directory) as command:
        command.until("ready at ")
        asyncio.run(_begin(command))
        yield command
        assert command.end() == 0, command.log


async def _begin(network: Command) -> None:
    async with network.open() as client:
        for run_id, (workflow, given) in RUNS.items():
            await client.submitter.start_workflow(workflow, WorkflowStart(id=run_id, input=given))


@dataclass(frozen=True)
class Left:
    """What a run left."""

    run: Run
    files: Path

    @property
    def report(self) -> str:
        return (self.files / "report.md").read_text()

    @property
    def states(self) -> dict[str, str]:
        return {line.step: line.state for line in self.run.lines}


async def ended(client: Client, begun: Command, name: str) -> Left:
    """Wait for a run's end, and fetch its files."""
    await client.submitter.result("workflow", name, timeout_s=ENDED_WITHIN_S)
    run = await find_run(client.network, Definitions(client.network), name)
    files = begun.directory / "left" / name
    await fetch_run(client.network, run, files)
    return Left(run, files)


async def waiting(client: Client, begun: Command, name: str) -> str:
    """Wait until a run waits for a decision; returns what is asked."""
    prompts: list[str] = []

    async def asked() -> bool:
        found = await find_run(client.network, Definitions(client.network), name)
        prompts.extend(each.prompt for each in found.awaited)
        assert found.story.result is None, found.story.result
        return bool(prompts)

    await eventually(asked, within_s=ENDED_WITHIN_S)
    return prompts[0]


def decide(begun: Command, name: str, verdict: str) -> None:
    arguments = ("decide", name, verdict, "--comment", "seen", "--by", "ann")
    with running(*arguments, directory=begun.directory) as command:
        assert command.wait() == 0, command.log


async def data(client: Client, run: Run, step: str) -> dict[str, Any]:
    """What a step's task found."""
    (end,) = (each for each in run.ended if each.step == step)
    result = await client.network.results.read(end.task_type, end.task_id)
    assert isinstance(result, TaskCompletion)
    found: dict[str, Any] = result.output["data"]
    return found


def asked(name: str, given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The parameters of the tasks that a run begins with, by their steps."""
    definition = DEFINITIONS[name]
    begun = WorkflowBegun(input=filled(definition, {"target": "t", **given}))
    _, commands = advance(definition, None, begun, datetime(2026, 1, 1, tzinfo=UTC), "w", version=1)
    return {each.step: each.params for each in commands if isinstance(each, SubmitTask)}


@pytest.mark.parametrize(
    ("name", "step", "given", "params"),
    [
        ("design", "scalability", {"load_command": "x.py"}, {"points": [], "command": "x.py"}),
        ("design", "scalability", {"load_command": "x.py", "points": POINTS}, {"points": POINTS, "command": []}),
        ("incident", "triage", {"command": "x.py"}, {"tests": [], "command": "x.py", "since": None}),
        ("incident", "triage", {"command": "x.py", "tests": ["a"]}, {"tests": ["a"], "command": [], "since": None}),
        ("release-check", "api", {"since": "v1"}, {"since": "v1", "against": None}),
        ("release-check", "api", {"since": "v1", "against": "old"}, {"since": None, "against": "old"}),
        ("review", "performance", {"command": "x.py"}, {"command": "x.py"}),
    ],
)
def test_of_what_excludes_each_other_one_is_asked_for(
    name: str, step: str, given: dict[str, Any], params: dict[str, Any]
) -> None:
    (task_type,) = (each.task for label, each in DEFINITIONS[name].steps.items() if label == step)
    found = asked(name, given)[step]
    budget_s = found.pop("budget_s", None)
    assert budget_s == (None if task_type == "api-changes" else 900.0)
    assert found == {"target": "t", **params}
    convert(PARAMS[str(task_type)], found)


@pytest.mark.parametrize(("name", "step"), [("design", "scalability"), ("review", "performance")])
def test_what_was_not_asked_for_is_not_done(name: str, step: str) -> None:
    assert step not in asked(name, {})


@needs_proc
async def test_a_review_profiles_a_command_written_as_one_line(begun: Command) -> None:
    async with begun.open() as client:
        left = await ended(client, begun, "review")
        assert set(left.states.values()) == {"completed"}
        profile = await data(client, left.run, "performance")
        assert (profile["command"], profile["exit_status"]) == (["python", "bench.py"], 0)


@needs_proc
async def test_a_release_is_put_before_a_person_with_its_figures(begun: Command) -> None:
    async with begun.open() as client:
        prompt = await waiting(client, begun, "release-check")
        assert "1 of 2 tests passed, 1 failed" in prompt
        assert "Since v1.0.0: 1 breaking change" in prompt
        assert "Vulnerabilities: No findings in" in prompt
        assert "4 commits by 1 author since v1.0.0" in prompt
        decide(begun, "release-check", "approve")
        left = await ended(client, begun, "release-check")
    assert isinstance(left.run.story.result, WorkflowCompletion)
    assert left.run.story.result.output["approval"] == {"verdict": "approve", "decided_by": "ann", "comment": "seen"}
    assert BROKEN in left.report
    assert FAILING in left.report


@needs_proc
async def test_without_a_history_a_release_is_told_what_could_not_be_compared_and_may_be_rejected(
    begun: Command,
) -> None:
    async with begun.open() as client:
        prompt = await waiting(client, begun, "plain-release")
        assert "1 of 2 tests passed, 1 failed" in prompt
        assert "API: Not compared: the target has no git history" in prompt
        assert "Changelog: No changelog: the target has no git history" in prompt
        decide(begun, "plain-release", "reject")
        left = await ended(client, begun, "plain-release")
    failure = left.run.story.result
    assert isinstance(failure, WorkflowFailure)
    assert (failure.details["step"], failure.details["code"]) == ("approval", "rejected")
    assert "rejected by ann: seen" in failure.message
    report = (left.files / "report" / "report.md").read_text()
    assert "the target has no git history" in report


@needs_proc
async def test_a_design_has_components_a_model_of_its_load_and_what_to_test_first(begun: Command) -> None:
    async with begun.open() as client:
        left = await ended(client, begun, "design")
        assert set(left.states.values()) == {"completed"}
        components = await data(client, left.run, "components")
        strategy = await data(client, left.run, "strategy")
        model = await data(client, left.run, "scalability")
    assert {"sums.totals", "sums.spread"} <= {
        module for component in components["components"] for module in component["modules"]
    }
    assert strategy["measured"], "the coverage of the testing step is used"
    assert model["model"]["peak_n"] > 8
    assert (left.files / "design.md").is_file()
    assert (left.files / "strategy.md").is_file()


@needs_proc
async def test_an_incident_has_its_commit_its_slow_down_and_what_depends_on_it(begun: Command) -> None:
    async with begun.open() as client:
        left = await ended(client, begun, "incident")
        assert set(left.states.values()) == {"completed"}
        triage = await data(client, left.run, "triage")
        performance = await data(client, left.run, "performance")
        impact = await data(client, left.run, "impact")
    assert triage["bisect"]["first_bad"]["subject"] == FAILURE_BROUGHT_BY
    assert performance["compared"]["against"] == "v1.0.0"
    assert performance["compared"]["wall"]["change_s"] > 0
    assert [row["module"] for row in impact["modules"]] == [f"sums.{SLOWED}", "bench"]
    assert left.run.story.result is not None
    assert FAILING in getattr(left.run.story.result, "summary", "")
    assert FAILURE_BROUGHT_BY in left.report
    assert "## Documentation" not in left.report
    assert not (left.files / "api").exists()


@needs_proc
async def test_without_a_history_an_incident_has_its_place(begun: Command) -> None:
    async with begun.open() as client:
        left = await ended(client, begun, "plain-incident")
        triage = await data(client, left.run, "triage")
    assert [item["test"] for item in triage["subjects"]] == [FAILING]
    assert left.states["performance"] == "skipped"
    assert "the target has no git history" in left.report


@needs_proc
async def test_whoever_is_new_gets_an_order_to_read_in(begun: Command) -> None:
    async with begun.open() as client:
        left = await ended(client, begun, "onboard")
        assert set(left.states.values()) == {"completed"}
        assert "security" in left.states
        code_map = await data(client, left.run, "map")
    assert "sums.totals" in [stop["module"] for stop in code_map["reading_order"]]
    assert (left.files / "code-map.md").is_file()
    assert (left.files / "knowledge.sqlite").is_file()


@needs_proc
async def test_a_target_that_is_not_there_ends_the_run_with_that_cause(begun: Command) -> None:
    async with begun.open() as client:
        left = await ended(client, begun, "nowhere")
    failure = left.run.story.result
    assert isinstance(failure, WorkflowFailure)
    assert failure.details["code"] == "target_not_found"
    assert "target 'nowhere' is not there" in failure.message
