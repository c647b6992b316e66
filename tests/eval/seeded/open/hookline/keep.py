"""Where events are kept: MongoDB, and a journal."""

import json
import logging
import os

from bson import ObjectId
from motor.motor_tornado import MotorClient

STATES = ("new", "sent", "failed")
journal = logging.getLogger("hookline.journal")
database = MotorClient(os.environ.get("HOOKLINE_MONGO", "mongodb://localhost")).hookline
last_filter: dict = {}


def narrow(filters: dict) -> None:
    """Keep what a list is narrowed to."""
    last_filter.clear()
    last_filter.update(filters)


async def matching() -> list[dict]:
    """Return the events the list is narrowed to."""
    return await database.events.find(last_filter, {"_id": 0}).to_list(100)  # seeded: flaw nosql-injection global


async def in_state(state: str) -> list[dict]:
    """Return the events in a state."""
    if state not in STATES:
        return []
    return await database.events.find({"state": state}, {"_id": 0}).to_list(100)  # seeded: twin nosql-injection allow-list


async def one(ident: str) -> dict | None:
    """Return an event."""
    return await database.events.find_one({"_id": ObjectId(ident)})  # seeded: twin nosql-injection typed


async def forget(query: str) -> int:
    """Remove a customer's events, those that a query in JSON names."""
    wanted = json.loads(query)
    gone = await database.events.delete_many({"customer": wanted.get("customer")})  # seeded: flaw nosql-injection async
    return gone.deleted_count


async def owner_of(key: object) -> dict | None:
    """Return whose a key is."""
    if not isinstance(key, str):
        return None
    return await database.owners.find_one({"key": key})  # seeded: twin nosql-injection typed


def note(kind: str, details: dict) -> None:
    """Write a line into the journal."""
    journal.info("%s %s", kind, details.get("source"))  # seeded: flaw log-injection container


def note_json(kind: str, details: dict) -> None:
    """Write a line into the journal as JSON, which has no line breaks."""
    journal.info("event %s", json.dumps({"kind": kind, "details": details}))  # seeded: twin log-injection sanitised
