"""Commands on the build host."""

import asyncio
import shlex
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from app.models import Checkout, Shell


async def output(command: str, cwd: Path) -> str:
    """What a shell command prints."""
    process = await asyncio.create_subprocess_shell(command, cwd=cwd, stdout=asyncio.subprocess.PIPE)  # seeded: flaw command-injection cross-module
    out, _ = await process.communicate()
    return out.decode(errors="replace")


async def lines(argv: list[str], cwd: Path) -> AsyncIterator[str]:
    """What a program prints, line by line."""
    process = await asyncio.create_subprocess_exec(*argv, cwd=cwd, stdout=asyncio.subprocess.PIPE)  # seeded: twin command-injection api
    assert process.stdout
    async for line in process.stdout:
        yield line.decode(errors="replace").rstrip()


def checkout(where: Path, wanted: Checkout) -> None:
    """Bring a branch into the workspace."""
    command = f"git fetch --depth {wanted.depth} origin {wanted.branch} && git checkout FETCH_HEAD"
    subprocess.run(command, shell=True, cwd=where, check=True, timeout=300)  # seeded: twin command-injection sanitised


def clone(address: str, where: Path) -> None:
    """Fetch a repository for the first time."""
    argv = ["git", "clone", "--quiet"]
    argv.append(address)
    argv.append(str(where))
    subprocess.run(argv, check=True, timeout=600)  # seeded: flaw command-injection cross-module


def tag(where: Path, name: str, message: str) -> None:
    """Tag what was built."""
    line = "git tag -a -m {} -- {}".format(shlex.quote(message), shlex.quote(name))
    subprocess.check_call(line, shell=True, cwd=where)  # seeded: twin command-injection sanitised


def step(shell: Shell, where: Path, variables: Mapping[str, str]) -> int:
    """Run the workspace's own script with one of our shells; variables go by the environment."""
    environment = {f"CI_{name.upper()}": value for name, value in variables.items()}
    return subprocess.call(f"{shell.value} ./ci/run.sh", shell=True, cwd=where, env=environment)  # seeded: twin command-injection typed
