"""The network that Omega makes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bus.errors import TopologyMismatch
from bus.jetstream import api
from bus.ledger import entries
from bus.network import Network, open_network
from bus.routes import history
from bus.server import EmbeddedServer, ServerOptions
from bus.subjects import Subjects
from bus.topology import Limits, omega_consumers, task_consumers
from clones.omega.coordination import make_network
from clones.routing import DEFAULT_TABLE, clones_by_type
from schemas import RoutingTable
from tests.bus.eventually import eventually

realms = iter(f"made{number}" for number in range(100))


@asynccontextmanager
async def opened(server: EmbeddedServer, realm: str) -> AsyncIterator[Network]:
    async with open_network(server.settings_for("operator"), Subjects(realm), name="omega") as network:
        yield network


async def made(network: Network) -> dict[str, Any]:
    """The configuration of every stream and consumer of the realm."""
    subjects = network.subjects
    found = {name: (await api(network.requester, f"STREAM.INFO.{name}"))["config"] for name in streams(subjects)}
    listed = await api(network.requester, f"CONSUMER.LIST.{subjects.ledger}")
    return found | {info["name"]: info["config"] for info in listed["consumers"]}


def streams(subjects: Subjects) -> set[str]:
    buckets = (subjects.routes, subjects.workflows, subjects.sleepers, subjects.schedules)
    return {subjects.ledger, subjects.results, f"OBJ_{subjects.artifacts}", *(f"KV_{bucket}" for bucket in buckets)}


def needed(subjects: Subjects, table: RoutingTable = DEFAULT_TABLE) -> set[str]:
    """Every consumer that a table's types and clones need, and Omega."""
    found = {consumer["name"] for consumer in omega_consumers(subjects)}
    for task_type, clones in clones_by_type(table).items():
        found |= {consumer["name"] for consumer in task_consumers(subjects, task_type, clones)}
    return found


async def test_everything_is_there_and_making_it_again_changes_nothing(server: EmbeddedServer) -> None:
    async with opened(server, next(realms)) as network:
        await make_network(network, Limits())
        first = await made(network)
        assert set(first) == needed(network.subjects) | streams(network.subjects)
        await make_network(network, Limits())
        assert await made(network) == first


async def test_several_omegas_at_once(server: EmbeddedServer) -> None:
    for _ in range(3):
        realm = next(realms)
        async with (
            opened(server, realm) as first,
            opened(server, realm) as second,
            opened(server, realm) as third,
        ):
            await asyncio.gather(*(make_network(network, Limits()) for network in (first, second, third)))
            assert set(await made(first)) == needed(first.subjects) | streams(first.subjects)
            (revision,) = await history(first)
            assert revision.routes.table == DEFAULT_TABLE
            (change,) = [entry async for entry in entries(first, first.subjects.command("routes"))]
            assert change.sequence == revision.routes.command


async def test_the_ledgers_size_is_set_and_else_left_as_it_is(server: EmbeddedServer) -> None:
    async with opened(server, next(realms)) as network:
        for limits, size in ((Limits(ledger_max_bytes=2**28), 2**28), (Limits(), 2**28), (Limits(2**27), 2**27)):
            await make_network(network, limits)
            assert (await made(network))[network.subjects.ledger]["max_bytes"] == size


async def test_a_stream_that_is_otherwise_is_an_error_in_words(server: EmbeddedServer) -> None:
    async with opened(server, next(realms)) as network:
        ledger = network.subjects.ledger
        body = {"name": ledger, "subjects": [f"{network.subjects.realm}.task.>"]}
        await api(network.requester, f"STREAM.CREATE.{ledger}", body)
        with pytest.raises(TopologyMismatch, match=f"the stream {ledger} exists with another configuration: sources: "):
            await make_network(network, Limits())


async def test_it_waits_while_the_server_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        EmbeddedServer(ServerOptions(store=tmp_path / "store", port=-1)) as server,
        opened(server, "sanctuary") as network,
    ):
        await server.kill()
        await eventually(lambda: not network.is_connected())
        making = asyncio.create_task(make_network(network, Limits()))
        await eventually(lambda: "JetStream does not answer yet" in caplog.text)
        await server.restart()
        await asyncio.wait_for(making, 60)
        assert network.subjects.ledger in await made(network)
