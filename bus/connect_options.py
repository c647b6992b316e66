"""From settings to what nats-py's `connect` takes. Files are read here, once, so that a running daemon needs them no more."""

import random
import ssl
from pathlib import Path
from typing import Any

from nats.aio.client import RawCredentials, Server

from bus.errors import ConfigurationError
from bus.keys import read_seed
from bus.settings import ConnectionSettings

PING_INTERVAL_S = 1
MAX_OUTSTANDING_PINGS = 2
"""A server that does not answer is given up after three intervals."""
CONNECT_TIMEOUT_S = 2
_FIRST_RETRY_S = 0.02
_LAST_RETRY_S = 1.0
"""Reconnecting waits between these, doubling: a server that is back has its clients back within a second or so."""
_PENDING_BYTES = 2 * 1024 * 1024
"""Above this much unsent, publishing waits for the socket."""


def client_options(settings: ConnectionSettings) -> dict[str, Any]:
    """Return the keyword arguments that follow from `settings`.

    Raises:
        ConfigurationError: a file that the settings name holds nothing usable.
    """
    options: dict[str, Any] = {
        "servers": list(settings.servers),
        "max_reconnect_attempts": -1,
        # Between rounds of the first connection; after that `_next_server` says how long to wait.
        "reconnect_time_wait": _LAST_RETRY_S / 2,
        "reconnect_to_server_handler": _next_server,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "ping_interval": PING_INTERVAL_S,
        "max_outstanding_pings": MAX_OUTSTANDING_PINGS,
        "pending_size": _PENDING_BYTES,
        "user": settings.user,
        "password": settings.password,
        "token": settings.token,
        "tls": _tls_context(settings),
        "tls_handshake_first": settings.tls_first,
    }
    if settings.inbox_prefix is not None:
        options["inbox_prefix"] = settings.inbox_prefix
    if settings.creds is not None:
        options["user_credentials"] = _read_creds(settings.creds)
    if settings.nkey is not None:
        options["nkeys_seed_str"] = read_seed(settings.nkey)
    return options


def wants_tls(settings: ConnectionSettings) -> bool:
    """Tell whether the settings ask for TLS; without that, the server decides."""
    schemes = {server.partition("://")[0] for server in settings.servers}
    return settings.tls_first or settings.ca is not None or settings.cert is not None or "tls" in schemes


def _next_server(servers: list[Server], _: dict[str, Any]) -> tuple[Server, float]:
    """Choose the server that failed least often, and how long to wait first: exponential, with jitter."""
    server = min(servers, key=lambda candidate: candidate.reconnects)
    wait_s = min(_LAST_RETRY_S, _FIRST_RETRY_S * 2 ** min(server.reconnects, 16))
    return server, wait_s * random.uniform(0.5, 1.0)  # noqa: S311  spreads clients out, guards nothing


def _tls_context(settings: ConnectionSettings) -> ssl.SSLContext | None:
    if not wants_tls(settings):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca)
    except OSError as error:
        raise ConfigurationError(
            f"ca: {settings.ca} holds no certificates: {error}. Name a PEM file of certificate authorities."
        ) from None
    if settings.cert is not None and settings.key is not None:
        try:
            context.load_cert_chain(settings.cert, settings.key)
        except OSError as error:
            raise ConfigurationError(
                f"cert {settings.cert}, key {settings.key}: no certificate with its key: {error}. "
                "Name two PEM files that belong together."
            ) from None
    return context


def _read_creds(path: Path) -> RawCredentials:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise ConfigurationError(
            f"creds: the credentials file {path} cannot be read: {reason}. Name another one."
        ) from None
    if "BEGIN NATS USER JWT" not in text or "BEGIN USER NKEY SEED" not in text:
        raise ConfigurationError(
            f"creds: {path} is no credentials file: it needs a user JWT and a user nkey seed. "
            "`nsc generate creds` writes one."
        )
    return RawCredentials(text)
