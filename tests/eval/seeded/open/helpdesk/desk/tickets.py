"""Tickets: listing, searching, showing, answering."""

import logging
import re

from flask import Blueprint, Response, jsonify, make_response, render_template_string, request, session
from markupsafe import Markup

from desk import db, pages

bp = Blueprint("tickets", __name__)
log = logging.getLogger("desk.tickets")

STATES = ("open", "waiting", "closed")
SUMMARY = "<h1>{{ ticket.subject }}</h1><p>{{ ticket.state }}: {{ note }}</p>"


@bp.get("/tickets")
def listing():
    """List the tickets of a customer."""
    found = db.tickets_of(request.args.get("customer", ""), request.args.get("state"))
    return pages.page(f"<table>{pages.ticket_rows(found)}</table>")


@bp.get("/tickets/sorted")
def by_order():
    """List all tickets in some order."""
    return pages.page(f"<table>{pages.ticket_rows(db.sorted_tickets(request.args.get('order')))}</table>")


@bp.get("/tickets/search")
def search():
    """Search by words."""
    words = request.args.get("q", "")
    query = db.Search()
    for word in words.split():
        query.containing(word)
    found = query.run()
    if not found:
        return pages.empty_result(words)  # seeded: flaw xss cross-module
    return pages.page(f"<table>{pages.ticket_rows(found)}</table>")


@bp.get("/tickets/count")
def count():
    """Say how many tickets a page shows."""
    size = request.args.get("size", "50")
    try:
        size = int(size)
    except ValueError:
        size = 50
    return f"<p>{size} tickets on a page</p>"  # seeded: twin xss typed


@bp.get("/hello")
def hello():
    """Greet whoever is there."""
    return pages.greeting(request.args.get("name", "stranger"))  # seeded: twin xss sanitised


@bp.get("/badge")
def badge():
    """Return a badge with any label."""
    return str(pages.badge(request.args.get("label", "")))  # seeded: twin xss api


@bp.get("/tickets/<int:number>")
def show(number: int):
    """Show one ticket."""
    ticket = db.ticket(number)
    note = request.args.get("note", "")
    return render_template_string(SUMMARY, ticket=ticket, note=note)  # seeded: twin template-injection constant


@bp.post("/tickets/<int:number>/preview")
def preview(number: int):
    """Show how an answer will look, with the desk's header above."""
    ticket = db.ticket(number)
    text = request.form["answer"]
    body = "{% set who = ticket.customer %}<h1>Dear {{ who }}</h1>" + text
    return render_template_string(body, ticket=ticket)  # seeded: flaw template-injection direct


@bp.post("/tickets/<int:number>/sign")
def sign(number: int):
    """Show an answer's signature."""
    log.info("signature for %d shown to %s", number, request.remote_addr)
    signature = pages.Signature(session.get("agent", "?"), request.form.get("motto", ""))
    return pages.page(str(Markup(signature)))  # seeded: flaw xss class


@bp.get("/tickets/state")
def in_state():
    """Name a state; others than the known ones are refused."""
    state = request.args.get("state", "")
    if state not in STATES:
        return Response("no such state", status=400, mimetype="text/plain")
    return f"<h2>Tickets that are {state}</h2>"  # seeded: twin xss allow-list


@bp.get("/api/echo")
def echo():
    """Return what the form's script sent, so that it can see its own fields."""
    return jsonify({"fields": request.args.to_dict()})  # seeded: twin xss api


def _remember(kind):
    def record(value):
        log.warning("%s refused: %s" % (kind, value))  # seeded: flaw log-injection closure

    return record


@bp.post("/tickets")
def create():
    """Open a ticket."""
    refuse = _remember("ticket")
    subject = request.form.get("subject", "")
    if not 3 <= len(subject) <= 200:
        refuse(subject)
        return Response("a subject has 3 to 200 letters", status=400)
    session["customer_id"] = request.form.get("customer_id")  # seeded: flaw trust-boundary direct
    log.info("opened: %s", subject.replace("\r", " ").replace("\n", " "))  # seeded: twin log-injection sanitised
    return make_response(jsonify({"ok": True}), 201)


@bp.post("/tickets/view")
def choose_view():
    """Keep how somebody likes lists to look."""
    view = request.form.get("view", "")
    session["view"] = view if view in ("wide", "narrow") else "wide"  # seeded: twin trust-boundary allow-list
    return "", 204


@bp.get("/tickets/grep")
def grep():
    """Filter one ticket's history by an expression."""
    pattern = request.args.get("pattern", "")
    lines = db.ticket(request.args.get("number", 0))["history"].splitlines()
    return jsonify([line for line in lines if re.search(pattern, line)])  # seeded: flaw regex-injection direct


@bp.get("/tickets/find")
def find():
    """Find a text in one ticket's history, whatever its case."""
    wanted = re.escape(request.args.get("text", ""))
    lines = db.ticket(request.args.get("number", 0))["history"].splitlines()
    return jsonify([line for line in lines if re.search(wanted, line, re.IGNORECASE)])  # seeded: twin regex-injection sanitised
