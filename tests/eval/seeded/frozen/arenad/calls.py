"""A request and its answer."""

import json
import logging
from collections.abc import Callable
from functools import cached_property
from http import HTTPStatus
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, urlsplit

log = logging.getLogger("arenad")


class Call:
    """One request, with what routes need of it."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler
        self.url = urlsplit(handler.path)

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """The query's values."""
        return parse_qs(self.url.query, keep_blank_values=True)

    def value(self, name: str, default: str = "") -> str:
        """The first value of a name in the query."""
        return self.query.get(name, [default])[0]

    @cached_property
    def body(self) -> bytes:
        """What was posted, at most a megabyte."""
        return self._handler.rfile.read(min(int(self._handler.headers.get("Content-Length", 0)), 2**20))

    @cached_property
    def json(self) -> Any:
        """What was posted, as JSON."""
        return json.loads(self.body)

    @property
    def cookies(self) -> SimpleCookie:
        """The cookies that came with it."""
        return SimpleCookie(self._handler.headers.get("Cookie", ""))

    def reply(self, body: bytes, kind: str = "application/octet-stream", status: int = 200, **headers: str) -> None:
        """Answer with a body and headers."""
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", kind)
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)  # seeded: flaw header-injection cross-module
        self._handler.end_headers()
        self._handler.wfile.write(body)

    def page(self, html: str) -> None:
        """Answer with a page."""
        self._handler.send_response(HTTPStatus.OK)
        self._handler.send_header("Content-Type", "text/html; charset=utf-8")
        self._handler.end_headers()
        self._handler.wfile.write(html.encode())  # seeded: flaw xss cross-module

    def data(self, value: Any) -> None:
        """Answer with JSON."""
        self._handler.send_response(HTTPStatus.OK)
        self._handler.send_header("Content-Type", "application/json")
        self._handler.end_headers()
        self._handler.wfile.write(json.dumps(value).encode())  # seeded: twin xss api

    def go(self, target: str) -> None:
        """Send the browser elsewhere."""
        self._handler.send_response(HTTPStatus.SEE_OTHER)
        self._handler.send_header("Location", "".join(target.splitlines()))  # seeded: flaw open-redirect cross-module
        self._handler.end_headers()

    def go_to_player(self, name: str) -> None:
        """Send the browser to a player's page."""
        self._handler.send_response(HTTPStatus.SEE_OTHER)
        self._handler.send_header("Location", f"/player/{quote(name, safe='')}")  # seeded: twin open-redirect sanitised
        self._handler.end_headers()

    def language(self) -> None:
        """Answer with the language that the game shall speak, and nothing else."""
        self._handler.send_response(HTTPStatus.NO_CONTENT)
        wanted = self.value("lang", "en")
        self._handler.send_header("Content-Language", wanted if wanted in ("en", "fi", "sv") else "en")  # seeded: twin header-injection allow-list
        self._handler.end_headers()


class Handler(BaseHTTPRequestHandler):
    """Finds the route of a request by its first segment."""

    routes: ClassVar[dict[str, Callable[[Call], None]]] = {}
    protocol_version = "HTTP/1.0"

    def _answer(self) -> None:
        call = Call(self)
        first = call.url.path.strip("/").split("/")[0]
        route = self.routes.get(f"{self.command} {first}")
        if route is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            route(call)
        except (KeyError, ValueError) as error:
            log.info("refused %s: %r", self.command, error)  # seeded: twin log-injection sanitised
            self.send_error(HTTPStatus.BAD_REQUEST)

    do_GET = do_POST = do_PUT = _answer
