"""Programs that handlers run: what comes back, and that nothing of them is left, whatever way they end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bus.task import TaskError
from clones import programs
from clones.engines.process import Finished
from clones.programs import run_program
from tests.bus.eventually import WITHIN_S, eventually
from tests.clones.temporaries import left_empty

ROOT = Path(__file__).parents[2]
FAMILY = """
import os, subprocess, sys, time
beside = subprocess.Popen(["sleep", "987"], start_new_session=True)
pid = os.fork()
if pid == 0:
    os.setsid()
    orphan = subprocess.Popen(["sleep", "987"])
    open("orphan", "w").write(str(orphan.pid))
    os._exit(0)
os.waitpid(pid, 0)
pids = f"{os.getpid()} {beside.pid} {open('orphan').read()}"
open("making", "w").write(pids)
os.rename("making", "pids")
"""
"""Starts others in sessions of their own, one of them without a parent that lives, and writes all their ids to `pids`."""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path) -> Iterator[Path]:
    """Where scratch directories are made; each test leaves it empty."""
    with left_empty(tmp_path / "temporary") as temporary:
        yield temporary


async def python(code: str, *arguments: str, timeout_s: float = 60.0, **options: Any) -> Finished:
    return await run_program((sys.executable, "-c", code, *arguments), timeout_s=timeout_s, **options)


async def refused(code: str, **options: Any) -> TaskError:
    with pytest.raises(TaskError) as raised:
        await python(code, **options)
    return raised.value


def stat_fields(pid: int) -> list[str]:
    """State, parent, ... of proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return sys.platform != "linux" or stat_fields(pid)[0] not in "ZX"
    except (ProcessLookupError, FileNotFoundError):
        return False


def living(directory: Path) -> list[int]:
    return [pid for pid in map(int, (directory / "pids").read_text().split()) if alive(pid)]


@asynccontextmanager
async def family(directory: Path) -> AsyncIterator["asyncio.Task[Finished]"]:
    """A program that waits, its descendants with it."""
    task = asyncio.create_task(python(FAMILY + "time.sleep(987)", cwd=directory))
    try:
        await eventually((directory / "pids").exists)
        assert len(living(directory)) == 3
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, TaskError):
            await task


async def test_it_gets_its_input_and_directory_and_says_how_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NATS_PASSWORD", "secret")
    code = """
import json, os, sys
print(json.dumps([sys.stdin.read(), os.getcwd(), sys.argv[1], dict(os.environ)]), end="")
print("oh", file=sys.stderr)
sys.exit(3)
"""
    ended = await python(code, "$HOME; true", cwd=tmp_path, stdin=b"in")
    read, directory, argument, environment = json.loads(ended.stdout)
    assert (read, directory, argument) == ("in", str(tmp_path), "$HOME; true")
    assert (ended.exit_status, ended.stderr, ended.truncated) == (3, b"oh\n", False)
    assert "NATS_PASSWORD" not in environment
    assert 0 < ended.duration_s < 60
    own = await python("import os; print(os.environ['OWN'], os.listdir('.'))", env={"OWN": "mine"})
    assert own.stdout == b"mine ['request']\n"


@pytest.mark.parametrize("output", [b"", b"\n", b'x\n{"type":"ended"', b"y" * 100_000])
async def test_output_comes_as_it_was_written(output: bytes) -> None:
    assert (await python("import sys; sys.stdout.write(sys.stdin.read())", stdin=output)).stdout == output


async def test_output_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "MAX_STDOUT_BYTES", 1000)
    monkeypatch.setattr(programs, "MAX_STDERR_BYTES", 1000)
    code = "import sys; text = 'a' + 'b' * 300_000 + 'c'; sys.stdout.write(text); sys.stderr.write(text)"
    ended = await python(code)
    assert (ended.stdout, ended.stderr) == (b"a" + b"b" * 999, b"b" * 999 + b"c")
    assert ended.truncated


async def test_a_bad_end_is_an_error_of_the_task(tmp_path: Path) -> None:
    late = await refused("import time; time.sleep(987)", timeout_s=0.5)
    assert (late.code, late.retryable) == ("engine_timeout", False)
    assert "had not ended after 0.5 s" in late.message
    large = await refused("bytearray(2 * 1024**3)", memory_bytes=1024**3)
    assert large.code == "memory_exceeded"
    assert "limit 1024 MiB" in large.message
    assert (await refused("import os; os.kill(os.getpid(), 9)")).code == "memory_exceeded"
    assert (await refused("", cwd=tmp_path / "nowhere")).code == "engine_failed"
    assert (await refused("a\0b")).code == "incompatible_task"
    assert (await python("import os; os.kill(os.getpid(), 15)")).exit_status == -signal.SIGTERM


@pytest.mark.parametrize("name", ["no-such-program-987", "./data"])
async def test_a_program_that_is_not_there_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(TaskError, match=f"`{name}` cannot be run: .* install it") as raised:
        await run_program((name,), timeout_s=60, cwd=tmp_path)
    assert raised.value.code == "tool_missing"


async def test_arguments_that_are_too_long_are_told() -> None:
    assert "Argument list too long" in (await refused("#" * 1024 * 1024)).message


async def test_what_it_leaves_running_dies_with_it(tmp_path: Path) -> None:
    await python(FAMILY, cwd=tmp_path)
    assert living(tmp_path) == []


async def test_cancellation_kills_all_of_it(tmp_path: Path) -> None:
    async with family(tmp_path) as task:
        begin = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - begin < WITHIN_S
        assert living(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG, which only Linux has")
async def test_it_does_not_outlive_its_launcher(tmp_path: Path) -> None:
    async with family(tmp_path) as task:
        program, *others = living(tmp_path)
        os.kill(int(stat_fields(program)[1]), signal.SIGKILL)
        await eventually(lambda: not alive(program))
        for pid in others:  # nobody is left to do this
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(TaskError, match="its launcher was killed") as raised:
            await task
        assert (raised.value.code, raised.value.retryable) == ("engine_crashed", True)


async def test_a_daemon_killed_with_minus_nine_takes_all_of_it_along(tmp_path: Path, temporary: Path) -> None:
    daemon_code = f"""
import asyncio, sys
from pathlib import Path
from clones.programs import run_program
argv = (sys.executable, "-c", {FAMILY + "time.sleep(987)"!r})
asyncio.run(run_program(argv, cwd=Path({str(tmp_path)!r}), timeout_s=60))
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    daemon = subprocess.Popen([sys.executable, "-P", "-c", daemon_code], env=environment)  # noqa: ASYNC220 - returns at once
    try:
        await eventually((tmp_path / "pids").exists)
        assert len(living(tmp_path)) == 3
    finally:
        daemon.kill()
        daemon.wait()
    await eventually(lambda: living(tmp_path) == [] and not list(temporary.iterdir()))
