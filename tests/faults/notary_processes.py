"""Notaries in processes of their own, each of which may die at a call that it makes to anything else."""

import asyncio
import functools
import inspect
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NamedTuple

from bus.network import open_network
from bus.settings import ConnectionSettings
from bus.subjects import Subjects
from ops.proofs import notary, notary_files
from ops.proofs.notary import Notary
from ops.proofs.notary_files import NotaryFiles
from tests.faults.forking import fork

POINTS: tuple[tuple[Any, str], ...] = (
    (notary, "api"),
    (notary, "last_of"),
    (notary, "record"),
    (notary, "publish"),
    (notary_files, "write_whole"),
    (notary_files, "_write_all"),
    (os, "fsync"),
    (os, "ftruncate"),
    (Path, "replace"),
    (Path, "unlink"),
)
"""Everything that a notary does to the ledger or a file. Between two such calls it works in memory."""
TORN = "torn"
"""The side of a call of `_write_all` that dies in the middle."""


class Death(NamedTuple):
    """Where a process is to die: at its n-th call of a point, before it, after it, or in the middle."""

    point: int
    number: int
    side: str


def sign_once(
    settings: ConnectionSettings, subjects: Subjects, directory: Path, last: int, death: Death | None
) -> ForkServerProcess:
    """Start a notary that ends once it has signed the ledger up to the entry `last`, or dies before."""
    return fork(_sign_once, settings, subjects, directory, last, death)


def _sign_once(
    settings: ConnectionSettings, subjects: Subjects, directory: Path, last: int, death: Death | None
) -> None:
    if death is not None:
        _arm(death)
    asyncio.run(_run(settings, subjects, directory, last))


async def _run(settings: ConnectionSettings, subjects: Subjects, directory: Path, last: int) -> None:
    files = NotaryFiles(directory / "notary", directory, subjects.realm)
    files.open()
    async with open_network(settings, subjects, name="notary") as network:
        signing = Notary(network, files, every_s=0)
        while files.signed_size < last:
            await signing.look()


def _arm(death: Death) -> None:
    owner, name = POINTS[death.point]
    original = getattr(owner, name)
    calls = 0

    def reached() -> bool:
        nonlocal calls
        calls += 1
        return calls == death.number

    wrapped: Callable[..., Any]
    if death.side == TORN:

        def wrapped(descriptor: int, data: bytes, offset: int) -> None:
            if reached():
                original(descriptor, data[: len(data) - 5], offset)
                _die()
            original(descriptor, data, offset)

    elif inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            is_last = reached()
            if is_last and death.side == "before":
                _die()
            done = await original(*args, **kwargs)
            if is_last:
                _die()
            return done

    else:

        @functools.wraps(original)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            is_last = reached()
            if is_last and death.side == "before":
                _die()
            done = original(*args, **kwargs)
            if is_last:
                _die()
            return done

    setattr(owner, name, wrapped)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
