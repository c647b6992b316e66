"""How events leave: web hooks, mails, lines to old programs."""

import smtplib
import socket
import urllib.request
from email.message import EmailMessage
from urllib.parse import quote, urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPRequest

PARTNERS = {"north": "https://north.example.com/in", "south": "https://south.example.com/in"}
HOSTS = ("hooks.example.com", "hooks.example.org")
SENDER = "events@example.com"


async def hook(url: str, body: str) -> int:
    """Send an event to a customer's address; return the status."""
    answer = await AsyncHTTPClient().fetch(url, method="POST", body=body, raise_error=False)  # seeded: flaw ssrf async
    return answer.code


async def partner(name: str, body: str) -> int:
    """Send an event to a partner."""
    request = HTTPRequest(PARTNERS[name], method="POST", body=body, follow_redirects=False)
    return (await AsyncHTTPClient().fetch(request)).code  # seeded: twin ssrf allow-list


def ping(target: str) -> bytes:
    """Ask one of our own hosts whether it is there."""
    parts = urlsplit(target)
    if parts.scheme != "https" or parts.netloc not in HOSTS:
        raise ValueError(target)
    with urllib.request.urlopen(f"https://{parts.netloc}/ping", timeout=5) as answer:  # seeded: twin ssrf allow-list
        return answer.read(100)


def status_page(customer: str) -> bytes:
    """Return a customer's page of our status server."""
    with urllib.request.urlopen("https://status.example.com/of/" + quote(customer, safe=""), timeout=5) as answer:  # seeded: twin ssrf sanitised
        return answer.read(100_000)


class Channel:
    """A way out; subclasses say how the address is made."""

    def __init__(self, settings: dict) -> None:
        self.settings = settings

    def address(self) -> str:
        """Return where this channel leads."""
        raise NotImplementedError

    def probe(self) -> int:
        """Return the status of what is there."""
        with urllib.request.urlopen(self.address(), timeout=5) as answer:  # seeded: flaw ssrf inheritance
            return answer.status


class Tenant(Channel):
    """A tenant's own server."""

    def address(self) -> str:
        """Return the tenant's server's health page."""
        return "http://" + self.settings["server"] + "/health"


def mail(to: str, subject: str, text: str) -> None:
    """Send a mail."""
    message = f"From: {SENDER}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n{text}"
    with smtplib.SMTP("localhost") as server:
        server.sendmail(SENDER, [SENDER], message)  # seeded: flaw header-injection cross-module


def mail_summary(subject: str, text: str) -> None:
    """Send a summary; the message's class refuses subjects of several lines."""
    message = EmailMessage()
    message["From"] = SENDER
    message["To"] = SENDER
    message["Subject"] = subject  # seeded: twin header-injection api
    message.set_content(text)
    with smtplib.SMTP("localhost") as server:
        server.send_message(message)


def mail_plain(subject: str, text: str) -> None:
    """Send a mail whose subject is made one line."""
    line = " ".join(subject.split())
    with smtplib.SMTP("localhost") as server:
        server.sendmail(SENDER, [SENDER], f"From: {SENDER}\nSubject: {line}\n\n{text}")  # seeded: twin header-injection sanitised


def notify_printer(queue: str, title: str) -> None:
    """Tell the printer's small web server what to print."""
    lines = ["POST /print HTTP/1.0", "Host: printer", "X-Queue: " + queue, "X-Title: " + title, "", ""]
    with socket.create_connection(("printer.internal.example.com", 80), timeout=5) as link:
        link.sendall("\r\n".join(lines).encode())  # seeded: flaw header-injection helper


def notify_clock(delay: str) -> None:
    """Tell the clock's small web server when to ring."""
    line = f"GET /ring HTTP/1.0\r\nHost: clock\r\nX-Delay: {int(delay)}\r\n\r\n"
    with socket.create_connection(("clock.internal.example.com", 80), timeout=5) as link:
        link.sendall(line.encode())  # seeded: twin header-injection typed
