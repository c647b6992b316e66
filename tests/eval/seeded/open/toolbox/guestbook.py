"""A guest book on plain WSGI, which mails its owner."""

import re
import smtplib
from email.message import EmailMessage
from urllib.parse import parse_qs

OWNER = "owner@example.org"
SUBJECT = re.compile(r"[\w ,.!?-]{1,80}")


def fields(environ):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    data = parse_qs(environ["wsgi.input"].read(length).decode())
    return {key: values[0] for key, values in data.items()}


def post(subject, sender, text):
    mail = f"From: {sender}\r\nTo: {OWNER}\r\nSubject: {subject}\r\n\r\n{text}"
    with smtplib.SMTP("localhost") as server:
        server.sendmail("guestbook@example.org", OWNER, mail)  # seeded: flaw header-injection helper


def post_composed(subject, sender, text):
    mail = EmailMessage()
    mail["From"] = "guestbook@example.org"
    mail["To"] = OWNER
    mail["Subject"] = subject
    mail.set_content(f"{sender}: {text}")
    with smtplib.SMTP("localhost") as server:
        server.sendmail("guestbook@example.org", OWNER, mail.as_string())  # seeded: twin header-injection api


def post_checked(subject):
    if not SUBJECT.fullmatch(subject):
        raise ValueError("a short subject, please")
    with smtplib.SMTP("localhost") as server:
        server.sendmail("guestbook@example.org", OWNER, f"Subject: {subject}\r\n\r\nA new entry")  # seeded: twin header-injection sanitised


def application(environ, start_response):
    path = environ.get("PATH_INFO", "/")
    if path == "/sign":
        entry = fields(environ)
        post(entry["subject"], entry["sender"], entry["text"])
    elif path == "/sign-composed":
        entry = fields(environ)
        post_composed(entry["subject"], entry["sender"], entry["text"])
    elif path == "/sign-checked":
        post_checked(fields(environ)["subject"])
    elif path == "/language":
        chosen = parse_qs(environ.get("QUERY_STRING", "")).get("lang", ["en"])[0]
        start_response("204 No Content", [("Set-Cookie", "lang=" + chosen)])  # seeded: flaw header-injection direct
        return []
    elif path == "/language-known":
        chosen = parse_qs(environ.get("QUERY_STRING", "")).get("lang", ["en"])[0]
        chosen = chosen if chosen in {"en", "de", "fr"} else "en"
        start_response("204 No Content", [("Set-Cookie", f"lang={chosen}; Secure; HttpOnly")])  # seeded: twin header-injection allow-list
        return []
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"thank you"]
