"""Which server a command talks to, and as whom."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import platformdirs

from bus.errors import ConfigurationError, ConnectionFailed
from bus.server_config import OPERATOR
from bus.settings import DEFAULT_URL, ConnectionSettings, resolve
from bus.store import NetworkFile, read_network
from bus.subjects import Subjects

if TYPE_CHECKING:
    from bus.network import Network

CONNECT_S = 5.0
"""How long a command waits for its first connection; daemons wait for ever."""
UNEXPECTED_S = 0.3
"""As long where no server is named and none was started here."""
CREDENTIALS = ("NATS_CREDS", "NATS_NKEY", "NATS_USER", "NATS_TOKEN")
"""The variables that say as whom to connect."""

log = logging.getLogger(__name__)


def default_store() -> Path:
    """Return where `sanctuary up` keeps its server's data where nothing else is said."""
    return platformdirs.user_state_path("sanctuary")


@dataclass(frozen=True, slots=True)
class Where:
    """What the user said about the network."""

    server: str | None
    context: str | None
    store: Path
    realm: str
    store_named: bool = False
    """Whether the user chose the store; then its network is meant and no other."""

    def named(self) -> ConnectionSettings | None:
        """Return the server that the user named (option, NATS variables, nats context), or None.

        Raises:
            ConfigurationError: what was named cannot be used.
        """
        return self._resolve(self.server)

    def _resolve(self, server: str | None) -> ConnectionSettings | None:
        config_home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return resolve(os.environ, server=server, context=self.context, config_home=config_home)

    def settings(self, user: str = OPERATOR) -> ConnectionSettings:
        """Return how to connect: to the named server; else, as `user`, to the one that runs on the store; else to this machine's.

        Credentials of the environment are for the named server, and for this machine's.

        Raises:
            ConfigurationError: what was named cannot be used.
        """
        named = self.named()
        if named is not None:
            return named
        running = self._running()
        if running is not None:
            return running.settings_for(user)
        if self.store_named:
            raise ConfigurationError(
                f"no network runs on {self.store}; start it with: sanctuary up --store {self.store}"
            )
        default = self._resolve(DEFAULT_URL) or ConnectionSettings(servers=(DEFAULT_URL,), source="")
        source = f"the default, as no server is named and none runs on {self.store}"
        return msgspec.structs.replace(default, source=source)

    def _running(self) -> NetworkFile | None:
        """Return the realm's network on the store, None where none runs."""
        running = read_network(self.store)
        return running if running is not None and running.realm == self.realm else None

    def unused(self) -> str:
        """Return in words which variables of the environment give credentials that nobody takes, or nothing.

        Raises:
            ConfigurationError: what was named cannot be used.
        """
        given = [name for name in CREDENTIALS if os.environ.get(name)]
        if not given or self.named() is not None or self._running() is None:
            return ""
        return (
            f"{' and '.join(given)} is not used: no server is named, and the network of {self.store} has keys of its own. "
            "To use it, name the server too: --server URL"
        )

    @property
    def subjects(self) -> Subjects:
        """The realm's names."""
        return Subjects(self.realm)

    @asynccontextmanager
    async def open(self, name: str) -> AsyncIterator["Network"]:
        """Connect as the operator, for one command.

        Raises:
            ConfigurationError, ConnectionFailed, AuthorizationFailed: with what to do about it.
        """
        # Imported here: every command's help would wait for the NATS client otherwise.
        from bus.network import open_network

        settings = self.settings()
        if unused := self.unused():
            log.warning("%s", unused)
        # Nothing says that a server is to be expected: then none is waited for.
        expected = self.named() is not None or self._running() is not None
        wait_s = CONNECT_S if expected else UNEXPECTED_S
        # What keeps it from connecting is told once, by the error.
        connecting = logging.getLogger("bus.connection")
        connecting.disabled = True
        try:
            async with open_network(settings, self.subjects, name=f"sanctuary {name}", wait_s=wait_s) as network:
                connecting.disabled = False
                yield network
        except ConnectionFailed as error:
            if expected:
                raise
            raise ConnectionFailed(f"{error.message} Start a network here with: sanctuary up") from None
