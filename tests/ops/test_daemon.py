"""`sanctuary omega` and `sanctuary clone` as processes of their own, where the network is not as they need it."""

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bus.server import EmbeddedServer
from bus.server_binary import find_server_binary
from tests.ops.network import WITHIN_S, needs_proc, reserved_port, running

pytestmark = needs_proc


@contextmanager
def plain_server(directory: Path, port: int = -1) -> Iterator[str]:
    """A nats-server of somebody else, without JetStream; yields its address."""
    argv = (find_server_binary(None).path, "-p", str(port), "--ports_file_dir", directory)
    process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + WITHIN_S
        while not (found := list(directory.glob(f"*_{process.pid}.ports"))) or not found[0].read_text().endswith("}"):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield json.loads(found[0].read_text())["nats"][0]
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_omega_waits_for_jetstream_and_stops_when_told(tmp_path: Path, number: signal.Signals) -> None:
    with plain_server(tmp_path) as url, running("omega", "--server", url, directory=tmp_path) as omega:
        omega.until("JetStream does not answer yet .is it enabled for this user")
        assert omega.end(number) == 0
    assert "Traceback" not in omega.log


def test_a_clone_waits_for_its_server_says_so_and_stops_when_told(tmp_path: Path) -> None:
    with running("clone", "gamma", "--server", "nats://127.0.0.1:1", directory=tmp_path) as gamma:
        gamma.until("nats://127.0.0.1:1 .from --server.: nobody listens there")
        assert gamma.end() == 0
    assert "Traceback" not in gamma.log


def test_a_clone_finds_a_server_that_comes_later(tmp_path: Path) -> None:
    with (
        reserved_port() as port,
        running("clone", "gamma", "--server", f"nats://127.0.0.1:{port}", directory=tmp_path) as gamma,
    ):
        gamma.until("nobody listens there")
        with plain_server(tmp_path, port):
            gamma.until("waiting for a routing table; Omega makes it")
            assert gamma.end() == 0


@pytest.mark.parametrize("arguments", [("omega",), ("clone", "delta")])
def test_credentials_that_are_refused_end_it_in_one_line(
    server: EmbeddedServer, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    named = {"NATS_URL": server.url, "NATS_USER": "me", "NATS_PASSWORD": "mine"}
    with running(*arguments, directory=tmp_path, **named) as daemon:
        assert daemon.wait() == 1
    last = daemon.log.splitlines()[-1]
    assert last.startswith(f"sanctuary: {server.url} (from NATS_URL) refused us as user 'me'. Name credentials")
    assert "Traceback" not in daemon.log


def test_a_daemon_that_keeps_dying_ends_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running("up", "--port", "-1", "--metrics-port", str(port), directory=tmp_path) as network:
            assert network.wait() == 1
    told = f"sanctuary: metrics cannot be served on 127.0.0.1:{port}: Address already in use. Choose another"
    assert told in network.log
    # The ports after it are the clones': another program may have one of those too.
    last = network.log.splitlines()[-1]
    assert re.fullmatch(r"sanctuary: \w+(, \w+)* died 3 times in a row: the log above says why", last)
    assert "Traceback" not in network.log
    assert network.left() == []
