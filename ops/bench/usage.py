"""What processes and the machine have used of the processors, from /proc (proc(5)); elsewhere nothing is known."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

_STAT = Path("/proc/stat")


class Usage(msgspec.Struct, frozen=True):
    """Processor time used until now, in seconds."""

    by_part: dict[str, float]
    """By what the processes are to the bench; those of one part together."""
    machine_s: float
    """Of all that runs on the machine, on all cores together."""


def read(pids: Mapping[str, Sequence[int]]) -> Usage | None:
    """Return what the processes have used, and the machine; None: there is no /proc here.

    Raises:
        ProcessLookupError: one has ended.
    """
    if not _STAT.exists():
        return None
    by_part = {part: sum(map(_process_s, members)) for part, members in pids.items()}
    return Usage(by_part, _machine_s())


def cores(before: Usage | None, after: Usage | None, seconds: float) -> tuple[dict[str, float], float] | None:
    """Return how many cores each part used in between, and all that ran on the machine; None: not known."""
    if before is None or after is None:
        return None
    parts = {part: (used - before.by_part[part]) / seconds for part, used in after.by_part.items()}
    return parts, (after.machine_s - before.machine_s) / seconds


def _process_s(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise ProcessLookupError(f"the process {pid} has ended") from None
    # The name, in brackets, may hold anything; utime and stime are the fields 14 and 15.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _machine_s() -> float:
    # user, nice, system, idle, iowait, irq, softirq, steal; what follows is counted in the first two already.
    user, nice, system, _, _, irq, softirq, steal = map(int, _STAT.read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
