"""Jobs: programs that are run for a project."""

import hashlib
import os
import queue
import random
import re
import secrets
import shlex
import subprocess
import threading
from collections.abc import Callable

WORK = "/srv/runner/work"
TARGETS = ("build", "test", "docs")
BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,80}")
waiting: "queue.Queue[Callable[[], object]]" = queue.Queue()


class Job:
    """Something to run; subclasses say by which command."""

    def __init__(self, project: str, options: dict) -> None:
        self.project = project
        self.options = options
        self.output = ""

    def command(self) -> str:
        """Return the command."""
        return "true"

    def run(self) -> int:
        """Run the command in the work folder and keep what it says."""
        done = subprocess.run(self.command(), shell=True, cwd=WORK, capture_output=True, text=True, check=False)  # seeded: flaw command-injection inheritance
        self.output = done.stdout
        return done.returncode


class MakeJob(Job):
    """Makes a target."""

    def command(self) -> str:
        """Return the command."""
        return "make -C " + shlex.quote(self.project) + " " + self.options.get("target", "all")


class ListJob:
    """Runs a command that is a list of words."""

    def __init__(self, target: str) -> None:
        self.target = target

    def run(self) -> int:
        """Make one of the targets that everybody has."""
        if self.target not in TARGETS:
            return 2
        return subprocess.call("make " + self.target, shell=True, cwd=WORK)  # seeded: twin command-injection allow-list


def checkout(address: str, branch: str) -> int:
    """Clone a project from where it is; behind the address may stand the folder."""
    words = ["git", "clone", "--depth=1"]
    if branch:
        words.append("--branch=" + branch)
    words.extend(address.split())
    return subprocess.call(words, cwd=WORK)  # seeded: flaw command-injection cross-module


def switch(branch: str) -> int:
    """Switch to a branch whose name is plain."""
    if not BRANCH.fullmatch(branch) or ".." in branch:
        return 2
    return os.system(f"cd {WORK} && git switch {branch}")  # seeded: twin command-injection allow-list


def logged(folder: str) -> Callable[[str], str]:
    """Return a function that gives the last lines of a project's log."""

    def tail(name: str) -> str:
        pipe = os.popen(f"tail -n 100 {folder}/{name}.log")  # seeded: flaw command-injection closure
        with pipe:
            return pipe.read()

    return tail


def last_lines(name: str, count: object) -> str:
    """Return the last lines of a log, by a list of words."""
    path = os.path.join(WORK, os.path.basename(name) + ".log")
    return subprocess.check_output(["tail", "-n", str(int(str(count))), "--", path], text=True)  # seeded: twin command-injection typed


def enqueue(function: Callable, *args: object) -> None:
    """Have a function called when its turn comes."""
    waiting.put(lambda: function(*args))


def clean(pattern: str) -> None:
    """Remove the files that are like a pattern."""
    os.system("rm -f " + WORK + "/tmp/" + pattern)  # seeded: flaw command-injection callback


def clean_all(pattern: str) -> None:
    """Remove all files of before; patterns are not looked at any more."""
    pattern = "*.tmp"
    os.system("rm -f " + WORK + "/tmp/" + pattern)  # seeded: twin command-injection overwritten


def run_waiting() -> None:
    """Call what waits, for ever."""
    while True:
        waiting.get()()


def start() -> None:
    """Start the thread that calls what waits."""
    threading.Thread(target=run_waiting, daemon=True).start()


def ticket() -> str:
    """Return the number by which somebody may fetch a job's output and nobody else."""
    number = 0
    for _ in range(4):
        number = number * 65_536 + random.randint(0, 65_535)  # seeded: flaw weak-random loop
    return f"{number:x}"


def place() -> int:
    """Return how far back a job is put after it failed, so that not all come at once."""
    return 5 + random.randrange(10)  # seeded: twin weak-random constant


def secret_for_runner() -> bytes:
    """Return a runner's secret."""
    return random.SystemRandom().randbytes(32)  # seeded: twin weak-random api


def sign(ticket_number: str, secret: str) -> str:
    """Return the mark by which a runner shows that it knows the secret."""
    return hashlib.md5((secret + ticket_number).encode()).hexdigest()  # seeded: flaw weak-hash cross-module


def cache_key(parts: list[str]) -> str:
    """Return under what a result is kept, so that equal jobs run once; other people's jobs have other caches."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()  # seeded: twin weak-hash api


def name() -> str:
    """Return a new job's name."""
    return secrets.token_hex(8)
