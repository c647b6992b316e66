"""Run a Python command under pyinstrument, or with its memory traced, and write what was seen, whatever way it ends.

    python sanctuary_profiler.py OUT (INTERVAL_S | memory) (script.py | -m module | -c code) [argument …]

With an interval, `OUT/profile.json` is a pyinstrument session (`pyinstrument --load`), with equal stacks merged and at most
`_MAX_SAMPLES` samples with `_MAX_FRAMES` frames; `OUT/run.json` has
`{"wall_s", "cpu_s", "exit_status", "samples", "peak_rss_bytes"}`; `OUT/lines.json` has
`[[file, first line of the function, line, seconds], …]`, of the innermost function with a file. With `memory`,
`OUT/memory.json` has `{"exit_status", "peak_bytes", "seen_bytes", "at_peak", "at_end"}`: the highest that tracemalloc
counted, how much was held when it was looked at nearest to that, and what was held then and at the end, as
`[[bytes, blocks, [[file, line], …]], …]`, the innermost line first. The line `{"event": "start", "pid": …}` goes to the
file that `SANCTUARY_RECORD` names. The exit status is the command's.
"""

from __future__ import annotations

import _thread
import contextlib
import io
import json
import os
import resource
import runpy
import signal
import sys
import threading
import time
import traceback
import tracemalloc
from pathlib import Path
from typing import Any

_MAX_SAMPLES = 20_000
_MAX_FRAMES = 2_000_000
"""Of all samples together: what recurses deeply has fewer samples."""
_LINE = "\x01l"
"""pyinstrument's mark for the line that a frame was at when something was called or returned: no line of a loop without calls."""
_LINE_EVERY_S = 0.005
_MAX_LINES = 20_000
_sleep, _clock = time.sleep, time.perf_counter
"""As they were before the command, which may replace them."""

_FRAMES = 4
"""Lines kept of an allocation, so that what a library allocates is found where it was asked for; each costs time."""
_LOOK_EVERY_S = 0.005
_GROWTH = 1.1
"""A snapshot is taken when a tenth more is held than at the last: their number grows with the peak's logarithm."""
_REST = 4
"""Times as long as a snapshot took, no other is taken: the command has most of the time."""
_LEAST_BYTES = 256 * 1024
_MAX_PLACES = 5000


def main() -> int:
    """Run the command and return its exit status."""
    out, measure = Path(sys.argv[1]), sys.argv[2]
    command = sys.argv[3:]
    path = os.environ.pop("SANCTUARY_RECORD", None)
    record = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600) if path else None
    status = (
        _trace_memory(command, out, record) if measure == "memory" else _profile(command, out, float(measure), record)
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return status


def _profile(command: list[str], out: Path, interval: float, record: int | None) -> int:
    from pyinstrument import Profiler

    pid = os.getpid()
    profiler = Profiler(interval=interval, async_mode="disabled")
    cpu = time.process_time()
    begin = time.perf_counter()
    # where the clock is slow it says so once, in the command's own error output
    with contextlib.redirect_stderr(io.StringIO()):
        profiler.start()
    lines = _Lines()
    lines.start()
    status = _run(command, record)
    lines.stop()
    wall_s, cpu_s = time.perf_counter() - begin, time.process_time() - cpu
    if os.getpid() == pid:  # not in what the command forked and let return
        session = profiler.stop()
        run = {
            "wall_s": wall_s,
            "cpu_s": cpu_s,
            "exit_status": status,
            "samples": session.sample_count,
            "peak_rss_bytes": _peak_rss_bytes(),
        }
        _save(session, command, out / "profile.json")
        (out / "lines.json").write_text(json.dumps(lines.found()), encoding="utf-8")
        (out / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return status


class _Lines:
    """Looks again and again at which line this thread is, from a thread that `threading` does not list."""

    def __init__(self) -> None:
        import pyinstrument

        self._aside = (f"{Path(pyinstrument.__file__).parent}{os.sep}", "<")
        self._watched = _thread.get_ident()
        self._seconds: dict[tuple[str, int, int], float] = {}
        self._ended = False

    def start(self) -> None:
        _thread.start_new_thread(self._look, ())

    def stop(self) -> None:
        self._ended = True

    def found(self) -> list[list[Any]]:
        """Return the lines with the most time, each time counted to the line that was seen at its end."""
        ranked = sorted(self._seconds.copy().items(), key=lambda item: -item[1])
        return [[*place, seconds] for place, seconds in ranked[:_MAX_LINES]]

    def _look(self) -> None:
        before = _clock()
        while True:
            _sleep(_LINE_EVERY_S)
            if self._ended:
                return
            frame = sys._current_frames().get(self._watched)  # noqa: SLF001 -- the one way to see another thread's line
            now = _clock()
            while frame is not None and frame.f_code.co_filename.startswith(self._aside):
                frame = frame.f_back
            if frame is not None:
                place = frame.f_code.co_filename, frame.f_code.co_firstlineno, frame.f_lineno or 0
                self._seconds[place] = self._seconds.get(place, 0.0) + now - before
            frame = None  # or what its variables hold would live on
            before = now


def _peak_rss_bytes() -> int:
    """Return the most that this process had resident; Linux's `ru_maxrss` would count the process that started it, too."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _trace_memory(command: list[str], out: Path, record: int | None) -> int:
    pid = os.getpid()
    tracemalloc.start(_FRAMES)
    watch = _PeakWatch()
    watch.start()
    status = _run(command, record)
    if os.getpid() == pid and tracemalloc.is_tracing():
        watch.stop()
        peak = tracemalloc.get_traced_memory()[1]
        end = tracemalloc.take_snapshot()
        seen, snapshot = max(
            (watch.held, watch.snapshot), (tracemalloc.get_traced_memory()[0], end), key=lambda x: x[0]
        )
        tracemalloc.stop()
        found: dict[str, Any] = {"exit_status": status, "peak_bytes": peak, "seen_bytes": min(seen, peak)}
        found |= {"at_peak": _places(snapshot), "at_end": _places(end)}
        (out / "memory.json").write_text(json.dumps(found), encoding="utf-8")
    return status


class _PeakWatch(threading.Thread):
    """Looks again and again how much is held, and keeps a snapshot of when it was most."""

    def __init__(self) -> None:
        super().__init__(name="watch-memory", daemon=True)
        self.held = 0
        self.snapshot: tracemalloc.Snapshot | None = None
        self._ended = threading.Event()

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        rest_s = _LOOK_EVERY_S
        while not self._ended.wait(rest_s) and tracemalloc.is_tracing():
            begin = time.perf_counter()
            held = tracemalloc.get_traced_memory()[0]
            if held > max(self.held * _GROWTH, _LEAST_BYTES):
                with contextlib.suppress(RuntimeError):  # the command itself has stopped the tracing
                    self.snapshot = None  # two at once would double what is held
                    self.snapshot = tracemalloc.take_snapshot()
                    self.held = held
            rest_s = max(_LOOK_EVERY_S, _REST * (time.perf_counter() - begin))


def _places(snapshot: tracemalloc.Snapshot | None) -> list[Any]:
    if snapshot is None:
        return []
    found: dict[Any, list[int]] = {}
    # the public view makes an object of each trace and of each line in it, which takes several times as long
    for _, size, frames, *_ in snapshot.traces._traces:  # type: ignore[attr-defined]  # noqa: SLF001
        if frames[0][0] not in {__file__, tracemalloc.__file__}:
            held = found.setdefault(frames, [0, 0])
            held[0] += size
            held[1] += 1
    largest = sorted(found.items(), key=lambda item: -item[1][0])[:_MAX_PLACES]
    return [[size, blocks, frames] for frames, (size, blocks) in largest]


def _run(command: list[str], record: int | None) -> int:
    """Run the command, which an interrupt ends; before it nobody is told whom to interrupt, and after it none disturbs.

    Else one that comes while the profiler begins, or writes what it has, would end that and leave nothing.
    """
    try:
        if record is not None:
            os.write(record, b'{"event": "start", "pid": %d}\n' % os.getpid())
            os.close(record)
        if command[0] == "-m":
            sys.argv, sys.path[0] = command[1:], str(Path.cwd())
            runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        elif command[0] == "-c":
            sys.argv, sys.path[0] = ["-c", *command[2:]], ""
            exec(compile(command[1], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 -- what -c does
        else:
            sys.argv, sys.path[0] = command, str(Path(command[0]).resolve().parent)
            runpy.run_path(command[0], run_name="__main__")
    except SystemExit as end:
        return _status(end.code)
    except KeyboardInterrupt:
        return 130
    except BaseException as error:  # noqa: BLE001 -- as the interpreter does: the traceback, and status 1
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename in {__file__, runpy.__file__, "<frozen runpy>"}:
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace)
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return 0


def _status(code: Any) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(str(code) + "\n")
    return 1


def _save(session: Any, command: list[str], path: Path) -> None:
    """Merge equal stacks, without the lines that their frames were at, or no two would be equal."""
    content = session.to_json()
    records = content["frame_records"]
    frames = sum(len(stack) for stack, _ in records)
    step = max(1, -(-len(records) // _MAX_SAMPLES), -(-frames // _MAX_FRAMES))
    merged: dict[tuple[str, ...], float] = {}
    waiting = 0.0
    for number, (stack, seconds) in enumerate(records):
        waiting += seconds
        if number % step:
            continue
        key = tuple(map(_without_line, stack))
        merged[key] = merged.get(key, 0.0) + waiting
        waiting = 0.0
    content["frame_records"] = [[list(stack), seconds] for stack, seconds in merged.items()]
    content["target_description"] = "Program: " + " ".join(command)
    path.write_text(json.dumps(content), encoding="utf-8")


def _without_line(frame: str) -> str:
    if _LINE not in frame:
        return frame
    name, *attributes = frame.split("\x01")
    return "\x01".join([name, *(attribute for attribute in attributes if attribute[:1] != "l")])


if __name__ == "__main__":
    sys.exit(main())
