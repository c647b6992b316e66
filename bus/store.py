"""A server's store directory: who holds it, where the server that works on it can be reached, and whom it lets in.

The lock is flock(2) on a file that the server process inherits. So it is free exactly when both the starter and the server
are gone, however they went; a file left behind by kill -9 holds nothing.
"""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from bus.errors import ConfigurationError, ServerFailed, StoreInUse
from bus.server_rights import inbox_prefix
from bus.settings import ConnectionSettings

_ORPHAN_WAIT_S = 10.0
"""How long a server whose starter died is given to write its state out and leave the store; and those who only read."""
_PROBE_WAIT_S = 0.2
"""`read_network` takes the lock for an instant, to see whether it is free, and so long at least it is tried again."""


class NetworkFile(msgspec.Struct, frozen=True, kw_only=True):
    """`network.json`: how a local command line reaches the server that works on this store."""

    url: str
    monitoring_url: str
    server_pid: int
    starter_pid: int
    realm: str
    store: str
    users: tuple[str, ...]
    """The users whose seeds lie in `keys/<user>.nk`."""

    def settings_for(self, user: str) -> ConnectionSettings:
        """Return how to connect as one of the network's own users.

        Raises:
            ConfigurationError: there is no such user.
        """
        if user not in self.users:
            raise ConfigurationError(f"the server of {self.store} has no user {user!r}; it has {', '.join(self.users)}")
        return ConnectionSettings(
            servers=(self.url,),
            source=f"the network of {self.store}",
            nkey=seed_path(Path(self.store), user),
            inbox_prefix=inbox_prefix(user),
        )

    def anonymous_settings(self) -> ConnectionSettings:
        """Return how to connect as anybody: to the open account."""
        return ConnectionSettings(servers=(self.url,), source=f"the network of {self.store}")


def seed_path(store: Path, user: str) -> Path:
    """Return where a user's nkey seed lies."""
    return store / "keys" / f"{user}.nk"


def prepare(store: Path) -> None:
    """Make the store directory and its key directory, for the owner's eyes only.

    Raises:
        ServerFailed: it cannot be made or written to.
    """
    try:
        for directory in (store, store / "keys"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(store, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise ServerFailed(
            f"the store directory {store} cannot be used: {error.strerror}. Name another one, or mend its owner and mode."
        ) from None


async def acquire(store: Path) -> int:
    """Take the store; returns the lock's descriptor, for the server to inherit. Closing it (there and here) lets go.

    A server whose starter was killed is on its way out: it is waited for, up to 10 s.

    Raises:
        StoreInUse: somebody else works on it; the message says who.
    """
    descriptor = os.open(store / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        await _lock(descriptor, store)
        # A second starter is told at once who has it; the server's address follows in network.json.
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


async def _lock(descriptor: int, store: Path) -> None:
    began = time.monotonic()
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        waited = time.monotonic() - began
        starter = _starter(descriptor)
        orphaned = starter is not None and not _alive(starter)
        if waited > _PROBE_WAIT_S and (waited > _ORPHAN_WAIT_S or not (orphaned or _is_only_read(descriptor))):
            raise StoreInUse(_owner_message(store, starter, orphaned=orphaned))
        await asyncio.sleep(0.02)


def _is_only_read(descriptor: int) -> bool:
    """Tell whether whoever keeps us from the store just now only looks whether it is taken, as `read_network` does."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return True
    return False


def _starter(descriptor: int) -> int | None:
    with contextlib.suppress(ValueError):
        return int(os.pread(descriptor, 32, 0))
    return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _owner_message(store: Path, starter: int | None, *, orphaned: bool) -> str:
    network = _read(store)
    if orphaned:
        server = f"process {network.server_pid}" if network is not None else "a nats-server"
        return (
            f"the store {store} is held by {server}, left over from a start that was killed. End it, then start again."
        )
    at = f" with a server at {network.url}" if network is not None and network.starter_pid == starter else ""
    who = f"process {starter}" if starter is not None else "another process"
    return f"the store {store} is in use by {who}{at}. Use that network, stop it, or name another store."


def write_network(store: Path, network: NetworkFile) -> None:
    """Tell local command lines where the server is; whole or not at all."""
    temporary = store / ".network.json"
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(network)) + b"\n")
    temporary.replace(store / "network.json")


def remove_network(store: Path) -> None:
    """Forget the address of a server that stopped."""
    (store / "network.json").unlink(missing_ok=True)


def write_clones(store: Path, clones: Mapping[str, Sequence[str]]) -> None:
    """Keep which clone may take which task types, for the next start on this store; whole or not at all."""
    temporary = store / ".clones.json"
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(clones)) + b"\n")
    temporary.replace(store / "clones.json")


def read_clones(store: Path) -> Mapping[str, Sequence[str]]:
    """Return what `write_clones` kept last; nothing where it did not, or the file is damaged: the routes in force say it again."""
    try:
        return msgspec.json.decode((store / "clones.json").read_bytes(), type=dict[str, tuple[str, ...]])
    except (OSError, msgspec.DecodeError):
        return {}


def read_network(store: Path) -> NetworkFile | None:
    """Return where the running server of `store` is; None where none runs, whatever an earlier one left behind."""
    network = _read(store)
    if network is None:
        return None
    try:
        descriptor = os.open(store / "lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return network
    else:
        return None
    finally:
        os.close(descriptor)


def _read(store: Path) -> NetworkFile | None:
    try:
        return msgspec.json.decode((store / "network.json").read_bytes(), type=NetworkFile)
    except (OSError, msgspec.DecodeError):
        return None
