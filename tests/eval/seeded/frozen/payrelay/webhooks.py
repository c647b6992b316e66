"""What the providers tell."""

import base64
import hashlib
import hmac
import logging
import os
import pickle
import random
import time

import jsonpickle
import yaml
from bottle import Bottle, HTTPError, request

import gateway
import ledger
import sessions

app = Bottle()
log = logging.getLogger("payrelay.webhooks")
KEYS = {"stripes": os.environ.get("STRIPES_KEY", "").encode(), "paypoint": os.environ.get("PAYPOINT_KEY", "").encode()}


def signed(view):
    """Only for bodies that their provider has signed."""

    def inner(provider, *args):
        body = request.body.read()
        key = KEYS.get(provider) or os.urandom(16)
        wanted = hmac.new(key, body, hashlib.sha256).hexdigest()  # seeded: twin weak-hash api
        if not hmac.compare_digest(wanted, request.headers.get("X-Signature", "")):
            raise HTTPError(403, "wrong signature")
        return view(provider, body, *args)

    return inner


@app.post("/hook/<provider>")
@signed
def hook(provider, body):
    """An event about a payment."""
    event = request.json
    ledger.record(event)
    log.info("%s tells of %s", sessions.trace(), provider)  # seeded: twin log-injection sanitised
    return {"ok": True}


@app.post("/hook/<provider>/raw")
def raw_hook(provider):
    """An event in the provider's own form, to be looked at later."""
    agent = request.headers.get("User-Agent", "")
    kind = request.query.get("kind", "unknown")
    log.warning(f"{provider}: event of kind {kind} ({len(agent)})")  # seeded: flaw log-injection direct
    return {"ok": True}


@app.post("/hook/<provider>/batch")
def batch(provider):
    """Many events at once, as the providers' library writes them."""
    try:
        events = jsonpickle.decode(request.body.read().decode())  # seeded: flaw deserialization exception
    except ValueError:
        raise HTTPError(400, "no batch") from None
    for event in events:
        ledger.record(vars(event))
    return {"events": len(events)}


@app.post("/hook/<provider>/replay")
@signed
def replay(provider, body):
    """Events that we have handed out ourselves, in our own form and signed."""
    for event in pickle.loads(base64.b64decode(body)):  # seeded: twin deserialization sanitised
        ledger.record(event)
    return {"ok": True}


@app.post("/hook/<provider>/config")
def config(provider):
    """A provider tells of its new addresses."""
    text = request.forms.getunicode("config", "")
    values = list(yaml.safe_load_all(text))  # seeded: twin deserialization api
    log.info("%d new addresses", len(values))  # seeded: twin log-injection typed
    return {"documents": len(values)}


@app.post("/hook/<provider>/statement")
def statement(provider):
    """A bank's statement, or a mandate."""
    document = request.files.get("document").file.read()
    if request.query.get("kind") == "mandate":
        return {"mandate": gateway.mandate(document)}
    return {"entries": gateway.statement(document)}


@app.post("/forward")
def forward():
    """Send an event on to the merchant's server; try again three times."""
    asked = request.json
    for attempt in range(3):
        if gateway.notify(asked["callback"], asked["event"]) < 500:
            break
        time.sleep(2**attempt + random.random())  # seeded: twin weak-random safe-element
    return {"attempts": attempt + 1}
