"""Run a Python command under pyinstrument and write its session, whatever way the command ends.

    python sanctuary_profiler.py OUT INTERVAL_S (script.py | -m module | -c code) [argument …]

`OUT/profile.json` is a pyinstrument session (`pyinstrument --load`), with equal stacks merged and at most `_MAX_SAMPLES`
samples; `OUT/run.json` has `{"wall_s", "cpu_s", "exit_status"}`. The line `{"event": "start", "pid": …}` goes to the
file that `SANCTUARY_RECORD` names. The exit status is the command's.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import time
import traceback
from pathlib import Path
from typing import Any

_MAX_SAMPLES = 20_000
_LINE = "\x01l"
"""pyinstrument's mark for the line that a frame was at."""


def main() -> int:
    """Run the command and return its exit status."""
    from pyinstrument import Profiler

    out, interval = Path(sys.argv[1]), float(sys.argv[2])
    command = sys.argv[3:]
    pid = os.getpid()
    record = os.environ.pop("SANCTUARY_RECORD", None)
    if record:
        Path(record).write_text(json.dumps({"event": "start", "pid": pid}) + "\n", encoding="utf-8")
    profiler = Profiler(interval=interval, async_mode="disabled")
    cpu = time.process_time()
    begin = time.perf_counter()
    profiler.start()
    status = _run(command)
    wall_s, cpu_s = time.perf_counter() - begin, time.process_time() - cpu
    if os.getpid() == pid:  # not in what the command forked and let return
        session = profiler.stop()
        run = {"wall_s": wall_s, "cpu_s": cpu_s, "exit_status": status, "samples": session.sample_count}
        _save(session, command, out / "profile.json")
        (out / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return status


def _run(command: list[str]) -> int:
    try:
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
    return 0


def _status(code: Any) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(str(code) + "\n")
    return 1


def _save(session: Any, command: list[str], path: Path) -> None:
    """Merge equal stacks: only the innermost frame of a file keeps the line it was at, or no two would be equal."""
    content = session.to_json()
    records = content["frame_records"]
    step = -(-len(records) // _MAX_SAMPLES) or 1
    merged: dict[tuple[str, ...], float] = {}
    waiting = 0.0
    for number, (stack, seconds) in enumerate(records):
        waiting += seconds
        if number % step:
            continue
        inner = next((index for index in range(len(stack) - 1, -1, -1) if "\0<" not in stack[index]), -1)
        key = tuple(frame if index == inner else _without_line(frame) for index, frame in enumerate(stack))
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
