"""Start one program under limits, and end everything that it started.

A script of its own (`python -I -S launcher.py`, standard library only), between a clone daemon and the program, so that
the program's processes end even where the daemon is killed with -9. Usage::

    launcher.py TIMEOUT_S MEMORY_BYTES PROCESSES DISK_BYTES SCRATCH [--in DIRECTORY] PROGRAM [ARGUMENT...]

- standard input: held open by the daemon as long as it wants the program to live; end of file ends everything.
- standard output: the program's descriptor 3. When every process is dead, the launcher adds one line of its own,
  `{"type":"ended","reason":R,"status":N,"left":N}`: `R` is `exit`, `timeout`, `cancelled`, `processes`, `disk` or
  `not_started`, `status` as in `subprocess` (the errno for `not_started`), `left` the number of processes that could not be
  killed. Then it closes.
- standard error: the program's standard output and standard error.
- SCRATCH: a directory for this run, the program's working and temporary directory; `SCRATCH/request` is the program's
  standard input. Removed when everything is dead and the daemon knows it.
- --in DIRECTORY: the program's working directory, relative to SCRATCH; it has no descriptor 3, and its standard output is
  the launcher's.

Guarantees on Linux: as child subreaper the launcher stays the ancestor of whatever the program starts, in any session
or process group, and kills it all; a launcher killed with -9 takes the program with it. Elsewhere (macOS) a process is
found as long as its parent lives, or while it is in the program's process group.

More than PROCESSES descendants end the run (Linux), which RLIMIT_NPROC would not: it counts a user's, and not root's. So do
more than DISK_BYTES in SCRATCH, which is gone through a little at a time, and a file system that is nearly full, whatever
fills it; no file gets larger than DISK_BYTES, wherever it is (RLIMIT_FSIZE).
"""

# importing pathlib would take as long as everything else here
# ruff: noqa: PTH101, PTH114, PTH118, PTH123, PTH208

import contextlib
import ctypes
import os
import resource
import select
import shutil
import signal
import sys
import time

TYPE_CHECKING = False  # typing takes 10 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWER_FD = 3
GIVE_UP_AFTER_S = 10.0
"""Time after which processes that cannot be killed (uninterruptible in the kernel) are left and counted."""

LOOK_EVERY_S = 0.5
"""How often it is looked at what the run takes."""
MIN_FREE_BYTES = 256 * 1024**2
"""What is to stay free on SCRATCH's file system; half of what is free at the beginning where that is less."""

_LOOK_FOR_S = 0.02
"""How long a look at SCRATCH may take."""
_LOOK_SHARE = 0.05
"""Of the time that counting processes may take, on a machine with very many."""

# prctl(2), linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_NICE = 5  # a daemon that renews its lease comes before the work
_OOM_SCORE_ADJ = "500"  # and the kernel short of memory takes the work, not the daemon or the server
_RESCAN_S = 0.005


def main(argv: list[str]) -> int:
    """Run the program of `argv` to its end, and say how it ended."""
    timeout_s, memory_bytes, processes, disk_bytes = float(argv[1]), int(argv[2]), int(argv[3]), int(argv[4])
    scratch, program = argv[5], argv[6:]
    directory = None
    if program[0] == "--in":
        directory, program = program[1], program[2:]
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    wakeup, wakeup_write = os.pipe()
    os.set_blocking(wakeup_write, False)
    signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    deadline = time.monotonic() + timeout_s
    try:
        usage = _Usage(scratch, processes, disk_bytes)
        pid = _start(program, scratch, directory, memory_bytes, disk_bytes)
        reason, status = _wait(pid, wakeup, deadline, usage)
        left, killed_status = _end_all(pid)
        _say(reason, killed_status if status is None else status, left)
    except OSError as error:
        _say("not_started", error.errno or 0, 0)
    finally:
        _hang_up_and_remove(scratch)
    return 0


class _Usage:
    """What a run takes of the machine, beside time and memory."""

    def __init__(self, scratch: str, processes: int, disk_bytes: int) -> None:
        self._scratch = scratch
        self._processes = processes
        self._disk_bytes = disk_bytes
        self._least_free = min(MIN_FREE_BYTES, self._free() // 2)
        self._sizes = sizes(scratch)
        self._count_at = 0.0

    def over(self) -> "str | None":
        """Return which limit is passed, as the reason of the end."""
        now = time.monotonic()
        if sys.platform == "linux" and now >= self._count_at:
            if len(_descendants()) > self._processes:
                return "processes"
            self._count_at = now + (time.monotonic() - now) / _LOOK_SHARE
        if self._free() < self._least_free:
            return "disk"
        until = time.monotonic() + _LOOK_FOR_S
        for total in self._sizes:
            if total > self._disk_bytes:
                return "disk"
            if time.monotonic() > until:
                return None
        self._sizes = sizes(self._scratch)
        return None

    def _free(self) -> int:
        try:
            state = os.statvfs(self._scratch)
        except OSError:  # the program has removed it
            return sys.maxsize
        return state.f_bavail * state.f_frsize


def sizes(directory: str) -> "Iterator[int]":
    """Yield what the files below take of the disk, as far as they were looked at; what goes meanwhile is passed over."""
    total, waiting = 0, [directory]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512  # sparse files take what they hold
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                yield total


def _start(program: list[str], scratch: str, directory: "str | None", memory_bytes: int, disk_bytes: int) -> int:
    """Fork and execute the program; returns its process id.

    Raises:
        OSError: it cannot be executed.
    """
    launcher = os.getpid()
    failure_read, failure_write = os.pipe()  # closed by a successful exec
    pid = os.fork()
    if pid == 0:
        try:
            _limit(resource.RLIMIT_FSIZE, disk_bytes)
            _become(program, scratch, directory, memory_bytes, launcher)
        except OSError as error:
            os.write(failure_write, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(failure_write)
    failure = os.read(failure_read, 16)
    os.close(failure_read)
    if failure:
        os.waitpid(pid, 0)
        raise OSError(int(failure), os.strerror(int(failure)))
    return pid


def _become(program: list[str], scratch: str, directory: "str | None", memory_bytes: int, launcher: int) -> None:
    os.setsid()
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != launcher:  # it died before the line above
        os._exit(127)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)  # no set-user-id program: its processes could not be killed
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # macOS has the call and refuses it
        _limit(resource.RLIMIT_AS, memory_bytes)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
            score.write(_OOM_SCORE_ADJ)  # some containers mount /proc read-only
    os.nice(_NICE)
    os.chdir(scratch)
    request = os.open("request", os.O_RDONLY)
    os.dup2(request, 0)
    if directory is None:
        os.dup2(1, ANSWER_FD)
        os.dup2(2, 1)
    else:
        os.chdir(directory)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    os.execve(program[0], program, {**os.environ, "TMPDIR": scratch})  # noqa: S606 - no shell is the point


def _limit(kind: int, most: int) -> None:
    """Set one of this process's limits; a stricter one, which the daemon runs under, stays, as it cannot be raised."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(kind, (most, most))


def _wait(pid: int, wakeup: int, deadline: float, usage: _Usage) -> "tuple[str, int | None]":
    """Wait until the program ends, a limit is passed, or the daemon lets go; returns why, and how the program ended."""
    while True:
        while True:  # orphans too: they are the launcher's children now
            ended, status = _reap()
            if ended == pid:
                return "exit", os.waitstatus_to_exitcode(status)
            if ended == 0:
                break
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return "timeout", None
        ready, _, _ = select.select([0, wakeup], [], [], min(left_s, LOOK_EVERY_S))
        if 0 in ready and not os.read(0, 4096):
            return "cancelled", None
        if wakeup in ready and set(os.read(wakeup, 4096)) & {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}:
            return "cancelled", None
        reason = usage.over()
        if reason is not None:
            return reason, None


def _end_all(pid: int) -> "tuple[int, int]":
    """Kill all descendants, until there is none; returns how many are left and the wait status of `pid`.

    They are killed by process group as well, for the kernel signals a group at one stroke: a chain of processes that
    fork and exit faster than they can be listed has no gap to slip through.
    """
    status = 0
    give_up = time.monotonic() + GIVE_UP_AFTER_S
    groups = {pid}
    while True:
        found = _descendants()
        groups.update(found.values())
        for group in groups - {os.getpgrp(), 0}:
            _kill(os.killpg, group)
        for process in found:
            _kill(os.kill, process)
        groups.clear()
        while True:
            ended, raw = _reap()
            if ended == pid:
                status = os.waitstatus_to_exitcode(raw)
            if ended <= 0:
                break
        if ended < 0:
            return 0, status
        if time.monotonic() > give_up:
            return len(found), status
        time.sleep(_RESCAN_S)


def _reap() -> "tuple[int, int]":
    """Reap one child: its id and wait status, an id of 0 where none has ended, -1 where there is no child."""
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return -1, 0


def _kill(call: "Callable[[int, int], None]", target: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
        call(target, signal.SIGKILL)


def _descendants() -> "dict[int, int]":
    """Return all living descendants of the launcher, with their process groups."""
    table = _process_table()
    children: dict[int, list[int]] = {}
    for process, (parent, _) in table.items():
        children.setdefault(parent, []).append(process)
    found: dict[int, int] = {}
    to_visit = [os.getpid()]
    while to_visit:
        for process in children.get(to_visit.pop(), ()):
            found[process] = table[process][1]
            to_visit.append(process)
    return found


def _process_table() -> "dict[int, tuple[int, int]]":
    """Return process id -> (parent, process group) of every process.

    Zombies too: one whose first thread has ended looks like one while its other threads run.
    """
    table = {}
    if sys.platform != "linux":
        with os.popen("/bin/ps -axo pid=,ppid=,pgid=") as listing:  # noqa: S605 - a constant
            for line in listing:
                process, parent, group = map(int, line.split())
                table[process] = (parent, group)
        return table
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stat:
                    # proc(5): `pid (comm) state ppid pgrp ...`, and comm may hold any character
                    _, parent, group = stat.read().rpartition(b")")[2].split()[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue
            table[int(name)] = (int(parent), int(group))
    return table


def _say(reason: str, status: int, left: int) -> None:
    # the program may have been killed in the middle of a line
    line = f'\n{{"type":"ended","reason":"{reason}","status":{status},"left":{left}}}\n'
    with contextlib.suppress(BrokenPipeError):  # the daemon is dead
        os.write(1, line.encode())


def _hang_up_and_remove(scratch: str) -> None:
    """Close the outputs, and remove the directory in a process that goes on where the daemon ends and takes this one along."""
    try:
        pid = os.fork()
    except OSError:  # no more processes may be made
        pid = -1
    if pid == 0:
        os.setsid()
    os.close(1)
    os.close(2)
    if pid > 0:
        os.waitpid(pid, 0)
    else:
        _remove(scratch)


def _remove(scratch: str) -> None:
    for directory, names, _ in os.walk(scratch):
        for name in names:
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)  # a directory that the program made read-only could not be emptied
    shutil.rmtree(scratch, ignore_errors=True)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
