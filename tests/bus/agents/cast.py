"""Agents and messages of the tests, in a module that every process can import."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autogen_core import (
    AgentId,
    AgentRuntime,
    BaseAgent,
    DefaultTopicId,
    MessageContext,
    RoutedAgent,
    TopicId,
    default_subscription,
    event,
    message_handler,
    rpc,
)
from pydantic import BaseModel


@dataclass
class Ask:
    number: int


@dataclass
class Reply:
    number: int
    pid: int


@dataclass
class Note:
    number: int
    to: str = ""


@dataclass
class Wait:
    seconds: float


@dataclass
class Fail:
    text: str


@dataclass
class Nothing: ...


@dataclass
class Relay:
    agent_type: str
    key: str


@dataclass
class Round:
    number: int


@dataclass
class Seen:
    numbers: list[int] = field(default_factory=list)


class Text(BaseModel):
    text: str


class OwnError(Exception):
    """Its constructor takes something else than its arguments are."""

    def __init__(self, text: str, *, code: int) -> None:
        super().__init__(f"{text} ({code})")
        self.code = code


class Worker(RoutedAgent):
    """Answers, fails, waits, counts and relays."""

    def __init__(self) -> None:
        super().__init__("answers")
        self.count = 0
        self.cancelled = 0
        self.waiting = 0
        self.seen: list[int] = []

    @rpc
    async def ask(self, message: Ask, ctx: MessageContext) -> Reply:
        self.count += 1
        await asyncio.sleep(0)
        return Reply(message.number, os.getpid())

    @rpc
    async def fail(self, message: Fail, ctx: MessageContext) -> Reply:
        raise OwnError(message.text, code=7)

    @rpc
    async def nothing(self, message: Nothing, ctx: MessageContext) -> None:
        self.count += 1

    @rpc
    async def wait(self, message: Wait, ctx: MessageContext) -> Reply:
        sleep = asyncio.ensure_future(asyncio.sleep(message.seconds))
        ctx.cancellation_token.link_future(sleep)
        self.waiting += 1
        try:
            await sleep
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Reply(0, os.getpid())

    @rpc
    async def relay(self, message: Relay, ctx: MessageContext) -> Reply:
        answer = await self.send_message(
            Wait(30), AgentId(message.agent_type, message.key), cancellation_token=ctx.cancellation_token
        )
        assert isinstance(answer, Reply)
        return answer

    @event
    async def note(self, message: Note, ctx: MessageContext) -> None:
        self.seen.append(message.number)
        if message.to:
            await self.publish_message(Note(message.number), TopicId(message.to, self.id.key))

    @rpc
    async def told(self, message: Seen, ctx: MessageContext) -> Seen:
        return Seen(list(self.seen))

    async def save_state(self) -> Mapping[str, Any]:
        return {"count": self.count}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.count = state["count"]


@default_subscription
class Cascading(RoutedAgent):
    """Publishes on, to all others of its kind, up to a number of rounds."""

    def __init__(self, rounds: int) -> None:
        super().__init__("cascades")
        self.rounds = rounds
        self.count = 0

    @message_handler
    async def on_round(self, message: Round, ctx: MessageContext) -> None:
        self.count += 1
        if message.number < self.rounds:
            await self.publish_message(Round(message.number + 1), DefaultTopicId())


@default_subscription
class Failing(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("fails")

    @event
    async def on_note(self, message: Note, ctx: MessageContext) -> None:
        raise OwnError("an event failed", code=message.number)


class Anything(BaseAgent):
    """Gives back whatever it gets."""

    def __init__(self) -> None:
        super().__init__("gives back")

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        return message


async def take_worker(runtime: AgentRuntime, agent_type: str = "worker", *topics: str) -> None:
    from autogen_core import TypeSubscription

    await Worker.register(runtime, agent_type, Worker)
    for topic in topics:
        await runtime.add_subscription(TypeSubscription(topic, agent_type))
