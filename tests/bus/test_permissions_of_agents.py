"""What agents may do on the embedded server: runtimes of a clone, of the user `agents`, and of the operator, in one network."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from autogen_core import (
    AgentId,
    BaseAgent,
    ClosureAgent,
    ClosureContext,
    MessageContext,
    TopicId,
    TypeSubscription,
)

from bus.agent_runtime import NatsAgentRuntime
from bus.agents.addressing import Names
from bus.agents.errors import RuntimeFailed
from bus.connection import Connection, connect
from bus.server import EmbeddedServer
from bus.settings import ConnectionSettings
from bus.subjects import Subjects
from tests.bus.eventually import WITHIN_S
from tests.bus.test_permissions import assert_refused


class Word(msgspec.Struct):
    text: str


async def _answer(context: ClosureContext, message: Word, ctx: MessageContext) -> Word:
    return Word(f"{context.id} heard {message.text}")


@asynccontextmanager
async def runtime_of(settings: ConnectionSettings, agent_type: str, **options: Any) -> AsyncIterator[NatsAgentRuntime]:
    """A runtime with one agent type, on a connection of its own, that the server refuses nothing."""
    async with await connect(settings, name=agent_type, wait_s=WITHIN_S) as connection:
        runtime = NatsAgentRuntime(connection, **options)
        await runtime.start()
        await runtime.register_factory(
            agent_type, lambda: ClosureAgent(agent_type, _answer, unknown_type_policy="ignore")
        )
        await runtime.add_subscription(TypeSubscription("news", agent_type))
        try:
            yield runtime
            assert connection.refusals == ()
        finally:
            await runtime.close()


def without_inbox(settings: ConnectionSettings) -> ConnectionSettings:
    """As an application connects that knows a URL and a seed."""
    return msgspec.structs.replace(settings, inbox_prefix=None)


async def test_a_clone_and_an_application_call_each_other_and_hear_each_other_s_events(server: EmbeddedServer) -> None:
    async with (
        runtime_of(server.settings_for("beta"), "beta") as beta,
        runtime_of(server.settings_for("agents"), "one") as one,
        runtime_of(without_inbox(server.settings_for("agents")), "two") as two,
    ):
        everybody = {"beta": beta, "one": one, "two": two}
        for sender in everybody.values():
            for name in everybody:
                answer = await sender.send_message(Word("hello"), AgentId(name, "x"))
                assert answer == Word(f"{name}/x heard hello")
            # More than one message to an inbox, and `Done` later on.
            for _ in range(20):
                await sender.publish_message(Word("news"), TopicId("news", "all"))
            await sender.stop_when_idle()
            await sender.start()


class Counter(BaseAgent):
    """Returns how many messages it has had; its state is kept."""

    def __init__(self) -> None:
        super().__init__("counts")
        self._count = 0

    async def on_message_impl(self, message: Word, ctx: MessageContext) -> int:
        self._count += 1
        return self._count

    async def save_state(self) -> Mapping[str, Any]:
        # More than one message holds.
        return {"count": self._count, "large": "x" * 9_000_000}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self._count = state["count"]


@pytest.mark.parametrize("user", ["beta", "agents"])
async def test_durable_topics_and_kept_state_need_no_more_rights(server: EmbeddedServer, user: str) -> None:
    settings = server.settings_for(user)
    for sent in range(1, 3):
        async with runtime_of(settings, "other", durable_topics=("orders",), keep_state=True) as runtime:
            await runtime.register_factory(f"counter-{user}", Counter)
            counter = AgentId(f"counter-{user}", "large")
            assert await runtime.send_message(Word("one"), counter) == 2 * sent - 1
            await runtime.add_subscription(TypeSubscription("orders", f"counter-{user}"))
            await runtime.publish_message(Word("stored"), TopicId("orders", "large"))
            await runtime.stop_when_idle()


async def test_nobody_in_particular_is_told_at_once_as_whom_to_connect(server: EmbeddedServer) -> None:
    runtime = NatsAgentRuntime(server.url)
    for _ in range(3):
        async with asyncio.timeout(WITHIN_S):
            with pytest.raises(RuntimeFailed, match=r"does not let us .*NATS_NKEY=<its store>/keys/agents\.nk"):
                await runtime.send_message(Word("hello"), AgentId("beta", "x"))
    await runtime.close()


@pytest.mark.parametrize("options", [{}, {"durable_topics": ("orders",)}, {"keep_state": True}])
async def test_in_a_namespace_that_is_not_its_own_an_application_is_told_at_once(
    server: EmbeddedServer, options: dict[str, Any]
) -> None:
    runtime = NatsAgentRuntime(server.settings_for("agents"), namespace="elsewhere", **options)
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(RuntimeFailed, match=r"does not let us .*\(with the nkey in .*the agents of elsewhere need"):
            await runtime.start()
    await runtime.close()


@pytest_asyncio.fixture
async def application(server: EmbeddedServer) -> AsyncIterator[Connection]:
    async with await connect(server.settings_for("agents"), name="application", wait_s=WITHIN_S) as connection:
        yield connection


@pytest.mark.parametrize(
    "subject",
    [
        "sanctuary.settle.security.x",
        "sanctuary.event.security.x",
        "sanctuary.result.security.x",
        "sanctuary.call.command",
        "sanctuary.command.security",
        "sanctuary.handover.security.beta",
        "sanctuary.escalation.high.beta",
        "sanctuary.heartbeat.beta.1",
        "$KV.sanctuary_agents.claim.beta.security",
        "$KV.sanctuary_routes.table",
        "$JS.API.STREAM.DELETE.KV_sanctuary_agents",
        "$JS.API.STREAM.UPDATE.KV_sanctuary_agents",
        "$JS.API.STREAM.CREATE.SANCTUARY_MINE",
        "$JS.API.CONSUMER.CREATE.KV_sanctuary_agents.mine",
        "$JS.API.STREAM.PURGE.SANCTUARY_LEDGER",
        "$JS.API.CONSUMER.MSG.NEXT.SANCTUARY_LEDGER.task_security",
        "$O.sanctuary_artifacts.M.x",
    ],
)
async def test_an_application_may_not(application: Connection, subject: str) -> None:
    await assert_refused(application, subject)


@pytest.mark.parametrize(
    "subject",
    [
        "sanctuary.agent.beta.security",
        "sanctuary.agent.omega.security",
        "sanctuary.reply.>",
        "sanctuary.reply._INBOX_beta.>",
        "sanctuary.task.>",
        "sanctuary.command.>",
        "_INBOX_operator.>",
    ],
)
async def test_an_application_may_not_listen_to(application: Connection, subject: str) -> None:
    await application.client.subscribe(subject)
    await application.client.flush()
    assert [refusal.operation for refusal in application.refusals] == ["subscription"]


def test_the_rights_are_for_the_names_that_the_runtime_uses() -> None:
    subjects, names = Subjects("my-realm"), Names("my-realm")
    assert (f"KV_{subjects.agents}", f"KV_{subjects.agent_states}") == (names.stream, names.states_stream)
    assert subjects.topics == names.topics
