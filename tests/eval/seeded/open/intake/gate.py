"""The intake's gate: an HTTP server by which partners hand in their lists (standard library only)."""

import json
import random
import secrets
import urllib.parse
from html import escape
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import lists
import packages
import queries
import sessions

INBOX = Path("/var/spool/intake")
PLACES = {"list": "/lists", "help": "/help.html"}


class Gate(BaseHTTPRequestHandler):
    """Answers one partner's requests."""

    def parameters(self) -> dict[str, str]:
        """Return the address's parameters, the last of each name."""
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))

    def body(self) -> bytes:
        """Return the request's body, ten megabytes at the most."""
        return self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 10_000_000))

    def page(self, text: str, status: int = 200) -> None:
        """Answer with a page."""
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())

    def plain(self, value: object) -> None:
        """Answer with JSON."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(value, default=str).encode())

    def do_GET(self) -> None:
        """Find what shall be done, by the first part of the path."""
        given = self.parameters()
        match urllib.parse.urlsplit(self.path).path.strip("/"):
            case "language":
                self.language(given.get("lang", "en"))
            case "theme":
                self.theme(given.get("theme", "light"))
            case "go":
                self.go(given)
            case "download":
                self.download(given.get("name", "list.csv"))
            case "page":
                self.number(given.get("number", "1"))
            case "lookup":
                self.plain(queries.lookup(given.get("partner", ""), given.get("column", "")))
            case "count":
                self.plain(queries.Counter().count(given))
            case "history":
                self.plain(list(queries.history(given.get("since", ""))))
            case "part":
                self.plain(lists.parts_of(given.get("order", ""), given.get("sku", "")))
            case "grep":
                self.plain(lists.grep(given))
            case "hello":
                self.page("<p>Hello, " + given.get("partner", "partner") + "</p>")  # seeded: flaw xss direct
            case "operator":
                self.send_error(403)
            case "ping":
                pong = escape(given.get("text", ""))
                self.page(f"<p>pong {pong}</p>")  # seeded: twin xss sanitised
            case _:
                self.page(f"<p>There is no page {escape(self.path)}</p>", 404)

    def language(self, wanted: str) -> None:
        """Keep in which language a partner reads."""
        self.send_response(204)
        self.send_header("Content-Language", wanted)  # seeded: flaw header-injection class
        self.end_headers()

    def theme(self, wanted: str) -> None:
        """Keep which colours a partner likes."""
        self.send_response(204)
        chosen = wanted if wanted in ("light", "dark") else "light"
        self.send_header("X-Theme", chosen)  # seeded: twin header-injection allow-list
        self.end_headers()

    def go(self, given: dict[str, str]) -> None:
        """Lead to a page of ours, or to where a partner came from."""
        if "page" in given:
            self.send_response(302)
            self.send_header("Location", PLACES.get(given["page"], "/"))  # seeded: twin open-redirect allow-list
            self.end_headers()
            return
        target = urllib.parse.quote(given.get("to", "/"), safe=":/?&=%")
        self.send_response(302)
        self.send_header("Location", target)  # seeded: flaw open-redirect branch
        self.end_headers()

    def download(self, name: str) -> None:
        """Send an empty list under a name."""
        self.send_response(200)
        disposition = "attachment; filename=%s" % name
        self.send_header("Content-Disposition", disposition)  # seeded: flaw header-injection helper
        self.end_headers()

    def number(self, wanted: str) -> None:
        """Say which page comes next."""
        self.send_response(200)
        self.send_header("X-Next", str(int(wanted) + 1))  # seeded: twin header-injection typed
        self.end_headers()

    def do_POST(self) -> None:
        """Take what a partner hands in."""
        match urllib.parse.urlsplit(self.path).path.strip("/"):
            case "sign-in":
                self.sign_in(json.loads(self.body()))
            case "archive":
                self.plain(packages.take(self.body(), self.parameters()))
            case "settings":
                self.plain(packages.Settings().read(self.body()))
            case "list":
                self.plain(lists.take(self.body(), self.parameters().get("form", "xml")))
            case "profile":
                self.plain(sessions.update(self.headers.get("X-Session", ""), json.loads(self.body())))
            case "file":
                self.keep(self.parameters().get("name", ""))
            case _:
                self.page("<p>Nothing is taken here.</p>", 404)

    def sign_in(self, given: dict) -> None:
        """Give a partner a session."""
        if not sessions.known(given["partner"], given["key"]):
            self.log_message("refused")
            self.page("<p>No.</p>", 403)
            return
        self.send_response(204)
        cookie = SimpleCookie()
        cookie["session"] = sessions.begin(given["partner"])
        cookie["session"]["path"] = "/"
        self.send_header("Set-Cookie", cookie["session"].OutputString())  # seeded: flaw insecure-cookie class
        device = SimpleCookie({"device": secrets.token_hex(16)})
        for flag in ("secure", "httponly"):
            device["device"][flag] = True
        device["device"]["samesite"] = "Strict"
        self.send_header("Set-Cookie", device.output(header="").strip())  # seeded: twin insecure-cookie api
        self.end_headers()

    def keep(self, name: str) -> None:
        """Keep a file: under its name where that is a plain one, else under a number."""
        if not name.replace(".", "a").isalnum() or not name.isascii() or name.startswith("."):
            name = f"{random.randrange(10**6):06}"  # seeded: twin weak-random constant
        with open(INBOX / "files" / name, "wb") as out:  # seeded: twin path-traversal allow-list
            out.write(self.body())
        self.plain({"kept": name})


def main() -> None:
    """Serve."""
    ThreadingHTTPServer(("", 8083), Gate).serve_forever()


if __name__ == "__main__":
    main()
