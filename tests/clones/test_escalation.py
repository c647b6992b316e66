"""Whatever a daemon should not have raised stands in the ledger."""

import asyncio

import pytest
from msgspec.structs import replace
from nats.aio.msg import Msg

import clones.escalation
from bus.identity import Identity
from bus.observer import Crash
from bus.task import Done, Task
from clones.escalation import Escalations
from schemas import ErrorCode, ErrorEscalation, TaskAssignment, TaskFailure, TaskParked, decode
from tests.bus.eventually import WITHIN_S, eventually
from tests.clones.rig import TABLE, ClonesRig, put_table


async def at_once(_: Task) -> Done:
    return Done(summary="done")


async def escalated(rig: ClonesRig, count: int) -> list[ErrorEscalation]:
    async def there() -> bool:
        return len(await rig.escalations()) >= count

    await eventually(there)
    found = await rig.escalations()
    assert len(found) == count
    return found


async def test_a_handlers_exception(clones_rig: ClonesRig) -> None:
    async def broken(task: Task) -> Done:
        raise LookupError(f"nothing for {task.id}")

    async with clones_rig.clone("gamma", {"architecture": broken}) as gamma:
        result = await clones_rig.run("architecture", {}, id="it", retries=1)
        assert isinstance(result, TaskFailure)
        assert (result.code, result.message) == ("handler_failed", "LookupError: nothing for it")
        assert (result.attempt, result.retryable) == (2, True)
        for told in await escalated(clones_rig, 2):  # one each attempt
            assert (told.clone, told.instance, told.severity) == ("gamma", gamma.identity.instance, "high")
            assert (told.task_type, told.task_id, told.code) == ("architecture", "it", "handler_failed")
            assert told.message == "LookupError: nothing for it"
            assert told.traceback is not None
            assert "in broken" in told.traceback


async def test_an_exception_that_parks_its_task_is_told_once(clones_rig: ClonesRig) -> None:
    async def broken(_: Task) -> Done:
        raise LookupError("nothing there")

    async def is_parked() -> bool:
        told = await clones_rig.bus.events("it", "architecture")
        return bool(told) and isinstance(told[-1], TaskParked)

    route = replace(TABLE.routes["architecture"], retries=1, when_exhausted="park")
    await put_table(clones_rig.network, replace(TABLE, routes={**TABLE.routes, "architecture": route}), base_revision=1)
    async with clones_rig.clone("gamma", {"architecture": broken}):
        await clones_rig.submitter.submit("architecture", TaskAssignment(id="it"))
        await eventually(is_parked)
    told = await escalated(clones_rig, 2)  # one each attempt
    assert [(each.code, each.message, each.awaits_decision) for each in told] == [
        ("handler_failed", "LookupError: nothing there", False),
        ("handler_failed", "LookupError: nothing there", True),
    ]
    assert all("in broken" in (each.traceback or "") for each in told)


async def test_an_exception_that_nobody_awaits(clones_rig: ClonesRig) -> None:
    async def careless(_: Task) -> Done:
        asyncio.get_running_loop().call_soon(int, "no number")
        return Done(summary="done")

    async with clones_rig.clone("gamma", {"architecture": careless}):
        assert not isinstance(await clones_rig.run("architecture", {}), TaskFailure)
        (told,) = await escalated(clones_rig, 1)
    assert told.message == "ValueError: invalid literal for int() with base 10: 'no number'"
    assert (told.clone, told.task_id) == ("gamma", None)


async def test_what_is_raised_over_an_escalation_is_no_further_one(clones_rig: ClonesRig) -> None:
    escalations = Escalations(clones_rig.network, Identity("omega"))
    for task_type in ("escalation", "command"):
        escalations.crashed(Crash(task_type, "seq-1", LookupError("nothing there")))
    await escalations.close()
    (told,) = await clones_rig.escalations()
    assert told.task_type == "command"


async def test_different_words_fill_neither_the_memory_nor_the_ledger(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clones.escalation, "MOST_WORDS", 3)
    escalations = Escalations(clones_rig.network, Identity("gamma"))
    for number in range(10):
        escalations.raise_(LookupError(str(number)), severity="high")
    await escalations.close()
    assert {told.message for told in await clones_rig.escalations()} == {f"LookupError: {n}" for n in range(3)}


async def test_what_a_handler_of_messages_raises_is_told_once_a_minute(clones_rig: ClonesRig) -> None:
    async def hears(_: Msg) -> None:
        raise LookupError("nothing to hear")

    def listens(message: Msg) -> None:
        int(message.data)

    async with clones_rig.clone("gamma", {"architecture": at_once}) as gamma:
        await gamma.network.client.subscribe("news", cb=hears)
        await gamma.network.client.listen("news", listens)
        await gamma.network.client.flush()
        for _ in range(100):
            await clones_rig.network.client.publish("news", b"no number")
        told = await escalated(clones_rig, 2)
    assert sorted(each.message for each in told) == [
        "LookupError: nothing to hear",
        "ValueError: invalid literal for int() with base 10: b'no number'",
    ]
    assert {(each.clone, each.code, each.severity) for each in told} == {("gamma", ErrorCode.DAEMON_FAILED, "high")}


async def test_whoever_waits_for_the_task_hears_of_it(clones_rig: ClonesRig) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    inbox = "_INBOX.somebody.1"
    await clones_rig.network.client.listen(inbox, lambda message: heard.put_nowait(message.data))
    escalations = Escalations(clones_rig.network, Identity("gamma"))
    escalations.crashed(Crash("architecture", "it", LookupError("gone"), severity="critical", reply_to=inbox))
    await escalations.close()
    (told,) = await escalated(clones_rig, 1)
    assert (told.severity, told.code, told.task_id) == ("critical", "handler_failed", "it")
    assert decode(ErrorEscalation, await asyncio.wait_for(heard.get(), WITHIN_S)) == told


@pytest.mark.parametrize("words", ["caf\udce9.py", "\0\r\n\x1b[31m", "x" * 20_000_000])
async def test_it_is_stored_whatever_the_exception_says(clones_rig: ClonesRig, words: str) -> None:
    escalations = Escalations(clones_rig.network, Identity("gamma"))
    try:
        raise OSError(words)
    except OSError as error:
        escalations.raise_(error, severity="low")
    await escalations.close()
    (told,) = await escalated(clones_rig, 1)
    assert told.message.startswith("OSError: ")
    assert told.severity == "low"


async def test_one_that_cannot_be_stored_is_in_the_log(
    clones_rig: ClonesRig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    escalations = Escalations(clones_rig.network, Identity("gamma"))
    monkeypatch.setattr(clones_rig.subjects, "ledger", "unused")
    monkeypatch.setattr(clones_rig.subjects, "realm", "nowhere")
    escalations.raise_(LookupError("gone"), severity="high")
    await escalations.close()
    assert "an escalation was not stored" in caplog.text
