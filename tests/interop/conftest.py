"""A network as users start it, once for all tests here, and a small project for it to work on."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.peers import ENVIRONMENT, GO_CLIENT, GO_SUBMIT, NATS_CLI, NODE_MODULES, Go, Nats

READY_WITHIN_S = 200.0


@dataclass(frozen=True)
class Running:
    """A network that runs."""

    url: str
    store: Path
    workspace: Path

    @property
    def operator_seed(self) -> Path:
        return self.store / "keys" / "operator.nk"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.interop)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    for built in (NATS_CLI, GO_CLIENT, GO_SUBMIT, NODE_MODULES / ".ready"):
        assert built.exists(), f"{built} is missing: `make interop` builds it"
    directory = tmp_path_factory.mktemp("interop")
    store, workspace, log = directory / "store", directory / "workspace", directory / "up.log"
    make_project(workspace / "project")
    argv = (sys.executable, "-m", "ops.cli", "up", "--port", "-1", "--store", store, "--workspace", workspace)
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stderr=output, env=ENVIRONMENT)
    try:
        yield Running(wait_ready(process, log), store, workspace)
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=READY_WITHIN_S)
    assert status == 0, log.read_text()


def wait_ready(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + READY_WITHIN_S
    while (found := re.search(r"ready at (nats://\S+?);", log.read_text())) is None:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found[1]


def make_project(project: Path) -> None:
    """A project that every clone has something to say about, and says it quickly."""
    (project / "tests").mkdir(parents=True)
    (project / "pyproject.toml").write_text('[project]\nname = "project"\nversion = "1"\n')
    (project / "calc.py").write_text(
        'import subprocess\n\n\ndef double(number: int) -> int:\n    """Return twice `number`."""\n    return number * 2\n\n\n'
        "def run(line: str) -> int:\n    return subprocess.call(line, shell=True)\n"
    )
    (project / "tests" / "test_calc.py").write_text(
        "from calc import double\n\n\ndef test_double() -> None:\n    assert double(2) == 4\n"
    )


@pytest.fixture
def nats(network: Running) -> Nats:
    """The nats command line without credentials."""
    return Nats(network.url)


@pytest.fixture
def anyone(network: Running) -> Go:
    """A Go client without credentials."""
    return Go(network.url)


@pytest.fixture
def operator(network: Running) -> Go:
    """A Go client with the operator's key, which only the store's owner can read."""
    return Go(network.url, network.operator_seed)
