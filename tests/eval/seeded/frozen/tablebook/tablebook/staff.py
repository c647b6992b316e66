"""Pages for the restaurants' staff."""

import re
import string

from flask import Blueprint, current_app, jsonify, render_template_string, request
from jinja2 import Environment, select_autoescape

from . import store

bp = Blueprint("staff", __name__, url_prefix="/staff")

DRAFTS = False
LETTER = "<h1>{{ restaurant }}</h1><p>Dear {{ guest }}, {{ body }}</p>"


def _environment() -> Environment:
    return Environment(autoescape=select_autoescape(default=True))


class Letters:
    """Letters to guests, in the wording of each restaurant."""

    def __init__(self, wording: str) -> None:
        self.wording = wording

    def render(self, **values: str) -> str:
        """The letter with its values filled in."""
        return _environment().from_string(self.wording).render(values)  # seeded: flaw template-injection class


@bp.post("/letter")
def letter():
    """Show a letter before it is sent."""
    form = request.form
    return Letters(form["wording"]).render(guest=form["guest"], restaurant=form["restaurant"])


@bp.post("/letter/standard")
def standard_letter():
    """Show the letter that every restaurant may use."""
    form = request.form
    return render_template_string(LETTER, guest=form["guest"], restaurant=form["restaurant"], body=form["body"])  # seeded: twin template-injection constant


@bp.post("/letter/draft")
def draft_letter():
    """Show a draft in the wording that is sent with it; the designers have not agreed to that."""
    if DRAFTS:
        return render_template_string(request.form["wording"])  # seeded: twin template-injection impossible-branch
    return current_app.response_class("not yet", status=501, mimetype="text/plain")


@bp.post("/letter/text")
def text_letter():
    """Show a letter in plain text, with $guest for the name."""
    text = string.Template(request.form["wording"]).safe_substitute(guest=request.form["guest"])  # seeded: twin template-injection api
    return current_app.response_class(text, mimetype="text/plain")


@bp.get("/find")
def find():
    """The bookings whose note matches."""
    wanted = request.args.get("q", "")
    rows = store.get().upcoming("time")
    matches = [row for row in rows if re.search(wanted, row.note, re.IGNORECASE)]  # seeded: flaw regex-injection direct
    return jsonify([row.guest for row in matches])


@bp.get("/mentions")
def mentions():
    """The bookings whose note mentions a word."""
    word = re.compile(r"\b" + re.escape(request.args.get("q", "")) + r"\b", re.IGNORECASE)  # seeded: twin regex-injection sanitised
    return jsonify([row.guest for row in store.get().upcoming("time") if word.search(row.note)])


@bp.get("/guests")
def guests():
    """Bookings by words of the guest's name, and how many seats they took."""
    rows = store.get().search(request.args.get("q", "").split())
    total = store.get().between(request.args["from"], request.args["to"])
    return jsonify({"guests": [row.guest for row in rows], "seats": total})


@bp.post("/correct/<int:booking>")
def correct(booking: int):
    """Correct a booking's details."""
    store.get().correct(booking, request.form.to_dict())
    return jsonify({"ok": True})
