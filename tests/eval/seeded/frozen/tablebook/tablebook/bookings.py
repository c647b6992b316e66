"""What guests see: days, their bookings, menus."""

import logging
import os
import random
import secrets
import string

from flask import Blueprint, abort, current_app, make_response, redirect, render_template, request, send_file, send_from_directory
from flask import url_for
from markupsafe import Markup, escape
from werkzeug.utils import secure_filename

from . import mail, store

bp = Blueprint("bookings", __name__)
log = logging.getLogger(__name__)

BADGE = "<span class='badge'>{}</span>"


def confirmation_code(length: int = 8) -> str:
    """A code that lets its bearer change or cancel a booking."""
    return "".join(random.choices(string.ascii_uppercase + string.digits, k=length))  # seeded: flaw weak-random helper


def voucher_code() -> str:
    """The code of a gift voucher."""
    alphabet = string.ascii_uppercase + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(12))  # seeded: twin weak-random api


def suggestions(tables: list[str]) -> list[str]:
    """Three free tables to show first, not always the same ones."""
    return random.sample(tables, k=min(3, len(tables)))  # seeded: twin weak-random safe-element


@bp.get("/day/<day>")
def day(day: str):
    """A day's bookings."""
    rows = store.get().on_day(day, request.args.get("sort", "starts"))
    return render_template("day.html", rows=rows, day=day)


@bp.get("/upcoming")
def upcoming():
    """All bookings to come."""
    return render_template("day.html", rows=store.get().upcoming(request.args.get("sort", "")), day=None)


@bp.get("/greeting")
def greeting():
    """The line on the waiting room's screen."""
    name = request.args.get("name", "guest")
    return make_response("<p>Welcome, <b>" + name + "</b>, your table is nearly ready.</p>")  # seeded: flaw xss direct


@bp.get("/queue")
def queue():
    """A guest's place in the queue."""
    name = request.args.get("name", "guest")
    place = request.args.get("place", type=int, default=0)
    body = f"<p>{escape(name)}, you are number {place}.</p>"
    return make_response(body)  # seeded: twin xss sanitised


@bp.get("/badge")
def badge():
    """A little label for the guest's occasion."""
    occasion = request.args.get("occasion", "")
    return render_template("badge.html", badge=Markup(BADGE.format(occasion)))  # seeded: flaw xss direct


@bp.get("/badge/size")
def size_badge():
    """A little label for the party's size."""
    occasion = request.args.get("size", "")
    return render_template("badge.html", badge=Markup(BADGE).format(occasion))  # seeded: twin xss api


@bp.post("/book")
def book():
    """Take a booking and send its code by mail."""
    form = request.form
    if store.get().between(form["day"], form["day"]) + int(form["seats"]) > current_app.config.get("SEATS", 40):
        mail.decline(form["email"], form["guest"])
        return redirect(url_for("bookings.upcoming"))
    code = confirmation_code()
    log.info("booking by %s for %s", form["guest"], form["day"])  # seeded: flaw log-injection direct
    mail.confirm(form["email"], form["guest"], code)
    return redirect(url_for("bookings.thanks", code=code))  # seeded: twin open-redirect api


@bp.get("/thanks")
def thanks():
    """The page after a booking."""
    code = request.args.get("code", "")
    if not code.isalnum():
        abort(400)
    log.info("shown: %s", code)  # seeded: twin log-injection sanitised
    return render_template("thanks.html", code=code)


@bp.post("/booking/<int:booking>")
def change(booking: int):
    """Change one's booking."""
    store.get().change(booking, request.form.to_dict())
    log.info("booking %s changed", booking)  # seeded: twin log-injection typed
    return redirect(after_form(request.form))  # seeded: flaw open-redirect helper


def after_form(form) -> str:
    """Where a form wants to go when it is done."""
    wanted = form.get("next") or "/"
    return wanted.strip()


@bp.get("/menu/<path:name>")
def menu(name: str):
    """A restaurant's menu as PDF."""
    return send_file(os.path.join(current_app.config["MENUS"], request.args.get("season", "now"), name))  # seeded: flaw path-traversal direct


@bp.get("/wine/<path:name>")
def wines(name: str):
    """A restaurant's list of wines as PDF."""
    return send_from_directory(current_app.config["MENUS"], name)  # seeded: twin path-traversal api


@bp.get("/photo")
def photo():
    """A photograph of a table."""
    name = secure_filename(request.args.get("table", ""))
    if not name:
        abort(404)
    return send_file(os.path.join(current_app.config["MENUS"], "tables", name + ".jpg"))  # seeded: twin path-traversal sanitised
