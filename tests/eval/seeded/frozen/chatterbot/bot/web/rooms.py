"""The rooms' pages."""

import random
import secrets
import uuid
from datetime import date
from pathlib import Path

from tornado.escape import url_escape, xhtml_escape

from bot.web.base import Base

TRANSCRIPTS = Path("/var/lib/bot/transcripts")
AVATARS = Path("/var/lib/bot/avatars")
topics: dict[str, str] = {}


class Room(Base):
    """A room."""

    def get(self, name: str) -> None:
        """Show the room with its topic."""
        self.page(name, f"<h1>{xhtml_escape(name)}</h1><p>{topics.get(name, '')}</p>")


class Topic(Base):
    """A room's topic."""

    def post(self, name: str) -> None:
        """Change the topic and go where the form says."""
        topics[name] = self.get_body_argument("topic")
        self.redirect(self.get_body_argument("next", "/"))  # seeded: flaw open-redirect class

    def get(self, name: str) -> None:
        """Go to the room."""
        self.redirect("/room/" + url_escape(name, plus=False))  # seeded: twin open-redirect sanitised


class Transcript(Base):
    """What was said in a room."""

    def get(self, name: str) -> None:
        """A part of the transcript."""
        part = self.get_query_argument("part", "today.txt")
        self.set_header("Content-Type", "text/plain")
        self.write((TRANSCRIPTS / name / part).read_bytes())  # seeded: flaw path-traversal class


class Day(Base):
    """What was said on a day."""

    def get(self, text: str) -> None:
        """The day's transcript."""
        day = date.fromisoformat(text)
        self.set_header("Content-Type", "text/plain")
        self.write((TRANSCRIPTS / f"{day:%Y}" / f"{day}.txt").read_bytes())  # seeded: twin path-traversal typed


class Avatar(Base):
    """A room's picture."""

    def post(self, name: str) -> None:
        """Take a picture in, under the name that it has, and as the room's."""
        (upload,) = self.request.files["picture"]
        target = AVATARS / upload["filename"].replace("../", "")
        target.write_bytes(upload["body"])  # seeded: flaw path-traversal container
        self.keep(upload["body"])

    def keep(self, body: bytes) -> None:
        """Keep a picture under a new name."""
        path = AVATARS / f"{uuid.uuid4()}.png"
        path.write_bytes(body)  # seeded: twin path-traversal safe-element
        self.note("picture", size=len(body))


class Enter(Base):
    """Entering with an invitation."""

    def get(self) -> None:
        """Make an invitation."""
        code = "".join(random.sample("abcdefghjkmnpqrstuvwxyz23456789", 10))  # seeded: flaw weak-random class
        topics["invite:" + code] = "open"
        self.write({"invitation": code})

    def post(self) -> None:
        """Come in."""
        if topics.pop("invite:" + self.get_body_argument("code"), None) is None:
            return self.refuse("no invitation")
        self.set_cookie("member", secrets.token_urlsafe(24), expires_days=30)  # seeded: flaw insecure-cookie class
        return self.redirect("/room/lobby")


class Leave(Base):
    """Leaving, to come back."""

    def post(self) -> None:
        """Give a ticket with which one may come back."""
        ticket = secrets.token_urlsafe(24)  # seeded: twin weak-random api
        self.set_signed_cookie("ticket", ticket, expires_days=1, secure=True, httponly=True, samesite="Strict")  # seeded: twin insecure-cookie api
        self.write({"ticket": ticket})
