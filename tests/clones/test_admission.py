"""A daemon waits for its rights before it serves a type that is new to it."""

import asyncio

import pytest

from bus.network import open_network
from bus.server import EmbeddedServer
from bus.subjects import Subjects
from bus.task import Done, Service, Task
from bus.topology import ensure
from clones.admission import admitted
from tests.conftest import CLONES

LONG_S = 60.0


async def nothing(task: Task) -> Done:
    return Done()


def service(task_type: str) -> Service:
    return Service(task_type, nothing, {Subjects().consumer(task_type): 1})


async def test_it_is_admitted_once_its_rights_are_there(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = Subjects()
    types = {"security": ("beta",), "architecture": ("beta", "gamma")}
    async with open_network(server.settings_for("operator"), subjects, name="operator", wait_s=LONG_S) as operator:
        await ensure(operator.requester, subjects, task_types=types)
    async with open_network(server.settings_for("beta"), subjects, name="beta", wait_s=LONG_S) as beta:
        both = [service("security"), service("architecture")]
        monkeypatch.setattr("clones.admission.WITHIN_S", LONG_S)
        assert await admitted(beta, [service("security")])
        with monkeypatch.context() as patch:
            patch.setattr("clones.admission.WITHIN_S", 0.3)
            assert not await admitted(beta, both)
            assert not await admitted(beta, [service("nobody-made-this")])
        waiting = asyncio.create_task(admitted(beta, both))
        await asyncio.wait({waiting}, timeout=0.2)
        assert not waiting.done()
        await server.reload({**CLONES, "beta": ("security", "architecture")})
        assert await asyncio.wait_for(waiting, LONG_S)
