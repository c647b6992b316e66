"""Clones as agents, on an embedded server with its permissions: each clone, Omega and the application are users of their own."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
import pytest_asyncio
from autogen_core import AgentId, AgentRuntime, CancellationToken, ClosureAgent, ClosureContext, MessageContext
from autogen_core.exceptions import CantHandleException

from bus.agents.errors import RecipientNotFound, WorkerLost
from bus.identity import Identity
from bus.network import open_network
from bus.server import EmbeddedServer, ServerOptions
from bus.task import Done, Task, TaskError
from clones.agent import Desk, runtime_on
from clones.agent_keys import Keys
from clones.base import Clone, serves
from clones.harness import Harness, network_of
from schemas import ErrorCode, Route, TaskAssignment, TaskCompletion, TaskFailure
from tests.bus.eventually import WITHIN_S, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


WHISPER = Route(clone="whisperer", fallback=("shouter",), retries=0)


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str = ""


class Shouter(Clone):
    name = "shouter"
    routes: ClassVar = {
        "shout": Route(clone="shouter", retries=0),
        "linger": Route(clone="shouter", retries=0, timeout_s=60),
        "ask": Route(clone="shouter", retries=0),
        "whisper": WHISPER,
    }
    lingering: ClassVar[dict[str, "asyncio.Future[None]"]] = {}

    @serves("shout")
    async def shout(self, task: Task, params: Params) -> Done:
        if not params.text:
            raise TaskError(ErrorCode.INCOMPATIBLE_TASK, "there is nothing to shout")
        return Done(summary="shouted", output=params.text.upper())

    @serves("linger")
    async def linger(self, task: Task, params: Params) -> Done:
        self.lingering[task.id] = asyncio.get_running_loop().create_future()
        await self.lingering[task.id]
        return Done()

    @serves("ask")
    async def ask(self, task: Task, params: Params) -> Done:
        runtime = await self.workshop.agents()
        echo = await runtime.send_message(Params(text=params.text), AgentId("echo", "default"))
        whisper = await runtime.send_message(
            TaskAssignment(params={"text": echo.text}), AgentId("whisperer", "default")
        )
        return Done(output=whisper.output)

    @serves("whisper")
    async def whisper(self, task: Task, params: Params) -> Done:
        return Done(output=params.text)


class Whisperer(Clone):
    name = "whisperer"
    routes: ClassVar = {"whisper": WHISPER}

    @serves("whisper")
    async def whisper(self, task: Task, params: Params) -> Done:
        return Done(output=f"({params.text})")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network() -> AsyncIterator[Harness]:
    async with network_of(Shouter, Whisperer) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runtime(network: Harness) -> AgentRuntime:
    """A foreign application's."""
    return await network.agents()


def facts(result: TaskCompletion | TaskFailure) -> dict[str, Any]:
    """What two results of equal tasks have in common."""
    own = ("task_id", "started_at", "finished_at", "writer")
    return {name: value for name, value in msgspec.to_builtins(result).items() if name not in own}


def linger(task_id: str = "") -> TaskAssignment:
    return TaskAssignment(id=task_id or f"linger-{len(Shouter.lingering)}")


async def begun(task_id: str) -> "asyncio.Future[None]":
    await eventually(lambda: task_id in Shouter.lingering)
    return Shouter.lingering[task_id]


@pytest.mark.parametrize(
    ("params", "kind"), [({"text": "hi"}, TaskCompletion), ({}, TaskFailure), ({"txet": "hi"}, TaskFailure)]
)
async def test_a_task_has_the_same_result_by_an_agent_as_by_its_subject(
    network: Harness, runtime: AgentRuntime, params: dict[str, str], kind: type[TaskCompletion | TaskFailure]
) -> None:
    labels = {"of": "us"}
    by_agent = await runtime.send_message(TaskAssignment(params=params, labels=labels), AgentId("shouter", "shout"))
    by_subject = await network.run("shout", params, labels=labels)
    assert isinstance(by_agent, kind)
    assert facts(by_agent) == facts(by_subject)
    # It stands where all results stand.
    assert await network.result("shout", by_agent.task_id) == by_agent


@pytest.mark.parametrize(
    "malformed",
    [
        TaskAssignment(params=7),  # type: ignore[arg-type]
        TaskAssignment(params={"text": "hi"}, timeout_s=-1),
        TaskAssignment(id="seq-7"),
        TaskAssignment(reply_to="sanctuary.settle.shout.x"),
        TaskAssignment(params={"text": "x" * 1_100_000}),
    ],
)
async def test_what_is_no_assignment_is_refused_in_the_words_that_its_subject_gives(
    network: Harness, runtime: AgentRuntime, malformed: TaskAssignment
) -> None:
    by_agent = await runtime.send_message(malformed, AgentId("shouter", "shout"))
    assert (type(by_agent), by_agent.code) == (TaskFailure, ErrorCode.INVALID_ASSIGNMENT)
    stored = await network.network.client.request(
        network.network.subjects.task("shout"), msgspec.json.encode(malformed), timeout=WITHIN_S
    )
    by_subject = await network.result("shout", f"seq-{msgspec.json.decode(stored.data)['seq']}")
    assert facts(by_agent) == facts(by_subject)


async def test_the_key_is_the_task_type(runtime: AgentRuntime) -> None:
    assignment = TaskAssignment(params={"text": "hi"})
    assert (await runtime.send_message(assignment, AgentId("whisperer", "default"))).output == "(hi)"
    assert (await runtime.send_message(assignment, AgentId("omega", "whisper"))).output == "(hi)"
    # In another clone's place it may be asked too; who does the task is decided as ever.
    assert (await runtime.send_message(assignment, AgentId("shouter", "whisper"))).clone == "whisperer"
    for agent in (AgentId("shouter", "default"), AgentId("shouter", "shuot")):
        with pytest.raises(
            RecipientNotFound, match="its task types, ask, linger, shout; in place of others also whisper"
        ):
            await runtime.send_message(assignment, agent)
    with pytest.raises(RecipientNotFound, match=r"its task types, ask, linger, shout, whisper$"):
        await runtime.send_message(assignment, AgentId("omega", "default"))
    with pytest.raises(CantHandleException, match=r"takes a schemas\.TaskAssignment, and no Params"):
        await runtime.send_message(Params(), AgentId("shouter", "shout"))


async def test_fifty_at_once_get_each_its_own_result(runtime: AgentRuntime) -> None:
    sent = [
        runtime.send_message(TaskAssignment(params={"text": f"no. {n}"}), AgentId("shouter", "shout"))
        for n in range(50)
    ]
    assert [result.output for result in await asyncio.gather(*sent)] == [f"NO. {n}" for n in range(50)]


async def test_a_task_that_is_sent_twice_runs_once(runtime: AgentRuntime) -> None:
    once = TaskAssignment(id="once", params={"text": "hi"})
    first = await runtime.send_message(once, AgentId("shouter", "shout"))
    assert await runtime.send_message(once, AgentId("shouter", "shout")) == first


async def test_a_clone_s_handler_calls_foreign_agents_and_other_clones(network: Harness, runtime: AgentRuntime) -> None:
    async def answer(context: ClosureContext, message: Params, ctx: MessageContext) -> Params:
        return Params(text=f"{message.text} {message.text}")

    await runtime.register_factory("echo", lambda: ClosureAgent("echo", answer, unknown_type_policy="ignore"))
    result = await network.run("ask", {"text": "hi"})
    assert isinstance(result, TaskCompletion)
    assert result.output == "(hi hi)"


async def test_cancelling_the_token_ends_the_task(network: Harness, runtime: AgentRuntime) -> None:
    assignment, token = linger(), CancellationToken()
    sent = asyncio.create_task(runtime.send_message(assignment, AgentId("shouter", "linger"), cancellation_token=token))
    running = await begun(str(assignment.id))

    async def is_told() -> bool:
        return bool(await network.events("linger", str(assignment.id)))

    await eventually(is_told)
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sent
    result = await network.result("linger", str(assignment.id))
    assert isinstance(result, TaskFailure)
    assert (result.code, result.message, result.attempt) == (ErrorCode.CANCELLED, "cancelled by its caller", 1)
    await asyncio.wait((running,), timeout=WITHIN_S)
    assert running.cancelled()


async def test_who_cancelled_is_named_and_a_task_that_is_still_being_stored_ends_too(
    network: Harness, runtime: AgentRuntime
) -> None:
    """Cancelled at once, a call may be on its way, being stored, or waiting: the task is not there, or it has ended."""
    ended = 0
    for pause_ms in (*range(10), None):
        assignment, token = linger(f"early-{pause_ms}"), CancellationToken()
        call = runtime.send_message(
            assignment, AgentId("shouter", "linger"), sender=AgentId("planner", "today"), cancellation_token=token
        )
        sent = asyncio.create_task(call)
        if pause_ms is None:
            await begun(str(assignment.id))
        else:
            await asyncio.sleep(pause_ms / 1000)
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sent
        # A later task of the same type has gone all the way: so had this one, if it was stored.
        stored = await network.network.client.request(
            network.network.subjects.task("linger"), msgspec.json.encode({"params": {"wrong": 1}}), timeout=WITHIN_S
        )
        await network.result("linger", f"seq-{msgspec.json.decode(stored.data)['seq']}")
        if str(assignment.id) in Shouter.lingering:
            result = await network.result("linger", str(assignment.id))
            assert isinstance(result, TaskFailure)
            assert (result.code, result.message) == (ErrorCode.CANCELLED, "cancelled by the agent planner/today")
            ended += 1
    assert ended


def stands_still(pid: int) -> bool:
    """Tell whether a signal has stopped all threads of a process: until then it may answer."""
    states = [file.read_text().rpartition(")")[2].split()[0] for file in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(state == "T" for state in states)


async def test_an_agent_that_leaves_while_its_network_does_not_answer_keeps_nobody_waiting(tmp_path: Path) -> None:
    server = EmbeddedServer(ServerOptions(store=tmp_path / "store", port=-1, clones={}))
    async with server, open_network(server.settings_for("operator"), server.subjects, name="us") as alone:
        runtime = runtime_on(alone)
        desk = Desk(alone, Identity("shouter"), lambda: Keys(("shout",)))
        await runtime.start()
        await desk.open(runtime)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            await eventually(lambda: stands_still(server.pid))
            asking = desk.ask(AgentId("shouter", "shout"), TaskAssignment(), None)
            await asyncio.sleep(0)  # it begins to store
            async with asyncio.timeout(20):
                await desk.close(0)
            with pytest.raises(WorkerLost, match="stops; whether the task is stored is unknown"):
                await asking
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await runtime.close()


async def test_a_task_that_somebody_else_ends_comes_back_as_it_ended(network: Harness, runtime: AgentRuntime) -> None:
    assignment = linger()
    sent = asyncio.create_task(runtime.send_message(assignment, AgentId("shouter", "linger")))
    (await begun(str(assignment.id))).set_result(None)
    assert isinstance(await sent, TaskCompletion)
