"""OAuth: clients, codes, tokens."""

import hashlib
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import jsonpickle
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gatekeep import audit, secretstuff, templates
from gatekeep.config import CONFIG

_db = AsyncIOMotorClient(CONFIG.mongo).gatekeep


class Exchange(BaseModel):
    """A code that is to become a token."""

    client: str
    code: str
    verifier: str = ""


async def client_of(criteria: dict[str, Any]) -> dict[str, Any]:
    """The client that these values describe."""
    found = await _db.clients.find_one(criteria)  # seeded: flaw nosql-injection helper
    if found is None:
        raise HTTPException(400, "unknown client")
    return found


async def authorize(request: Request) -> Response:
    """Ask the person whether a client may know who they are."""
    query = request.query_params
    client = await client_of({"id": query["client_id"]})
    back = query["redirect_uri"]
    if not back.startswith(client["redirect_uri"]):
        raise HTTPException(400, "that is not where this client lives")
    code = secretstuff.authorization_code()
    await _db.codes.insert_one({"code": code, "client": client["id"], "who": request.session.get("name")})
    return RedirectResponse(back + "?" + urlencode({"code": code, "state": query.get("state", "")}))  # seeded: flaw open-redirect branch


async def authorize_known(request: Request) -> Response:
    """The same, for clients that have one address only."""
    query = request.query_params
    client = await client_of({"id": query["client_id"]})
    if query["redirect_uri"] != client["redirect_uri"]:
        raise HTTPException(400, "that is not where this client lives")
    back = client["redirect_uri"] + "?" + urlencode({"state": query.get("state", "")})
    return RedirectResponse(back)  # seeded: twin open-redirect allow-list


async def token(request: Request) -> JSONResponse:
    """A token for a client that knows its secret."""
    body = await request.json()
    client = await client_of({"id": body["client_id"], "secret": body["client_secret"]})
    audit.record("oauth.token", client["id"])
    return JSONResponse({"token": secretstuff.seal(client["id"]), "refresh": secretstuff.refresh_token()})


async def exchange(request: Request) -> JSONResponse:
    """A token for a code."""
    asked = Exchange.model_validate_json(await request.body())
    found = await _db.codes.find_one({"code": asked.code, "client": asked.client})  # seeded: twin nosql-injection typed
    if found is None or found.get("challenge", "") != secretstuff.challenge(asked.verifier):
        raise HTTPException(400, "no such code")
    return JSONResponse({"token": secretstuff.seal(found["who"])})


async def revoke(request: Request) -> JSONResponse:
    """Forget a client's codes; its name comes with a form and so is text."""
    form = await request.form()
    name = form["client"]
    if not isinstance(name, str):
        raise HTTPException(400, "a client's name is text")
    gone = await _db.codes.delete_many({"client": name})  # seeded: twin nosql-injection typed
    audit.counted("oauth.revoked", gone.deleted_count)
    return JSONResponse({"revoked": gone.deleted_count})


async def register(request: Request) -> JSONResponse:
    """Register a client, with its logo and its keys."""
    asked = json.loads(await request.body())
    async with httpx.AsyncClient() as web:
        keys = await web.get(asked["jwks_uri"], timeout=5)  # seeded: flaw ssrf async
    logo = await fetch_logo(asked.get("logo_uri", ""))
    await _db.clients.insert_one({"id": secretstuff.refresh_token(), "keys": keys.json(), "logo": logo})
    return JSONResponse({"ok": True})


async def fetch_logo(address: str) -> str | None:
    """The digest of a logo, which must lie with us."""
    parts = urlsplit(address)
    if parts.scheme != "https" or parts.netloc not in CONFIG.own_hosts:
        return None
    async with httpx.AsyncClient(follow_redirects=False) as web:
        answer = await web.get(f"https://{parts.netloc}{parts.path}")  # seeded: twin ssrf allow-list
    return hashlib.sha256(answer.content).hexdigest()


async def consent(request: Request) -> HTMLResponse:
    """What a person is asked, in the client's own words."""
    client = await client_of({"id": request.query_params["client_id"]})
    words = request.query_params.get("words") or "{{ client }} wants to know who you are."
    return HTMLResponse(templates.consent(words, client=client["id"], person=request.session.get("name", "")))


async def device(request: Request) -> JSONResponse:
    """A code for a device."""
    return JSONResponse({"code": secretstuff.device_code(), "trace": secretstuff.correlation()})


async def resume(request: Request) -> JSONResponse:
    """Go on with what a client has begun; it keeps the state, we keep nothing."""
    state = jsonpickle.loads(request.query_params["state"])  # seeded: flaw deserialization async
    return JSONResponse({"step": state.step})


async def resume_signed(request: Request) -> JSONResponse:
    """Go on with what a client has begun; the state carries our signature."""
    text = secretstuff.opened("state", request.query_params["state"])
    if text is None:
        raise HTTPException(400, "not ours")
    state = jsonpickle.loads(text)  # seeded: twin deserialization sanitised
    return JSONResponse({"step": state.step})


routes = [
    Route("/authorize", authorize),
    Route("/authorize/known", authorize_known),
    Route("/token", token, methods=["POST"]),
    Route("/exchange", exchange, methods=["POST"]),
    Route("/revoke", revoke, methods=["POST"]),
    Route("/register", register, methods=["POST"]),
    Route("/consent", consent),
    Route("/device", device),
    Route("/resume", resume),
    Route("/resume/signed", resume_signed),
]
