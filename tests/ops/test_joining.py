"""Asking for routes, as many at once and with Omega not there yet."""

import asyncio
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from bus.routes import in_force
from bus.server import EmbeddedServer
from bus.task import Done, Task
from clones.base import Clone, Definition, definition_of, serves
from ops.joining import NotAdmitted, ask_for_routes
from schemas import Route
from tests.clones.rig import ClonesRig, open_clones_rig


class Params(msgspec.Struct, frozen=True):
    text: str


def definition(name: str, route: Route | None = None) -> Definition:
    async def do(self: Clone, task: Task, params: Params) -> Done:
        return Done()

    body = {"name": name, "routes": {name: route or Route(clone=name)}, "do": serves(name)(do)}
    return definition_of(type(name, (Clone,), body))


async def routes(rig: ClonesRig) -> dict[str, Route]:
    revision = await in_force(rig.network)
    assert revision is not None
    return revision.routes.table.routes


async def test_several_that_ask_at_once_are_all_admitted(server: EmbeddedServer, tmp_path: Path) -> None:
    names = [f"own{number}" for number in range(5)]
    async with open_clones_rig(server, tmp_path) as rig, rig.omega():
        before = set(await routes(rig))
        await asyncio.gather(*(ask_for_routes(rig.network, definition(name)) for name in names))
        assert set(await routes(rig)) == before | set(names)


async def test_it_waits_for_an_omega(server: EmbeddedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="ops.joining")
    async with open_clones_rig(server, tmp_path) as rig:
        asking = asyncio.create_task(ask_for_routes(rig.network, definition("own")))
        while caplog.text.count("asking for routes of own") < 2:
            await asyncio.sleep(0.01)
            assert not asking.done()
        async with rig.omega():
            await asyncio.wait_for(asking, 60)
        assert (await routes(rig))["own"] == Route(clone="own")


async def test_without_an_omega_it_gives_up_and_says_what_to_add(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.joining.ASKED_WITHIN_S", 0.3)
    async with open_clones_rig(server, tmp_path) as rig:
        with pytest.raises(NotAdmitted, match=r"(?s)no route for own, and nobody could be asked.*\[routes.own\]"):
            await ask_for_routes(rig.network, definition("own"))


async def test_what_the_network_refuses_is_not_asked_again(server: EmbeddedServer, tmp_path: Path) -> None:
    async with open_clones_rig(server, tmp_path) as rig, rig.omega():
        route = Route(clone="own", fallback=("own",))
        with pytest.raises(NotAdmitted, match=r"the network refused it: .*own is the primary, and cannot fall back"):
            await ask_for_routes(rig.network, definition("own", route))
        commands = await rig.bus.in_stream(rig.subjects.ledger, rig.subjects.every("command"))
        assert len(commands) <= 2  # the first table's, and this one


async def test_a_route_that_is_there_stays_as_it_is(server: EmbeddedServer, tmp_path: Path) -> None:
    async with open_clones_rig(server, tmp_path) as rig, rig.omega():
        await ask_for_routes(rig.network, definition("own", Route(clone="own", retries=7)))
        await ask_for_routes(rig.network, definition("own", Route(clone="own", retries=1)))
        assert (await routes(rig))["own"].retries == 7


async def test_a_type_that_others_have_is_told(
    server: EmbeddedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_clones_rig(server, tmp_path) as rig, rig.omega():
        await ask_for_routes(rig.network, definition("own"))
        theirs = replace(definition("own"), name="other")
        assert caplog.text.count("gets none of it") == 0
        await ask_for_routes(rig.network, theirs)
    assert "the routing table gives own to own, and other gets none of it; sanctuary routes set changes" in caplog.text
