"""`--model FILE`: a clone with a model tells what it asked, one without has no trace of any, and a bad file starts nothing."""

from pathlib import Path

import pytest

from bus.identity import Identity
from clones.models.advice import Asked
from ops.metrics import Metrics
from schemas import TaskAssignment, TaskCompletion
from tests.clones.models.replaying import answer, model_file
from tests.clones.test_advice import project
from tests.ops.rig import OpsRig
from tests.ops.test_metrics import scrape, total, url_of

WORDS = answer({"item": 1, "why": "It is reachable.", "what_to_do": "Pass a list."})


async def test_a_clone_s_process_asks_its_model_and_counts(ops_rig: OpsRig, tmp_path: Path) -> None:
    project(tmp_path)
    file = model_file(tmp_path, WORDS, prices={"prompt": 1.0, "answer": 10.0})
    arguments = ("clone", "beta", "--workspace", tmp_path, "--metrics-port", "0", "--model", file)
    process = await ops_rig.start(*arguments)
    try:
        url = await url_of(ops_rig, "beta")
        assignment = TaskAssignment(params={"target": "project"})
        result = await ops_rig.bus.submitter.run("security", assignment, timeout_s=90)
        families = await scrape(url)
    finally:
        process.terminate()
        _, log = await process.communicate()
    assert process.returncode == 0, log.decode()
    assert isinstance(result, TaskCompletion)
    advice = result.output["advice"]
    assert advice["outcome"] == "given"
    labels = {"clone": "beta", "task_type": "security", "model": "ReplayChatCompletionClient"}
    assert total(families, "sanctuary_model_requests_total", outcome="usable", **labels) == 1
    assert total(families, "sanctuary_model_tokens_total", kind="prompt", **labels) == advice["prompt_tokens"] > 0
    assert total(families, "sanctuary_model_tokens_total", kind="answer", **labels) == advice["answer_tokens"] > 0
    assert total(families, "sanctuary_model_cost_usd_total", **labels) == pytest.approx(advice["cost_usd"])


async def test_a_clone_without_a_model_has_no_such_series(ops_rig: OpsRig) -> None:
    metrics = Metrics(Identity("beta"), ops_rig.bus.network)
    with metrics.served(0) as url:
        assert url is not None
        assert not [family for family in await scrape(url) if family.name.startswith("sanctuary_model")]
        metrics.model_observer()(
            Asked(
                task_type="security",
                model="parrot",
                outcome="failed",
                prompt_tokens=0,
                answer_tokens=0,
                cost_usd=None,
                took_s=0.5,
            )
        )
        families = await scrape(url)
    assert total(families, "sanctuary_model_requests_total", outcome="failed", model="parrot") == 1
    assert total(families, "sanctuary_model_seconds_total") == 0.5


@pytest.mark.parametrize("command", [("clone", "beta"), ("up", "--port", "-1"), ("review", "--up", ".")])
async def test_a_file_that_cannot_be_used_starts_nothing(
    ops_rig: OpsRig, tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = tmp_path / "model.toml"
    file.write_text('provider = "autogen_ext.models.replay.ReplayChatCompletionClient"\n')
    ended = await ops_rig.cli(*command, "--model", file, "--store", tmp_path / "store", cwd=tmp_path)
    assert ended.status == 2
    assert ended.err.startswith(f"sanctuary: {file}: config.chat_completions: Field required")
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "store").exists()


async def test_a_review_that_starts_no_clones_takes_no_model(ops_rig: OpsRig, tmp_path: Path) -> None:
    ended = await ops_rig.cli("review", ".", "--model", model_file(tmp_path), cwd=tmp_path)
    assert (ended.status, ended.err) == (
        2,
        "sanctuary: --model is for a network that this command starts: add --up, or give it to the clones that run\n",
    )
