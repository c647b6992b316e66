"""The target's tests reach themselves and no network, unless the task says so."""

import functools
import socket
from pathlib import Path

import pytest

from clones.engines import process
from clones.engines.running import offline
from clones.engines.testing import analyse
from clones.params import TestingParams as Params
from tests.clones.engines.claims import wrong
from tests.clones.engines.running.projects import project

pytestmark = pytest.mark.timeout(600)  # a busy machine takes its time

CODE = """
import socket

def test_itself():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 5): pass

def test_outside():
    with socket.create_connection(("127.0.0.1", PORT), 5): pass

def test_far():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s: s.connect(("192.0.2.1", 9))
"""


@pytest.mark.skipif(bool(offline.why_not()), reason="this machine keeps programs in its network")
@pytest.mark.parametrize("network", [False, True])
def test_a_server_of_this_machine_is_reached_only_with_the_network(network: bool, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        files = {"test_n.py": CODE.replace("PORT", str(server.getsockname()[1]))}
        target = project(tmp_path / "target", files)
        (tmp_path / "out").mkdir()
        params = Params(target=str(target), budget_s=500.0, network=network)
        output = analyse(target, params, tmp_path / "out", lambda *_: None)
    failed = {item["test"]: item for item in output.data["failures"]}
    if network:
        assert "test_n.py::test_outside" not in failed
        return
    assert set(failed) == {"test_n.py::test_outside", "test_n.py::test_far"}
    assert failed["test_n.py::test_far"]["check"]["text"] == "`test_n.py::test_far` fails without a network"
    assert wrong(failed["test_n.py::test_far"]["check"], target) == []
    assert "tests of the network" in {item.subject for item in output.not_analysed}


def test_where_it_cannot_be_kept_away_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "why_not", functools.cache(lambda: "not allowed"))
    assert offline.offline(["true"]) == ["true"]
    (note,) = offline.notes(network=False)
    assert note.subject == "network" and "not allowed" in note.reason
    assert offline.notes(network=True) == []


@pytest.mark.skipif(bool(offline.why_not()), reason="this machine keeps programs in its network")
def test_the_program_keeps_its_exit_status_and_its_user(tmp_path: Path) -> None:
    done = process.run(offline.offline(["sh", "-c", "id -u; exit 7"]), cwd=tmp_path, timeout_s=300)
    here = process.run(["id", "-u"], cwd=tmp_path, timeout_s=300)
    assert (done.exit_status, done.stdout) == (7, here.stdout)
