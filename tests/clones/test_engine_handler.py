"""From a task to an engine and back, on a real network with real engines."""

import asyncio
import base64
import hashlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus.artifacts import Artifacts
from clones import engine_handler, sandbox
from clones.engine_handler import BUDGET_SHARE, MAX_INLINE_BYTES, MIN_BUDGET_S, EngineHandler, Workshop, within_time
from clones.packing import pack
from clones.params import TargetParams
from clones.params import TestingParams as OfTesting  # pytest takes whatever is named Test… for tests
from clones.targets import TargetPolicy
from schemas import ArtifactRef, TaskCompletion, TaskFailure
from tests.clones.rig import ClonesRig


def project(workspace: Path, name: str = "project") -> Path:
    """A project of two modules."""
    directory = workspace / name
    (directory / "shop").mkdir(parents=True)
    (directory / "shop" / "__init__.py").write_text('"""A shop."""\n')
    (directory / "shop" / "till.py").write_text("def total(prices):\n    return sum(prices)\n")
    return directory


async def failure(rig: ClonesRig, params: dict[str, Any], task_type: str = "architecture") -> TaskFailure:
    result = await rig.run(task_type, params)
    assert isinstance(result, TaskFailure)
    return result


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"target": "project", "depth": 3}, "Object contains unknown field `depth`. "),
        ({"target": 7}, "Expected `str`, got `int` - at `$.params.target`"),
        ({"target": ""}, "length >= 1 - at `$.params.target`"),
        ({}, "missing required field `target`"),
    ],
)
async def test_parameters_that_do_not_fit_are_told(clones_rig: ClonesRig, params: dict[str, Any], says: str) -> None:
    async with clones_rig.clone("gamma"):
        result = await failure(clones_rig, params)
    assert (result.code, result.retryable, result.attempt) == ("incompatible_task", False, 1)
    assert result.message.startswith("architecture cannot use these parameters: ")
    assert says in result.message
    assert result.message.endswith("It takes: target, budget_s")


@pytest.mark.parametrize(
    ("target", "code", "says"),
    [
        ("nowhere", "target_not_found", "there is no {workspace}/nowhere on this clone's machine"),
        ("project/nowhere", "target_not_found", "there is no {workspace}/project/nowhere"),
        ("project/shop/till.py", "target_not_found", "is a file, and a target is a directory"),
        ("..", "target_refused", "is outside the directories that this clone may read ({workspace})"),
        ("/etc", "target_refused", "target '/etc' is refused: /etc is outside"),
        ("project/out", "target_refused", "is outside the directories"),
        ("ftp://example.org/x", "target_refused", "git targets are https://"),
        ("artifact:uploads/none.tar.gz", "target_not_found", "upload it first (sanctuary submit --upload)"),
    ],
)
async def test_a_target_that_cannot_be_used_is_told(
    clones_rig: ClonesRig, workspace: Path, target: str, code: str, says: str
) -> None:
    (project(workspace) / "out").symlink_to("/usr")
    async with clones_rig.clone("gamma"):
        result = await failure(clones_rig, {"target": target})
    assert (result.code, result.retryable) == (code, False)
    assert says.format(workspace=workspace) in result.message


async def fetched(rig: ClonesRig, ref: ArtifactRef, path: Path) -> bytes:
    """Get an artifact and hold it against its claim check."""
    await Artifacts(rig.network).get(ref.name, path)
    content = await asyncio.to_thread(path.read_bytes)
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
    assert (len(content), f"SHA-256={digest}") == (ref.size_bytes, ref.digest)
    return content


async def test_small_findings_travel_in_the_result(clones_rig: ClonesRig, workspace: Path, tmp_path: Path) -> None:
    directory = project(workspace)
    async with clones_rig.clone("gamma"):
        result = await clones_rig.run("architecture", {"target": "project"}, id="it")
    assert isinstance(result, TaskCompletion)
    assert (result.output["target"], result.output["revision"]) == (str(directory), None)
    assert result.output["data"]["modules"] == 2
    assert "data_artifact" not in result.output
    views = {f"c4-{view}.{kind}" for view in ("context", "containers", "components") for kind in ("svg", "mmd")}
    assert {ref.filename for ref in result.artifacts} == {"graph.json", "architecture.svg", "architecture.mmd", *views}
    for ref in result.artifacts:
        assert ref.name == f"it/1/{ref.filename}"
        assert await fetched(clones_rig, ref, tmp_path / "artifact")


async def test_an_uploaded_target(clones_rig: ClonesRig, workspace: Path, tmp_path: Path) -> None:
    archive = tmp_path / "upload.tar.gz"
    pack(project(tmp_path / "elsewhere"), archive)
    artifacts = Artifacts(clones_rig.network)
    await artifacts.put(archive, name="uploads/it.tar.gz", filename="it.tar.gz", media_type="application/gzip")
    async with clones_rig.clone("gamma"):
        result = await clones_rig.run("architecture", {"target": "artifact:uploads/it.tar.gz"})
    assert isinstance(result, TaskCompletion), result
    assert result.output["target"] == "artifact:uploads/it.tar.gz"
    assert result.output["data"]["modules"] == 2


async def test_the_revision_of_a_work_tree_is_told(clones_rig: ClonesRig, workspace: Path) -> None:
    directory = project(workspace)
    git = ("git", "-C", str(directory), "-c", "user.name=A", "-c", "user.email=a@example.org")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first")):
        subprocess.run((*git, *arguments), check=True)  # noqa: ASYNC221 - quick
    head = subprocess.check_output((*git, "rev-parse", "HEAD"), text=True).strip()  # noqa: ASYNC221
    async with clones_rig.clone("gamma"):
        result = await clones_rig.run("architecture", {"target": "project"})
    assert isinstance(result, TaskCompletion)
    assert result.output["revision"] == head


@pytest.fixture
def hostile(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Engines come from a copy that has the hostile ones too."""
    monkeypatch.setattr(sandbox, "_ROOT", root)
    yield


class Probed(TargetParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    budget_s: float = 600.0
    length: int = 0


def probe(rig: ClonesRig, workspace: Path, engine: str) -> EngineHandler:
    workshop = Workshop(
        network=rig.network, artifacts=Artifacts(rig.network), targets=TargetPolicy(workspace=workspace)
    )
    return EngineHandler(f"clones.engines.hostile:{engine}", Probed, workshop)


@pytest.mark.usefixtures("hostile")
async def test_an_engine_learns_when_the_attempt_ends(clones_rig: ClonesRig, workspace: Path) -> None:
    handler = probe(clones_rig, workspace, "tells_its_budget")
    async with clones_rig.clone("gamma", {"architecture": handler}):
        short = await clones_rig.run("architecture", {"target": "."}, timeout_s=101)
        long = await clones_rig.run("architecture", {"target": "."}, timeout_s=1000)
        own = await clones_rig.run("architecture", {"target": ".", "budget_s": 20}, timeout_s=101)
    # of the short one, what was left once its target was there
    for result, most_s, least_s in ((short, 85.0, MIN_BUDGET_S), (long, 600.0, 600.0), (own, 20.0, 20.0)):
        assert isinstance(result, TaskCompletion), result
        assert least_s <= result.output["data"]["budget_s"] <= most_s


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(("spare", "travels"), [(12, False), (0, True)])
async def test_large_findings_travel_as_an_artifact(
    clones_rig: ClonesRig, workspace: Path, tmp_path: Path, spare: int, travels: bool
) -> None:
    handler = probe(clones_rig, workspace, "finds_much")
    text = "x" * (MAX_INLINE_BYTES - spare)
    async with clones_rig.clone("gamma", {"architecture": handler}):
        result = await clones_rig.run("architecture", {"target": ".", "length": len(text)})
    assert isinstance(result, TaskCompletion), result
    if not travels:
        assert (result.output["data"], result.artifacts) == ({"text": text}, ())
        return
    (ref,) = result.artifacts
    assert "data" not in result.output
    assert (result.output["data_artifact"], ref.filename, ref.media_type) == (ref.name, "data.json", "application/json")
    assert msgspec.json.decode(await fetched(clones_rig, ref, tmp_path / "data.json")) == {"text": text}


@pytest.mark.usefixtures("hostile")
async def test_a_slow_engine_ends_with_its_own_error(
    clones_rig: ClonesRig, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        engine_handler, "FINISH_S", 60.0
    )  # whatever else the machine does, the attempt goes on for so long
    handler = probe(clones_rig, workspace, "never_ends")
    async with clones_rig.clone("gamma", {"architecture": handler}):
        result = await clones_rig.run("architecture", {"target": "."}, timeout_s=62, retries=0)
    assert isinstance(result, TaskFailure)
    assert result.code == "engine_timeout"
    assert re.search(r"no answer within [12](\.\d+)? s", result.message)


def test_the_budget_is_cut_to_the_attempts_time() -> None:
    testing = OfTesting(target=".", budget_s=600)
    assert within_time(testing, 1000) is testing
    assert within_time(testing, 100) == OfTesting(target=".", budget_s=100 * BUDGET_SHARE)
    assert within_time(testing, 1) == OfTesting(target=".", budget_s=MIN_BUDGET_S)
    without = TargetParams(target=".")
    assert within_time(without, 1) is without
