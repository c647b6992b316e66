"""The wire: agencies write lines of JSON, each line is a message (asyncio streams)."""

import asyncio
import hashlib
import hmac
import json
import logging
import os
import pickle
import random
import re
import secrets
import smtplib

import aiosqlite

log = logging.getLogger("newsroom.wire")
SECRET = os.urandom(32)
ADDRESS = "desk@newsroom.example"
AGENCY = re.compile(r"[a-z]{2,12}")
latest: dict = {"subject": ""}


async def store(message: dict) -> None:
    """Keep a message."""
    async with aiosqlite.connect("wire.sqlite") as link:
        await link.execute("INSERT INTO messages (agency, text) VALUES (?, ?)", (message["agency"], message["text"]))  # seeded: twin sql-injection api
        await link.commit()


async def count_of(agency: str) -> int:
    """Return how many messages an agency sent."""
    async with aiosqlite.connect("wire.sqlite") as link:
        cursor = await link.execute(f"SELECT COUNT(*) FROM messages WHERE agency = '{agency}'")  # seeded: flaw sql-injection async
        row = await cursor.fetchone()
    return row[0]


async def count_of_plain(agency: str) -> int:
    """Return how many messages an agency sent whose name is a word."""
    if AGENCY.fullmatch(agency) is None:
        return 0
    async with aiosqlite.connect("wire.sqlite") as link:
        cursor = await link.execute(f"SELECT COUNT(*) FROM messages WHERE agency = '{agency}'")  # seeded: twin sql-injection allow-list
        row = await cursor.fetchone()
    return row[0]


async def convert(message: dict) -> str:
    """Return a message's text in plain letters, by a program."""
    code = message.get("charset", "utf-8")
    process = await asyncio.create_subprocess_shell(  # seeded: flaw command-injection async
        f"iconv -f {code} -t ascii//translit",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(message["text"].encode())
    return out.decode()


async def spell(message: dict) -> str:
    """Return what the spelling program says of a text; the language is one of two."""
    language = "de" if message.get("language") == "de" else "en"
    process = await asyncio.create_subprocess_shell(  # seeded: twin command-injection constant
        f"aspell list --lang={language}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(message["text"].encode())
    return out.decode()


def keep_latest(message: dict) -> None:
    """Keep which message came last."""
    latest["subject"] = message.get("subject", "")


def alarm() -> None:
    """Tell the editors by mail what came last."""
    with smtplib.SMTP("localhost") as server:
        text = "From: {0}\nTo: {0}\nSubject: {1}\n\nA message has come.".format(ADDRESS, latest["subject"])
        server.sendmail(ADDRESS, ADDRESS, text)  # seeded: flaw header-injection global


def alarm_short(message: dict) -> None:
    """Tell the editors by mail how long a message is."""
    headers = {"subject": message.get("subject", ""), "length": str(len(message["text"]))}
    with smtplib.SMTP("localhost") as server:
        server.sendmail(ADDRESS, ADDRESS, "Subject: " + headers["length"] + " letters\n\nA message.")  # seeded: twin header-injection safe-element


def receipt(message: dict) -> str:
    """Return a receipt that an agency may show later."""
    return hmac.new(SECRET, json.dumps(message).encode(), "sha256").hexdigest()  # seeded: twin weak-hash api


def password_mark(password: str) -> str:
    """Return what is kept of an agency's password."""
    salt = secrets.token_hex(4)
    return salt + hashlib.sha1((salt + password).encode()).hexdigest()  # seeded: flaw weak-hash helper


def first_password(agency: str) -> str:
    """Return the password that a new agency gets."""
    generator = random.Random(agency)
    return "".join(generator.sample("abcdefghijkmnpqrstuvwxyz23456789", 12))  # seeded: flaw weak-random helper


def sample(messages: list) -> list:
    """Return some of the messages, for the corner of the page where it does not matter which."""
    return random.sample(messages, min(3, len(messages)))  # seeded: twin weak-random constant


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one agency."""
    while line := await reader.readline():
        message = json.loads(line)
        keep_latest(message)
        match message.get("kind"):
            case "count":
                answer: object = await count_of(message["agency"])
            case "count-plain":
                answer = await count_of_plain(message["agency"])
            case "convert":
                answer = await convert(message)
            case "spell":
                answer = await spell(message)
            case "state":
                answer = str(pickle.loads(bytes.fromhex(message["state"])))  # seeded: flaw deserialization loop
            case "join":
                password = first_password(message["agency"])
                answer = {"password": password, "mark": password_mark(password)}
            case _:
                await store(message)
                alarm() if message.get("urgent") else alarm_short(message)
                answer = receipt(message)
        log.info("from %s: %s", message.get("agency"), message.get("kind"))  # seeded: flaw log-injection async
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()


async def main() -> None:
    """Serve agencies."""
    server = await asyncio.start_server(handle, port=8085)
    async with server:
        await server.serve_forever()
