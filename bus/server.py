"""The embedded server: one nats-server process on one store directory, with the network's accounts and keys.

    async with EmbeddedServer(ServerOptions(store=Path(".sanctuary"), clones={"beta": ("security",)})) as server:
        connection = await connect(server.settings_for("operator"), name="demo")

It ends when the process that started it does, killed or not. Its log is `nats-server.log` in the store.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import msgspec

from bus import store as stores
from bus.errors import ServerFailed
from bus.keys import ensure_user, new_seed, public_key
from bus.server_binary import ServerBinary, find_server_binary
from bus.server_checks import ServerHealth, ask_health, disk_budget, explain
from bus.server_config import FULL_RIGHTS, Durability, ServerConfig, render
from bus.settings import ConnectionSettings
from bus.subjects import Subjects

_log = logging.getLogger(__name__)

READY_TIMEOUT_S = 120.0
"""A store with millions of messages takes seconds to open; a slow disk, more."""
STOP_TIMEOUT_S = 15.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where a server that listens everywhere is reached from here


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to run."""

    store: Path
    """Made where it is missing, kept between runs."""
    clones: Mapping[str, Sequence[str]] = {}
    """Clone name to its task types: each gets a user of its own, which may take and settle these and nothing else."""
    realm: str = "sanctuary"
    host: str = "127.0.0.1"
    port: int = 4222
    """-1 takes a free one; a restart keeps it."""
    durability: Durability = "100ms"
    binary: Path | None = None


class _Ports(msgspec.Struct, frozen=True):
    nats: list[str]
    monitoring: list[str]


class EmbeddedServer:
    """Starts, watches and stops one nats-server; use as an async context manager.

    The process that starts it must be the one whose thread stays alive: Linux ends the server with the thread that
    started it.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.options = options
        self._subjects = Subjects(options.realm)
        # Made absolute, for others who read it in network.json from another directory.
        self._store = options.store.absolute()
        self._binary: ServerBinary | None = None
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._last_words: deque[str] = deque(maxlen=20)
        self._listener: asyncio.Task[None] | None = None
        self._network: stores.NetworkFile | None = None
        self._max_file_bytes = 0

    @property
    def network(self) -> stores.NetworkFile:
        """Where the running server is reached."""
        if self._network is None:
            raise ServerFailed("the server was not started")
        return self._network

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self.network.url

    @property
    def port(self) -> int:
        """The port in use, also where any free one was asked for."""
        return urlsplit(self.network.url).port or 0

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.network.server_pid

    @property
    def keys(self) -> Mapping[str, Path]:
        """User name to the file of its nkey seed."""
        return {user: stores.seed_path(self._store, user) for user in self.network.users}

    @property
    def max_file_bytes(self) -> int:
        """What JetStream may store in all; streams' own limits lie below."""
        return self._max_file_bytes

    def settings_for(self, user: str) -> ConnectionSettings:
        """Return how to connect as `operator`, `omega` or one of the clones; raises ConfigurationError for others."""
        return self.network.settings_for(user)

    def anonymous_settings(self) -> ConnectionSettings:
        """Return how to connect as anybody."""
        return self.network.anonymous_settings()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Take the store and start the server; returns when clients can connect.

        Raises:
            StoreInUse: another server works on this store.
            ServerFailed: no usable binary, directory, port or disk; the message says which and what to do.
            ConfigurationError: a key file in the store is damaged.
        """
        self._binary = await asyncio.to_thread(find_server_binary, self.options.binary)
        for notice in self._binary.notices:
            _log.warning("%s", notice)
        if self.options.host not in _LOOPBACK:
            _log.warning(
                "The server listens on %s: whoever reaches it may submit tasks, without credentials.", self.options.host
            )
        stores.prepare(self._store)
        self._lock = await stores.acquire(self._store)
        try:
            await self._launch(self._binary, self.options.port)
        except BaseException:
            await self.stop()
            raise

    async def restart(self) -> None:
        """Start the server again on the same port and store, ended first where it still runs; raises as `start`."""
        if self._binary is None or self._lock is None:
            raise ServerFailed("the server was not started")
        port = self.port
        await self._end_process()
        await self._launch(self._binary, port)

    async def stop(self) -> None:
        """Stop the server (SIGTERM; SIGKILL after 15 s) and let go of the store. Stopping twice does no harm."""
        try:
            await self._end_process()
        finally:
            if self._lock is not None:
                stores.remove_network(self._store)
                os.close(self._lock)
                self._lock = None

    async def kill(self) -> None:
        """End the server with SIGKILL, as a crash would; the store stays taken, for `restart`."""
        await self._end_process(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait until the server process ends, however it does, and return its exit status."""
        if self._process is None:
            raise ServerFailed("the server was not started")
        return await self._process.wait()

    async def health(self) -> ServerHealth:
        """Ask whether every stream can be written.

        A stream that met a full disk refuses all messages until the server is restarted, room or not, while the process
        lives on and its API answers.
        """
        return await asyncio.to_thread(ask_health, self.network.monitoring_url)

    async def _launch(self, binary: ServerBinary, port: int) -> None:
        self._max_file_bytes = await asyncio.to_thread(disk_budget, self._store)
        users = {
            user: ensure_user(stores.seed_path(self._store, user)) for user in (*FULL_RIGHTS, *self.options.clones)
        }
        log_file, config_file = self._store / "nats-server.log", self._store / "nats-server.json"
        config = ServerConfig(
            store=self._store,
            host=self.options.host,
            port=port,
            durability=self.options.durability,
            max_file_bytes=self._max_file_bytes,
            realm=self._subjects.realm,
            public_keys=users,
            clones=self.options.clones,
            log_file=log_file,
            ports_dir=self._store,
            anonymous_key=public_key(new_seed(), origin="a new seed"),
        )
        config_file.touch(mode=0o600)
        config_file.write_text(render(config), encoding="utf-8")
        for left_over in self._store.glob("*.ports"):
            left_over.unlink()
        log_start = log_file.stat().st_size if log_file.exists() else 0
        await self._spawn(binary.path, config_file)
        ports = await self._ready(log_file, log_start)
        self._network = self._describe(ports, tuple(users))
        stores.write_network(self._store, self._network)

    async def _spawn(self, binary: Path, config_file: Path) -> None:
        self._last_words.clear()
        tether = Path(__file__).with_name("tether.py")
        if self._lock is None:
            raise ServerFailed("the store is not held")
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", tether, str(os.getpid()), binary, "-c", config_file),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(self._lock,),
            # Ctrl-C at a terminal is for the starter, which drains its daemons before it stops the server.
            start_new_session=True,
        )
        self._listener = asyncio.create_task(self._listen(self._process), name="nats-server stderr")

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Keep the last lines that went to stderr: what a server says before it has a log, and when it crashes."""
        if process.stderr is None:
            return
        while chunk := await process.stderr.read(65536):
            self._last_words.extend(chunk.decode(errors="replace").splitlines())

    async def _ready(self, log_file: Path, log_start: int) -> _Ports:
        """Wait for the ports file, which the server writes once it accepts clients."""
        process = self._process
        if process is None:
            raise ServerFailed("the server was not started")
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            for path in self._store.glob(f"*_{process.pid}.ports"):
                with contextlib.suppress(OSError, msgspec.DecodeError):  # not yet whole
                    return msgspec.json.decode(path.read_bytes(), type=_Ports)
            if process.returncode is not None:
                await self._end_process()
                raise ServerFailed(self._why(log_file, log_start))
            await asyncio.sleep(0.005)
        raise ServerFailed(f"nats-server was not ready within {READY_TIMEOUT_S:g} s. {self._why(log_file, log_start)}")

    def _why(self, log_file: Path, log_start: int) -> str:
        """Return the reason in words, from what the server wrote since it was started."""
        lines = list(self._last_words)
        with contextlib.suppress(OSError):
            written = log_file.read_bytes()
            # A log that was rotated meanwhile is shorter than it was.
            lines += (
                written[log_start if log_start <= len(written) else 0 :].decode(errors="replace").splitlines()[-20:]
            )
        return explain(lines, self.options.host, self.options.port, self._store)

    def _describe(self, ports: _Ports, users: tuple[str, ...]) -> stores.NetworkFile:
        host = _ANY_ADDRESS.get(self.options.host, self.options.host)
        address = f"[{host}]" if ":" in host else host
        return stores.NetworkFile(
            url=f"nats://{address}:{urlsplit(ports.nats[0]).port}",
            monitoring_url=ports.monitoring[0],
            server_pid=self._process.pid if self._process is not None else 0,
            starter_pid=os.getpid(),
            realm=self._subjects.realm,
            store=str(self._store),
            users=users,
        )

    async def _end_process(self, first: signal.Signals = signal.SIGTERM) -> None:
        process, listener = self._process, self._listener
        if process is None:
            return
        if process.returncode is None:
            _send(process, first)
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except BaseException as error:
                # Never left behind with the store, not even when this is cancelled.
                _send(process, signal.SIGKILL)
                if not isinstance(error, TimeoutError):
                    raise
                _log.warning("nats-server did not stop within %g s and was killed", STOP_TIMEOUT_S)
                await process.wait()
        if listener is not None:
            await listener


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    # Not `process.send_signal`: that looks whether the child has ended, and so takes its exit status from the event loop.
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)
