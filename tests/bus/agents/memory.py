"""Agents with a state."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_core import AgentId, MessageContext, RoutedAgent, event, message_handler, rpc
from autogen_ext.models.replay import ReplayChatCompletionClient

from tests.bus.agents.cast import Note, Seen

ONE = AgentId("memory", "one")


@dataclass
class Add:
    number: int
    after_s: float = 0.0
    is_held: bool = False
    """Until the agent is told to go on."""
    error: str = ""


@dataclass
class Added:
    numbers: list[int]
    pid: int


@dataclass
class Grow:
    size: int


@dataclass
class Spoil:
    """Give the agent a state that cannot be written."""


class Memory(RoutedAgent):
    """Remembers numbers, and as many letters as it is told to."""

    def __init__(self) -> None:
        super().__init__("remembers")
        self.numbers: list[int] = []
        self.text: Any = ""
        self.waiting = 0
        self.saves = 0
        self.go_on = asyncio.Event()

    @rpc
    async def add(self, message: Add, ctx: MessageContext) -> Added:
        self.waiting += 1
        if message.after_s:
            await asyncio.sleep(message.after_s)
        if message.is_held:
            await self.go_on.wait()
        self.numbers.append(message.number)
        if message.error:
            raise ValueError(message.error)
        return Added(list(self.numbers), os.getpid())

    @rpc
    async def grow(self, message: Grow, ctx: MessageContext) -> int:
        before = len(self.text)
        self.text = letters(message.size)
        return before

    @rpc
    async def spoil(self, message: Spoil, ctx: MessageContext) -> None:
        self.text = object()

    @event
    async def note(self, message: Note, ctx: MessageContext) -> None:
        self.numbers.append(message.number)

    @rpc
    async def told(self, message: Seen, ctx: MessageContext) -> Seen:
        return Seen(list(self.numbers))

    async def save_state(self) -> Mapping[str, Any]:
        self.saves += 1
        numbers = list(self.numbers)
        await asyncio.sleep(0)
        return {"numbers": numbers, "text": self.text}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        # An agent that has a state of its own already would have both.
        self.numbers += state["numbers"]
        self.text += state["text"]


def letters(size: int) -> str:
    return ("abcdefghijklmnopqrstuvwxyz" * (size // 26 + 1))[:size]


@dataclass
class Say:
    text: str


@dataclass
class Shown:
    texts: list[str]


class Talker(RoutedAgent):
    """Talks as an AssistantAgent does, and tells how much of the conversation its model was shown."""

    def __init__(self, *replies: str) -> None:
        super().__init__("talks")
        self._model = ReplayChatCompletionClient(replies)
        self._assistant = AssistantAgent("talker", self._model)

    @message_handler
    async def say(self, message: Say, ctx: MessageContext) -> Shown:
        said: list[BaseChatMessage] = [TextMessage(content=message.text, source="user")]
        await self._assistant.on_messages(said, ctx.cancellation_token)
        return Shown([str(shown.content) for shown in self._model.create_calls[-1]["messages"]][1:])

    async def save_state(self) -> Mapping[str, Any]:
        return await self._assistant.save_state()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        await self._assistant.load_state(state)
