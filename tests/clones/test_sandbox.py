import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clones import launcher, sandbox
from clones.engines.contract import EngineError, EngineOutput
from clones.sandbox import Limits, run_engine
from tests.bus.eventually import WITHIN_S, eventually
from tests.clones.hostile_engine import Params
from tests.clones.temporaries import left_empty

LONG_S = 110.0
"""Of a run that ends for another reason than its time, however busy the machine is."""


@pytest.fixture
def temporary(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where scratch directories are made; each test leaves it empty."""
    monkeypatch.setattr(sandbox, "_ROOT", root)
    with left_empty(tmp_path / "temporary") as temporary:
        yield temporary


@pytest.fixture
def out(tmp_path: Path, temporary: Path) -> Path:
    out = tmp_path / "out"
    out.mkdir()
    return out


def ignore(_fraction: float, _message: str) -> None:
    pass


async def run(
    name: str,
    out: Path,
    *,
    text: str = "",
    number: int = 0,
    timeout_s: float = LONG_S,
    memory_bytes: int = 1024**3,
    processes: int = 1000,
    disk_bytes: int = 1024**3,
    on_progress: Callable[[float, str], None] = ignore,
) -> EngineOutput:
    return await run_engine(
        engine=f"clones.engines.hostile:{name}",
        target=Path("/"),
        params=Params(text=text, number=number),
        out=out,
        limits=Limits(timeout_s=timeout_s, memory_bytes=memory_bytes, processes=processes, disk_bytes=disk_bytes),
        on_progress=on_progress,
    )


async def failure(name: str, out: Path, **options: Any) -> EngineError:
    with pytest.raises(EngineError) as raised:
        await run(name, out, **options)
    return raised.value


def stat_fields(pid: int) -> list[str]:
    """State, parent, ... of proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return sys.platform != "linux" or stat_fields(pid)[0] not in ("Z", "X")
    except (ProcessLookupError, FileNotFoundError):
        return False


@contextlib.asynccontextmanager
async def spawned(
    out: Path, *, engine: str = "spawns", file: str = "pids"
) -> AsyncIterator[asyncio.Task[EngineOutput]]:
    task = asyncio.create_task(run(engine, out, text="wait"))
    try:
        await eventually((out / file).exists)
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, EngineError):
            await task


def contents(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def pids(out: Path) -> list[int]:
    return [int(pid) for pid in (out / "pids").read_text().splitlines()[0].split()]


async def test_an_engine_gets_its_parameters_and_a_bare_environment(
    out: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NATS_PASSWORD", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "https://user:secret@proxy.invalid")
    told: list[tuple[float, str]] = []
    output = await run("good", out, text="hello", on_progress=lambda *step: told.append(step))
    assert (out / output.files[0].name).read_text() == "hello"
    assert told == [(0.5, "half")]
    environment = output.data["environment"]
    assert "secret" not in json.dumps(environment)
    assert "PYTHONPATH" not in environment
    assert Path(environment["TMPDIR"]).parent == temporary
    assert output.data["directory"] == environment["TMPDIR"]
    assert output.data["stdin"] == ""
    assert output.data["core"] == 0


async def test_an_engine_error_arrives_as_it_was_raised(out: Path) -> None:
    error = await failure("refuses", out)
    assert (error.message, error.code, error.retryable) == ("no tests here", "engine_failed", True)


async def test_parameters_of_another_engine_are_told(out: Path) -> None:
    with pytest.raises(EngineError, match="unknown field `text`") as raised:
        await run_engine(
            engine="clones.engines.worktree:revision",
            target=Path("/"),
            params=Params(),
            out=out,
            limits=Limits(timeout_s=LONG_S),
            on_progress=ignore,
        )
    assert raised.value.code == "incompatible_task"


@pytest.mark.parametrize("engine", ["os:system", "clones.targets:checkout", "clones.engines.hostile:Params.x"])
async def test_only_engines_are_run(out: Path, engine: str) -> None:
    with pytest.raises(EngineError, match="is no engine"):
        await run_engine(
            engine=engine,
            target=Path("/"),
            params=Params(),
            out=out,
            limits=Limits(timeout_s=LONG_S),
            on_progress=ignore,
        )


@pytest.mark.parametrize(
    ("name", "options", "code", "words"),
    [
        ("raises", {}, "engine_crashed", "KeyError: 'lost'"),
        ("exits", {}, "engine_crashed", "SystemExit: 3"),
        ("vanishes", {}, "engine_crashed", "exit status 7)\nlast words"),
        ("dies_by_signal", {"number": signal.SIGSEGV}, "engine_crashed", "Segmentation fault"),
        ("dies_by_signal", {"number": signal.SIGKILL}, "memory_exceeded", "killed from outside"),
        ("garbage", {}, "engine_crashed", "a line that is no message"),
        ("endless_line", {}, "engine_crashed", "a line of more than"),
        ("too_much_data", {}, "result_too_large", "the limit is"),
        ("eats_memory", {"memory_bytes": 256 * 1024**2}, "memory_exceeded", "limit 256 MiB"),
        ("aborts_without_memory", {}, "memory_exceeded", "memory allocation of 4294967296 bytes failed"),
        ("spins", {"timeout_s": 1.0}, "engine_timeout", "within 1 s"),
        ("names_outside", {"text": "../escaped"}, "engine_crashed", "not below its output directory"),
        ("names_outside", {"text": "link"}, "engine_crashed", "not below its output directory"),
        ("names_outside", {"text": "missing"}, "engine_crashed", "which it did not write"),
    ],
)
async def test_each_bad_end_has_its_code_and_says_why(
    out: Path, name: str, options: dict[str, Any], code: str, words: str
) -> None:
    error = await failure(name, out, **options)
    assert error.code == code
    assert words in error.message


async def test_a_time_limit_is_kept(out: Path) -> None:
    begin = time.monotonic()
    await failure("spins", out, timeout_s=0.5)
    assert time.monotonic() - begin < WITHIN_S


needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="processes are counted in /proc")


@needs_proc
async def test_too_many_processes_end_all_of_them(out: Path) -> None:
    error = await failure("multiplies", out, text="wait", number=40, processes=20)
    assert (error.code, error.retryable) == ("engine_failed", False)
    assert "stopped with all that it started: it had more than 20 processes at once" in error.message


async def test_as_many_processes_as_are_allowed_are_let_be(out: Path) -> None:
    assert (await run("multiplies", out, number=15, processes=20)).summary == ""


async def test_a_scratch_directory_that_grows_too_large_ends_the_run(out: Path) -> None:
    error = await failure("fills", out, text="wait", number=20, disk_bytes=1024**2)
    assert (error.code, error.retryable) == ("engine_failed", False)
    assert "it filled more than 1 MiB of its temporary directory" in error.message


async def test_no_file_gets_larger_than_what_a_run_may_take(out: Path) -> None:
    output = await run("writes_one_large_file", out, number=3 * 1024**2, disk_bytes=1024**2)
    assert (output.summary, output.data["size"] <= 1024**2) == (os.strerror(errno.EFBIG), True)


def test_a_stricter_limit_that_the_daemon_runs_under_stays() -> None:
    """As a service manager sets them: what a process may not raise is no reason to start nothing."""
    lowered = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({1024**2}, {1024**2})); "
    called = f"from clones import launcher; launcher._limit(resource.RLIMIT_FSIZE, {1024**3})"
    told = "; print(*resource.getrlimit(resource.RLIMIT_FSIZE))"
    printed = subprocess.check_output([sys.executable, "-c", lowered + called + told])
    assert printed.split() == [b"1048576"] * 2


def test_sizes_are_what_files_take_and_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(os.urandom(100_000))
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(10**9)
    (tmp_path / "out").symlink_to("/")
    *_, total = launcher.sizes(str(tmp_path))
    assert 100_000 <= total < 10**7
    assert list(launcher.sizes(str(tmp_path / "gone"))) == []


def test_a_file_system_that_is_nearly_full_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = launcher._Usage(str(tmp_path), 10**6, 10**9)
    assert usage.over() is None
    monkeypatch.setattr(usage, "_free", lambda: usage._least_free - 1)
    assert usage.over() == "disk"


async def test_a_file_name_that_is_not_utf8_does_not_lose_the_result(out: Path) -> None:
    output = await run("surrogates", out)
    assert output.data == {"file": "caf?.py"}


async def test_progress_is_thinned_out_but_the_last_one_is_told_in_time(out: Path) -> None:
    told: list[str] = []

    def hear(_fraction: float, message: str) -> None:
        told.append(message)
        if message == "step 19999":
            (out / "heard").touch()  # told while the engine is silent, not at its end: it waits for this

    begin = time.monotonic()
    await run("chatters", out, number=20_000, text="wait", on_progress=hear)
    assert told[-1] == "step 19999"
    assert len(told) <= 2 + (time.monotonic() - begin) / sandbox.PROGRESS_INTERVAL_S


async def test_a_callback_that_raises_ends_the_engine(out: Path) -> None:
    def refuse(_fraction: float, _message: str) -> None:
        raise LookupError("no such task")

    with pytest.raises(LookupError, match="no such task"):
        await run("chatters", out, number=1, on_progress=refuse)


async def test_what_an_engine_leaves_running_dies_with_its_answer(out: Path) -> None:
    await run("spawns", out)
    assert not [pid for pid in pids(out) if alive(pid)]


async def test_cancellation_kills_every_descendant(out: Path) -> None:
    async with spawned(out) as task:
        assert all(alive(pid) for pid in pids(out))
        begin = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - begin < WITHIN_S
        assert not [pid for pid in pids(out) if alive(pid)]


async def test_cancellation_ends_a_chain_of_forks_in_a_session_of_its_own(out: Path) -> None:
    async with spawned(out, engine="forks_forever", file="beat") as task:
        begin = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - begin < WITHIN_S
    size = (out / "beat").stat().st_size
    await asyncio.sleep(0.1)
    assert (out / "beat").stat().st_size == size


async def test_cancellation_at_once_leaves_nothing(out: Path) -> None:
    for delay_s in (0.0, 0.005, 0.02, 0.06):
        task = asyncio.create_task(run("spins", out))
        await asyncio.sleep(delay_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_daemon_killed_with_minus_nine_takes_everything_along(out: Path, root: Path, temporary: Path) -> None:
    program = f"""
import asyncio, msgspec
from pathlib import Path
from clones.sandbox import Limits, run_engine
class Params(msgspec.Struct):
    text: str
asyncio.run(run_engine(engine="clones.engines.hostile:spawns", target=Path("/"), params=Params("wait"),
    out=Path({str(out)!r}), limits=Limits(timeout_s={LONG_S}), on_progress=print))
"""
    environment = os.environ | {"PYTHONPATH": str(root), "TMPDIR": str(temporary)}
    daemon = subprocess.Popen([sys.executable, "-P", "-c", program], env=environment)  # noqa: ASYNC220 - returns at once
    try:
        await eventually((out / "pids").exists)
        assert all(alive(pid) for pid in pids(out))
        assert contents(temporary)
    finally:
        daemon.kill()
        daemon.wait()
    await eventually(lambda: not any(alive(pid) for pid in pids(out)))
    await eventually(lambda: not contents(temporary))


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG, which only Linux has")
async def test_an_engine_does_not_outlive_its_launcher(out: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with spawned(out) as task:
        engine = pids(out)[0]
        os.kill(int(stat_fields(engine)[1]), signal.SIGKILL)
        await eventually(lambda: not alive(engine))
        for pid in pids(out)[1:]:  # nobody is left to do this
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(EngineError, match="its launcher was killed") as raised:
            await task
    assert raised.value.retryable
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def launch(scratch: Path, program: str) -> "subprocess.Popen[bytes]":
    """Start a launcher by hand, with a Python program below it."""
    (scratch / "request").touch()
    argv = (sys.executable, "-I", "-S", launcher.__file__, str(LONG_S), str(1024**3), "100", str(1024**3), str(scratch))
    return subprocess.Popen((*argv, sys.executable, "-S", "-c", program), stdin=subprocess.PIPE, stdout=subprocess.PIPE)


async def test_thousands_of_files_are_removed_even_where_the_launcher_is_killed_meanwhile(tmp_path: Path) -> None:
    """The daemon hears the end before that, so handing a task back does not wait for it, and may end with its launcher."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    many = "import os\nfor number in range(5000): open(f'file-{number}', 'w').close()\nos.write(3, b'made')"
    process = await asyncio.to_thread(launch, scratch, many)
    assert process.stdout is not None
    said = await asyncio.to_thread(process.stdout.read)
    process.kill()
    assert said.startswith(b"made")
    assert b'"reason":"exit","status":0,"left":0' in said
    await eventually(lambda: not scratch.exists())
    await asyncio.to_thread(process.communicate)
