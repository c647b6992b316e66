"""Writing the files that tasks and runs leave into a directory."""

import asyncio
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bus.artifacts import Artifacts
from bus.network import Network
from ops.cli.text import clean
from schemas import ArtifactRef, TaskCompletion, TaskFailure

if TYPE_CHECKING:
    from ops.workflows import Run


def relative_path(filename: str) -> PurePosixPath:
    """Return a path that stays below the directory it is joined to, whatever the producer called the file."""
    parts = [part for part in PurePosixPath(clean(filename)).parts if part not in ("/", "//", "..")]
    return PurePosixPath(*parts) if parts else PurePosixPath("artifact")


class Fetched:
    """Writes artifacts into directories, each once."""

    def __init__(self, network: Network) -> None:
        self._artifacts = Artifacts(network)
        self._names: set[str] = set()
        self.files: list[Path] = []
        """What was written."""

    async def fetch(self, ref: ArtifactRef, directory: Path) -> None:
        """Write a file unless it was written before, under another name where one of its name was.

        Raises:
            SanctuaryError: it could not be fetched.
            OSError: it could not be written.
        """
        if ref.name in self._names:
            return
        self._names.add(ref.name)
        path = directory / relative_path(ref.filename)
        if path in self.files:
            path = path.with_name(f"{len(self.files)}-{path.name}")
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        await self._artifacts.get(ref.name, path)
        self.files.append(path)


async def fetch_run(network: Network, run: "Run", output: Path, *, top: Collection[str] | None = None) -> list[Path]:
    """Write the files of a run's result into `output`, and those of its steps into directories of their names below it.

    With `top`, only files of these names go to the top. Returns what was written, the result's first.

    Raises:
        SanctuaryError: a file could not be fetched.
        OSError: one could not be written.
    """
    fetched = Fetched(network)
    result = run.story.result
    for ref in result.artifacts if isinstance(result, TaskCompletion) else ():
        if top is None or ref.filename in top:
            await fetched.fetch(ref, output)
    for ended in run.ended:
        if ended.compensation:
            continue
        made = await network.results.read(ended.task_type, ended.task_id)
        if made is None or isinstance(made, TaskFailure):
            continue
        directory = output / ended.step if ended.index is None else output / ended.step / str(ended.index)
        for ref in made.artifacts:
            await fetched.fetch(ref, directory)
    return fetched.files
