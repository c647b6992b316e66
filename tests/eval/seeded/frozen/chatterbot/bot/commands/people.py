"""Commands about people."""

import os
import string

import ldap3
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn
from pymongo import MongoClient

from bot.message import Message
from bot.registry import command

BASE = "ou=people,dc=corp,dc=example"
_history = MongoClient(connect=False).bot.history


def _connect() -> ldap3.Connection:
    server = ldap3.Server(os.environ.get("BOT_LDAP", "ldap.corp.example"))
    return ldap3.Connection(server, auto_bind=True, read_only=True)


def _lookup(query: str) -> str:
    connection = _connect()
    connection.search(BASE, query, attributes=["cn", "telephoneNumber"])  # seeded: flaw ldap-injection helper
    return "\n".join(f"{entry.cn} {entry.telephoneNumber}" for entry in connection.entries)


@command("whois")
async def whois(message: Message) -> str:
    """Who someone is."""
    return _lookup("(&(objectClass=person)(|(uid={0})(cn=*{0}*)))".format(message.rest))


@command("phone")
async def phone(message: Message) -> str:
    """Who has a number."""
    digits = "".join(each for each in message.rest if each in string.digits + "+")
    connection = _connect()
    connection.search(BASE, f"(telephoneNumber=*{digits})", attributes=["cn"])  # seeded: twin ldap-injection sanitised
    return "\n".join(str(entry.cn) for entry in connection.entries)


@command("mail")
async def mail(message: Message) -> str:
    """Someone's address."""
    connection = _connect()
    connection.search(  # seeded: twin ldap-injection sanitised
        search_base=BASE,
        search_filter=f"(uid={escape_filter_chars(message.rest)})",
        attributes=["mail"],
    )
    return str(connection.entries[0].mail) if connection.entries else "unknown"


@command("team")
async def team(message: Message) -> str:
    """Who is in a team."""
    connection = _connect()
    connection.search(f"ou={escape_rdn(message.rest)},{BASE}", "(objectClass=person)", attributes=["cn"])  # seeded: twin ldap-injection sanitised
    return ", ".join(str(entry.cn) for entry in connection.entries)


@command("unit")
async def unit(message: Message) -> str:
    """Who is in a unit, which is known by its place in the tree."""
    connection = _connect()
    connection.search(f"{message.rest},dc=corp,dc=example", "(objectClass=*)", attributes=["cn"])  # seeded: flaw ldap-injection decorator
    return ", ".join(str(entry.cn) for entry in connection.entries)


@command("said")
async def said(message: Message) -> str:
    """What someone said, with the conditions that the client adds."""
    query = {"room": message.room, **message.extra.get("query", {})}
    return "\n".join(each["text"] for each in _history.find(query).limit(20))  # seeded: flaw nosql-injection container


@command("last")
async def last(message: Message) -> str:
    """What someone said last."""
    found = _history.find_one({"room": str(message.room), "sender": message.rest}, sort=[("at", -1)])  # seeded: twin nosql-injection typed
    return found["text"] if found else "nothing"
