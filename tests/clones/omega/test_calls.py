"""Calls: a request goes in, a task's result comes back, and whatever happens, something does."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from bus.task import Done, Task, TaskError
from clones.omega import calls
from schemas import JSON, MSGPACK, TaskAssignment, TaskCompletion, TaskFailure, TaskResult, decode, new_id
from tests.bus.eventually import eventually
from tests.clones.rig import ClonesRig

CODE, WORDS = "Nats-Service-Error-Code", "Nats-Service-Error"


class Stub:
    """Does at once what it is asked, or as the target's name says."""

    def __init__(self) -> None:
        self.starts: list[str] = []
        self.go_on = asyncio.Event()

    async def __call__(self, task: Task) -> Done:
        self.starts.append(task.id)
        match task.params["target"]:
            case "fails":
                raise TaskError("engine_failed", "not today:\r\nthe façade\n is down", details={"why": 7})
            case "waits":
                await self.go_on.wait()
            case "counts":
                return Done(output={"large": 2**80})
        return Done(summary="done", output={"target": task.params["target"]})


@pytest_asyncio.fixture
async def stub(clones_rig: ClonesRig) -> AsyncIterator[Stub]:
    """Beta and Delta without engines."""
    stub = Stub()
    async with (
        clones_rig.clone("beta", {"security": stub}, capacity=64),
        clones_rig.clone("delta", {"testing": stub}, capacity=8),
    ):
        yield stub


async def call(
    rig: ClonesRig, task_type: str, body: Any, *, headers: Mapping[str, str] | None = None, timeout_s: float = 30
) -> Msg:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    subject = rig.subjects.call(task_type)
    return await rig.network.client.request(
        subject, data, timeout=timeout_s, headers=dict(headers) if headers else None
    )


def header(message: Msg, name: str) -> str | None:
    return (message.headers or {}).get(name)


async def test_the_answer_is_the_result(clones_rig: ClonesRig, stub: Stub) -> None:
    async with clones_rig.omega():
        answer = await call(clones_rig, "security", {"id": "mine", "params": {"target": "here"}})
    assert header(answer, "Content-Type") == JSON
    assert header(answer, CODE) is None
    result: TaskResult = decode(TaskResult, answer.data)
    assert isinstance(result, TaskCompletion)
    assert (result.task_id, result.task_type, result.output) == ("mine", "security", {"target": "here"})
    assert await clones_rig.network.results.read("security", "mine") == result
    assert stub.starts == ["mine"]


async def test_an_alias_is_resolved(clones_rig: ClonesRig, stub: Stub) -> None:
    async with clones_rig.omega():
        answer = await call(clones_rig, "test-strategy", {"params": {"target": "here"}})
    result: TaskResult = decode(TaskResult, answer.data)
    assert (result.task_type, result.clone) == ("testing", "delta")


async def test_a_failure_stands_in_headers_and_body(clones_rig: ClonesRig, stub: Stub) -> None:
    async with clones_rig.omega():
        answer = await call(clones_rig, "security", {"params": {"target": "fails"}})
    assert header(answer, CODE) == "engine_failed"
    assert header(answer, WORDS) == "not today: the façade is down"
    result: TaskResult = decode(TaskResult, answer.data)
    assert isinstance(result, TaskFailure)
    assert result.message == "not today:\r\nthe façade\n is down"
    assert result.details == {"why": 7}


async def test_messagepack_in_and_out(clones_rig: ClonesRig, stub: Stub) -> None:
    async with clones_rig.omega():
        for target, code in (("here", None), ("fails", "engine_failed")):
            body = msgspec.msgpack.encode({"params": {"target": target}})
            answer = await call(clones_rig, "security", body, headers={"Content-Type": MSGPACK})
            assert (header(answer, "Content-Type"), header(answer, CODE)) == (MSGPACK, code)
            result: TaskResult = decode(TaskResult, answer.data, MSGPACK)
            assert isinstance(result, TaskFailure) == (code is not None)


@pytest.mark.parametrize(
    ("task_type", "body", "code", "says"),
    [
        ("securty", b"{}", "unknown_task_type", "no clone serves 'securty'; known: security,"),
        ("workflow.revue", b"{}", "unknown_workflow", "there is no workflow 'revue'; known: design, incident,"),
        ("security", b"{", "invalid_assignment", "the body is not JSON"),
        ("security", b"\xff\x00\xfe", "invalid_assignment", "the body is not JSON"),
        ("security", b"", "incompatible_task", "missing required field `target`"),
        ("security", b'{"params":{"target":"x"},"id":"seq-1"}', "invalid_assignment", "belong to the network"),
        ("security", b'{"params":{"target":"x"},"reply_to":"sanctuary.x"}', "invalid_assignment", "only an inbox"),
        ("testing", b'{"params":{"target":"x","budget_s":1}}', "incompatible_task", "at `$.params.budget_s`"),
        ("security", b'{"params":{"target":"' + b"x" * 2**20 + b'"}}', "invalid_assignment", "1,048,600 bytes"),
        ("workflow.review", b'{"input":{"depth":1}}', "incompatible_task", "takes no input depth"),
        ("workflow.review", b'{"params":{"target":"x"}}', "invalid_assignment", "unknown field `params`"),
    ],
)
async def test_what_cannot_become_a_task_is_refused_at_once(
    clones_rig: ClonesRig, task_type: str, body: bytes, code: str, says: str
) -> None:
    async with clones_rig.omega():
        answer = await call(clones_rig, task_type, body)
    assert (answer.data, header(answer, CODE)) == (b"", code)
    assert says in (header(answer, WORDS) or "")
    for family in ("task", "workflow"):
        assert await clones_rig.bus.in_stream(clones_rig.subjects.ledger, clones_rig.subjects.every(family)) == []


async def test_what_messagepack_can_say_and_json_cannot(clones_rig: ClonesRig, stub: Stub) -> None:
    headers = {"Content-Type": MSGPACK}
    async with clones_rig.omega():
        # 700 kB of control characters are 4 MB of JSON.
        body = msgspec.msgpack.encode({"params": {"target": "here"}, "labels": {"\x01" * 700_000: ""}})
        answer = await call(clones_rig, "security", body, headers=headers)
        assert header(answer, CODE) == "invalid_assignment"
        assert "bytes and may have 1,048,576" in (header(answer, WORDS) or "")
        # A number beyond 64 bits is JSON and no MessagePack.
        body = msgspec.msgpack.encode({"params": {"target": "counts"}})
        answer = await call(clones_rig, "security", body, headers=headers)
        assert header(answer, CODE) == "handler_failed"


async def test_two_omegas_share_the_calls_and_answer_each_once(clones_rig: ClonesRig, stub: Stub) -> None:
    answers: Counter[str] = Counter()
    ids = [new_id() for _ in range(40)]
    client = clones_rig.network.client
    inbox = client.new_inbox()

    async def on_answer(message: Msg) -> None:
        result: TaskResult = decode(TaskResult, message.data)
        assert message.subject == f"{inbox}.{result.task_id}"
        answers[result.task_id] += 1

    await client.subscribe(f"{inbox}.*", cb=on_answer)
    async with clones_rig.omega(), clones_rig.omega():
        for task_id in ids:
            body = json.dumps({"id": task_id, "params": {"target": "here"}}).encode()
            await client.publish(clones_rig.subjects.call("security"), body, reply=f"{inbox}.{task_id}")
        await eventually(lambda: answers.keys() >= set(ids), within_s=30)
        handled = await _handled_by_each(clones_rig)
    # Both have stopped, so whatever would have been said twice has been.
    await client.flush()
    assert answers == Counter(ids)
    assert sorted(stub.starts) == sorted(ids)
    assert sum(handled) == 40
    assert min(handled) > 0


async def _handled_by_each(rig: ClonesRig) -> list[int]:
    """How many calls each Omega took, as `nats micro stats` tells."""
    client, found = rig.network.client, {}
    inbox = client.new_inbox()

    async def on_answer(message: Msg) -> None:
        told = json.loads(message.data)
        found[told["id"]] = next(each for each in told["endpoints"] if each["name"] == "call")["num_requests"]

    subscription = await client.subscribe(inbox, cb=on_answer)
    await client.publish(f"$SRV.STATS.{rig.subjects.realm}-omega", b"", reply=inbox)
    await eventually(lambda: len(found) == 2)
    await subscription.unsubscribe()
    return list(found.values())


async def test_several_callers_of_one_task(clones_rig: ClonesRig, stub: Stub) -> None:
    """A caller that asks again, with the id of before, while the first call still waits; both are answered."""
    body = {"id": "same", "params": {"target": "waits"}}
    async with clones_rig.omega():
        waiting = [asyncio.create_task(call(clones_rig, "security", body)) for _ in range(3)]
        await eventually(lambda: stub.starts != [])
        stub.go_on.set()
        answers = await asyncio.gather(*waiting)
        late = await call(clones_rig, "security", body)
    assert len({answer.data for answer in (*answers, late)}) == 1
    assert stub.starts == ["same"]


async def test_a_caller_that_is_gone_harms_nobody(clones_rig: ClonesRig, stub: Stub) -> None:
    async with clones_rig.omega():
        with pytest.raises(TimeoutError):
            await call(clones_rig, "security", {"id": "gone", "params": {"target": "waits"}}, timeout_s=0.2)
        await eventually(lambda: stub.starts == ["gone"])
        stub.go_on.set()
        assert isinstance(await clones_rig.bus.result("gone", "security"), TaskCompletion)
        answer = await call(clones_rig, "security", {"params": {"target": "here"}})
        assert header(answer, CODE) is None
    assert await clones_rig.escalations() == []


async def test_no_more_callers_are_kept_in_mind_than_there_is_room_for(
    clones_rig: ClonesRig, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "MOST", 1)
    async with clones_rig.omega():
        first = asyncio.create_task(call(clones_rig, "security", {"params": {"target": "waits"}}))
        await eventually(lambda: len(stub.starts) == 1)
        refused = await call(clones_rig, "security", {"params": {"target": "x"}})
        assert refused.headers is not None
        assert refused.headers[CODE] == "network_unavailable"
        assert refused.headers[WORDS].startswith("nothing was stored: 1 calls wait here")
        stub.go_on.set()
        await first
        after = await call(clones_rig, "security", {"params": {"target": "x"}})
    assert isinstance(decode(TaskResult, after.data), TaskCompletion)
    assert len(stub.starts) == 2


async def test_a_call_without_a_reply_subject_harms_nobody(clones_rig: ClonesRig, stub: Stub) -> None:
    async with clones_rig.omega():
        for body in (b"{", b'{"id":"quiet","params":{"target":"here"}}'):
            await clones_rig.network.client.publish(clones_rig.subjects.call("security"), body)
        assert isinstance(await clones_rig.bus.result("quiet", "security"), TaskCompletion)
        assert header(await call(clones_rig, "security", {"params": {"target": "here"}}), CODE) is None
    assert await clones_rig.escalations() == []


async def test_an_omega_that_stops_tells_who_waits(clones_rig: ClonesRig, stub: Stub) -> None:
    async with clones_rig.omega():
        waiting = asyncio.create_task(call(clones_rig, "security", {"id": "slow", "params": {"target": "waits"}}))
        await eventually(lambda: stub.starts == ["slow"])
    answer = await waiting
    assert header(answer, CODE) == "network_unavailable"
    assert header(answer, WORDS) == "this Omega stops; ask for security slow by its id"
    stub.go_on.set()
    assert isinstance(await clones_rig.bus.result("slow", "security"), TaskCompletion)


async def test_what_fails_unexpectedly_is_answered_and_escalated(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise LookupError("unlike any other\nerror")

    monkeypatch.setattr(calls, "read_call", broken)
    async with clones_rig.omega():
        answer = await call(clones_rig, "security", {"params": {"target": "here"}})
        assert header(answer, CODE) == "handler_failed"
        assert header(answer, WORDS) == "LookupError: unlike any other error"

        async def escalated() -> bool:
            return [told.message for told in await clones_rig.escalations()] == ["LookupError: unlike any other\nerror"]

        await eventually(escalated)


async def test_a_command_is_answered_with_its_verdict(clones_rig: ClonesRig) -> None:
    await clones_rig.submitter.submit("security", TaskAssignment(id="t"))
    body = {"type": "TaskCancel", "task_id": "t", "task_type": "security-analysis", "reason": "too late"}
    async with clones_rig.omega():
        done = await call(clones_rig, "command", body)
        again = await call(clones_rig, "command", body)
        packed = await call(clones_rig, "command", msgspec.msgpack.encode(body), headers={"Content-Type": MSGPACK})
    verdict: TaskResult = decode(TaskResult, done.data)
    assert isinstance(verdict, TaskCompletion)
    assert (verdict.task_type, verdict.summary, header(done, CODE)) == ("command", "security t is cancelled", None)
    assert isinstance(await clones_rig.network.results.read("security", "t"), TaskFailure)
    assert header(again, CODE) == "command_refused"
    assert "security t was cancelled" in (header(again, WORDS) or "")
    assert isinstance(decode(TaskResult, again.data), TaskFailure)
    assert isinstance(decode(TaskResult, packed.data, MSGPACK), TaskFailure)
    assert len(await clones_rig.bus.in_stream(clones_rig.subjects.ledger, clones_rig.subjects.every("command"))) == 3


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "the body is not JSON"),
        (b"", "missing required field `type`. A command is an object whose `type` is one of TaskCancel"),
        (b'{"type":"TaskAssignment"}', "at `$.type`"),
        (b'{"type":"TaskCancel","task_id":"t","task_type":"security","force":true}', "unknown field `force`"),
        (b'{"type":"TaskCancel","task_id":"a b","task_type":"security"}', "at `$.task_id`"),
        (b'{"type":"TaskCancel","task_id":"' + b"x" * 2**20 + b'"}', "a command may have 1,048,576"),
    ],
)
async def test_what_is_no_command_is_refused_at_once(clones_rig: ClonesRig, body: bytes, says: str) -> None:
    async with clones_rig.omega():
        answer = await call(clones_rig, "command", body)
    assert (answer.data, header(answer, CODE)) == (b"", "invalid_assignment")
    assert says in (header(answer, WORDS) or "")
    assert await clones_rig.bus.in_stream(clones_rig.subjects.ledger, clones_rig.subjects.every("command")) == []
