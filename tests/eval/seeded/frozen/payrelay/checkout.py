"""What a shop's customer sees."""

import re
from html import escape

from bottle import HTTPError, SimpleTemplate, Bottle, redirect, request, response, static_file, template

import gateway
import ledger

app = Bottle()
SHOPS = {"teashop": "https://tea.example/paid", "bikes": "https://bikes.example/thanks"}
RECEIPT = "<h1>Receipt</h1><p>{{reference}}: {{amount}}</p>"
LOGOS = "/srv/payrelay/logos"


@app.get("/pay/<shop>/done")
def done(shop):
    """Back to the shop after a payment."""
    target = SHOPS.get(shop)
    if request.query.get("return"):
        target = request.query.get("return")
    redirect(target or "/")  # seeded: flaw open-redirect branch


@app.get("/pay/<shop>/cancel")
def cancel(shop):
    """Back to the shop without a payment."""
    target = request.query.get("return", "")
    target = SHOPS.get(shop, "/")
    redirect(target)  # seeded: twin open-redirect overwritten


@app.get("/pay/<shop>/again/<number:int>")
def again(shop, number):
    """Back to the form, for another attempt."""
    redirect(f"/pay/form/{number}")  # seeded: twin open-redirect typed


@app.get("/receipt")
def receipt():
    """A receipt as HTML."""
    found = ledger.payment_of(request.query.merchant, request.query.reference)
    if found is None:
        return "<p>There is no payment " + request.query.reference + "</p>"  # seeded: flaw xss direct
    return template(RECEIPT, reference=found["reference"], amount=found["amount"])  # seeded: twin template-injection constant


@app.get("/receipt/missing")
def missing():
    """What to do without a receipt."""
    reference = escape(request.query.reference, quote=True)
    return f"<p title='{reference}'>Ask the shop for {reference}.</p>"  # seeded: twin xss sanitised


@app.get("/status")
def status():
    """A payment's state, for the shop's script."""
    response.content_type = "application/json"
    found = ledger.payment_of(request.query.merchant, request.query.reference) or {}
    return {"reference": request.query.reference, "state": found.get("state")}  # seeded: twin xss api


@app.post("/lookup")
def lookup():
    """Look a payment up by whatever the shop knows of it."""
    found = ledger.payment(request.json)
    if found is None:
        raise HTTPError(404, "no such payment")
    return found


class Page:
    """A page in a shop's own design."""

    def __init__(self, design: str) -> None:
        self.design = design

    def show(self, **values) -> str:
        """The page with its values."""
        return SimpleTemplate(self.design).render(**values)  # seeded: flaw template-injection class


@app.post("/pay/<shop>/preview")
def preview(shop):
    """How the form would look in a design."""
    return Page(request.forms.design).show(shop=shop, amount="12.00")


@app.get("/amount")
def amount():
    """An amount in another currency, for display."""
    currency = request.query.get("currency", "EUR")
    cents = int(request.query.get("cents", "0"))
    rate = gateway.rates(currency)["eur"]
    return f"<b>{cents * rate / 100:.2f}</b>"  # seeded: twin xss typed


@app.get("/logo/<name>")
def logo(name):
    """A shop's logo."""
    return static_file(name, root=LOGOS)  # seeded: twin path-traversal api


@app.get("/terms")
def terms():
    """A shop's terms, in the customer's language."""
    language = request.get_cookie("language") or "en"
    shop = re.sub(r"[^a-z]", "", request.query.shop)
    with open(f"{LOGOS}/terms/{language}/{shop}.html", encoding="utf-8") as file:  # seeded: flaw path-traversal direct
        return file.read()
