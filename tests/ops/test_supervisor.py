"""The supervisor with tiny real processes."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bus import connection, pull, requests, worker
from ops import supervisor
from ops.supervisor import FIRST_PAUSE_S, KILL_AFTER_S, LONGEST_PAUSE_S, Supervisor, pause_s
from tests.bus.eventually import eventually

WITHIN_S = 30.0
ENVIRONMENT = {"PATH": os.defpath}


def python(program: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", program, *map(str, arguments))


FOREVER = "import time\ntime.sleep(600)"


@asynccontextmanager
async def supervising(
    *, drain_s: float = 5.0, environ: Mapping[str, str] = ENVIRONMENT, log_directory: Path | None = None
) -> AsyncIterator[Supervisor]:
    running = Supervisor(drain_s, environ, log_directory)
    try:
        yield running
    finally:
        await running.stop()
        for child in running.children.values():
            assert child.process is None or child.process.returncode is not None
            assert child.runner is not None
            assert child.runner.done()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_the_pause_doubles_up_to_a_limit() -> None:
    assert [pause_s(deaths) for deaths in range(5)] == [0.0, FIRST_PAUSE_S, 1.0, 2.0, 4.0]
    assert pause_s(100) == LONGEST_PAUSE_S


def test_a_worker_may_use_all_its_own_limits_on_the_way_out() -> None:
    """Withdraw its pulls, hand back twice, store the last events, send what was published."""
    assert (
        pull.WITHDRAW_S + 2 * worker.HAND_BACK_S + requests.DEFAULT_TIMEOUT_S + connection._CLOSE_FLUSH_S < KILL_AFTER_S
    )


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of hundredths of a second."""
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.01)


@pytest.mark.usefixtures("hasty")
async def test_what_dies_is_started_again_ever_more_slowly(caplog: pytest.LogCaptureFixture) -> None:
    async with supervising() as running:
        running.add("it", python("raise SystemExit(3)"))
        child = running.children["it"]
        await eventually(lambda: child.starts >= 4, within_s=WITHIN_S)
    told = re.findall(r"it ended with status 3; starting it again in (\S+) s", caplog.text)
    assert told[:3] == ["0.0", "0.0", "0.0"]  # 10, 20 and 40 ms
    records = [record for record in caplog.records if record.name == "ops.supervisor"]
    paused = [record.args[2] for record in records if isinstance(record.args, tuple)]
    assert paused[:3] == [0.01, 0.02, 0.04]


@pytest.mark.usefixtures("hasty")
async def test_one_that_ran_for_long_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STEADY_S", 1.0)
    program = """
import sys, time
counts = open(sys.argv[1], "a+")
counts.write("x")
counts.flush()
counts.seek(0)
if len(counts.read()) == 3:
    time.sleep(1.2)
"""
    rows: list[int] = []
    pause = supervisor.pause_s

    def noted(failures_in_row: int) -> float:
        rows.append(failures_in_row)
        return pause(failures_in_row)

    monkeypatch.setattr(supervisor, "pause_s", noted)
    async with supervising() as running:
        running.add("it", python(program, tmp_path / "counts"))
        await eventually(lambda: len(rows) >= 3, within_s=WITHIN_S)
    # A loaded machine may take a second to start and end the first two; then these are steady as well.
    assert rows[2] == 1


@pytest.mark.usefixtures("hasty")
async def test_a_kill_is_told_as_one(caplog: pytest.LogCaptureFixture) -> None:
    async with supervising() as running:
        running.add("it", python(FOREVER))
        child = running.children["it"]
        await eventually(lambda: child.process is not None)
        assert child.process is not None
        first = child.process.pid
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: child.process is not None and child.process.pid != first, within_s=WITHIN_S)
    assert "it was killed by signal 9; starting it again" in caplog.text


DRAINS = """
import os, signal, sys, time
def drain(*_):
    open(sys.argv[1], "a").write(" drains")
    time.sleep(0.5)
    while os.path.exists(sys.argv[1] + ".work"):
        time.sleep(0.01)
    open(sys.argv[1], "a").write(" drained")
    sys.exit(0)
signal.signal(signal.SIGTERM, drain)
open(sys.argv[1], "w").write("ready")
time.sleep(600)
"""


async def test_sigterm_leaves_time_to_drain(tmp_path: Path) -> None:
    files = [tmp_path / "first", tmp_path / "second"]
    async with supervising() as running:
        for path in files:
            running.add(path.name, python(DRAINS, path))
        await eventually(lambda: all(read(path) == "ready" for path in files), within_s=WITHIN_S)
    assert [read(path) for path in files] == ["ready drains drained"] * 2
    assert [child.process and child.process.returncode for child in running.children.values()] == [0, 0]
    assert [child.starts for child in running.children.values()] == [1, 1]


async def test_whoever_gives_up_waiting_leaves_none_behind_either(tmp_path: Path) -> None:
    """A second Ctrl-C, while the first is obeyed."""
    path, work = tmp_path / "file", tmp_path / "file.work"
    work.touch()
    async with supervising(drain_s=WITHIN_S) as running:
        running.add("it", python(DRAINS, path))
        await eventually(lambda: read(path) == "ready", within_s=WITHIN_S)
        stopping = asyncio.create_task(running.stop())
        await eventually(lambda: "drains" in read(path), within_s=WITHIN_S)
        stopping.cancel()
        # It is not done before the waiting was given up.
        work.unlink()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        process = running.children["it"].process
        assert process is not None
        assert process.returncode == 0
    assert read(path) == "ready drains drained"


async def test_the_last_one_is_stopped_once_the_others_have_ended(tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    program = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    time.sleep(float(sys.argv[2]))\n"
        "    open(sys.argv[3], 'a').write(sys.argv[1] + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "open(sys.argv[3] + sys.argv[1], 'w').close()\n"
        "time.sleep(600)\n"
    )
    async with supervising() as running:
        running.add("last", python(program, "last", 0, ends), ends_last=True)
        running.add("slow", python(program, "slow", 0.5, ends))
        running.add("quick", python(program, "quick", 0, ends))
        await eventually(lambda: all(Path(f"{ends}{name}").exists() for name in running.children), within_s=WITHIN_S)
    *others, last = ends.read_text().split()
    assert (sorted(others), last) == (["quick", "slow"], "last")


async def test_deaths_are_told_and_stops_are_not() -> None:
    told: list[tuple[str, str]] = []
    running = Supervisor(5.0, ENVIRONMENT, None, lambda name, how: told.append((name, how)))
    try:
        running.add("dies", python("raise SystemExit(3)"))
        running.add("lives", python(FOREVER))
        await eventually(lambda: bool(told), within_s=WITHIN_S)
    finally:
        await running.stop()
    assert set(told) == {("dies", "ended with status 3")}


async def test_one_that_does_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "KILL_AFTER_S", 0.2)
    program = (
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "open(sys.argv[1], 'w').write('ready')\ntime.sleep(600)"
    )
    async with supervising(drain_s=0.2) as running:
        running.add("stubborn", python(program, tmp_path / "file"))
        await eventually(lambda: read(tmp_path / "file") == "ready", within_s=WITHIN_S)
        began = time.monotonic()
        await running.stop()
        assert time.monotonic() - began >= 0.4
    process = running.children["stubborn"].process
    assert process is not None
    assert process.returncode == -signal.SIGKILL
    assert "stubborn did not stop in time and is killed" in caplog.text


async def test_stopping_at_any_moment_leaves_nothing() -> None:
    for turns in (0, 1, 2, 5, 20):
        async with supervising() as running:
            for number in range(3):
                running.add(f"child-{number}", python(FOREVER))
            for _ in range(turns):
                await asyncio.sleep(0)


async def test_stopping_does_not_wait_for_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", LONGEST_PAUSE_S)
    async with supervising() as running:
        running.add("it", python("raise SystemExit(1)"))
        await eventually(lambda: running.children["it"].failures_in_row == 1, within_s=WITHIN_S)
        await asyncio.wait_for(running.stop(), LONGEST_PAUSE_S / 2)
        assert running.children["it"].starts == 1


@pytest.mark.usefixtures("hasty")
async def test_a_log_says_why_its_process_died_after_the_next_start_too(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "it.log"
    log.parent.mkdir()
    log.write_text("of yesterday")
    program = "import sys\nsys.exit('died of ' + sys.argv[1])"
    async with supervising(log_directory=log.parent) as running:
        running.add("it", python(program, "this"))
        await eventually(lambda: read(log).count("died of this\n") >= 3, within_s=WITHIN_S)
    assert "yesterday" not in read(log)


@pytest.mark.usefixtures("hasty")
async def test_a_start_that_fails_is_told_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    async with supervising(log_directory=tmp_path / "file" / "logs") as running:
        running.add("it", python(FOREVER))
        await eventually(lambda: caplog.text.count("it could not be started: ") >= 2, within_s=WITHIN_S)
        (tmp_path / "file").unlink()
        await eventually(lambda: running.children["it"].starts == 1, within_s=WITHIN_S)


async def test_children_get_the_environment_that_was_given_and_no_input(tmp_path: Path) -> None:
    program = (
        "import os, sys\nopen(sys.argv[1] + '.part', 'w').write(repr((dict(os.environ), sys.stdin.read())))\n"
        "os.rename(sys.argv[1] + '.part', sys.argv[1])"
    )
    async with supervising(environ={"ONLY": "this"}) as running:
        running.add("it", python(program, tmp_path / "file"))
        await eventually((tmp_path / "file").exists, within_s=WITHIN_S)
    environment, read_from_input = eval(read(tmp_path / "file"))  # noqa: S307 - written two lines above
    assert (environment["ONLY"], read_from_input) == ("this", "")
    assert set(environment) <= {"ONLY", "LC_CTYPE"}


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG, which only Linux has")
async def test_children_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    program = f"""
import asyncio, sys
from ops.supervisor import Supervisor
async def main():
    running = Supervisor(5, {ENVIRONMENT!r})
    for name in ("first", "second"):
        running.add(name, [sys.executable, "-I", "-S", "-c", {FOREVER!r}])
    while not all(child.process for child in running.children.values()):
        await asyncio.sleep(0.01)
    print(*(child.process.pid for child in running.children.values()), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
    try:
        assert process.stdout is not None
        pids = [int(pid) for pid in (await asyncio.to_thread(process.stdout.readline)).split()]
        assert len(pids) == 2
        assert all(map(alive, pids))
    finally:
        process.kill()
        process.communicate()
    await eventually(lambda: not any(map(alive, pids)))


@pytest.mark.usefixtures("hasty")
async def test_a_child_that_ends_for_good_is_left_alone(tmp_path: Path) -> None:
    """It ends with another status first, and is started again; with the final one it is not."""
    program = """
import pathlib, sys
path = pathlib.Path(sys.argv[1])
with path.open("a") as file:
    file.write("x")
sys.exit(2 + len(path.read_text()))
"""
    async with supervising() as running:
        running.add("notary", python(program, tmp_path / "starts"), final_status=4)
        child = running.children["notary"]
        assert child.runner is not None
        await asyncio.wait_for(child.runner, WITHIN_S)
        assert read(tmp_path / "starts") == "xx"
        assert (child.starts, child.failures_in_row) == (2, 1)
