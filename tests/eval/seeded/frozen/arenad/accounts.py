"""Players and their sessions."""

import hashlib
import hmac
import logging
import random
import secrets
import sqlite3
import string
from contextlib import closing
from html import escape
from http.cookies import SimpleCookie

from calls import Call

log = logging.getLogger("arenad.accounts")
DATABASE = "/var/lib/arenad/players.db"
SESSIONS: dict[str, dict] = {}
WORDS = ("amber", "birch", "cedar", "delta", "ember", "flint", "grove", "heath")


def rows(query: str, *values: object) -> list[tuple]:
    """The rows of a query."""
    with closing(sqlite3.connect(DATABASE)) as database, database:
        return database.execute(query, values).fetchall()  # seeded: flaw sql-injection helper


def players(call: Call) -> None:
    """The best players; `by` says in what."""
    by = call.value("by", "score")
    call.data(rows(f"SELECT name, {by} FROM player ORDER BY {by} DESC LIMIT ?", 50))


def ranks(call: Call) -> None:
    """Players from one rank to another."""
    first, last = (int(call.value(name, "0")) for name in ("first", "last"))
    with closing(sqlite3.connect(DATABASE)) as database:
        found = database.execute(f"SELECT name FROM player WHERE rank BETWEEN {first} AND {last}").fetchall()  # seeded: twin sql-injection typed
    call.data(found)


def friends(call: Call) -> None:
    """Those of some names who play."""
    names = call.query.get("name", [])
    with closing(sqlite3.connect(DATABASE)) as database:
        marks = ", ".join(["?"] * len(names))
        found = database.execute(f"SELECT name FROM player WHERE name IN ({marks})", names).fetchall()  # seeded: twin sql-injection sanitised
    call.data(found)


def digest(password: str) -> str:
    """What is kept of a password."""
    return hashlib.sha1(f"arena{password}".encode()).hexdigest()  # seeded: flaw weak-hash helper


def checksum(data: bytes) -> str:
    """By which the game's client knows that a download is whole."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()  # seeded: twin weak-hash api


def new_session(player: dict) -> str:
    """Begin a session; return the name by which the client is known from now on."""
    letters = [random.choice(string.ascii_letters) for _ in range(32)]  # seeded: flaw weak-random helper
    name = "".join(letters)
    SESSIONS[name] = player
    return name


def login(call: Call) -> None:
    """Log in."""
    asked = call.json
    found = rows("SELECT id, digest FROM player WHERE name = ?", asked["name"])
    if not found or not hmac.compare_digest(found[0][1], digest(asked["password"])):
        log.warning("no login for " + asked["name"])  # seeded: flaw log-injection direct
        return call.data({"ok": False})
    session = {"id": found[0][0], "name": asked["name"]}
    session["rank"] = asked.get("rank", 0)  # seeded: flaw trust-boundary direct
    name = new_session(session)
    return call.reply(b"", status=204, Set_Cookie=f"session={name}; Path=/; SameSite=None")  # seeded: flaw insecure-cookie direct


def renew(call: Call) -> None:
    """Begin the session anew."""
    session = SESSIONS.pop(call.cookies["session"].value)
    name = secrets.token_hex(16)  # seeded: twin weak-random api
    SESSIONS[name] = session

    cookie = SimpleCookie()
    cookie["session"] = name
    cookie["session"].update({"path": "/", "secure": True, "httponly": True, "samesite": "Strict"})
    call.reply(b"", status=204, Set_Cookie=cookie["session"].OutputString())  # seeded: twin insecure-cookie api


def team(call: Call) -> None:
    """Choose a team for the session."""
    session = SESSIONS[call.cookies["session"].value]
    number = int(call.json["team"])
    session["team"] = number % 4  # seeded: twin trust-boundary typed
    call.go_to_player(session["name"])


def nickname(call: Call) -> None:
    """Propose a nickname."""
    name = f"{random.choice(WORDS)}-{random.choice(WORDS)}"  # seeded: twin weak-random safe-element
    log.info("proposed %s", name)  # seeded: twin log-injection safe-element
    call.data({"nickname": name})


def profile(call: Call) -> None:
    """A player's page."""
    name = call.url.path.removeprefix("/player/")
    motto = call.value("motto", "no motto")
    call.page("<h1>{}</h1><p>{}</p>".format(escape(name), motto))


ROUTES = {
    "GET players": players,
    "GET ranks": ranks,
    "GET friends": friends,
    "POST login": login,
    "POST renew": renew,
    "POST team": team,
    "GET nickname": nickname,
    "GET player": profile,
    "GET language": Call.language,
}
