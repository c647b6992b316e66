"""The notary's process: what it tells Prometheus, and its last checkpoint when it is told to stop."""

import asyncio
import logging
import re
import urllib.request
from pathlib import Path

import pytest

from bus.jetstream import publish
from bus.ledger import entries
from bus.network import open_network
from bus.server import EmbeddedServer, ServerOptions
from bus.subjects import Subjects
from bus.topology import ensure
from ops.connect import Where
from ops.proofs.notary_process import _work
from tests.bus.eventually import eventually


def told(url: str, name: str) -> float:
    """What a metric is now."""
    with urllib.request.urlopen(url) as answer:  # noqa: S310  our own process's
        found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found is not None, name
    return float(found[1])


async def test_it_tells_how_far_it_is_and_signs_once_more_at_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NATS_URL", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    caplog.set_level(logging.INFO)
    store = tmp_path / "store"
    where = Where(None, None, store, "sanctuary", store_named=True)
    async with (
        EmbeddedServer(ServerOptions(store=store, port=-1)) as server,
        open_network(server.settings_for("operator"), Subjects(), name="test") as network,
    ):
        await ensure(network.requester, network.subjects, task_types={})
        await publish(network.requester, network.subjects.task("echo"), b"{}")
        stop = asyncio.Event()
        working = asyncio.create_task(_work(where, tmp_path / "elsewhere", None, stop, every_s=3600, metrics_port=0))

        async def signed() -> list[int]:
            found = entries(network, network.subjects.every("checkpoint"))
            return [int(entry.data.splitlines()[1]) async for entry in found]

        async def has_signed() -> bool:
            return await signed() == [1]

        await eventually(has_signed)
        url = re.search(r"metrics at (\S+)", caplog.text)
        assert url is not None
        assert await asyncio.to_thread(told, url[1], "sanctuary_notary_signed_sequence") == 1
        assert await asyncio.to_thread(told, url[1], "sanctuary_notary_checkpoints_total") == 1
        await publish(network.requester, network.subjects.task("echo"), b"{}")

        async def has_taken_it_in() -> bool:
            return (tmp_path / "elsewhere" / "leaves").stat().st_size == 3 * 32

        await eventually(has_taken_it_in)
        assert await asyncio.to_thread(told, url[1], "sanctuary_notary_lag_entries") == 2
        stop.set()
        await working
        assert await signed() == [1, 3]
