"""Which server to use and as whom, by the rules that users of the nats CLI know.

In this order, field by field: the `--server` option, the context that was named, the environment, the selected context.
Credentials are one field: the first of these that names any of them supplies all. Contexts are those of the nats CLI
(ADR-21): `<config home>/nats/context/<name>.json`, the selected one's name in `<config home>/nats/context.txt`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bus.errors import ConfigurationError

DEFAULT_URL = "nats://127.0.0.1:4222"
"""What a context without a `url` means, as in the nats CLI."""

IN_PROGRAM = "the program"
"""The source of a server's address that no setting can replace."""

_SCHEMES = ("nats", "tls")


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach a server. At most one way to authenticate is set; none means what the URL says, or nobody in particular."""

    servers: tuple[str, ...]
    source: str
    """Where the server's address came from, in words, for messages."""
    user: str | None = None
    password: str | None = None
    token: str | None = None
    creds: Path | None = None
    nkey: Path | None = None
    """A file that holds a user's nkey seed."""
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    tls_first: bool = False
    inbox_prefix: str | None = None

    def __repr__(self) -> str:
        return f"ConnectionSettings({self.where}, {self.identity})"

    @property
    def where(self) -> str:
        """The servers and where they were named, without the secrets that a URL may hold."""
        return f"{', '.join(map(_without_secrets, self.servers))} (from {self.source})"

    @property
    def identity(self) -> str:
        """As whom, in words and without secrets."""
        if self.creds is not None:
            return f"with the credentials file {self.creds}"
        if self.nkey is not None:
            return f"with the nkey in {self.nkey}"
        if self.user is not None:
            return f"as user {self.user!r}"
        if self.token is not None:
            return "with a token"
        return (
            "with the credentials in the URL"
            if any("@" in server for server in self.servers)
            else "without credentials"
        )


class _Layer(msgspec.Struct, frozen=True, kw_only=True):
    """What one place says. Every field but `source` may be unset."""

    source: str
    url: str = ""
    user: str = ""
    password: str = ""
    token: str = ""
    creds: str = ""
    nkey: str = ""
    cert: str = ""
    key: str = ""
    ca: str = ""
    inbox_prefix: str = ""
    tls_first: bool = False
    names_server: bool = False
    """A context names a server even without a `url`."""

    def authenticates(self) -> bool:
        return bool(self.user or self.password or self.token or self.creds or self.nkey or "@" in self.url)


class _ContextFile(msgspec.Struct, frozen=True):
    """The fields of a nats CLI context that matter here, and those that would silently change the meaning of the rest."""

    url: str = ""
    user: str = ""
    password: str = ""
    token: str = ""
    creds: str = ""
    nkey: str = ""
    cert: str = ""
    key: str = ""
    ca: str = ""
    inbox_prefix: str = ""
    tls_first: bool = False
    nsc: str = ""
    user_jwt: str = ""
    socks_proxy: str = ""
    jetstream_domain: str = ""
    jetstream_api_prefix: str = ""


_UNSUPPORTED = {
    "nsc": "name a credentials file with `creds` instead (`nsc generate creds` writes one)",
    "user_jwt": "name a credentials file with `creds` instead",
    "socks_proxy": "use a context without a proxy",
    "jetstream_domain": "use a context of the account that has the streams",
    "jetstream_api_prefix": "use a context of the account that has the streams",
}


def resolve(
    environ: Mapping[str, str],
    *,
    server: str | None,
    context: str | None,
    config_home: Path,
    server_source: str = "--server",
) -> ConnectionSettings | None:
    """Return the settings that the user named, or None where no server is named: credentials alone name none.

    `server` and `context` are the command line's options, `config_home` is `$XDG_CONFIG_HOME` or `~/.config`. Errors call
    the former `server_source`. Files are read to see that they can be; nothing is asked of any server.

    Raises:
        ConfigurationError: a context, or a file that one of the settings names, is missing or cannot be used.
    """
    layers = _layers(environ, _Layer(source=server_source, url=server) if server else None, context, config_home)
    located = next((layer for layer in layers if layer.url), None) or next(
        (layer for layer in layers if layer.names_server), None
    )
    if located is None:
        return None
    home = Path(environ.get("HOME", "~"))
    identity = next((layer for layer in layers if layer.authenticates()), None)
    certificate = next((layer for layer in layers if layer.cert or layer.key), None)
    authority = next((layer for layer in layers if layer.ca), None)
    return ConnectionSettings(
        servers=_servers(located),
        source=located.source,
        **_identity(identity, home),
        **_certificate(certificate, home),
        ca=_file(authority, "ca", home),
        tls_first=any(layer.tls_first for layer in layers),
        inbox_prefix=next((layer.inbox_prefix for layer in layers if layer.inbox_prefix), None),
    )


def _layers(environ: Mapping[str, str], server: _Layer | None, context: str | None, config_home: Path) -> list[_Layer]:
    layers = [server] if server is not None else []
    if context:
        layers.append(_context(context, config_home, "--context"))
    layers.append(_environment(environ))
    if not context and (named := environ.get("NATS_CONTEXT")):
        layers.append(_context(named, config_home, "NATS_CONTEXT"))
    elif not context and (selected := _selected(config_home)):
        layers.append(_context(selected, config_home, str(config_home / "nats" / "context.txt")))
    return layers


def _environment(environ: Mapping[str, str]) -> _Layer:
    user, password, token = (environ.get(f"NATS_{name}", "") for name in ("USER", "PASSWORD", "TOKEN"))
    if user and not password:
        # The nats CLI's rule: a user without a password is a token.
        user, token = "", token or user
    return _Layer(
        source="NATS_URL",
        url=environ.get("NATS_URL", ""),
        user=user,
        password=password,
        token=token,
        creds=environ.get("NATS_CREDS", ""),
        nkey=environ.get("NATS_NKEY", ""),
        cert=environ.get("NATS_CERT", ""),
        key=environ.get("NATS_KEY", ""),
        ca=environ.get("NATS_CA", ""),
    )


def _selected(config_home: Path) -> str:
    try:
        return (config_home / "nats" / "context.txt").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{config_home / 'nats' / 'context.txt'} cannot be read: {error}. Run `nats context select`, or delete the file."
        ) from None


def _context(name: str, config_home: Path, named_by: str) -> _Layer:
    """Read one context; as in the nats CLI, a name that ends in `.json` and exists is the file itself."""
    path = Path(name)
    if not (name.endswith(".json") and path.is_file()):
        if ".." in name or "/" in name:
            raise ConfigurationError(f"{named_by}: {name!r} is no context name. `nats context ls` lists them.")
        path = config_home / "nats" / "context" / f"{name}.json"
    source = f"context {name!r}, {path}"
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_ContextFile)
    except FileNotFoundError:
        raise ConfigurationError(
            f"{named_by}: there is no context {name!r}: {path} does not exist. `nats context ls` lists the ones that do."
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{named_by}: {path} cannot be read: {error.strerror}. Mend its owner and mode."
        ) from None
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{source} is malformed: {error}. Mend it with `nats context edit {name}`.") from None
    for field, advice in _UNSUPPORTED.items():
        if getattr(file, field):
            raise ConfigurationError(f"{source}: `{field}` is not supported here; {advice}.")
    known: dict[str, Any] = {
        field: getattr(file, field) for field in _ContextFile.__struct_fields__ if field not in _UNSUPPORTED
    }
    return _Layer(source=source, names_server=True, **known)


def _servers(layer: _Layer) -> tuple[str, ...]:
    servers = []
    for text in (layer.url or DEFAULT_URL).split(","):
        server = text.strip()
        if server and "://" not in server:
            server = f"nats://{server}"
        try:
            parts = urlsplit(server)
            valid = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise ConfigurationError(
                f"{layer.source}: {_without_secrets(server)!r} is no server URL; "
                "write nats://host:port or tls://host:port, several with commas."
            )
        servers.append(server)
    return tuple(servers)


def _identity(layer: _Layer | None, home: Path) -> dict[str, Any]:
    if layer is None:
        return {}
    # The nats CLI's order of preference where one place names several.
    if layer.user:
        return {"user": layer.user, "password": layer.password}
    if layer.creds:
        return {"creds": _file(layer, "creds", home)}
    if layer.nkey:
        return {"nkey": _file(layer, "nkey", home)}
    if layer.token:
        return {"token": layer.token}
    if layer.password:
        raise ConfigurationError(f"{_said_by(layer, 'password')}: there is a password but no user. Name the user too.")
    return {}


def _certificate(layer: _Layer | None, home: Path) -> dict[str, Any]:
    if layer is None:
        return {}
    missing = "key" if not layer.key else "cert" if not layer.cert else None
    if missing is not None:
        given = "cert" if missing == "key" else "key"
        raise ConfigurationError(
            f"{_said_by(layer, given)}: a client certificate takes two files; {_said_by(layer, missing)} is missing."
        )
    return {"cert": _file(layer, "cert", home), "key": _file(layer, "key", home)}


def _file(layer: _Layer | None, field: str, home: Path) -> Path | None:
    if layer is None:
        return None
    text: str = getattr(layer, field)
    path = home / text[2:] if text.startswith("~/") else Path(text)
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"{_said_by(layer, field)}: the file {path} cannot be read: {error.strerror}. Name another one, or mend its mode."
        ) from None
    return path


def _said_by(layer: _Layer, field: str) -> str:
    return f"{layer.source}, field `{field}`" if layer.names_server else f"NATS_{field.upper()}"


def _without_secrets(server: str) -> str:
    scheme, separator, rest = server.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else server.rpartition("@")[2]
