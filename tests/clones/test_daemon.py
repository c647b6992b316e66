"""A daemon from its start to its drained stop, as others see it."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

import bus.worker
from bus.server import EmbeddedServer
from bus.task import Done, Task
from bus.topology import Limits
from clones.omega.coordination import make_network
from clones.presence import HEARTBEAT_S
from schemas import Heartbeat, StatusQuery, StatusResponse, TaskCompletion, TaskReassigned, decode, encode
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.rig import open_rig
from tests.clones.rig import ClonesRig, Running


async def at_once(_: Task) -> Done:
    return Done(summary="done")


async def ask(rig: ClonesRig, subject: str, body: bytes = b"") -> Msg:
    return await rig.network.client.request(subject, body, timeout=WITHIN_S)


async def status(rig: ClonesRig, subject: str, body: bytes = b"") -> StatusResponse:
    answer: StatusResponse = decode(StatusResponse, (await ask(rig, subject, body)).data)
    return answer


def subjects(rig: ClonesRig, running: Running) -> tuple[str, str, str]:
    names, identity = rig.subjects, running.identity
    return names.status(), names.status(identity.clone), names.status(identity.clone, identity.instance)


async def is_(rig: ClonesRig, running: Running, state: str) -> bool:
    try:
        return (await status(rig, subjects(rig, running)[2])).state == state
    except NoRespondersError:
        return False  # not yet


async def test_it_starts_when_the_network_is_there(server: EmbeddedServer, tmp_path: Path) -> None:
    async with open_rig(server, types=()) as bus:
        rig = ClonesRig(bus, tmp_path)
        async with rig.clone("gamma", {"architecture": at_once}) as gamma:
            await eventually(lambda: is_(rig, gamma, "starting"))
            await make_network(bus.network, Limits())
            await eventually(lambda: is_(rig, gamma, "ready"))
            result = await rig.run("architecture", {"target": "."})
        assert isinstance(result, TaskCompletion)
        assert result.instance == gamma.identity.instance


async def test_it_stops_while_it_waits_for_the_network(server: EmbeddedServer, tmp_path: Path) -> None:
    async with open_rig(server, types=()) as bus:
        rig = ClonesRig(bus, tmp_path)
        async with rig.clone("gamma", {"architecture": at_once}) as gamma:
            await eventually(lambda: is_(rig, gamma, "starting"))
            await asyncio.wait_for(gamma.ended(), WITHIN_S)


async def test_status_is_answered_on_all_three_subjects(clones_rig: ClonesRig) -> None:
    async with clones_rig.clone("beta", {"security": at_once, "performance": at_once}, capacity=3) as beta:
        await eventually(lambda: is_(clones_rig, beta, "ready"))
        await clones_rig.run("security", {"target": "."})
        # A result is there for all to read before the worker that stored it has heard so.
        await eventually(lambda: beta.daemon.worker.in_flight == 0)
        for subject in subjects(clones_rig, beta):
            for body in (b"", encode(StatusQuery()), b"{}"):
                answer = await status(clones_rig, subject, body)
                assert (answer.clone, answer.instance) == ("beta", beta.identity.instance)
                assert (answer.task_types, answer.capacity) == (("security", "performance"), 3)
                assert (answer.state, answer.in_flight, answer.succeeded, answer.failed) == ("ready", 0, 1, 0)
                assert answer.uptime_s >= 0


@pytest.mark.parametrize("body", [b"who is there?", b'{"verbose":true}', b"[]", b"\xff\x00"])
async def test_a_malformed_query_is_answered_with_an_error(clones_rig: ClonesRig, body: bytes) -> None:
    async with clones_rig.clone("gamma", {"architecture": at_once}) as gamma:
        await eventually(lambda: is_(clones_rig, gamma, "ready"))
        for subject in subjects(clones_rig, gamma):
            answer = await ask(clones_rig, subject, body)
            assert answer.data == b""
            assert answer.headers is not None
            assert answer.headers["Nats-Service-Error-Code"] == "400"
            assert answer.headers["Nats-Service-Error"].startswith("no StatusQuery: ")
        assert await is_(clones_rig, gamma, "ready")


async def test_a_query_without_a_reply_subject_is_nothing(clones_rig: ClonesRig) -> None:
    async with clones_rig.clone("gamma", {"architecture": at_once}) as gamma:
        await eventually(lambda: is_(clones_rig, gamma, "ready"))
        await clones_rig.network.client.publish(clones_rig.subjects.status(), b"{}")
        assert await is_(clones_rig, gamma, "ready")
    assert await clones_rig.escalations() == []


async def test_a_heartbeat_each_second(clones_rig: ClonesRig) -> None:
    heard: list[Heartbeat] = []

    async def on_beat(message: Msg) -> None:
        heard.append(decode(Heartbeat, message.data))

    async with clones_rig.clone("gamma", {"architecture": at_once}, capacity=2) as gamma:
        subject = clones_rig.subjects.heartbeat("gamma", gamma.identity.instance)
        await clones_rig.network.client.subscribe(subject, cb=on_beat)
        await eventually(lambda: is_(clones_rig, gamma, "ready"))
        heard.clear()
        await eventually(lambda: len(heard) >= 4)
    await eventually(lambda: heard[-1].state == "draining")
    assert {(beat.clone, beat.instance, beat.capacity) for beat in heard} == {("gamma", gamma.identity.instance, 2)}
    # A change of state is told at once: the first of these may be one.
    regular = [beat for beat in heard if beat.state == "ready"][1:]
    assert len(regular) >= 3
    for earlier, later in pairwise(regular):
        assert (later.at - earlier.at).total_seconds() > 0.9 * HEARTBEAT_S


async def test_a_draining_daemon_finishes_what_it_has_and_takes_no_more(clones_rig: ClonesRig) -> None:
    go_on = asyncio.Event()

    async def patient(_: Task) -> Done:
        await go_on.wait()
        return Done(summary="done")

    async with clones_rig.clone("gamma", {"architecture": patient}, drain_s=60) as gamma:
        await clones_rig.bus.publish(b'{"id":"first"}', "architecture")
        await eventually(lambda: gamma.daemon.worker.in_flight == 1)
        gamma.stop.set()
        await eventually(lambda: is_(clones_rig, gamma, "draining"))
        assert (await status(clones_rig, subjects(clones_rig, gamma)[2])).in_flight == 1
        await clones_rig.bus.publish(b'{"id":"second"}', "architecture")
        go_on.set()
        result = await clones_rig.bus.result("first", "architecture")
        assert isinstance(result, TaskCompletion)
        await asyncio.wait_for(gamma.ended(), WITHIN_S)
    assert await clones_rig.network.results.read("architecture", "second") is None
    async with clones_rig.clone("gamma", {"architecture": at_once}) as other:
        assert (await clones_rig.bus.result("second", "architecture")).instance == other.identity.instance


async def test_what_does_not_finish_in_time_is_handed_back(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus.worker, "HAND_BACK_S", WITHIN_S)  # on a busy machine too
    begun = asyncio.Event()

    async def endless(_: Task) -> Done:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with clones_rig.clone("gamma", {"architecture": endless}, drain_s=0.1) as gamma:
        await clones_rig.bus.publish(b'{"id":"it"}', "architecture")
        await asyncio.wait_for(begun.wait(), WITHIN_S)
        await asyncio.wait_for(gamma.ended(), WITHIN_S)
    async with clones_rig.clone("gamma", {"architecture": at_once}):
        result = await clones_rig.bus.result("it", "architecture")
    assert isinstance(result, TaskCompletion)
    assert result.attempt == 1
    assert any(isinstance(event, TaskReassigned) for event in await clones_rig.bus.events("it", "architecture"))
