"""A clone with a language model: its words stand beside the engine's facts, and never in the way of the task."""

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus.artifacts import Artifacts
from clones import engine_handler
from clones.models.asking import Adviser
from schemas import TaskCompletion
from tests.clones.models.replaying import Replayed, Silent, answer, model, said
from tests.clones.rig import ClonesRig

CODE = "import subprocess\n\n\ndef go(text: str) -> None:\n    subprocess.run(text, shell=True)\n    eval(text)\n"
WORDS = answer({"item": 1, "why": "It is reachable.", "what_to_do": "Pass a list."})


def project(workspace: Path) -> None:
    directory = workspace / "project"
    directory.mkdir()
    (directory / "run.py").write_text(CODE)
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=directory, check=True)


async def run(rig: ClonesRig, adviser: Adviser | None, task_type: str = "security", **more: Any) -> TaskCompletion:
    clone = {"security": "beta", "documentation": "sigma", "architecture": "gamma"}[task_type]
    async with rig.clone(clone, adviser=adviser):
        result = await rig.run(task_type, {"target": "project", **more.pop("params", {})}, **more)
    assert isinstance(result, TaskCompletion), result
    return result


def facts(result: TaskCompletion) -> Any:
    """What the engine found, without how long it took."""
    data = msgspec.json.decode(msgspec.json.encode(result.output["data"]))
    for engine in data["engines"]:
        del engine["duration_s"]
    return data


async def test_the_facts_are_the_same_with_a_model_and_its_words_apart(clones_rig: ClonesRig, workspace: Path) -> None:
    project(workspace)
    without = await run(clones_rig, None)
    assert "advice" not in without.output
    result = await run(clones_rig, Adviser(model(Replayed(said(WORDS)))))
    assert facts(result) == facts(without)
    assert result.summary == without.summary
    assert set(result.output) == {*without.output, "advice"}
    advice = result.output["advice"]
    assert (advice["outcome"], advice["model"], advice["answer_tokens"]) == ("given", "parrot", 20)
    (entry,) = advice["entries"]
    assert entry["why"] == "It is reachable."
    found = {finding["fingerprint"]: finding for finding in result.output["data"]["findings"]}
    about = entry["about"]
    assert {key: found[about["fingerprint"]][key] for key in about} == about


@pytest.mark.parametrize(
    ("client", "outcome"), [(Replayed("nonsense", "more of it"), "unusable"), (Replayed(), "failed")]
)
async def test_a_model_that_fails_fails_no_task(
    clones_rig: ClonesRig, workspace: Path, client: Replayed, outcome: str
) -> None:
    project(workspace)
    result = await run(clones_rig, Adviser(model(client)))
    assert result.output["advice"]["outcome"] == outcome
    assert result.output["advice"]["problem"]
    assert result.output["data"]["findings"]
    assert result.attempt == 1


async def test_a_silent_model_delays_no_task_beyond_its_own_time(
    clones_rig: ClonesRig, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The model's time ends long before the attempt's: the machine may be busy in between.
    monkeypatch.setattr(engine_handler, "FINISH_S", 40.0)
    project(workspace)
    client = Silent()
    result = await run(
        clones_rig, Adviser(model(client, timeout_s=3600)), "architecture", timeout_s=60.0, within_s=100.0
    )
    client.released.set()
    assert result.output["advice"]["outcome"] == "timeout"
    assert (result.finished_at - result.started_at).total_seconds() < 60


async def test_sigma_s_report_holds_its_own_advice(clones_rig: ClonesRig, workspace: Path, tmp_path: Path) -> None:
    project(workspace)
    security = await run(clones_rig, None)
    words = answer({"item": 1, "text": "What runs commands."}, overview="A project that runs commands.")
    over = {"report_over": [{"task_type": "security", "task_id": security.task_id}]}
    result = await run(clones_rig, Adviser(model(Replayed(said(words)))), "documentation", params=over)
    assert result.output["advice"]["outcome"] == "given"
    report = next(ref for ref in result.artifacts if ref.filename == "report.md")
    await Artifacts(clones_rig.network).get(report.name, tmp_path / "report.md")
    assert (tmp_path / "report.md").read_text().count("A project that runs commands.") == 1
