"""A scanner of our own in a process of its own: it has a core to itself, and what brings it down leaves the others' findings."""

import importlib
import math
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import msgspec

import clones
from clones.engines import process
from clones.engines.contract import EngineError, NotAnalysed
from clones.engines.security.reported import Scan, left_s
from clones.engines.security.scope import Scope

_TIMEOUT_S = 3600.0
_SHARE = 0.75
"""Of the time, for the scanner itself: the rest is for what it has by then to be told."""
_ROOT = Path(clones.__file__).resolve().parents[1]


class Order(msgspec.Struct, frozen=True):
    """What the other process is told."""

    module: str
    """Of `clones.engines.security`; its `scan(copy, scope, progress, deadline=…)` is called."""
    copy: str
    scope: Scope
    deadline: float
    """Of `time.monotonic()`, which is the same clock in both processes."""


def scan_apart(
    name: str, module: str, copy: Path, scope: Scope, progress: Callable[[float], None], *, deadline: float = math.inf
) -> Scan:
    """Return what the scanner in `module` finds; where it dies or does not end nothing, and `left_out` says why."""
    progress(0.0)
    begin = time.monotonic()
    timeout_s = left_s(deadline, _TIMEOUT_S)
    order = msgspec.msgpack.encode(Order(module, str(copy), scope, begin + timeout_s * _SHARE))
    is_part = False
    # -P: a package of the target's that is named like one of ours is not taken for it
    argv = (sys.executable, "-P", "-m", "clones.engines.security.apart")
    env = process.minimal_env() | {"PYTHONPATH": str(_ROOT), "PYTHONHASHSEED": "0"}
    try:
        ended = process.run(argv, cwd=copy, timeout_s=timeout_s, env=env, stdin=order)
        return msgspec.msgpack.decode(ended.stdout, type=Scan)
    except process.StoppedError:
        why = "the time was up"
        is_part = True
    except EngineError as error:
        why = error.message
    except msgspec.DecodeError:
        said = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2][-300:]
        why = f"it ended with status {ended.exit_status}: {said or 'no word of why'}"
    return Scan(
        name=name,
        version=version("sanctuary-bus"),
        command=(),
        results=(),
        files_analysed=0,
        duration_s=time.monotonic() - begin,
        left_out=(NotAnalysed(subject=name, reason=f"nothing was analysed: {why}"),),
        is_part=is_part,
    )


def main() -> None:
    """Read an `Order`, and write the `Scan`."""
    order = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Order)
    scan = importlib.import_module(order.module).scan
    done = scan(Path(order.copy), order.scope, lambda _: None, deadline=order.deadline)
    sys.stdout.buffer.write(msgspec.msgpack.encode(done))
    sys.stdout.buffer.flush()
    # without the interpreter's own end: to take millions of syntax nodes apart takes time that nobody has
    os._exit(0)


if __name__ == "__main__":
    main()
