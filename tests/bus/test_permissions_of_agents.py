"""What agents may do on the embedded server: runtimes of a clone, of the user `agents`, and of the operator, in one network."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import pytest_asyncio
from autogen_core import (
    AgentId,
    ClosureAgent,
    ClosureContext,
    MessageContext,
    TopicId,
    TypeSubscription,
)

from bus.agent_runtime import NatsAgentRuntime
from bus.agents.addressing import Names
from bus.connection import Connection, connect
from bus.server import EmbeddedServer
from bus.settings import ConnectionSettings
from bus.subjects import Subjects
from tests.bus.test_permissions import assert_refused


class Word(msgspec.Struct):
    text: str


async def _answer(context: ClosureContext, message: Word, ctx: MessageContext) -> Word:
    return Word(f"{context.id} heard {message.text}")


@asynccontextmanager
async def runtime_of(settings: ConnectionSettings, agent_type: str) -> AsyncIterator[NatsAgentRuntime]:
    """A runtime with one agent type, on a connection of its own."""
    async with await connect(settings, name=agent_type, wait_s=5) as connection:
        runtime = NatsAgentRuntime(connection)
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


@pytest_asyncio.fixture
async def application(server: EmbeddedServer) -> AsyncIterator[Connection]:
    async with await connect(server.settings_for("agents"), name="application", wait_s=5) as connection:
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
    assert Subjects("my-realm").agents == Names("my-realm").bucket
