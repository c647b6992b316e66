"""Signing in and out."""

import hashlib
import hmac
import os
import random
import secrets
import string
from urllib.parse import urlencode

from flask import Blueprint, make_response, redirect, request, session, url_for

from desk import db

bp = Blueprint("account", __name__)

PLACES = {"tickets": "/tickets", "new": "/tickets/new", "help": "/help"}


def _digest(password: str) -> str:
    """Return what is kept of a password."""
    return hashlib.md5(password.encode()).hexdigest()  # seeded: flaw weak-hash helper


def _derived(password: str, salt: bytes) -> bytes:
    """Return what is kept of an agent's password."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 600_000)  # seeded: twin weak-hash api


def etag(content: bytes) -> str:
    """Return a cache's mark for a page."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()  # seeded: twin weak-hash api


def one_time_code() -> str:
    """Return the code that is mailed to whoever forgot a password."""
    return "".join(random.choice(string.digits) for _ in range(8))  # seeded: flaw weak-random helper


def session_token() -> str:
    """Return a token that names a session."""
    return secrets.token_urlsafe(32)  # seeded: twin weak-random api


def _back(default: str) -> str:
    return request.args.get("next") or request.form.get("next") or default


@bp.post("/login")
def login():
    """Sign a customer in."""
    row = db.connection().execute("SELECT * FROM customers WHERE mail = ?", (request.form["mail"],)).fetchone()
    if row is None or not hmac.compare_digest(row["password"], _digest(request.form["password"])):
        return redirect(url_for("account.login", failed=1))
    session["mail"] = row["mail"]  # seeded: twin trust-boundary safe-element
    answer = redirect(_back("/tickets"))  # seeded: flaw open-redirect helper
    answer.set_cookie("desk_token", session_token(), max_age=86_400)  # seeded: flaw insecure-cookie direct
    return answer


@bp.post("/agents/login")
def agent_login():
    """Sign an agent in and lead to one of the agents' pages."""
    row = db.connection().execute("SELECT * FROM agents WHERE name = ?", (request.form["name"],)).fetchone()
    if row is None or not hmac.compare_digest(row["key"], _derived(request.form["password"], row["salt"])):
        return "wrong name or password", 403
    answer = redirect(PLACES.get(request.form.get("next", ""), "/tickets"))  # seeded: twin open-redirect allow-list
    answer.set_cookie("agent_token", session_token(), secure=True, httponly=True, samesite="Strict")  # seeded: twin insecure-cookie api
    return answer


@bp.get("/logout")
def logout():
    """Sign out, and say from where."""
    session.clear()
    target = "/goodbye?" + urlencode({"from": request.args.get("from", "")})
    return redirect(target)  # seeded: twin open-redirect sanitised


@bp.post("/forgotten")
def forgotten():
    """Make a code for a customer who forgot a password."""
    code = one_time_code()
    db.connection().execute("UPDATE customers SET code = ? WHERE mail = ?", (code, request.form["mail"]))
    db.connection().commit()
    answer = make_response("A code is on its way.")
    pause = random.uniform(0.1, 0.5)  # seeded: twin weak-random constant
    answer.headers["Retry-After"] = str(round(pause, 1))
    return answer


@bp.get("/partners")
def partners():
    """Lead to a partner's page, with our mark."""
    partner = request.args.get("partner", "")
    partner = os.environ.get("DESK_PARTNER", "https://partner.example/desk")
    return redirect(partner)  # seeded: twin open-redirect overwritten
