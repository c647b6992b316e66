"""What can be said of the embedded server from outside: room on its disk, why it ended, whether it is well."""

import contextlib
import http.client
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bus.errors import ServerFailed

_ANSWER_TIMEOUT_S = 2.0
_MAX_ANSWER_BYTES = 1024 * 1024
_DISK_SHARE = 0.9
"""The part of the disk's free space that JetStream may fill: its own limit refuses in words, a full disk breaks streams."""
_MINIMUM_DISK_BYTES = 64 * 1024 * 1024


class ServerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says of itself."""

    ok: bool
    detail: str
    """Why not, in the server's words; `ok` otherwise."""
    answered: bool = True
    """False where the server said nothing: it may be busy, frozen or gone."""


def disk_budget(store: Path) -> int:
    """Return how many bytes JetStream may hold: most of what it holds now and of what is free.

    Raises:
        ServerFailed: the disk is as good as full.
    """
    free = shutil.disk_usage(store).free
    held = 0
    for directory, _, files in os.walk(store / "jetstream"):
        for file in files:
            with contextlib.suppress(OSError):
                held += (Path(directory) / file).stat().st_blocks * 512
    if free < _MINIMUM_DISK_BYTES:
        raise ServerFailed(
            f"the disk of the store {store} is full: {free // 1024**2} MiB are free, at least {_MINIMUM_DISK_BYTES // 1024**2} are needed. "
            "Make room, or name a store on another disk."
        )
    return int((free + held) * _DISK_SHARE)


def log_tail(log_file: Path, start: int) -> list[str]:
    """Return the last lines of a log, of those written since it had `start` bytes."""
    try:
        written = log_file.read_bytes()
    except OSError:
        return []
    # A log that was rotated meanwhile is shorter than it was.
    return written[start if start <= len(written) else 0 :].decode(errors="replace").splitlines()[-20:]


def explain(lines: Sequence[str], host: str, port: int, store: Path) -> str:
    """Return in words why a server ended, from the lines that it wrote."""
    text = "\n".join(lines)
    if "address already in use" in text:
        return (
            f"port {port} on {host} is taken by another program. If that is a NATS server that you want, "
            f"name it (NATS_URL=nats://{host}:{port}); else choose another port (--port; -1 for any free one)."
        )
    if "cannot assign requested address" in text or "no such host" in text:
        return f"{host} is no address of this machine. Name one that is, such as 127.0.0.1."
    if "no space left on device" in text:
        return f"the disk of the store {store} is full. Make room, or name a store on another disk."
    telling = [line for line in lines if "[FTL]" in line or "[ERR]" in line] or lines[-5:] or ["(nothing was written)"]
    return f"nats-server ended at once; it said (all of it is in {store / 'nats-server.log'}):\n" + "\n".join(telling)


def ask_health(monitoring_url: str) -> ServerHealth:
    """Return what the server's own health check says; blocks for 2 s at most. A server that does not answer is not well."""
    try:
        status, body = _get(monitoring_url, "/healthz")
    except OSError as error:
        return ServerHealth(ok=False, answered=False, detail=f"no answer from {monitoring_url}: {error}")
    except http.client.HTTPException as error:
        return ServerHealth(ok=False, answered=False, detail=f"no answer from {monitoring_url}: {type(error).__name__}")
    if status == http.client.OK:
        return ServerHealth(ok=True, detail="ok")
    try:
        detail = msgspec.json.decode(body, type=dict[str, object]).get("error")
    except msgspec.DecodeError:
        detail = None
    return ServerHealth(ok=False, detail=str(detail or f"HTTP status {status}"))


def ask_loaded_at(monitoring_url: str) -> str:
    """Return when the server last took its configuration, to the nanosecond; empty where it does not answer within 2 s."""
    try:
        _, body = _get(monitoring_url, "/varz")
        return msgspec.json.decode(body, type=_Varz).config_load_time
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return ""


class _Varz(msgspec.Struct, frozen=True):
    config_load_time: str = ""


def _get(monitoring_url: str, path: str) -> tuple[int, bytes]:
    address = urlsplit(monitoring_url)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=_ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(_MAX_ANSWER_BYTES)
    finally:
        connection.close()
