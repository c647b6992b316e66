"""How long the clones take on whole projects: all engines that run nothing of the target, two at a time."""

import asyncio
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from clones import params
from clones.engines.contract import EngineError
from clones.params import TargetParams
from clones.sandbox import Limits, run_engine
from tests.eval.fetching import NotFetchedError, source
from tests.eval.outcome import Part, Row, Told, Verdict, absent

ENGINES: Mapping[str, type[TargetParams]] = {
    "security": params.SecurityParams,
    "architecture": params.ArchitectureParams,
    "documentation": params.DocumentationParams,
    "design": params.DesignParams,
    "code_map": params.CodeMapParams,
    "knowledge": params.KnowledgeParams,
    "strategy": params.StrategyParams,
}
"""The longest first."""
_AT_A_TIME = 2
_TIMEOUT_S = 600.0


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project, and how long its review may take."""

    name: str
    version: str
    limit_s: float


PROJECTS = (Project(name="flask", version="3.1.0", limit_s=30), Project(name="django", version="5.1.4", limit_s=180))


def measure(tell: Told) -> Part:
    """Run all engines on each project."""
    rows: list[Row] = []
    verdicts: list[Verdict] = []
    load = os.getloadavg()[0]  # before our own engines are in it
    for project in PROJECTS:
        try:
            target = source(project.name, project.version)
        except NotFetchedError as error:
            verdicts.append(absent(str(error), demanded=True))
            continue
        tell(f"{project.name} {project.version}")
        begin = time.monotonic()
        took, failed = asyncio.run(_run_all(target))
        seconds = time.monotonic() - begin
        material = f"{project.name} {project.version}"
        rows += (Row(material=material, engine=engine, seconds=took[engine]) for engine in ENGINES)
        rows.append(Row(material=material, engine="all, two at a time", seconds=seconds))
        verdicts += (Verdict(text=f"{material}, {engine}: {why}", holds=False) for engine, why in failed.items())
        verdicts.append(within(material, seconds, project.limit_s, os.cpu_count() or 1, load))
    return Part(
        name="speed",
        title="whole projects, by all engines that run nothing of them",
        rows=tuple(rows),
        verdicts=tuple(verdicts),
    )


def within(material: str, seconds: float, limit_s: float, cores: int, load: float) -> Verdict:
    """Return whether a review took less than it may; a machine that is busy with other things cannot say that it did not."""
    text = f"{material}: all engines within {limit_s:.0f} s on two cores; they took {seconds:.0f} s"
    if seconds <= limit_s:
        return Verdict(text=text, holds=True)
    is_busy = cores < _AT_A_TIME or load > cores + 1
    why = f", on {cores} cores with a load of {load:.0f}: measure on a quiet machine" if is_busy else ""
    return Verdict(text=text + why, holds=None if is_busy else False)


def _asked(kind: type[TargetParams], target: Path) -> TargetParams:
    if kind is params.StrategyParams:
        return params.StrategyParams(target=str(target), drafts=0)
    return kind(target=str(target))


async def _run_all(target: Path) -> tuple[dict[str, float], dict[str, str]]:
    """Return the seconds of each engine, and what those said that failed."""
    took: dict[str, float] = {}
    failed: dict[str, str] = {}
    free = asyncio.Semaphore(_AT_A_TIME)

    async def run(engine: str, kind: type[TargetParams], out: Path) -> None:
        async with free:
            begin = time.monotonic()
            try:
                await run_engine(
                    engine=f"clones.engines.{engine}:analyse",
                    target=target,
                    params=_asked(kind, target),
                    out=out,
                    limits=Limits(timeout_s=_TIMEOUT_S),
                    on_progress=lambda *_: None,
                )
            except EngineError as error:
                failed[engine] = error.message
            took[engine] = time.monotonic() - begin

    with tempfile.TemporaryDirectory(prefix="sanctuary-eval-") as scratch:
        outs = {engine: Path(scratch) / engine for engine in ENGINES}
        for out in outs.values():
            out.mkdir()
        async with asyncio.TaskGroup() as group:
            for engine, kind in ENGINES.items():
                group.create_task(run(engine, kind, outs[engine]))
    return took, failed
