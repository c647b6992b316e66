"""A notice board without a framework."""

import html
import json
import logging
import random
import secrets
import sqlite3
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

from toolbox import archive, boards

logger = logging.getLogger("noticeboard")


class Board(BaseHTTPRequestHandler):
    database = sqlite3.connect("notices.db", check_same_thread=False)

    def query(self):
        return {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}

    def form(self):
        length = int(self.headers.get("Content-Length", 0))
        return parse_qs(self.rfile.read(length).decode())

    def do_GET(self):
        path = urlsplit(self.path).path
        if path == "/":
            self.listing()
        elif path == "/notice":
            self.notice()
        elif path == "/notice-escaped":
            self.notice_escaped()
        elif path == "/download":
            self.download()
        elif path == "/download-quoted":
            self.download_quoted()
        elif path == "/go":
            self.go()
        else:
            logger.warning("not found: %s", self.path)  # seeded: flaw log-injection direct
            self.send_error(404)

    def listing(self):
        wanted = self.query().get("board", "all")
        rows = self.database.execute("SELECT title FROM notices WHERE board = '%s'" % wanted).fetchall()  # seeded: flaw sql-injection helper
        bound = self.database.execute("SELECT count(*) FROM notices WHERE board = ?", (wanted,)).fetchone()  # seeded: twin sql-injection api
        self.answer(json.dumps({"titles": rows, "count": bound}), "application/json")

    def answer(self, text, kind="text/html"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def page(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(f"<html><body>{body}</body></html>".encode())  # seeded: flaw xss inheritance

    def notice(self):
        self.page("<h1>" + self.query().get("title", "") + "</h1>")

    def notice_escaped(self):
        title = html.escape(self.query().get("title", ""))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<h1>" + title.encode() + b"</h1>")  # seeded: twin xss sanitised

    def download(self):
        self.send_response(200)
        self.send_header("X-Board", self.query().get("board", ""))  # seeded: flaw header-injection helper
        self.end_headers()

    def download_quoted(self):
        self.send_response(200)
        self.send_header("X-Board", quote(self.query().get("board", "")))  # seeded: twin header-injection sanitised
        self.end_headers()

    def go(self):
        board = self.query().get("board", "all")
        self.send_response(302)
        self.send_header("Location", boards.address(board))  # seeded: twin header-injection allow-list
        self.end_headers()

    def do_POST(self):
        path = urlsplit(self.path).path
        fields = self.form()
        if path == "/login":
            self.login(fields)
        elif path == "/login-strong":
            self.login_strong(fields)
        elif path == "/attach":
            archive.attach(fields["name"][0], fields["text"][0])
        elif path == "/attach-checked":
            archive.attach_checked(fields["name"][0], fields["text"][0])

    def login(self, fields):
        cookie = SimpleCookie()
        cookie["session"] = str(random.randrange(10**12))  # seeded: flaw weak-random direct
        self.send_response(204)
        self.send_header("Set-Cookie", cookie.output(header=""))
        self.end_headers()

    def login_strong(self, fields):
        cookie = SimpleCookie()
        cookie["session"] = str(secrets.randbelow(10**12))  # seeded: twin weak-random api
        cookie["session"]["secure"] = True
        cookie["session"]["httponly"] = True
        self.send_response(204)
        self.send_header("Set-Cookie", cookie.output(header=""))
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", 8000), Board).serve_forever()
