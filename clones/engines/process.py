"""Run a tool as a subprocess: no shell, a time limit, bounded output, nothing left behind.

For use inside an engine, which may block. What the tool starts and leaves in its process group dies with it; what has
moved to a session of its own dies at the latest with the engine (`clones.sandbox`).
"""

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from clones.engines.contract import EngineError

MAX_STDOUT_BYTES = 64 * 1024 * 1024
"""What is kept of a tool's standard output: its first bytes, for a report that is cut at its end can be told."""
MAX_STDERR_BYTES = 1024 * 1024
"""What is kept of its error output: the last bytes, for that is where tools say why they failed."""

_POLL_S = 0.05
_READ_BYTES = 64 * 1024

_KEPT = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        *("XDG_CACHE_HOME", "XDG_DATA_HOME"),
        # this machine's certificates: without them nothing installs or clones
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"),
        *("PIP_CERT", "PIP_CONFIG_FILE", "PIP_DEFAULT_TIMEOUT"),
    }
)
_KEPT_WITHOUT_USER = frozenset(
    {
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"),
    }
)
"""Addresses, which may hold a user name and password."""


class StoppedError(EngineError):
    """A tool had not ended when its time was used up."""

    def __init__(self, message: str, stdout: bytes) -> None:
        """`stdout` is what it had written by then, bounded as in `Finished`."""
        super().__init__(message, code="engine_timeout")
        self.stdout = stdout


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """How a tool ended."""

    exit_status: int
    """As in `subprocess`: negative for the signal that ended it."""
    stdout: bytes
    stderr: bytes
    duration_s: float
    truncated: bool = False
    """Whether output was dropped because it was beyond `MAX_STDOUT_BYTES` or `MAX_STDERR_BYTES`."""


def minimal_env() -> dict[str, str]:
    """Return the environment that tools get: an allow-list of this process's, so without credentials of any kind.

    The scripts beside the running interpreter come first in PATH, so that `ruff` is the one Sanctuary was installed
    with whether or not its virtual environment is activated. Addresses that hold a user name or password are left out.
    """
    env = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith("LC_") or (name in _KEPT_WITHOUT_USER and "@" not in value)
    }
    env["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), env.get("PATH", os.defpath)))
    env.setdefault("LANG", "C.UTF-8")
    return env


def run(
    argv: Sequence[str], *, cwd: Path, timeout_s: float, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> Finished:
    """Run `argv` in `cwd` and wait for it, whatever its exit status is.

    `env` is the whole environment; without it the tool gets `minimal_env()`. When the call returns or raises, the
    tool's process group is dead.

    Raises:
        EngineError: `tool_missing` where `argv[0]` cannot be started.
        StoppedError: `engine_timeout`, after `timeout_s` seconds.
    """
    begin = time.monotonic()
    environment = minimal_env() if env is None else dict(env)
    with tempfile.TemporaryFile() as source:
        source.write(stdin)
        source.seek(0)
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=environment,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,
            )
        except OSError as error:
            raise _cannot_start(argv[0], cwd, error) from error
    stdout = b""
    try:
        stdout, stderr, truncated = _collect(process, begin + timeout_s)
        exit_status = process.wait(max(0.0, begin + timeout_s - time.monotonic()))
    except subprocess.TimeoutExpired as stopped:
        message = f"`{shlex.join(argv)}` was stopped: it had not ended after {timeout_s:g} s"
        raise StoppedError(message, stopped.output or stdout) from None
    finally:
        _kill_group(process)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    return Finished(
        exit_status=exit_status,
        stdout=stdout,
        stderr=stderr,
        duration_s=time.monotonic() - begin,
        truncated=truncated,
    )


def _collect(process: "subprocess.Popen[bytes]", deadline: float) -> tuple[bytes, bytes, bool]:
    """Read both pipes until they are closed, or until the tool has ended and what it wrote is read.

    The second matters where a child that outlives the tool still holds the pipes.
    """
    head, tail = bytearray(), bytearray()
    truncated = False
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe.fileno(), selectors.EVENT_READ, pipe is process.stdout)
        while selector.get_map():
            ended = process.poll() is not None
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, 0, output=bytes(head))
            ready = selector.select(0 if ended else min(left, _POLL_S))
            if ended and not ready:
                break
            for key, _ in ready:
                chunk = os.read(key.fd, _READ_BYTES)
                if not chunk:
                    selector.unregister(key.fd)
                elif key.data:
                    kept = chunk[: MAX_STDOUT_BYTES - len(head)]
                    head += kept
                    truncated |= len(kept) < len(chunk)
                else:
                    tail += chunk
                    # trimmed at twice the bound, so that the copying stays cheap for a tool that never stops writing
                    if len(tail) > 2 * MAX_STDERR_BYTES:
                        del tail[:-MAX_STDERR_BYTES]
                        truncated = True
    truncated |= len(tail) > MAX_STDERR_BYTES
    return bytes(head), bytes(tail[-MAX_STDERR_BYTES:]), truncated


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _cannot_start(tool: str, cwd: Path, error: OSError) -> EngineError:
    if not cwd.is_dir():
        return EngineError(f"cannot run `{tool}` in {cwd}: there is no such directory", code="engine_failed")
    reason = error.strerror or str(error)
    message = f"cannot run `{tool}`: {reason}; install it on the machine that runs this clone, within the clone's PATH"
    return EngineError(message, code="tool_missing")
