"""Whether a model's server is there."""

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

CONNECT_S = 1.0
_PORTS = {"http": 80, "https": 443}


def unreachable(endpoint: str) -> str:
    """Return why nobody can be reached at `http://host:port`; nothing where somebody can, or where a proxy has to be asked.

    Nothing is sent. Blocks for `CONNECT_S` at most, and for the look-up of the name.
    """
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError as error:
        return str(error)
    if not host or port is None or (getproxies().keys() & {parts.scheme, "all"} and not proxy_bypass(parts.netloc)):
        return ""
    try:
        with socket.create_connection((host, port), timeout=CONNECT_S):
            return ""
    except OSError as error:
        return error.strerror or str(error)
