"""A daemon's way into the agents' runtime: in the background, tried again, and never in the way of tasks."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from autogen_core import AgentId

from bus.errors import Disconnected, SanctuaryError
from bus.identity import Identity
from bus.jetstream import api
from bus.network import open_network
from bus.server import EmbeddedServer, ServerOptions
from bus.task import Done, Task
from clones.daemon import Daemon
from clones.membership import Membership
from clones.offer import Offer
from clones.routing import DEFAULT_TABLE
from schemas import TaskAssignment, TaskCompletion
from tests.bus.eventually import WITHIN_S, eventually
from tests.clones.rig import ClonesRig


async def _do(task: Task) -> Done:
    return Done(output=task.task_type)


@asynccontextmanager
async def beta(rig: ClonesRig) -> AsyncIterator[Membership]:
    """A daemon that is an agent too."""
    async with (
        open_network(rig.bus.settings, rig.subjects, name="beta") as network,
        Membership(network) as membership,
    ):
        offer = Offer("beta", dict.fromkeys(DEFAULT_TABLE.routes, _do), rig.subjects)
        daemon = Daemon(network, Identity("beta"), offer, capacity=2, drain_s=0.0, membership=membership)
        stop = asyncio.Event()
        running = asyncio.create_task(daemon.run(stop))
        try:
            yield membership
        finally:
            stop.set()
            await running


async def test_a_clone_that_cannot_join_serves_its_tasks_says_so_and_tries_again(clones_rig: ClonesRig) -> None:
    bucket = f"$KV.{clones_rig.subjects.agents}.>"
    in_the_way = f"{clones_rig.subjects.realm}_in_the_way"
    await api(clones_rig.network.requester, f"STREAM.CREATE.{in_the_way}", {"name": in_the_way, "subjects": [bucket]})
    async with beta(clones_rig) as membership:
        result = await clones_rig.run("security", {})
        assert isinstance(result, TaskCompletion)

        async def is_told() -> bool:
            return any("subjects overlap" in each.message for each in await clones_rig.escalations())

        await eventually(is_told)
        with pytest.raises(SanctuaryError, match="subjects overlap"):
            await membership.runtime()
        await api(clones_rig.network.requester, f"STREAM.DELETE.{in_the_way}")
        async with asyncio.timeout(2 * WITHIN_S):
            await membership.served()
        runtime = await membership.runtime()
        answer = await runtime.send_message(TaskAssignment(), AgentId("beta", "performance"))
        assert answer.output == "performance"


async def test_a_daemon_that_stops_while_it_joins_leaves_nothing_behind(clones_rig: ClonesRig) -> None:
    async with beta(clones_rig) as membership:
        pass
    with pytest.raises(Disconnected):
        await membership.runtime()
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not any(name.startswith(("join", "start agents", "open")) for name in names)


@pytest.mark.parametrize("joined", [True, False])
async def test_who_leaves_without_a_server_is_not_kept(tmp_path: Path, joined: bool) -> None:
    server = EmbeddedServer(ServerOptions(store=tmp_path / "store", port=-1, clones={}))
    async with server, open_network(server.settings_for("operator"), server.subjects, name="us") as network:
        async with Membership(network) as membership:
            if joined:
                await membership.runtime()
            await server.kill()
            await eventually(lambda: not network.is_connected())
            joining = asyncio.create_task(membership.runtime())
            await asyncio.wait((joining,), timeout=0.5)
            assert joining.done() == joined
            begun = time.monotonic()
        assert time.monotonic() - begun < WITHIN_S
        joining.cancel()
        await asyncio.wait((joining,))
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not any(name.startswith(("join", "start agents", "open")) for name in names)


async def test_two_instances_share_the_keys_and_each_caller_gets_its_answer(clones_rig: ClonesRig) -> None:
    async with beta(clones_rig) as first, beta(clones_rig) as second:
        await first.served()
        await second.served()
        async with (
            open_network(clones_rig.bus.settings, clones_rig.subjects, name="a") as network,
            Membership(network) as other,
        ):
            runtime = await other.runtime()
            kinds = ["security", "performance", "testing"] * 10
            sent = [runtime.send_message(TaskAssignment(), AgentId("beta", kind)) for kind in kinds]
            assert [answer.output for answer in await asyncio.gather(*sent)] == kinds
