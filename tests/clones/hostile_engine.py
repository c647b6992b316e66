"""Engines that misbehave; the tests put this module into a copy of `clones.engines` and run it through the sandbox."""

import ctypes
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from clones.engines.contract import EngineError, EngineOutput, OutputFile, Progress


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: str = ""
    number: int = 0


class Probed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    target: str
    budget_s: float = 0.0
    length: int = 0


def tells_its_budget(target: Path, params: Probed, out: Path, progress: Progress) -> EngineOutput:
    return EngineOutput(summary="", data={"budget_s": params.budget_s})


def finds_much(target: Path, params: Probed, out: Path, progress: Progress) -> EngineOutput:
    return EngineOutput(summary="", data={"text": "x" * params.length})


def never_ends(target: Path, params: Probed, out: Path, progress: Progress) -> EngineOutput:
    (out / "begun").touch()
    time.sleep(600)
    raise AssertionError("unreachable")


def good(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    progress(0.5, "half")
    (out / "report.txt").write_text(params.text)
    data: dict[str, Any] = {
        "target": str(target),
        "environment": dict(os.environ),
        "directory": str(Path.cwd()),
        "stdin": sys.stdin.read(),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[1],
    }
    return EngineOutput(summary="done", data=data, files=(OutputFile(name="report.txt", media_type="text/plain"),))


def refuses(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    raise EngineError("no tests here", code="engine_failed", retryable=True)


def raises(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    raise KeyError("lost")


def exits(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    sys.exit(3)


def vanishes(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    print("last words", flush=True)  # noqa: T201 - that it is kept is the test
    os._exit(7)


def dies_by_signal(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    os.kill(os.getpid(), params.number)
    raise AssertionError("unreachable")


def garbage(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    os.write(3, b'\xff\x00 no message\n{"type":"answer","output":7}\n')
    os._exit(0)


def endless_line(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    for _ in range(40):
        os.write(3, b"x" * 1024 * 1024)
    os._exit(0)


def too_much_data(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    return EngineOutput(summary="", data={"x": "y" * 9 * 1024 * 1024})


def surrogates(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    return EngineOutput(summary="", data={"file": os.fsdecode(b"caf\xe9.py")})


def names_outside(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    (out / "link").symlink_to("/etc/passwd")
    return EngineOutput(summary="", data={}, files=(OutputFile(name=params.text, media_type="text/plain"),))


def chatters(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    for step in range(params.number):
        progress(step / params.number, f"step {step}")
    while params.text == "wait" and not (out / "heard").exists():
        time.sleep(0.01)
    os.write(1, b"z" * 4 * 1024 * 1024)
    return EngineOutput(summary="", data={})


def eats_memory(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    eaten = []
    while True:
        eaten.append(bytearray(16 * 1024 * 1024))


def aborts_without_memory(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    os.write(2, b"memory allocation of 4294967296 bytes failed\n")  # what Rust says before it aborts
    ctypes.CDLL(None).abort()
    raise AssertionError("unreachable")


def spins(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    while True:
        pass


def spawns(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    """Start processes in every way that escapes a process group, name them in `out/pids`, and wait or answer."""
    sleeper = "import time; time.sleep(600)"
    plain = subprocess.Popen([sys.executable, "-S", "-c", sleeper])
    own_session = subprocess.Popen([sys.executable, "-S", "-c", sleeper], start_new_session=True)
    orphan = _orphan()
    scratch = Path.cwd()
    (scratch / "kept").mkdir()
    (scratch / "kept" / "file").write_text("")
    (scratch / "kept").chmod(0o500)
    pids = [os.getpid(), plain.pid, own_session.pid, orphan]
    (out / "pids.part").write_text(" ".join(map(str, pids)) + f"\n{scratch}")
    (out / "pids.part").rename(out / "pids")
    while params.text == "wait":
        time.sleep(60)
    return EngineOutput(summary="", data={})


def _orphan() -> int:
    """Start a daemon by the book: its parent exits, it leads a session, and it ignores polite signals."""
    sleeper = "import signal, time\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\ntime.sleep(600)"
    starter = (
        "import subprocess, sys;"
        "print(subprocess.Popen([sys.executable, '-S', '-c', sys.argv[1]], start_new_session=True, stdout=2).pid)"
    )
    return int(subprocess.check_output([sys.executable, "-S", "-c", starter, sleeper]))


def forks_forever(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    """Chains of processes, each of which starts the next and exits; `out/beat` grows while one runs."""
    if os.fork() == 0:
        os.setsid()
        beat = os.open(out / "beat", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        for _ in range(8):
            if os.fork() == 0:
                break
        while True:
            os.write(beat, b".")
            if os.fork():
                os._exit(0)
    while True:
        time.sleep(60)


def multiplies(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    """Have `params.number` children, in sessions of their own, which have nothing to do."""
    for _ in range(params.number):
        if os.fork() == 0:
            os.setsid()
            while True:
                time.sleep(60)
    (out / "all").touch()
    while params.text == "wait":
        time.sleep(60)
    return EngineOutput(summary="", data={})


def fills(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    """Write `params.number` files of 64 KiB, each in a directory of its own."""
    for number in range(params.number):
        place = Path(f"place{number}", "inner")
        place.mkdir(parents=True)
        (place / "filler").write_bytes(os.urandom(64 * 1024))
    while params.text == "wait":
        time.sleep(60)
    return EngineOutput(summary="", data={})


def writes_one_large_file(target: Path, params: Params, out: Path, progress: Progress) -> EngineOutput:
    try:
        (out / "large").write_bytes(bytes(params.number))
    except OSError as error:
        return EngineOutput(summary=os.strerror(error.errno or 0), data={"size": (out / "large").stat().st_size})
    raise AssertionError("unreachable")
