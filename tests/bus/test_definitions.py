"""Definitions by version: stored once, found at once, and read once by all who ask together."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bus import buckets
from bus.definitions import Definitions, GrownWorkflow, create
from bus.jetstream import StoredMessage, publish
from bus.server import EmbeddedServer
from schemas import Step, Wait, WorkflowDefinition, WorkflowInForce, encode
from tests.bus.rig import Rig, open_rig


def flow(name: str = "flow", version: int = 1, description: str = "") -> WorkflowInForce:
    steps = {"only": Step(wait=Wait(for_s=1.0))}
    definition = WorkflowDefinition(name=name, description=description, steps=steps)
    return WorkflowInForce(definition=definition, version=version, at=datetime(2026, 3, 1, tzinfo=UTC))


async def with_bucket(rig: Rig) -> Definitions:
    await buckets.ensure_bucket(rig.network.requester, rig.subjects.workflows)
    return Definitions(rig.network)


async def test_nothing_is_there_before_the_bucket_is(server: EmbeddedServer) -> None:
    async with open_rig(server) as rig:
        definitions = Definitions(rig.network)
        assert await definitions.newest("flow") is None
        assert await definitions.all_newest() == {}
        await buckets.ensure_bucket(rig.network.requester, rig.subjects.workflows)
        await create(rig.network, flow())
        assert await definitions.newest("flow") == flow()


async def test_a_version_is_stored_once(server: EmbeddedServer) -> None:
    async with open_rig(server) as rig:
        definitions = await with_bucket(rig)
        offered = [flow(description=str(number)) for number in range(8)]
        won = await asyncio.gather(*(create(rig.network, each) for each in offered))
        assert sum(won) == 1
        assert await definitions.newest("flow") == offered[won.index(True)]


async def test_versions_and_names(server: EmbeddedServer) -> None:
    async with open_rig(server) as rig:
        definitions = await with_bucket(rig)
        stored = [flow(version=version, description=str(version)) for version in range(1, 12)]
        for each in (*stored, flow("another")):
            assert await create(rig.network, each)
        assert await definitions.newest("flow") == stored[-1]
        assert await definitions.version("flow", 3) == stored[2]
        assert await definitions.version("flow", 99) is None
        assert await definitions.versions("flow") == tuple(stored)
        assert list(await definitions.all_newest()) == ["another", "flow"]


async def test_what_was_just_stored_is_found_whoever_asks_meanwhile(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a crowd one request serves many, and each of them finds what was stored before it asked."""
    readings = 0
    changes = buckets.changes

    async def slow(*arguments: Any, **options: Any) -> AsyncIterator[StoredMessage]:
        nonlocal readings
        readings += 1
        async for message in changes(*arguments, **options):
            yield message
        await asyncio.sleep(0.05)  # what is stored now comes too late for this one

    monkeypatch.setattr(buckets, "changes", slow)
    async with open_rig(server) as rig:
        definitions = await with_bucket(rig)

        async def store_and_ask(number: int) -> bool:
            wanted = flow(f"flow-{number}")
            await create(rig.network, wanted)
            return await definitions.newest(f"flow-{number}") == wanted

        assert all(await asyncio.gather(*(store_and_ask(number) for number in range(50))))
        assert readings < 50


async def test_a_reading_that_fails_is_made_again(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_rig(server) as rig:
        definitions = await with_bucket(rig)
        await create(rig.network, flow())

        def failing(*_: Any, **__: Any) -> Any:
            raise ConnectionError

        with monkeypatch.context() as broken:
            broken.setattr(buckets, "changes", failing)
            told = await asyncio.gather(*(definitions.newest("flow") for _ in range(3)), return_exceptions=True)
        assert all(isinstance(each, ConnectionError) for each in told)
        assert await definitions.newest("flow") == flow()


async def test_what_a_later_version_has_stored_is_shown_and_told_apart(server: EmbeddedServer) -> None:
    """Around the definition all may grow; in it a field that is not known here may be what its runs depend on."""
    async with open_rig(server) as rig:
        definitions = await with_bucket(rig)
        around = encode(flow()).replace(b'"version":1', b'"version":1,"signed":true')
        within = encode(flow(version=2)).replace(b'"steps":{', b'"quota":3,"steps":{')
        for version, body in enumerate((around, within), 1):
            await publish(rig.network.requester, buckets.subject_of(rig.subjects.workflows, f"flow.{version}"), body)
        assert await definitions.version("flow", 1) == flow()
        newest = await definitions.newest("flow")
        assert isinstance(newest, GrownWorkflow)
        assert newest.definition == flow().definition
        assert newest.beyond().startswith("version 2 of the workflow flow is of a later version of Sanctuary")


async def test_what_cannot_be_read_or_is_deleted_is_not_there(server: EmbeddedServer) -> None:
    async with open_rig(server) as rig:
        definitions = await with_bucket(rig)
        await create(rig.network, flow())
        subject = buckets.subject_of(rig.subjects.workflows, "flow.2")
        strange = await publish(rig.network.requester, subject, b'{"type":"Other"}')
        await publish(rig.network.requester, buckets.subject_of(rig.subjects.workflows, "strange"), b"{}")
        assert await definitions.newest("flow") == flow()
        assert await definitions.unreadable("flow", 1) == ""
        for version in (None, 2):
            said = await definitions.unreadable("flow", version)
            assert said.startswith(
                "version 2 of the workflow flow is of a later version of Sanctuary, and cannot be read here"
            )
        assert await buckets.delete(rig.network.requester, subject, strange.seq) is not None
        assert await definitions.newest("flow") == flow()
        assert await definitions.unreadable("flow") == ""
        first = buckets.subject_of(rig.subjects.workflows, "flow.1")
        standing = await buckets.last_in(rig.network.requester, rig.subjects.workflows, "flow.1")
        assert standing is not None
        assert await buckets.delete(rig.network.requester, first, standing.sequence + 1) is None
        assert await buckets.delete(rig.network.requester, first, standing.sequence) is not None
        assert await definitions.newest("flow") is None
