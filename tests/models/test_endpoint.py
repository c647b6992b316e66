"""A language model behind clones, against a real endpoint that speaks OpenAI's API: SmolLM2-135M on this machine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clones.models.asking import Adviser, Model
from clones.models.question import MAX_ENTRIES
from clones.models.questions import question
from clones.models.settings import ModelUnusable
from schemas import TaskAssignment, TaskCompletion
from tests.clones.engines.report.inputs import DATA
from tests.clones.models.test_page import FILES
from tests.clones.test_advice import CODE
from tests.models.conftest import INFO, ModelFile
from tests.models.endpoint import NAME
from tests.ops.network import WITHIN_S, running
from tests.ops.test_metrics import scrape, total

ADVISED_S = 600.0
"""Enough for two answers of so small a model on a machine with much else to do."""


@contextlib.asynccontextmanager
async def loaded(path: Path) -> AsyncIterator[Model]:
    model = Model.load(path)
    try:
        yield model
    finally:
        await model.client.close()


def check_outcome(outcome: str, problem: str) -> None:
    """The schema that the endpoint holds the model to lets it miss in two ways only: too many tokens, and texts of blanks.

    Whether it does is the model's affair and the machine's, and no matter here.
    """
    if outcome == "given":
        assert problem == ""
    else:
        assert outcome == "unusable"
        assert "cut off" in problem or "texts that are empty" in problem


@pytest.mark.parametrize("task_type", DATA)
async def test_each_clone_s_question_gets_an_answer_in_its_shape(
    address: str, model_file: ModelFile, task_type: str
) -> None:
    asked = question(task_type, DATA[task_type])
    assert asked is not None
    async with loaded(model_file(address)) as model:
        advice = await Adviser(model).ask(task_type, asked)
    check_outcome(advice.outcome, advice.problem)
    assert 1 <= advice.requests <= 2
    assert bool(advice.overview) == bool(advice.entries) == (advice.outcome == "given")
    assert len(advice.entries) <= MAX_ENTRIES
    wanted = {"about", *(name for name in asked.entry.__struct_fields__ if name != "item")}
    assert all(set(entry) == wanted and all(entry.values()) for entry in advice.entries)
    titles = {item.about["title"] for item in asked.items}
    assert {entry["about"]["title"] for entry in advice.entries} <= titles
    assert 0 < advice.prompt_tokens <= advice.requests * 4000
    assert 0 < advice.answer_tokens <= advice.requests * 500
    cost = (advice.prompt_tokens * 0.15 + advice.answer_tokens * 0.6) / 1e6
    assert advice.cost_usd == pytest.approx(cost)


@pytest.mark.parametrize("json_mode", [True, False])
async def test_what_a_model_says_without_a_schema_is_checked_all_the_same(
    address: str, model_file: ModelFile, json_mode: bool
) -> None:
    """So small a model hardly ever hits the shape by itself; what matters is that words are there or a reason is, and the tokens."""
    asked = question("security", DATA["security"])
    assert asked is not None
    async with loaded(model_file(address, info=INFO | {"json_output": json_mode, "structured_output": False})) as model:
        advice = await Adviser(model).ask("security", asked)
    assert advice.outcome in ("unusable", "given")
    assert bool(advice.entries) == (advice.outcome == "given") == (not advice.problem)
    assert advice.answer_tokens > 0


async def test_an_endpoint_that_does_not_answer_is_left_when_the_time_is_over(model_file: ModelFile) -> None:
    reached, left = asyncio.Event(), asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            reached.set()
        writer.close()
        await writer.wait_closed()
        left.set()

    asked = question("security", DATA["security"])
    assert asked is not None
    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        # On a busy machine the time may be over before the question is sent.
        for timeout_s in (1.0, 10.0, 60.0):
            async with loaded(model_file(f"http://127.0.0.1:{port}", timeout_s=timeout_s)) as model:
                advice = await Adviser(model).ask("security", asked)
                assert advice.outcome == "timeout"
                if reached.is_set():
                    await left.wait()
                    break
        assert left.is_set()


async def test_an_endpoint_that_is_not_there_is_told(model_file: ModelFile) -> None:
    asked = question("security", DATA["security"])
    assert asked is not None
    async with loaded(model_file("http://127.0.0.1:9")) as model:
        advice = await Adviser(model).ask("security", asked)
    assert (advice.outcome, advice.problem) == (
        "failed",
        "APIConnectionError: Connection error. (at http://127.0.0.1:9)",
    )


async def test_what_an_endpoint_says_of_its_key_stays_secret(model_file: ModelFile) -> None:
    refused = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(line for line in head.splitlines() if line.lower().startswith("content-length"))
        # A connection that is closed with something unread is reset, and perhaps the answer with it.
        await reader.readexactly(int(length.partition(":")[2]))
        key = next(line for line in head.splitlines() if line.lower().startswith("authorization"))
        body = msgspec.json.encode({"error": {"message": f"not with {key}"}})
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        refused.set()

    asked = question("security", DATA["security"])
    assert asked is not None
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with loaded(model_file(f"http://127.0.0.1:{port}")) as model:
            advice = await Adviser(model).ask("security", asked)
            await refused.wait()
    assert advice.outcome == "failed"
    assert "AuthenticationError" in advice.problem
    assert "[redacted]" in advice.problem
    assert "sk-not" not in advice.problem


async def test_a_network_with_a_model_advises_on_what_its_clones_find(
    address: str, model_file: ModelFile, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "run.py").write_text(CODE)
    path = model_file(address, timeout_s=ADVISED_S)
    with running("up", "--port", "-1", "--drain", "1", "--model", path, directory=tmp_path) as network:
        network.until("ready at")
        async with network.open() as client:
            assignment = TaskAssignment(params={"target": "project"}, timeout_s=ADVISED_S + WITHIN_S)
            result = await client.submitter.run("security", assignment, timeout_s=ADVISED_S + 2 * WITHIN_S)
            beta = (await client.all_ready("beta"))["beta"]
            assert beta.metrics_url is not None
            families = await scrape(beta.metrics_url)
        assert network.end() == 0
    assert isinstance(result, TaskCompletion)
    advice: dict[str, Any] = result.output["advice"]
    assert advice["model"] == NAME
    check_outcome(advice["outcome"], advice["problem"])
    fingerprints = {finding["fingerprint"] for finding in result.output["data"]["findings"]}
    assert {entry["about"]["fingerprint"] for entry in advice["entries"]} <= fingerprints
    assert total(families, "sanctuary_model_requests_total") == advice["requests"] > 0
    assert total(families, "sanctuary_model_tokens_total", kind="prompt") == advice["prompt_tokens"]
    assert total(families, "sanctuary_model_tokens_total", kind="answer") == advice["answer_tokens"]
    assert total(families, "sanctuary_model_cost_usd_total") == pytest.approx(advice["cost_usd"])
    assert "sk-not" not in network.log
    assert CODE.splitlines()[-1].strip() not in network.log


@pytest.mark.parametrize("text", FILES)
async def test_the_page_s_files_are_loaded(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of OpenAI, a server of one's own, Anthropic and Ollama; the keys come from the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-none")
    path = tmp_path / "model.toml"
    path.write_text(text)
    async with loaded(path) as model:
        assert f'model = "{model.name}"' in text


async def test_a_key_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    path = tmp_path / "model.toml"
    path.write_text(FILES[0])
    with pytest.raises(ModelUnusable, match=r"model\.toml: config: .*OPENAI_API_KEY"):
        Model.load(path)


async def test_a_model_that_autogen_does_not_know_needs_its_info(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text(FILES[1].partition("[config.model_info]")[0])
    with pytest.raises(ModelUnusable, match=r"model\.toml: config: .*model_info is required"):
        Model.load(path)
