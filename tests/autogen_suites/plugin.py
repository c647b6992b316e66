"""Puts our runtime in the place of AutoGen's, before its tests are loaded; expects of the known ones that they fail."""

import itertools
import sys
from pathlib import Path
from typing import Any

import autogen_core
import autogen_ext.runtimes.grpc
import pytest

from bus.agent_runtime import NatsAgentRuntime
from bus.settings import ConnectionSettings
from bus.store import read_network
from tests.autogen_suites.known import GUESSES, KNOWN
from tests.bus.agents.pair import Pair

_serial = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--network", required=True, help="the store of the server that the runtimes join")
    parser.addoption("--pair", action="store_true", help="send and publish from another connection than the agents'")


def pytest_configure(config: pytest.Config) -> None:
    # What AutoGen's tests import and its source distributions leave out.
    sys.path.insert(0, str(Path(__file__).parent / "left_out"))
    network = read_network(Path(config.getoption("--network")))
    if network is None:
        raise pytest.UsageError(f"no server runs on {config.getoption('--network')}")
    settings = network.settings_for("operator")
    in_place: Any = _pair_on(settings) if config.getoption("--pair") else _runtime_on(settings)
    setattr(autogen_core, "SingleThreadedAgentRuntime", in_place)  # noqa: B010  to mypy it is a class, once and for all
    grpc: Any = autogen_ext.runtimes.grpc
    grpc.GrpcWorkerAgentRuntimeHost = Host
    grpc.GrpcWorkerAgentRuntime = _worker_on(settings)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    collected = {item.nodeid for item in items}
    suites = {nodeid.partition("::")[0] for nodeid in collected}
    missing = [one for one in (*KNOWN, *GUESSES) if one.partition("::")[0] in suites and one not in collected]
    if missing:
        raise pytest.UsageError(f"exceptions that are not there: {', '.join(missing)}")
    for item in items:
        if item.nodeid in KNOWN:
            item.add_marker(pytest.mark.xfail(reason=KNOWN[item.nodeid], strict=True))
        if item.nodeid in GUESSES:
            item.add_marker(pytest.mark.xfail(reason=GUESSES[item.nodeid], strict=False))


def _runtime_on(settings: ConnectionSettings) -> type[NatsAgentRuntime]:
    class Runtime(NatsAgentRuntime):
        """Each in a namespace of its own, as a runtime for one process is."""

        def __init__(self, **options: Any) -> None:
            super().__init__(settings, namespace=f"suite{next(_serial)}", **options)

    return Runtime


def _pair_on(settings: ConnectionSettings) -> type[Pair]:
    class Two(Pair):
        def __init__(self, **options: Any) -> None:
            namespace = f"suite{next(_serial)}"
            agents, traffic = (NatsAgentRuntime(settings, namespace=namespace, **options) for _ in range(2))
            super().__init__(agents, traffic)

    return Two


class Host:
    """What stands for a gRPC host: a namespace, which its workers join by the address."""

    namespaces: dict[str, str] = {}  # noqa: RUF012  of all hosts

    def __init__(self, address: str, **_: Any) -> None:
        self.namespaces[address] = f"suite{next(_serial)}"

    def start(self) -> None: ...

    async def stop(self) -> None: ...


def _worker_on(settings: ConnectionSettings) -> type[NatsAgentRuntime]:
    class Worker(NatsAgentRuntime):
        """Of the namespace that stands for its host."""

        def __init__(self, host_address: str, **_: Any) -> None:
            super().__init__(settings, namespace=Host.namespaces[host_address])

    return Worker
