"""Commands for those who look after machines."""

import asyncio
import ipaddress
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from bot.message import Message
from bot.registry import command

_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
SERVICES = ("nginx", "postgresql", "redis")
WIKI = "https://wiki.corp.example/api/page/"


async def _shell(line: str) -> str:
    process = await asyncio.create_subprocess_shell(line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)  # seeded: flaw command-injection helper
    out, _ = await process.communicate()
    return out.decode(errors="replace")[-2000:]


@command("ping")
async def ping(message: Message) -> str:
    """Whether a host answers."""
    return await _shell(f"ping -c 1 -W 2 {message.rest}")


@command("trace")
async def trace(message: Message) -> str:
    """The way to a host."""
    host = message.rest
    if not _HOST.fullmatch(host):
        return "That is no host."
    finished = subprocess.run(f"traceroute -m 12 {host}", shell=True, capture_output=True, text=True, timeout=60, check=False)  # seeded: twin command-injection sanitised
    return finished.stdout


@command("reverse")
async def reverse(message: Message) -> str:
    """The name of an address."""
    address = ipaddress.IPv4Address(message.rest)
    with os.popen(f"dig +short -x {address}") as pipe:  # seeded: twin command-injection typed
        return pipe.read()


@command("dig")
async def dig(message: Message) -> str:
    """Records of a domain."""
    kind, *names = message.words()
    with os.popen("dig +short " + kind + " " + " ".join(shlex.quote(name) for name in names)) as pipe:  # seeded: flaw command-injection decorator
        return pipe.read()


@command("restart")
async def restart(message: Message) -> str:
    """Start a service anew."""
    service = next((each for each in SERVICES if each == message.rest), None)
    if service is None:
        return "nginx, postgresql or redis?"
    return str(os.system("systemctl restart " + service))  # seeded: twin command-injection allow-list


@command("preview")
async def preview(message: Message) -> str:
    """The title of a page."""
    try:
        page = await AsyncHTTPClient().fetch(message.rest, request_timeout=5)  # seeded: flaw ssrf decorator
    except HTTPClientError as error:
        return f"{error.code}"
    found = re.search(r"<title>([^<]{0,200})", page.body.decode(errors="replace"))
    return found[1] if found else "without a title"


@command("health")
async def health(message: Message) -> str:
    """Whether one of our own sites is well."""
    parts = urlsplit(message.rest)
    if parts.scheme != "https" or parts.hostname not in {"www.corp.example", "shop.corp.example"} or parts.port:
        return "That is not ours."
    answer = await AsyncHTTPClient().fetch(parts.geturl(), follow_redirects=False, raise_error=False)  # seeded: twin ssrf allow-list
    return f"{answer.code}"


@command("wiki")
async def wiki(message: Message) -> str:
    """The first line of a numbered page of the wiki."""
    number = int(message.rest)
    page = await AsyncHTTPClient().fetch(f"{WIKI}{number}")  # seeded: twin ssrf typed
    return page.body.decode().splitlines()[0]


def _lines(path: str, pattern: str) -> Iterator[str]:
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if re.search(pattern, line):  # seeded: flaw regex-injection generator
                yield line


@command("grep")
async def grep(message: Message) -> str:
    """Lines of the web server's log that match."""
    return "".join(list(_lines("/var/log/nginx/error.log", message.rest))[-10:])
