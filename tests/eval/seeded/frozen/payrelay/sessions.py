"""Who is at the admin pages: sessions in memory, named by a cookie."""

import functools
import hashlib
import os
import random
import time
import uuid
from collections.abc import Callable
from secrets import SystemRandom, token_bytes

from bottle import abort, request, response

SESSIONS: dict[str, dict] = {}
_generator = random.Random()
_system = SystemRandom()
FLAGS = {"httponly": True, "secure": True, "samesite": "strict", "path": "/admin"}


def begin(merchant: str) -> dict:
    """A new session; its cookie goes with the answer."""
    name = format(_generator.getrandbits(96), "x")  # seeded: flaw weak-random global
    SESSIONS[name] = {"merchant": merchant, "since": time.time()}
    response.set_cookie("session", name, path="/admin", max_age=3600)  # seeded: flaw insecure-cookie cross-module
    return SESSIONS[name]


def begin_again(session: dict) -> None:
    """Give a session another name, as after each change of rights."""
    name = token_bytes(24).hex()  # seeded: twin weak-random api
    SESSIONS[name] = session
    response.set_cookie("session", name, **FLAGS)  # seeded: twin insecure-cookie constant


def end() -> None:
    """Forget the session."""
    SESSIONS.pop(request.get_cookie("session", ""), None)
    response.delete_cookie("session", path="/admin")  # seeded: twin insecure-cookie api


def pin() -> str:
    """A number for the second factor, sent by text message."""
    return f"{_system.randrange(10**6):06}"  # seeded: twin weak-random api


def one_time_key(merchant: str) -> str:
    """A key for the merchant's first login."""
    source = random.Random(int(time.time()))
    return "-".join(f"{source.randrange(65536):04x}" for _ in range(6))  # seeded: flaw weak-random helper


def digest(password: str, salt: bytes | None = None) -> tuple[bytes, bytes]:
    """What is kept of a password, and its salt."""
    salt = salt or os.urandom(16)
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 600_000), salt  # seeded: twin weak-hash api


def legacy_digest(password: str) -> str:
    """What was kept of a password by merchants who never logged in since."""
    algorithm = hashlib.new("md5")  # seeded: flaw weak-hash helper
    algorithm.update(password.encode())
    return algorithm.hexdigest()


def logged_in(view: Callable) -> Callable:
    """Only for merchants who are logged in; the view gets the session."""

    @functools.wraps(view)
    def inner(*args, **kwargs):
        session = SESSIONS.get(request.get_cookie("session", ""))
        if session is None:
            abort(403, "log in first")
        return view(session, *args, **kwargs)

    return inner


def trace() -> str:
    """A name for this request in the log; a caller's own is taken where it is a UUID."""
    try:
        return str(uuid.UUID(request.headers.get("X-Trace", "")))
    except ValueError:
        return str(uuid.uuid4())
