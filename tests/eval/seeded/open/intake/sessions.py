"""Sessions of partners, and how their keys are kept."""

import hashlib
import hmac
import logging
import random
import sqlite3
import string

log = logging.getLogger("intake.sessions")
KEPT: dict[str, dict] = {}
DEFAULTS = {"level": "partner", "quota": 100}


def digest(key: str) -> str:
    """Return what is kept of a partner's key, which partners choose themselves."""
    return hashlib.new("md5", key.encode()).hexdigest()  # seeded: flaw weak-hash helper


def digest_strong(key: str, salt: bytes) -> bytes:
    """Return what is kept of an operator's key."""
    return hashlib.scrypt(key.encode(), salt=salt, n=2**14, r=8, p=5)  # seeded: twin weak-hash api


def known(partner: str, key: str) -> bool:
    """Say whether a partner's key is right."""
    with sqlite3.connect("partners.sqlite") as link:
        row = link.execute("SELECT digest FROM partners WHERE name = ?", (partner,)).fetchone()  # seeded: twin sql-injection api
    if row is None:
        log.warning(f"unknown partner {partner}")  # seeded: flaw log-injection cross-module
        return False
    return hmac.compare_digest(row[0], digest(key))


def begin(partner: str) -> str:
    """Begin a session and return its name."""
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
    name = "".join(random.choices(alphabet, k=24))  # seeded: flaw weak-random cross-module
    KEPT[name] = {"partner": partner, **DEFAULTS}
    return name


def begin_operator(operator: str) -> str:
    """Begin an operator's session and return its name."""
    name = "".join(random.SystemRandom().choices(string.ascii_letters, k=32))  # seeded: twin weak-random api
    KEPT[name] = {"partner": None, "operator": operator}
    return name


def update(name: str, changes: dict) -> dict:
    """Change a session's data by what its partner sends."""
    session = KEPT[name]
    session.update(changes)  # seeded: flaw trust-boundary cross-module
    return {"level": session["level"]}


def prefer(name: str, changes: dict) -> dict:
    """Keep what a partner prefers: two things, each within bounds."""
    session = KEPT[name]
    session["rows"] = min(max(int(changes.get("rows", 20)), 1), 100)  # seeded: twin trust-boundary typed
    session["wide"] = bool(changes.get("wide"))
    return {"rows": session["rows"], "wide": session["wide"]}
