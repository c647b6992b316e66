"""Models that say what a test tells them, by AutoGen's replay client, and clients that fail."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from autogen_core.models import CreateResult, LLMMessage, ModelInfo, RequestUsage
from autogen_ext.models.replay import ReplayChatCompletionClient

from clones.models.asking import Model
from clones.models.client import Client
from clones.models.settings import Limits, ModelSettings, Prices

PRICES = Prices(prompt=1.0, answer=10.0)
REPLAY = "autogen_ext.models.replay.ReplayChatCompletionClient"


def answer(*entries: dict[str, Any], overview: str = "Mend the first.") -> str:
    return msgspec.json.encode({"overview": overview, "entries": entries}).decode()


class Replayed(ReplayChatCompletionClient):
    """Says one text after the other, and keeps what it was asked."""

    def __init__(self, *texts: str | CreateResult, json_output: bool = True) -> None:
        info = ModelInfo(
            vision=False, function_calling=False, json_output=json_output, family="unknown", structured_output=False
        )
        super().__init__(list(texts), info)
        self.messages: list[list[LLMMessage]] = []

    async def create(self, messages: Sequence[LLMMessage], **arguments: Any) -> CreateResult:
        self.messages.append(list(messages))
        return await super().create(messages, **arguments)


class Silent(Replayed):
    """Never answers, and is not to be stopped either."""

    def __init__(self) -> None:
        super().__init__()
        self.released = asyncio.Event()

    async def create(self, messages: Sequence[LLMMessage], **arguments: Any) -> CreateResult:
        while not self.released.is_set():
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                continue
        raise ConnectionError("it would have come to nothing")


def said(text: str, *, prompt_tokens: int = 100, answer_tokens: int = 20, cut_off: bool = False) -> CreateResult:
    """An answer whose tokens are known."""
    return CreateResult(
        finish_reason="length" if cut_off else "stop",
        content=text,
        usage=RequestUsage(prompt_tokens=prompt_tokens, completion_tokens=answer_tokens),
        cached=False,
    )


def model(client: ReplayChatCompletionClient, *, prices: Prices | None = None, **limits: Any) -> Model:
    settings = ModelSettings(provider=REPLAY, config={"model": "parrot"}, limits=Limits(**limits), prices=prices)
    return Model.of(settings, Client(client))


def model_file(directory: Path, *texts: str, **more: Any) -> Path:
    """The configuration of a model that says these texts."""
    path = directory / "model.json"
    path.write_bytes(msgspec.json.encode({"provider": REPLAY, "config": {"chat_completions": texts}, **more}))
    return path
