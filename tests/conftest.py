"""Fixtures for every package's tests."""

import signal
from collections.abc import AsyncIterator, Mapping
from unittest import mock

import hypothesis
import pytest_asyncio
from pytest import TempPathFactory

from bus.server import EmbeddedServer, ServerOptions
from clones.routing import DEFAULT_TABLE, types_by_clone

# A shell starts what it puts into the background with interrupts ignored, and that is inherited: by a suite that is run
# so, and by every process whose answer to an interrupt it tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure, and a suite that passes passes again. Hypothesis would draw constants of the project's
# modules, too, of those that are loaded by then: examples would follow what ran before, and each change of any module.
mock.patch("hypothesis.internal.conjecture.providers.is_local_module_file", lambda _: False).start()
hypothesis.settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=(hypothesis.HealthCheck.too_slow,)
)
hypothesis.settings.load_profile("steady")

CLONES: Mapping[str, tuple[str, ...]] = types_by_clone(DEFAULT_TABLE)
"""Whose users the test server knows, and for which task types."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: TempPathFactory) -> AsyncIterator[EmbeddedServer]:
    """A fresh embedded server for each test module, on a free port, with the accounts and keys of a real network."""
    options = ServerOptions(store=tmp_path_factory.mktemp("network") / "store", port=-1, clones=CLONES)
    async with EmbeddedServer(options) as running:
        yield running
        # Nobody needs what is in its store any more, and closing a thousand consumers in order takes ten seconds.
        await running.kill()
