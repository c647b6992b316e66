"""Pages and mails."""

import smtplib
from email.policy import SMTP
from email.message import EmailMessage
from html import escape

from jinja2 import BaseLoader, Environment
from starlette.responses import HTMLResponse

_environment = Environment(loader=BaseLoader(), autoescape=True)
PAGE = _environment.from_string("<!doctype html><title>{{ title }}</title><main>{{ body }}</main>")
CONSENT = "<p>{{ client }} wants to know who you are, {{ person }}.</p>"


def consent(words: str, **values: str) -> str:
    """What a person is asked, in a client's words."""
    return _environment.from_string("<p>" + words + "</p>").render(values)  # seeded: flaw template-injection cross-module


def consent_plain(words: str, **values: str) -> str:
    """What a person is asked, in our words, with the client's as a remark."""
    return _environment.from_string(CONSENT + "<blockquote>{{ words }}</blockquote>").render(values, words=words)  # seeded: twin template-injection constant


def problem(text: str, status: int = 400) -> HTMLResponse:
    """A page that says what is wrong."""
    return HTMLResponse(f"<!doctype html><h1>Sorry</h1><p>{text}</p>", status)  # seeded: flaw xss cross-module


def problem_plain(text: str, status: int = 400) -> HTMLResponse:
    """A page that says what is wrong, of a text that may be anybody's."""
    return HTMLResponse(f"<!doctype html><h1>Sorry</h1><p>{escape(text)}</p>", status)  # seeded: twin xss sanitised


def page(title: str, body: str) -> HTMLResponse:
    """A page of two texts."""
    return HTMLResponse(PAGE.render(title=title, body=body))  # seeded: twin xss api


def magic_link(address: str, link: str, name: str) -> None:
    """Send a link with which one logs in."""
    head = f"From: sso@gatekeep.example\r\nTo: {name} <{address}>\r\nSubject: Your link"
    with smtplib.SMTP("localhost", timeout=10) as relay:
        relay.sendmail("sso@gatekeep.example", address, f"{head}\r\n\r\n{link}\r\n")  # seeded: flaw header-injection cross-module


def notice(address: str, name: str) -> None:
    """Tell somebody that there was a login."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = f"{name}, you have logged in"
    message["To"] = address
    message.set_content("If it was not you, tell us.")
    with smtplib.SMTP("localhost", timeout=10) as relay:
        relay.sendmail("sso@gatekeep.example", [address], message.as_bytes())  # seeded: twin header-injection api
