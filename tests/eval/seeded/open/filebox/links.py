"""Links by which files are shared, and the cookies of whoever follows them."""

import hashlib
import hmac
import os
import random
import time
import uuid

SECRET = os.urandom(32)
system = random.SystemRandom()


class Share:
    """A file that is shared, with the key that opens it."""

    def __init__(self, path: str) -> None:
        self.path = path
        random.seed(int(time.time()))
        self.key = "%032x" % random.getrandbits(128)  # seeded: flaw weak-random class

    def url(self) -> str:
        """Return the link."""
        return f"/s/{self.key}"


def invitation() -> str:
    """Return the key of an invitation."""
    return "".join(system.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(20))  # seeded: twin weak-random api


def upload_name() -> str:
    """Return a name for an upload that nobody can guess."""
    return uuid.uuid4().hex  # seeded: twin weak-random api


def signature(path: str) -> str:
    """Return what proves that a link was made here."""
    return hmac.new(SECRET, path.encode(), hashlib.sha256).hexdigest()  # seeded: twin weak-hash api


def seal(path: str, expires: int) -> str:
    """Return the seal of a link that expires, which guests hand back."""
    return hashlib.md5(f"{path}:{expires}".encode() + SECRET).hexdigest()  # seeded: flaw weak-hash direct


def shard(name: str) -> str:
    """Return the folder among which files are spread evenly."""
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:2]  # seeded: twin weak-hash api


COOKIE = {"httponly": True, "secure": True, "samesite": "Lax", "max_age": 3600}
GUEST = {"httponly": False, "secure": False, "max_age": 86_400}


def remember_owner(response, token: str) -> None:
    """Give an owner's browser its token."""
    response.set_cookie("owner", token, **COOKIE)  # seeded: twin insecure-cookie constant


def remember_guest(response, token: str) -> None:
    """Give a guest's browser the token by which it uploads."""
    response.set_cookie("guest", token, **GUEST)  # seeded: flaw insecure-cookie container
