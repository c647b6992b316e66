"""One signed ledger for all: tests work on copies of its store."""

import pytest
import pytest_asyncio

import bus.connect_options
from tests.ops.proofs.stores import SignedStore, build, copied


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def signed_store(tmp_path_factory: pytest.TempPathFactory) -> SignedStore:
    """A network's store on which nothing runs; not to be changed."""
    directory = tmp_path_factory.mktemp("signed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bus.connect_options, "PING_INTERVAL_S", 60)  # as every module's connections here
        await build(directory / "store", "a", "b")
        early = copied(directory / "store", directory / "early")
        await build(directory / "store", "c")
    return SignedStore(early, directory / "store")
