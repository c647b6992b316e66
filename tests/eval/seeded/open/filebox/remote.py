"""Files of other places."""

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

import aiohttp

from settings import MIRRORS, SCANNER


class NotAllowed(Exception):
    """An address that the box does not ask."""


async def fetch(session: aiohttp.ClientSession, url: str) -> bytes:
    """Return what is at an address."""
    async with session.get(url) as answer:  # seeded: flaw ssrf async
        return await answer.read()


async def fetch_mirrored(session: aiohttp.ClientSession, url: str) -> bytes:
    """Return what one of our mirrors has."""
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname not in MIRRORS or parts.port is not None:
        raise NotAllowed(url)
    async with session.get(f"https://{parts.hostname}{parts.path}", allow_redirects=False) as answer:  # seeded: twin ssrf allow-list
        return await answer.read()


async def scan(session: aiohttp.ClientSession, content: bytes, name: str) -> bool:
    """Say whether the scanner finds nothing in a file."""
    async with session.post(SCANNER, data=content, params={"name": name}) as answer:  # seeded: twin ssrf constant
        return answer.status == 204


async def release(session: aiohttp.ClientSession, number: str) -> dict:
    """Return what our release server says of a release."""
    async with session.get(f"https://releases.example.net/box/{int(number)}.json") as answer:  # seeded: twin ssrf typed
        return await answer.json()


async def reachable(host: str, port: str) -> bool:
    """Say whether a host that a customer names takes connections; tells them whether their firewall is open."""
    try:
        _, writer = await asyncio.open_connection(host, int(port))  # seeded: flaw ssrf cross-module
    except OSError:
        return False
    writer.close()
    return True


async def resolve_public(name: str) -> str:
    """Return a public address of a host.

    Raises:
        NotAllowed: it has none, or one of a private network.
    """
    found = await asyncio.get_running_loop().getaddrinfo(name, 443, proto=socket.IPPROTO_TCP)
    address = found[0][4][0]
    if not ipaddress.ip_address(address).is_global:
        raise NotAllowed(name)
    return address
