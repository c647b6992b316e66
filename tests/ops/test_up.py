"""`sanctuary up`: a whole network in processes, with faults, and its end."""

import contextlib
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.keys import public_key
from bus.server import EmbeddedServer, ServerOptions
from bus.store import read_network
from schemas import TaskAssignment, TaskCompletion
from tests.bus.eventually import eventually
from tests.conftest import CLONES
from tests.ops.network import WITHIN_S, Command, make_project, needs_proc, running

pytestmark = needs_proc
ALL = {"omega", *CLONES}


def up(directory: Path, *arguments: str) -> contextlib.AbstractContextManager[Command]:
    return running("up", "--port", "-1", *arguments, directory=directory)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """One that is up, for the tests that leave it as well as it was."""
    directory = tmp_path_factory.mktemp("up")
    make_project(directory / "project")
    with up(directory) as command:
        command.until("ready at ")
        yield command
        assert command.end() == 0, command.log


async def test_it_comes_up_and_says_how_to_use_it(network: Command) -> None:
    url = network.until(r"ready at (nats://127\.0\.0\.1:(\d+));")[1]
    assert f"nats pub -s {url} sanctuary.task.security" in network.log
    assert f"sanctuary status --store {network.store}" in network.log
    known = read_network(network.store)
    assert known is not None
    assert known.url == url
    async with network.open() as client:
        assert set(await client.all_ready(*ALL)) == ALL
        assert isinstance(await client.run("architecture"), TaskCompletion)
    assert set(network.below()) == {"nats-server", "notary", *ALL}


async def test_what_it_does_is_signed(network: Command) -> None:
    """By the clone that did it, and by the notary."""
    async with network.open() as client:
        done = await client.run("architecture")
        seed = (network.store / "keys" / f"{done.clone}.nk").read_text().strip()
        subjects = client.network.subjects

        async def signed() -> bool:
            results = await client.ledger(subjects.result("architecture", done.task_id))
            checkpoints = await client.ledger(subjects.every("checkpoint"))
            sizes = [int(entry.data.splitlines()[1]) for entry in checkpoints]
            assert all(entry.headers["Sanctuary-Signer"] == public_key(seed, origin="") for entry in results)
            return bool(results and sizes) and sizes[-1] >= results[0].sequence

        await eventually(signed, within_s=WITHIN_S)


async def test_a_clone_that_is_killed_is_there_again(network: Command) -> None:
    async with network.open() as client:
        before = (await client.all_ready("gamma"))["gamma"]
        os.kill(network.below()["gamma"], signal.SIGKILL)

        async def again() -> bool:
            now = (await client.ready()).get("gamma")
            return now is not None and now.instance != before.instance

        await eventually(again, within_s=WITHIN_S)
        instance = (await client.all_ready("gamma"))["gamma"].instance

        async def does_its_work_again() -> bool:
            # The one that fell back for it may have taken the task before it saw that it is there.
            return (await client.run("architecture")).instance == instance

        await eventually(does_its_work_again, within_s=WITHIN_S)
    assert network.said("gamma was killed by signal 9; starting it again in 0.5 s")


async def test_a_server_that_is_killed_is_there_again_at_the_same_port(network: Command) -> None:
    async with network.open() as client:
        before, daemons = network.below()["nats-server"], network.below()
        stored = await client.run("architecture")
        os.kill(before, signal.SIGKILL)
        await eventually(lambda: network.below().get("nats-server", before) != before, within_s=WITHIN_S)

        async def reconnected() -> bool:
            ready = await client.ready()
            return set(ready) == ALL and all(answer.reconnects > 0 for answer in ready.values())

        await eventually(reconnected, within_s=WITHIN_S)
        # The same client, which knows no other address.
        assert isinstance(await client.run("architecture"), TaskCompletion)
        assert await client.network.results.read(stored.task_type, stored.task_id) == stored
    after = network.below()
    assert {name: after[name] for name in ALL} == {name: daemons[name] for name in ALL}


def test_the_same_store_is_refused_in_one_line(network: Command) -> None:
    url = network.until(r"ready at (nats://[^;]+);")[1]
    holder = f"process {network.process.pid} with a server at {url}"
    told = f"the store {network.store} is in use by {holder}. Use that network, stop it, or name another store."
    with up(network.directory) as second:
        assert second.wait() == 1
        assert second.log.splitlines() == ["sanctuary starting nats-server", f"sanctuary: {told}"]


def test_make_up_hands_options_on() -> None:
    root = Path(__file__).parents[2]
    said = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "up", "ARGS=--port -1"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.splitlines()[-1].endswith("/sanctuary up --port -1")


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running("up", "--port", str(port), directory=tmp_path) as command:
            assert command.wait() == 1
    assert len(command.log.splitlines()) == 2
    assert command.said(f"sanctuary: port {port} on 127.0.0.1 is taken by another program. .*choose another port")
    assert command.said(r"\(--port; -1 for any free one\)")
    assert command.left() == []


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("up", "--store", "file/store"), 1, "the store directory .*file/store cannot be used: Not a directory. Name"),
        (("up", "--store", "file"), 1, "the store directory .*file cannot be used: File exists. Name"),
        (("up", "--realm", "a b"), 2, "the realm 'a b' is no subject token"),
        (("up", "--workspace", "nowhere"), 2, "'--workspace': Directory 'nowhere' does not exist"),
        (("up", "--context", "none"), 1, "--context: there is no context 'none'"),
        (("up", "--server", "http://x"), 1, "--server: 'http://x' is no server URL"),
        (("clone", "nobody"), 2, "there is no clone 'nobody'; built in: beta, delta, gamma, sigma"),
        (("clone", "beta", "--server", "http://x"), 1, "--server: 'http://x' is no server URL"),
        (("clone", "beta", "--canary", "0"), 2, "Invalid value for '--canary': 0.0 is not in the range 0<x<=1"),
        (("clone", "nowhere:Clone"), 2, "there is no module nowhere, neither in .* nor installed"),
        (("omega", "--context", "none"), 1, "--context: there is no context 'none'"),
        (("review", "nowhere"), 2, "there is no directory 'nowhere' here, and it is no git URL"),
        (("review", "/no/where", "--up"), 2, "there is no directory /no/where"),
        (("review", ".", "--up", "--command", "python 'x"), 2, "cannot be split into arguments: No closing quotation"),
        (("review", ".", "--up", "--output", "file/report"), 1, "sanctuary: file/report: Not a directory"),
        (("review", ".", "--up", "--store", "file/store"), 1, "the store directory .* cannot be used: Not a directory"),
        (("review", ".", "--context", "none"), 1, "--context: there is no context 'none'"),
        (("review", ".", "--timeout", "soon"), 2, "Invalid value for '--timeout'"),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, arguments: tuple[str, ...], status: int, says: str) -> None:
    (tmp_path / "file").touch()
    with running(*arguments, directory=tmp_path) as command:
        assert command.wait() == status
    last = command.log.splitlines()[-1]
    assert re.search(says, last), command.log
    assert "Traceback" not in command.log
    assert command.left() == []


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    """And no daemon is started for it."""
    with contextlib.ExitStack() as stack:
        commands = []
        for number, arguments in enumerate((("up",), ("review", ".", "--up"), ("review", "."))):
            directory = tmp_path / str(number)
            directory.mkdir()
            started = running(*arguments, "--server", "nats://127.0.0.1:1", directory=directory)
            commands.append(stack.enter_context(started))
        for command in commands:
            assert command.wait() == 1
            told = "sanctuary: cannot connect to nats://127.0.0.1:1 (from --server): nobody listens there. Start it, or"
            assert command.log.splitlines()[-1].startswith(told)
            assert "starting omega" not in command.log
            assert "Traceback" not in command.log


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("starting nats-server", signal.SIGINT),
        ("starting nats-server", signal.SIGTERM),
        ("starting omega", signal.SIGINT),
        ("starting omega", signal.SIGTERM),
        ("ready at", signal.SIGINT),
    ],
)
def test_it_can_be_stopped_at_any_moment_and_is_quiet(tmp_path: Path, moment: str, number: signal.Signals) -> None:
    with up(tmp_path) as command:
        command.until(moment)
        assert command.end(number) == 0
    assert command.log.splitlines()[-1] == "sanctuary stopped"
    assert "Traceback" not in command.log
    assert not re.search(r'"level": "(error|critical)"', command.log)
    assert command.left() == []
    assert read_network(tmp_path / "store") is None


async def test_sigterm_hands_running_tasks_back_and_leaves_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    (project / "test_calc.py").write_text(
        "import pathlib, time\n\n\ndef test_long(tmp_path):\n"
        "    for number in range(3000):\n        (tmp_path / f'file-{number}').touch()\n"
        "    time.sleep(600)\n"
    )
    with up(tmp_path, "--drain", "0.5") as command:
        command.until("ready at ")
        async with command.open() as client:
            submitted = await client.submitter.submit(
                "testing", TaskAssignment(params={"target": "project"}, timeout_s=600)
            )
            await eventually(lambda: bool(list(command.temporary.rglob("file-2999"))), within_s=WITHIN_S)
            assert await client.network.results.read("testing", submitted.id) is None
        assert command.end() == 0
    assert "did not stop in time" not in command.log
    assert "could neither end nor be handed back" not in command.log
    assert command.left() == []
    await eventually(lambda: list(command.temporary.iterdir()) == [], within_s=WITHIN_S)
    async with EmbeddedServer(ServerOptions(store=command.store, port=-1, clones=CLONES)), command.open() as client:
        kinds = [type(event).__name__ for event in await client.events("testing", submitted.id)]
        assert kinds[0] == "TaskStarted"
        assert kinds[-1] == "TaskReassigned"
