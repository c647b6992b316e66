"""Pipelines: trigger, look for, follow."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, HTTPException, Query
from fastapi.responses import PlainTextResponse

from app.models import Checkout, Search, Shell, Trigger
from app.services import conditions, shell
from app.services.runs import Runs, get_runs
from app.settings import Settings, audit, settings

router = APIRouter()
Config = Annotated[Settings, Depends(settings)]
Collection = Annotated[Runs, Depends(get_runs)]


@router.post("/trigger")
async def trigger(wanted: Trigger, config: Config) -> dict[str, str]:
    """Start a pipeline."""
    where = config.workspace / str(wanted.project)
    head = await shell.output(f"git rev-parse origin/{wanted.branch}", where)
    audit.info("trigger of %s", wanted.project)  # seeded: twin log-injection typed
    return {"head": head.strip()}


@router.post("/checkout/{project}")
def checkout(project: int, wanted: Checkout, config: Config) -> dict[str, str]:
    """Bring a branch into a workspace."""
    shell.checkout(config.workspace / str(project), wanted)
    return {"branch": wanted.branch}


@router.post("/clone/{project}")
def clone(project: int, config: Config, address: Annotated[str, Body(embed=True)]) -> dict[str, str]:
    """Fetch a project for the first time."""
    shell.clone(address, config.workspace / str(project))
    audit.info(f"cloned {address} as {project}")  # seeded: flaw log-injection direct
    return {"state": "cloned"}


@router.post("/tag/{project}")
def tag(project: int, config: Config, name: str, message: str = "") -> None:
    """Tag a project's head."""
    shell.tag(config.workspace / str(project), name, message)


@router.post("/step/{project}")
def step(project: int, config: Config, body: Trigger, kind: Shell = Shell.bash) -> int:
    """Run a project's script."""
    return shell.step(kind, config.workspace / str(project), body.variables)


@router.get("/log/{project}", response_class=PlainTextResponse)
async def log(project: int, config: Config, path: str = ".") -> str:
    """The commits of a path."""
    argv = ["git", "log", "--oneline", "-n", "50", "--", path]
    return "\n".join([line async for line in shell.lines(argv, config.workspace / str(project))])


@router.post("/search")
async def search(wanted: Search, runs: Collection) -> list[dict[str, Any]]:
    """Runs by author and status."""
    return await runs.find(wanted)


@router.get("/by/{author}")
async def by(author: str, runs: Collection) -> list[dict[str, Any]]:
    """Runs of an author."""
    return await runs.of_author(author)


@router.get("/duration")
async def duration(runs: Collection, condition: str = "> 600") -> list[dict[str, Any]]:
    """Runs by how long they took."""
    return await runs.longer_than(condition)


@router.get("/slow")
async def slow(runs: Collection, seconds: float = 600) -> list[dict[str, Any]]:
    """Slow runs."""
    return await runs.slow(seconds)


@router.get("/grep")
async def grep(runs: Collection, pattern: str) -> list[str]:
    """The names of the runs whose output matches."""
    found: list[str] = []

    def look(run: dict[str, Any]) -> None:
        if re.search(pattern, run["output"]):  # seeded: flaw regex-injection closure
            found.append(run["name"])

    await runs.each(look)
    return found


@router.get("/grep/fixed")
async def grep_fixed(runs: Collection, text: Annotated[str, Query(max_length=200)]) -> list[str]:
    """The names of the runs whose output has a line that begins with a text."""
    begins = re.compile("^" + re.escape(text), re.MULTILINE)  # seeded: twin regex-injection sanitised
    found: list[str] = []
    await runs.each(lambda run: found.append(run["name"]) if begins.search(run["output"]) else None)
    return found


@router.post("/dry-run")
async def dry_run(text: Annotated[str, Body()], branch: str = "main") -> list[str]:
    """Which steps of a pipeline's file would run."""
    try:
        pipeline = conditions.parse(text)
    except ValueError as error:
        raise HTTPException(422, "no pipeline") from error
    values = {"branch": branch, **conditions.variables(pipeline.get("variables", ""))}
    steps = [each for each in pipeline["steps"] if conditions.Condition(each.get("when", "True")).holds(values)]
    return [each["name"] for each in steps if conditions.compare(each.get("unless", "branch != ''"), values)]


@router.get("/title")
async def title(project: str, branch: str, template: str = "") -> dict[str, str]:
    """What a run would be called."""
    values = {"project": project, "branch": branch, "template": template}
    return {"long": conditions.title(template, values), "short": conditions.short_title(values)}
