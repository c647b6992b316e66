"""`python -m tests.trials [WORKFLOW|PROJECT ...]`: runs each shipped workflow on each project and checks its report.

Leaves the reports in `.trials/reports/<project>/<workflow>`, beside `checked.json`: each statement that was looked at. Exits
with 1 where a run left no report, or where less than 9 in 10 of the statements hold.
"""

import asyncio
import json
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bus.definitions import Definitions
from clones.engines.environment import prepare
from clones.workflows.shipped import shipped
from ops.cli.files import fetch_run
from ops.commanding import verdict_on
from ops.workflows import Run, find_run
from schemas import Decision, TaskFailure, WorkflowStart, new_id
from tests.ops.network import Client, Command, running
from tests.trials import checking, projects
from tests.trials.checking import Bench, Checked
from tests.trials.projects import PROJECTS, Project

_DIRECTORY = Path(__file__).parents[2] / ".trials"
_STEP_S = 1800.0
_PREPARE_S = 900.0
_HELD = 0.9


@dataclass(frozen=True)
class Trial:
    """One workflow on one project."""

    workflow: str
    project: Project
    statements: int
    checked: list[Checked]
    seconds: float
    problem: str = ""

    @property
    def held(self) -> int:
        return sum(each.holds for each in self.checked)

    @property
    def good(self) -> bool:
        return bool(self.checked) and self.held >= _HELD * len(self.checked)


def _input(workflow: str, project: Project) -> dict[str, Any]:
    given: dict[str, Any] = {"target": project.name, "step_timeout_s": _STEP_S}
    match workflow:
        case "review":
            given |= {"command": project.command, "pytest_args": project.pytest_args}
        case "release-check":
            given |= {"pytest_args": project.pytest_args}
        case "design":
            given |= {"load_command": project.command, "pytest_args": project.pytest_args}
        case "incident":
            given |= {"target": f"{project.name}-incident", "tests": project.bug.tests, "command": project.command}
    return given


async def _ended(client: Client, run_id: str) -> Run:
    """Wait for a run's end, and approve what it asks for."""
    definitions = Definitions(client.network)
    while True:
        run = await find_run(client.network, definitions, run_id)
        if run.story.result is not None:
            return run
        for awaited in run.awaited:
            print(awaited.prompt, flush=True)  # noqa: T201  what a person would be asked
            decision = Decision(workflow_id=run_id, step=awaited.step, verdict="approve", decided_by="trial")
            await verdict_on(client.network, decision, within_s=60)
        await asyncio.sleep(1)


async def _try(client: Client, workflow: str, project: Project) -> Trial:
    given = _input(workflow, project)
    target = _DIRECTORY / given["target"]
    files = _DIRECTORY / "reports" / project.name / workflow
    shutil.rmtree(files, ignore_errors=True)
    begun = time.monotonic()
    run_id = new_id()
    await client.submitter.start_workflow(workflow, WorkflowStart(id=run_id, input=given))
    run = await _ended(client, run_id)
    seconds = time.monotonic() - begun
    await fetch_run(client.network, run, files)
    result = run.story.result
    problem = f"{result.code}: {result.message}" if isinstance(result, TaskFailure) else ""
    problem += "".join(f"\n{line.step}: {line.code} {line.message}" for line in run.lines if line.state == "failed")
    report = files / "report.json"
    if not report.is_file():
        return Trial(workflow, project, 0, [], seconds, problem or "no report.json")
    statements = json.loads(report.read_text())["statements"]
    scratch = _DIRECTORY / "scratch"
    programs = (
        await asyncio.to_thread(_programs, target, scratch) if workflow == "incident" else Path(sys.prefix, "bin")
    )
    bench = Bench(target, files, scratch, programs, {end.task_id: end.step for end in run.ended})
    checked = await asyncio.to_thread(checking.check, checking.sample(statements), bench)
    told = [{**asdict(each), "holds": each.holds} for each in checked]
    (files / "checked.json").write_text(json.dumps(told, indent=2, ensure_ascii=False))
    return Trial(workflow, project, len(statements), checked, seconds, problem)


def _programs(target: Path, scratch: Path) -> Path:
    """Return where the Python is in whose environment the project's tests run: the one that the clones made for it."""
    copy = scratch / "prepared" / target.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(target, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    return prepare(target, copy, lambda *_: None, deadline=time.monotonic() + _PREPARE_S).bin()


def _print(trials: list[Trial]) -> None:
    console = Console(width=120)
    for trial in trials:
        if trial.problem:
            console.print(f"{trial.workflow} on {trial.project.name}: {trial.problem}", markup=False, highlight=False)
        for each in trial.checked:
            if not each.holds:
                told = f"\n{trial.workflow} on {trial.project.name}, {each.section}: {each.text}\n  {each.command}"
                told += f"\n  expected: {each.expected[:400]}\n  printed:  {each.printed[:400]}"
                console.print(told, markup=False, highlight=False)
    table = Table("workflow", "project")
    for heading in ("statements", "sampled", "held", "seconds"):
        table.add_column(heading, justify="right")
    for trial in trials:
        figures = trial.statements, len(trial.checked), trial.held, f"{trial.seconds:.0f}"
        table.add_row(trial.workflow, trial.project.name, *map(str, figures), style="" if trial.good else "red")
    console.print(table)


async def _all(network: Command, wanted: set[str], trials: list[Trial]) -> None:
    """Try what is wanted, and add it to `trials`."""
    async with network.open() as client:
        for project in PROJECTS:
            names = [definition.name for definition in shipped()]
            chosen = [name for name in names if not wanted & set(names) or name in wanted]
            if not wanted & {each.name for each in PROJECTS} or project.name in wanted:
                for name in chosen:
                    trials.append(await _try(client, name, project))
                    print(f"{name} on {project.name}: {trials[-1].held} of {len(trials[-1].checked)}", flush=True)  # noqa: T201


def main() -> int:
    """Try what is named, or all; returns the exit status."""
    wanted = set(sys.argv[1:])
    known = {definition.name for definition in shipped()} | {project.name for project in PROJECTS}
    if wanted - known:
        print(f"there is no {', '.join(sorted(wanted - known))}; there are {', '.join(sorted(known))}", file=sys.stderr)  # noqa: T201
        return 2
    projects.make(_DIRECTORY)
    shutil.rmtree(_DIRECTORY / "store", ignore_errors=True)
    trials: list[Trial] = []
    try:
        with running("up", "--port", "-1", directory=_DIRECTORY) as network:
            network.until("ready at ")
            asyncio.run(_all(network, wanted, trials))
            network.end()
    except KeyboardInterrupt:  # somebody has seen enough
        _print(trials)
        return 130
    _print(trials)
    return 0 if all(trial.good for trial in trials) else 1


if __name__ == "__main__":
    sys.exit(main())
