"""What reads a target runs nothing of it, follows nothing out of it, changes nothing, and comes to its end."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from clones.engines.contract import EngineOutput
from clones.params import PARAMS, CompareParams, TargetParams
from clones.sandbox import Limits, run_engine
from tests.clones.engines.hostile.hazards import HAZARDS, WORD, write_outside, write_project

RUNNING = {"performance", "scalability", "testing", "triage", "mutation"}
"""Types whose engines run the target's code, in a copy."""
READING = sorted(PARAMS.keys() - RUNNING)
MORE = {"impact": {"files": ["pkg/core.py"]}, "strategy": {"drafts": 0}}
"""Parameters with which they run nothing."""
TOGETHER = ("calls_home", "git_settings", "names", "not_utf8", "links", "special_files")
"""Hazards that one target can have all at once; in an order in which none takes another's place."""
MARKUP = (b"<script>alert", b"<img src=x onerror", b"\x1b]0;", b"\x1b[31m")
_TOLD_BYTES = 1024 * 1024


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory with the small project in `target`, and `outside` beside it."""
    write_project(tmp_path / "target")
    write_outside(tmp_path / "outside")
    yield tmp_path
    for directory, names, _ in os.walk(tmp_path):
        for name in names:
            if not Path(directory, name).is_symlink():
                Path(directory, name).chmod(0o700)  # so that pytest can remove it


@pytest.mark.parametrize("task_type", READING)
async def test_everything_at_once_harms_nothing(task_type: str, place: Path) -> None:
    await _survives(task_type, TOGETHER, place)


@pytest.mark.chaos
@pytest.mark.parametrize("hazard", HAZARDS)
@pytest.mark.parametrize("task_type", READING)
async def test_a_hazard_harms_nothing(task_type: str, hazard: str, place: Path) -> None:
    await _survives(task_type, (hazard,), place)


async def _survives(task_type: str, hazards: Iterable[str], place: Path) -> None:
    target, outside, out = place / "target", place / "outside", place / "out"
    out.mkdir()
    for hazard in hazards:
        HAZARDS[hazard](target, outside)
    before = _told(target) | _told(outside)

    _check(place, await _run(task_type, target, out), before)


def _check(place: Path, output: EngineOutput, before: dict[str, tuple[object, ...]]) -> None:
    target, outside, out = place / "target", place / "outside", place / "out"
    assert _told(target) | _told(outside) == before, "neither the target nor what lies beside it has changed"
    assert not [path for path in place.rglob("*") if path.name == "PWNED"], "nothing of the target was run"
    assert output.summary
    written = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert {out / file.name for file in output.files} <= written.keys()
    told = [msgspec.json.encode(output), *written.values()]
    assert not [text for text in told if WORD.encode() in text], "nothing outside was read"
    for path, text in written.items():
        if path.suffix in {".svg", ".html"}:
            assert not [markup for markup in MARKUP if markup in text], path.name


async def _run(task_type: str, target: Path, out: Path) -> EngineOutput:
    kind: type[TargetParams] = CompareParams if task_type == "api-changes" else PARAMS[task_type]
    return await run_engine(
        engine=f"clones.engines.{task_type.replace('-', '_')}:analyse",
        target=target,
        params=msgspec.convert({"target": str(target), **MORE.get(task_type, {})}, kind),
        out=out,
        limits=Limits(timeout_s=120),
        on_progress=lambda _fraction, _message: None,
    )


def _told(directory: Path) -> dict[str, tuple[object, ...]]:
    """Return what each entry below a directory is, with the content of what is not large."""
    told: dict[str, tuple[object, ...]] = {}
    for place, directories, files in os.walk(directory):
        for name in (*directories, *files):
            path = Path(place, name)
            status = path.lstat()
            whole = stat.S_ISREG(status.st_mode) and status.st_size <= _TOLD_BYTES and os.access(path, os.R_OK)
            held = path.read_bytes() if whole else path.readlink() if path.is_symlink() else b""
            told[str(path)] = (status.st_mode, status.st_size if path.is_file() else 0, held)
    return told
