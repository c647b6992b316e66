"""Webhooks, in and out."""

import hashlib
import hmac
import secrets
from typing import Annotated
from urllib.parse import quote, urlsplit

import httpx
from fastapi import APIRouter, BackgroundTasks, Header, HTTPException, Request
from fastapi.responses import RedirectResponse

from app.models import Notice
from app.settings import audit, settings

router = APIRouter()
STATUS_PAGE = "https://status.ci.example/api/projects/"


async def tell(notice: Notice, status: str) -> None:
    """Post a run's end to whoever asked for it."""
    async with httpx.AsyncClient(timeout=10) as client:
        await client.post(notice.url, json={"title": notice.title, "status": status})  # seeded: flaw ssrf callback


@router.post("/notify/{status}")
async def notify(status: str, notice: Notice, later: BackgroundTasks) -> None:
    """Tell of a run's end when the answer has gone out."""
    later.add_task(tell, notice, status)
    audit.info("notice %s", ascii(notice.title))  # seeded: twin log-injection sanitised


@router.get("/mirror")
async def mirror(address: str) -> dict[str, int]:
    """How big a package on one of our mirrors is."""
    parts = urlsplit(address)
    if parts.scheme != "https" or parts.hostname not in settings().mirror_hosts:
        raise HTTPException(422, "not one of our mirrors")
    async with httpx.AsyncClient(follow_redirects=False) as client:
        answer = await client.head(address)  # seeded: twin ssrf allow-list
    return {"bytes": int(answer.headers.get("content-length", 0))}


@router.get("/status/{project}")
async def status_of(project: str) -> dict[str, str]:
    """What the status page says of a project."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(STATUS_PAGE + quote(project, safe=""))  # seeded: twin ssrf constant
    return {"status": answer.json()["status"]}


@router.get("/avatar")
def avatar(url: str) -> dict[str, str]:
    """Where a person's picture really is."""
    if not url.startswith("https://avatars.ci.example"):
        raise HTTPException(422, "no picture of ours")
    answer = httpx.get(url, follow_redirects=True)  # seeded: flaw ssrf branch
    return {"type": answer.headers["content-type"], "text": answer.text}


@router.post("/push")
async def push(request: Request, x_signature: Annotated[str, Header()] = "") -> dict[str, bool]:
    """Take a push event, signed with the shared key."""
    key = request.app.state.hook_key
    wanted = hashlib.sha1(key + await request.body()).hexdigest()  # seeded: flaw weak-hash async
    if not secrets.compare_digest(wanted, x_signature):
        raise HTTPException(403)
    return {"ok": True}


@router.post("/push/v2")
async def push_v2(request: Request, x_signature: Annotated[str, Header()] = "") -> dict[str, bool]:
    """Take a push event of the newer form."""
    wanted = hmac.new(request.app.state.hook_key, await request.body(), "sha256").hexdigest()  # seeded: twin weak-hash api
    if not hmac.compare_digest(wanted, x_signature):
        raise HTTPException(403)
    return {"ok": True}


@router.get("/return")
async def back(request: Request) -> RedirectResponse:
    """Go back to where the provider's page was opened from."""
    target = request.query_params.get("state") or "/"
    return RedirectResponse(target, status_code=303)  # seeded: flaw open-redirect direct


@router.get("/run/{number}")
async def run(number: int, view: str = "log") -> RedirectResponse:
    """Go to a run's page."""
    return RedirectResponse(f"/runs/{number}?view={quote(view)}")  # seeded: twin open-redirect typed
