"""Omega's word on who is there, as the ledger has it: real servers, heartbeats by the tests."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import pytest_asyncio

import clones.omega.health
import clones.omega.roll_call
from bus.errors import SanctuaryError, StorageFull
from bus.identity import Identity
from bus.jetstream import publish
from bus.network import open_network
from bus.server import EmbeddedServer
from clones.omega.health import Health
from clones.omega.roll_call import RollCall
from clones.routing import DEFAULT_TABLE
from schemas import ErrorCode, ErrorEscalation, Heartbeat, InstanceChanged, State, decode, encode
from tests.bus.eventually import eventually
from tests.bus.rig import Rig, open_rig

BEAT_S = 0.1


@pytest_asyncio.fixture
async def rig(server: EmbeddedServer) -> AsyncIterator[Rig]:
    async with open_rig(server, types=()) as opened:
        yield opened


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the real times, or less."""
    monkeypatch.setattr(clones.omega.roll_call, "SUSPECT_S", 1.0)
    monkeypatch.setattr(clones.omega.roll_call, "DEAD_S", 1.5)
    monkeypatch.setattr(clones.omega.roll_call, "GRACE_S", 0.5)
    monkeypatch.setattr(clones.omega.health, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(clones.omega.health, "PAUSE_S", 0.3)


class Beating:
    """An instance that beats until it stops."""

    def __init__(self, rig: Rig, instance: str) -> None:
        self._rig = rig
        self.instance = instance
        self.state: State = "ready"
        self.silent = False

    async def run(self) -> None:
        clone = self.instance.partition("-")[0]
        while True:
            beat = Heartbeat(
                clone=clone, instance=self.instance, state=self.state, in_flight=0, capacity=1, at=datetime.now(UTC)
            )
            if not self.silent and self._rig.network.is_connected():
                self._rig.network.client.post(self._rig.subjects.heartbeat(clone, self.instance), encode(beat))
            await asyncio.sleep(BEAT_S)


@asynccontextmanager
async def beating(rig: Rig, instance: str) -> AsyncIterator[Beating]:
    beating = Beating(rig, instance)
    task = asyncio.create_task(beating.run())
    try:
        yield beating
    finally:
        task.cancel()


@asynccontextmanager
async def omega(rig: Rig) -> AsyncIterator[Health]:
    async with (
        open_network(rig.settings, rig.subjects, name="omega") as network,
        Health(network, Identity("omega"), lambda: DEFAULT_TABLE) as health,
    ):
        yield health


async def said(rig: Rig, instance: str) -> list[str]:
    messages = await rig.in_stream(rig.subjects.ledger, rig.subjects.event("instance", instance))
    return [decode(InstanceChanged, message.data).state for message in messages]


async def says(rig: Rig, instance: str, *states: str) -> None:
    """Wait until the ledger says exactly this of an instance; a "suspect" may be overtaken by "dead" before it is stored."""

    def known(told: list[str]) -> list[str]:
        following = [*told, ""][1:]
        return [state for state, then in zip(told, following, strict=True) if (state, then) != ("suspect", "dead")]

    wanted = known(list(states))

    async def there() -> bool:
        try:
            told = known(await said(rig, instance))
        except SanctuaryError:
            return False  # the connection broke meanwhile
        return len(told) >= len(wanted) and told[-1] == wanted[-1]

    await eventually(there)
    assert known(await said(rig, instance)) == wanted


async def escalations(rig: Rig) -> list[ErrorEscalation]:
    messages = await rig.in_stream(rig.subjects.ledger, rig.subjects.every("escalation"))
    return [decode(ErrorEscalation, message.data) for message in messages]


async def test_an_instances_life_in_the_ledger(rig: Rig) -> None:
    async with omega(rig) as health, beating(rig, "beta-1") as beta:
        await says(rig, "beta-1", "up")
        assert dict(health.counts()) == {"up": 1}
        beta.silent = True
        await says(rig, "beta-1", "up", "suspect", "dead")
        assert dict(health.counts()) == {"dead": 1}
        beta.silent = False
        await says(rig, "beta-1", "up", "suspect", "dead", "up")
        beta.state = "draining"
        await says(rig, "beta-1", "up", "suspect", "dead", "up", "draining")
        beta.silent = True
        async with beating(rig, "gamma-1"):
            await says(rig, "gamma-1", "up")
        # Which was heard later, so that the dead have had their time.
        await says(rig, "gamma-1", "up", "suspect", "dead")
        assert await said(rig, "beta-1") == ["up", "suspect", "dead", "up", "draining"]


async def test_several_omegas_say_it_once_and_escalate_once(rig: Rig) -> None:
    async with omega(rig), omega(rig), omega(rig):
        async with beating(rig, "beta-1"), beating(rig, "beta-2"), beating(rig, "delta-1"):
            for instance in ("beta-1", "beta-2", "delta-1"):
                await says(rig, instance, "up")
            async with beating(rig, "gamma-1"):
                await says(rig, "gamma-1", "up")
            await says(rig, "gamma-1", "up", "suspect", "dead")
            for instance in ("beta-1", "beta-2", "delta-1"):
                assert await said(rig, instance) == ["up"]
        async with beating(rig, "delta-1"):
            await says(rig, "beta-1", "up", "suspect", "dead")
            await says(rig, "beta-2", "up", "suspect", "dead")
    gamma, beta = sorted(await escalations(rig), key=lambda told: told.clone, reverse=True)
    assert (gamma.severity, gamma.clone, gamma.instance, gamma.code) == (
        "high",
        "gamma",
        "gamma-1",
        ErrorCode.CLONE_ABSENT,
    )
    assert gamma.message.endswith(
        "Meanwhile architecture, design, scalability, impact and code-map wait until one starts"
    )
    assert beta.message.endswith("Meanwhile delta takes security and performance")


async def test_an_omega_that_starts_repeats_nothing_and_misses_who_went_meanwhile(rig: Rig) -> None:
    async with beating(rig, "beta-1"):
        async with beating(rig, "gamma-1"), omega(rig):
            await says(rig, "beta-1", "up")
            await says(rig, "gamma-1", "up")
        async with omega(rig), beating(rig, "delta-1"):
            await says(rig, "gamma-1", "up", "suspect", "dead")
            await says(rig, "delta-1", "up")
            assert await said(rig, "beta-1") == ["up"]


async def test_those_that_stop_together_with_omega_have_said_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("LAST_WORDS_S", "ANSWER_WITHIN_S"):
        monkeypatch.setattr(clones.omega.health, limit, 30.0)
    async with beating(rig, "beta-1") as beta:
        async with omega(rig):
            await says(rig, "beta-1", "up")
            beta.state = "draining"
            await asyncio.sleep(BEAT_S)
            await rig.network.client.flush()
        assert await said(rig, "beta-1") == ["up", "draining"]


async def test_what_is_no_heartbeat_is_nobodys(rig: Rig) -> None:
    beat = Heartbeat(clone="beta", instance="beta-1", state="ready", in_flight=0, capacity=1, at=datetime.now(UTC))
    async with omega(rig), beating(rig, "gamma-1"):
        for subject, body in (
            (rig.subjects.heartbeat("beta", "beta-1"), b"beat"),
            (rig.subjects.heartbeat("gamma", "beta-1"), encode(beat)),
        ):
            rig.network.client.post(subject, body)
        await says(rig, "gamma-1", "up")
        assert await said(rig, "beta-1") == []


async def test_omegas_own_pause_makes_nobody_dead(rig: Rig) -> None:
    async with omega(rig), beating(rig, "beta-1"):
        await says(rig, "beta-1", "up")
        time.sleep(2)  # noqa: ASYNC251  twice what the dead are given: the whole process stands still
        async with beating(rig, "gamma-1") as gamma:
            await says(rig, "gamma-1", "up")
            gamma.silent = True
            await says(rig, "gamma-1", "up", "suspect", "dead")
        # Its beats come from this process too, over a connection that the pause may have cost.
        assert "dead" not in await said(rig, "beta-1")


async def test_a_server_that_stands_still_makes_nobody_dead(rig: Rig, server: EmbeddedServer) -> None:
    async with omega(rig), beating(rig, "beta-1"):
        await says(rig, "beta-1", "up")
        for pause_s in (2.0, 8.0):  # before the connections are given up, and after
            os.kill(server.pid, signal.SIGSTOP)
            await asyncio.sleep(pause_s)
            os.kill(server.pid, signal.SIGCONT)
            await eventually(rig.network.is_connected)
            async with beating(rig, f"gamma-{pause_s:g}") as gamma:
                await says(rig, gamma.instance, "up")
                gamma.silent = True
                await says(rig, gamma.instance, "up", "suspect", "dead")
        # Its beats may be back later than what others send: the connections are mended one by one.
        assert "dead" not in await said(rig, "beta-1")


async def test_made_up_names_fill_no_memory_while_the_ledger_takes_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clones.omega.health, "MOST", 2)
    for limit in ("SUSPECT_S", "DEAD_S"):
        monkeypatch.setattr(clones.omega.roll_call, limit, 600.0)  # nobody has more than one piece of news
    refuse, tried = True, [""]

    async def refusing(*given: object, **more: object) -> object:
        if refuse:
            tried.append(str(given[1]))
            raise StorageFull("no room")
        return await publish(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(clones.omega.health, "publish", refusing)
    monkeypatch.setattr(clones.omega.health, "RETRY_S", 0.05)
    async with omega(rig) as health, beating(rig, "beta-1"):
        await eventually(lambda: health.counts() == {"up": 1})
        async with beating(rig, "beta-2"):
            await eventually(lambda: health.counts() == {"up": 2})
            async with beating(rig, "beta-3"):
                await eventually(lambda: health.counts() == {"up": 3})
                # The oldest is forgotten, and nobody is about to store it any more.
                await eventually(lambda: tried[-1].endswith("beta-2"))
                refuse = False
                await says(rig, "beta-3", "up")
                await says(rig, "beta-2", "up")
                assert await said(rig, "beta-1") == []


@pytest.mark.parametrize("what", ["look", "_store", "_recall"])
async def test_a_defect_met_once_does_not_end_it(rig: Rig, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    heard: list[object] = []
    monkeypatch.setattr(clones.omega.health, "RETRY_S", 0.05)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["exception"]))
    kind = RollCall if what == "look" else Health
    real = getattr(kind, what)

    def once_broken(*given: object) -> object:
        if not heard:
            raise RuntimeError("unlike any other")
        return real(*given)

    monkeypatch.setattr(kind, what, once_broken)
    async with omega(rig), beating(rig, "beta-1") as first:
        await eventually(lambda: bool(heard))
        first.silent = True
        async with beating(rig, "beta-2") as beta:
            await says(rig, "beta-2", "up")
            beta.silent = True
            await says(rig, "beta-2", "up", "suspect", "dead")
    assert [str(error) for error in heard] == ["unlike any other"]
