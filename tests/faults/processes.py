"""What the kernel tells of processes."""

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

MB = 1_000_000


def memory_bytes(pid: int, what: str = "VmRSS") -> int:
    """Return what a process has resident now; `VmHWM`: the most since `forget_peak`."""
    found = re.search(rf"^{what}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def forget_peak(pid: int) -> None:
    """Let `VmHWM` of a process count from now on (proc_pid_clear_refs(5))."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def alive(pid: int) -> bool:
    """Tell whether a process lives; a zombie does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


class Grown(NamedTuple):
    """Resident memory of one process, in bytes."""

    before: int
    peak: int
    after: int

    def __str__(self) -> str:
        before, peak, after = (round(value / MB) for value in self)
        return f"{before} MB before, {peak} MB at most, {after} MB after"


class Memory:
    """How processes grow from the moment this is made."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        for pid in pids.values():
            forget_peak(pid)
        self._before = {name: memory_bytes(pid) for name, pid in pids.items()}

    def grown(self) -> dict[str, Grown]:
        """Return by name what there was, the most since, and what there is."""
        return {
            name: Grown(self._before[name], memory_bytes(pid, "VmHWM"), memory_bytes(pid))
            for name, pid in self._pids.items()
        }
