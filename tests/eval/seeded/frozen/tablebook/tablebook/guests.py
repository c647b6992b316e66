"""Accounts of guests: sign up, log in, preferences."""

import functools
import hashlib
import hmac
import logging
import secrets
from urllib.parse import urlsplit

from flask import Blueprint, abort, redirect, render_template, request, session

from . import mail, store

bp = Blueprint("guests", __name__, url_prefix="/guest")
log = logging.getLogger(__name__)

LANGUAGES = ("en", "fr", "de", "it")
COOKIE = {"secure": True, "httponly": True, "samesite": "Lax", "max_age": 30 * 86400}


def digest(password: str, email: str) -> str:
    """What is kept of a password."""
    return hashlib.md5((email + password).encode()).hexdigest()  # seeded: flaw weak-hash helper


def stretch(password: str, salt: bytes) -> bytes:
    """What is kept of the password of a member of staff."""
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)  # seeded: twin weak-hash api


def gravatar(email: str) -> str:
    """The address of a guest's picture: the service names pictures by this digest."""
    name = hashlib.md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()  # seeded: twin weak-hash api
    return f"https://www.gravatar.com/avatar/{name}"


@bp.post("/signup")
def signup():
    """Open an account."""
    form = request.form
    store.get().add_guest(form["email"], form["name"], digest(form["password"], form["email"]))
    session["email"] = form["email"]  # seeded: flaw trust-boundary direct
    return redirect("/upcoming")


@bp.post("/login")
def login():
    """Log in with address and password."""
    guest = store.get().guest(request.form["email"])
    if guest is None or not hmac.compare_digest(guest["digest"], digest(request.form["password"], request.form["email"])):
        log.warning("refused: %r", request.form["email"])  # seeded: twin log-injection sanitised
        abort(403)
    session["guest"] = guest["id"]  # seeded: twin trust-boundary api
    answer = redirect(local_target(request.form.get("next", "/")))  # seeded: flaw open-redirect helper
    answer.set_cookie("remember", secrets.token_urlsafe(32), max_age=30 * 86400)  # seeded: flaw insecure-cookie direct
    return answer


def local_target(target: str) -> str:
    """The page to go on with, on this site."""
    if urlsplit(target).netloc:
        return "/"
    return target


@bp.post("/renew")
def renew():
    """Remember the guest for another month."""
    if "guest" not in session:
        abort(403)
    answer = redirect("/upcoming")
    answer.set_cookie("remember", secrets.token_urlsafe(32), **COOKIE)  # seeded: twin insecure-cookie constant
    return answer


@bp.post("/logout")
def logout():
    """Forget the guest."""
    session.clear()
    answer = redirect("/")
    answer.delete_cookie("remember")  # seeded: twin insecure-cookie api
    return answer


def remembers(*names: str):
    """Keep some of a form's values for the pages that follow."""

    def wrap(view):
        @functools.wraps(view)
        def inner(*args, **kwargs):
            for name in names:
                if name in request.form:
                    session[name] = request.form[name]  # seeded: flaw trust-boundary decorator
            return view(*args, **kwargs)

        return inner

    return wrap


@bp.post("/preferences")
@remembers("tier", "restaurant")
def preferences():
    """Language and size of the usual party."""
    language = request.form.get("language")
    if language in LANGUAGES:
        session["language"] = language  # seeded: twin trust-boundary allow-list
    seats = request.form.get("seats", "2")

    session["seats"] = min(int(seats), 12)  # seeded: twin trust-boundary typed
    return redirect("/upcoming")


@bp.get("/leave")
def leave():
    """Go to a partner's site."""
    partners = {"wine": "https://wine.example/", "taxi": "https://taxi.example/book"}
    target = partners.get(request.args.get("to", ""), "/")
    return redirect(target)  # seeded: twin open-redirect allow-list


@bp.post("/remind")
def remind():
    """Send the guest a reminder of a day."""
    mail.remind(request.form["email"], request.form["name"], request.form["day"])
    return render_template("sent.html", picture=gravatar(request.form["email"]))
