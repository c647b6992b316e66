import logging

import httpx
from fastapi import APIRouter, BackgroundTasks, HTTPException, Request
from fastapi.responses import RedirectResponse

from tracker.models import Hook
from tracker.services import fetch

router = APIRouter()
logger = logging.getLogger(__name__)
REGISTERED: dict[str, Hook] = {}


@router.post("/ping")
async def ping(hook: Hook):
    logger.info("hook of %s events", len(hook.events))  # seeded: twin log-injection typed
    return {"status": await fetch.ping(hook.url)}


@router.post("/deliver")
async def deliver(request: Request):
    body = await request.json()
    targets = [body["first"], body.get("second")]
    return [await fetch.deliver(target, {"kind": "test"}) for target in targets if target]


@router.post("/deliver-allowed")
async def deliver_allowed(hook: Hook):
    try:
        url = fetch.allowed(hook.url)
    except fetch.Unsafe:
        raise HTTPException(400) from None
    async with httpx.AsyncClient() as client:
        answer = await client.post(url, json={})  # seeded: twin ssrf sanitised
    return {"status": answer.status_code}


@router.get("/track/{carrier}/{code}")
async def track(carrier: str, code: str):
    return await fetch.track(carrier, code)


@router.get("/rates/{country}")
async def rates(country: str):
    return await fetch.rates(country)


@router.get("/open")
def port_open(host: str, port: int):
    return {"open": fetch.port_open(host, port)}


@router.get("/go")
async def go(to: str = "/"):
    return RedirectResponse(to)  # seeded: flaw open-redirect direct


@router.get("/go-local")
async def go_local(to: str = "/"):
    if not to.startswith("/") or to.startswith("//") or "\\" in to:
        to = "/"
    return RedirectResponse(to)  # seeded: twin open-redirect sanitised


def home_of(region: str | None) -> str:
    match region:
        case "eu":
            return "https://eu.tracker.example/"
        case "us":
            return "https://us.tracker.example/"
        case _:
            return "/"


@router.get("/home")
async def home(region: str | None = None):
    return RedirectResponse(url=home_of(region), status_code=302)  # seeded: twin open-redirect constant


@router.get("/oauth")
async def oauth(request: Request):
    state = dict(request.query_params)
    state.setdefault("redirect_uri", "/")
    return RedirectResponse(url=state["redirect_uri"], status_code=302)  # seeded: flaw open-redirect container


@router.post("/register")
async def register(hook: Hook, tasks: BackgroundTasks):
    REGISTERED[hook.secret] = hook
    tasks.add_task(announce, hook.url)
    return {"registered": len(REGISTERED)}


def announce(url: str) -> None:
    logger.warning(f"registered {url}")  # seeded: flaw log-injection callback


@router.post("/failed")
async def failed(request: Request):
    body = (await request.body()).decode()
    try:
        number = int(body)
    except ValueError:
        logger.exception("no number: %s", body)  # seeded: flaw log-injection exception
        raise HTTPException(400) from None
    logger.info("failed %s times", number)  # seeded: twin log-injection typed
    return {"times": number}
