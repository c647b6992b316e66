"""What merchants see."""

import hmac
import importlib
import re
from decimal import Decimal, InvalidOperation

from bottle import Bottle, HTTPError, request, response

import gateway
import ledger
import sessions

app = Bottle()
EXPORTS = {"csv": "exports.csv", "datev": "exports.datev"}
_users: dict[str, dict] = {}


@app.post("/admin/login")
def login():
    """Log in."""
    name = request.forms.name
    user = _users.get(name) or {"digest": b"", "salt": b"0" * 16, "old": ""}
    found, _ = sessions.digest(request.forms.password, user["salt"])
    if not hmac.compare_digest(found, user["digest"]) and sessions.legacy_digest(request.forms.password) != user["old"]:
        raise HTTPError(403, "wrong name or password")
    session = sessions.begin(name)
    session["limit"] = request.forms.limit  # seeded: flaw trust-boundary cross-module
    session["pin"] = sessions.pin()
    return {"ok": True}


@app.post("/admin/currency")
@sessions.logged_in
def currency(session):
    """Choose the currency of the tables."""
    wanted = request.forms.currency
    if not re.fullmatch("[A-Z]{3}", wanted):
        raise HTTPError(400, "a currency is three capital letters")
    session["currency"] = wanted  # seeded: twin trust-boundary sanitised
    sessions.begin_again(session)


@app.get("/admin/totals")
@sessions.logged_in
def totals(session):
    """Amounts by currency, of the settlements that the address chooses."""
    return {"totals": ledger.totals(**dict(request.query))}


@app.get("/admin/settled/<day>")
@sessions.logged_in
def settled(session, day):
    """Some columns of a day's settlements."""
    return {"rows": ledger.settled(day, request.query.getall("column"))}


@app.get("/admin/payments")
@sessions.logged_in
def payments(session):
    """Payments above an amount, or by an expression."""
    if request.query.above:
        try:
            amount = Decimal(request.query.above)
        except InvalidOperation:
            raise HTTPError(400, "an amount is a number") from None
        return {"payments": ledger.above(session["merchant"], amount)}
    return {"payments": ledger.matching(session["merchant"], request.query.where or "true")}


@app.post("/admin/export/<form>")
@sessions.logged_in
def export(session, form):
    """Write the ledger in some form."""
    if form in EXPORTS:
        module = importlib.import_module(EXPORTS[form])  # seeded: twin code-injection allow-list
        return module.write(session["merchant"])

    name, _, function = request.query.plugin.partition(":")
    plugin = importlib.import_module(name)
    return getattr(plugin, function)(session["merchant"], form)  # seeded: flaw code-injection direct


@app.post("/admin/capture")
@sessions.logged_in
def capture(session):
    """Collect an authorised amount."""
    return gateway.Acquirer(request.forms.merchant).capture(request.forms.reference, int(request.forms.amount))


@app.get("/admin/ping")
@sessions.logged_in
def ping(session):
    """Whether the other side is there."""
    return {"there": gateway.ping(request.query.callback)}


@app.post("/admin/void")
@sessions.logged_in
def void(session):
    """Give an authorised amount back."""
    return gateway.void(request.forms.merchant, request.forms.reference)


@app.post("/admin/invite")
@sessions.logged_in
def invite(session):
    """A key for a new colleague."""
    key = sessions.one_time_key(session["merchant"])
    response.set_cookie("invited", "yes", secure=True, httponly=True)  # seeded: twin insecure-cookie api
    return {"key": key}


@app.post("/admin/writeoff")
@sessions.logged_in
def write_off(session):
    """Write payments off."""
    return {"written_off": ledger.write_off(request.forms.getall("reference"))}
