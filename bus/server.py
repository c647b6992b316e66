"""The embedded server: one nats-server process on one store directory, with the network's accounts and keys.

    async with EmbeddedServer(ServerOptions(store=Path(".sanctuary"), clones={"beta": ("security",)})) as server:
        connection = await connect(server.settings_for("operator"), name="demo")

It ends when the process that started it does, killed or not. Its log is `nats-server.log` in the store.
"""

import asyncio
import logging
import os
import signal
import time
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
from bus.server_checks import ServerHealth, ask_health, ask_loaded_at, disk_budget, explain, log_tail
from bus.server_config import FIXED_USERS, Durability, ServerConfig, render
from bus.server_process import Ports, ServerProcess, start_process
from bus.settings import ConnectionSettings
from bus.subjects import Subjects

_log = logging.getLogger(__name__)

READY_TIMEOUT_S = 120.0
"""A store with millions of messages takes seconds to open; a slow disk, more."""
RELOAD_TIMEOUT_S = 10.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where a server that listens everywhere is reached from here


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to run."""

    store: Path
    """Made where it is missing, kept between runs."""
    clones: Mapping[str, Sequence[str]] = {}
    """Clone name to its task types: each gets a user of its own, which may take and settle these and nothing else.
    What `reload` last said of a clone on this store comes before this."""
    realm: str = "sanctuary"
    host: str = "127.0.0.1"
    port: int = 4222
    """-1 takes a free one; a restart keeps it."""
    durability: Durability = "100ms"
    binary: Path | None = None


class EmbeddedServer:
    """Starts, watches and stops one nats-server; use as an async context manager.

    The process that starts it must be the one whose thread stays alive: Linux ends the server with the thread that
    started it.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.options = options
        self.subjects = Subjects(options.realm)
        """The names of the realm whose account this is."""
        # Made absolute, for others who read it in network.json from another directory.
        self._store = options.store.absolute()
        self._binary: ServerBinary | None = None
        self._lock: int | None = None
        self._process: ServerProcess | None = None
        self._changing = asyncio.Lock()
        self._clones: Mapping[str, Sequence[str]] = {}
        self._anonymous_key = public_key(new_seed(), origin="a new seed")
        self._network: stores.NetworkFile | None = None
        self._max_file_bytes = 0
        self._configured_port = options.port
        self._loaded = ""
        self._log_file, self._config_file = self._store / "nats-server.log", self._store / "nats-server.json"

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
        """Return how to connect as `operator`, `omega`, `agents` or one of the clones; raises ConfigurationError for others."""
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
            self._clones = {**self.options.clones, **stores.read_clones(self._store)}
            async with self._changing:
                await self._launch(self._binary, self.options.port)
        except BaseException:
            await self.stop()
            raise

    async def restart(self) -> None:
        """Start the server again on the same port and store, ended first where it still runs; raises as `start`."""
        if self._binary is None or self._lock is None:
            raise ServerFailed("the server was not started")
        async with self._changing:
            port = self.port
            await self._end_process()
            await self._launch(self._binary, port)

    async def reload(self, clones: Mapping[str, Sequence[str]]) -> None:
        """Give each clone the rights to its task types, and a user to a clone that is new; the store keeps this for later starts.

        Rights that fall away go with the next start on this store: a task that runs is still settled by whoever has it. Nobody
        is disconnected, and calls that wait for their answers get them; only a clone's answer to a question of just before,
        such as for its status, may be lost. Where the server is down just now, its restart brings the rights.

        Raises:
            ServerFailed: the server was not started, or did not take the configuration within 10 s.
            OSError: a key or the configuration cannot be written.
        """
        if self._network is None or self._lock is None:
            raise ServerFailed("the server was not started")
        async with self._changing:
            known = self._clones
            self._clones = {
                name: tuple(dict.fromkeys((*known.get(name, ()), *clones.get(name, ()))))
                for name in {**known, **clones}
            }
            # A user that is known stays one, for its daemons that live on without any task type.
            stores.write_clones(self._store, {name: clones.get(name, ()) for name in self._clones})
            if self._process is not None and self._process.exit_status is None:
                await self._load(self._process, self._network.monitoring_url)
            self._network = msgspec.structs.replace(self._network, users=(*FIXED_USERS, *self._clones))
            stores.write_network(self._store, self._network)

    async def _load(self, process: ServerProcess, monitoring_url: str) -> None:
        """Have the running server take the configuration for the clones as they are now; returns once it has."""
        # As it was started, down to a port of -1: the server changes neither ports nor JetStream while it runs.
        text = self._configure(self._configured_port)
        if text == self._loaded:
            return
        deadline = time.monotonic() + RELOAD_TIMEOUT_S
        before = ""
        while True:
            loaded_at = await asyncio.to_thread(ask_loaded_at, monitoring_url)
            if loaded_at and not before:
                # Asked only now: the next answer tells something because there is one from before.
                before = loaded_at
                process.send(signal.SIGHUP)
            elif loaded_at not in (before, ""):
                break
            if process.exit_status is not None:
                return  # its restart brings the rights
            if time.monotonic() > deadline:
                late = f"nats-server did not take a new configuration within {RELOAD_TIMEOUT_S:g} s"
                raise ServerFailed(f"{late}; its log says why: {self._log_file}")
            await asyncio.sleep(0.01)
        self._loaded = text

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
        if self._lock is None:
            raise ServerFailed("the store is not held")
        self._configured_port = port
        text = self._configure(port)
        for left_over in self._store.glob("*.ports"):
            left_over.unlink()
        log_start = self._log_file.stat().st_size if self._log_file.exists() else 0
        self._process = await start_process(binary.path, self._config_file, self._lock)
        ports = await self._process.ports(self._store, READY_TIMEOUT_S)
        if ports is None:
            if self._process.exit_status is None:
                late = f"nats-server was not ready within {READY_TIMEOUT_S:g} s"
                raise ServerFailed(f"{late}. {self._why(log_start)}")
            await self._process.end()
            raise ServerFailed(self._why(log_start))
        self._loaded = text
        self._network = self._describe(ports, self._process.pid)
        stores.write_network(self._store, self._network)

    def _configure(self, port: int) -> str:
        """Write the configuration for the clones as they are now, and return it."""
        users = {user: ensure_user(stores.seed_path(self._store, user)) for user in (*FIXED_USERS, *self._clones)}
        config = ServerConfig(
            store=self._store,
            host=self.options.host,
            port=port,
            durability=self.options.durability,
            max_file_bytes=self._max_file_bytes,
            realm=self.subjects.realm,
            public_keys=users,
            clones=self._clones,
            log_file=self._log_file,
            ports_dir=self._store,
            anonymous_key=self._anonymous_key,
        )
        text = render(config)
        self._config_file.touch(mode=0o600)
        self._config_file.write_text(text, encoding="utf-8")
        return text

    def _why(self, log_start: int) -> str:
        """Return the reason in words, from what the server wrote since it was started."""
        lines = [*(self._process.last_words if self._process is not None else ()), *log_tail(self._log_file, log_start)]
        return explain(lines, self.options.host, self.options.port, self._store)

    def _describe(self, ports: Ports, pid: int) -> stores.NetworkFile:
        host = _ANY_ADDRESS.get(self.options.host, self.options.host)
        address = f"[{host}]" if ":" in host else host
        return stores.NetworkFile(
            url=f"nats://{address}:{urlsplit(ports.nats[0]).port}",
            monitoring_url=ports.monitoring[0],
            server_pid=pid,
            starter_pid=os.getpid(),
            realm=self.subjects.realm,
            store=str(self._store),
            users=(*FIXED_USERS, *self._clones),
        )

    async def _end_process(self, first: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            await self._process.end(first)
