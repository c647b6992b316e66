"""The server of `sanctuary up` is kept running, and not ended for being slow."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from bus.server import EmbeddedServer, ServerOptions
from bus.server_checks import ServerHealth
from ops import local
from tests.bus.eventually import eventually


async def test_a_server_that_is_silent_for_a_moment_goes_on_and_a_killed_one_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[ServerHealth] = []

    async def health(self: EmbeddedServer) -> ServerHealth:
        seen.append(await ask(self))
        return seen[-1]

    ask = EmbeddedServer.health
    monkeypatch.setattr(EmbeddedServer, "health", health)
    monkeypatch.setattr(local, "HEALTH_EVERY_S", 0.1)
    async with EmbeddedServer(ServerOptions(store=tmp_path / "store", port=-1)) as server:
        first = server.pid
        keeping = asyncio.create_task(local._keep_server(server))
        await eventually(lambda: any(each.ok for each in seen))
        os.kill(first, signal.SIGSTOP)
        try:
            await eventually(lambda: not seen[-1].answered)
        finally:
            os.kill(first, signal.SIGCONT)
        await eventually(lambda: seen[-1].ok)
        assert server.pid == first
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: server.pid != first)
        seen.clear()
        await eventually(lambda: any(each.ok for each in seen))
        keeping.cancel()
