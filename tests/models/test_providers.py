"""What each provider's client sends over HTTP, and what is read of an answer in the provider's own form."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clones.models.asking import Adviser, Model
from clones.models.question import Form, Item, Question
from clones.models.questions import Explanation
from tests.clones.models.replaying import answer
from tests.models.conftest import INFO, OPENAI

QUESTION = Question("Explain them.", Explanation, (Item(about={"title": "a shell"}), Item(about={"title": "an eval"})))
GOOD = answer({"item": 2, "why": "because", "what_to_do": "mend it"})
ANSWER_TOKENS = 500
SCHEMA = Form.of(QUESTION, 2, ANSWER_TOKENS).schema()
ANSWERS: dict[str, Any] = {
    "/v1/chat/completions": {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": GOOD}}],
        "usage": {"prompt_tokens": 90, "completion_tokens": 30, "total_tokens": 120},
    },
    "/v1/messages": {
        "id": "1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": GOOD}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 90, "output_tokens": 30},
    },
    "/api/chat": {
        "model": "m",
        "created_at": "2026-03-01T12:00:00Z",
        "message": {"role": "assistant", "content": GOOD},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 90,
        "eval_count": 30,
    },
}
"""By path, an answer as the provider documents it."""


@dataclass
class Provider:
    """A server that keeps what it was asked."""

    address: str = ""
    asked: list[tuple[str, Any]] = field(default_factory=list)


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            provider.asked.append((self.path, body))
            sent = json.dumps(ANSWERS[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    provider.address = f"http://127.0.0.1:{server.server_port}"
    yield provider
    server.shutdown()
    thread.join()
    server.server_close()


async def asked(provider: Provider, directory: Path, component: dict[str, Any]) -> tuple[str, Any]:
    """The one request that a model of this configuration makes, whose answer is used."""
    path = directory / "model.json"
    path.write_bytes(msgspec.json.encode({**component, "limits": {"max_tokens": ANSWER_TOKENS * 8}}))
    model = Model.load(path)
    advice = await Adviser(model).ask("security", QUESTION)
    await model.client.close()
    assert (advice.outcome, advice.problem) == ("given", "")
    assert (advice.prompt_tokens, advice.answer_tokens) == (90, 30)
    assert [entry["about"]["title"] for entry in advice.entries] == ["an eval"]
    (request,) = provider.asked
    return request


@pytest.mark.parametrize(
    ("family", "limit"), [("unknown", "max_tokens"), ("gpt-4o", "max_tokens"), ("gpt-5", "max_completion_tokens")]
)
async def test_openai_is_given_the_schema_and_where_to_stop(
    provider: Provider, tmp_path: Path, family: str, limit: str
) -> None:
    config = {
        "model": "m",
        "api_key": "none",
        "base_url": f"{provider.address}/v1",
        "model_info": INFO | {"family": family},
    }
    path, body = await asked(provider, tmp_path, {"provider": OPENAI, "config": config})
    assert path == "/v1/chat/completions"
    assert body["response_format"]["json_schema"] == {"name": "answer", "strict": True, "schema": SCHEMA}
    assert {key: value for key, value in body.items() if key.startswith("max")} == {limit: ANSWER_TOKENS}
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


async def test_anthropic_is_told_the_shape_in_words(provider: Provider, tmp_path: Path) -> None:
    config = {"model": "claude-3-5-sonnet-20241022", "api_key": "none", "base_url": provider.address}
    kind = "autogen_ext.models.anthropic.AnthropicChatCompletionClient"
    path, body = await asked(provider, tmp_path, {"provider": kind, "config": config})
    assert path == "/v1/messages"
    assert body["max_tokens"] == ANSWER_TOKENS
    assert '"entries": [{"item": <its number>, "why"' in str(body["system"])
    assert "a shell" in str(body["messages"])


async def test_ollama_is_given_the_schema_and_where_to_stop(provider: Provider, tmp_path: Path) -> None:
    config = {"model": "llama3.2", "host": provider.address, "options": {"num_ctx": 4096}, "model_info": INFO}
    kind = "autogen_ext.models.ollama.OllamaChatCompletionClient"
    path, body = await asked(provider, tmp_path, {"provider": kind, "config": config})
    assert path == "/api/chat"
    assert body["format"] == SCHEMA
    assert body["options"] == {"num_ctx": 4096, "num_predict": ANSWER_TOKENS}
