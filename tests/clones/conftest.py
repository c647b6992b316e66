"""A realm for each test that asks for one."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import bus.connect_options
import bus.lease
import bus.topology
import clones
import schemas
from bus.server import EmbeddedServer
from tests.clones.rig import ClonesRig, open_clones_rig

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of the packages that engines need; its engines include the hostile ones."""
    root = tmp_path_factory.mktemp("root")
    for package in (clones, schemas):
        source = Path(str(package.__file__)).parent
        shutil.copytree(source, root / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "hostile_engine.py", root / "clones" / "engines" / "hostile.py")
    return root


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Where the clones' targets lie, empty."""
    directory = tmp_path / "workspace"
    directory.mkdir()
    return directory


@pytest.fixture
def long_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of ten minutes instead of 5 s: a task that is held stays with who has it, however busy the machine is."""
    for module in (bus.lease, bus.topology):
        monkeypatch.setattr(module, "ACK_WAIT_S", 600.0)


@pytest.fixture
def patient_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that stands still for some seconds is not given up: for what is done without where the network does not answer."""
    monkeypatch.setattr(bus.connect_options, "PING_INTERVAL_S", 60)


@pytest_asyncio.fixture
async def clones_rig(server: EmbeddedServer, workspace: Path) -> AsyncIterator[ClonesRig]:
    """A realm with all task types, and no daemon yet."""
    async with open_clones_rig(server, workspace) as opened:
        yield opened
