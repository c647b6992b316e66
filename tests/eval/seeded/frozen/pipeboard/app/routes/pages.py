"""The few pages that are not made by the front end."""

import html
import secrets
from typing import Annotated

from fastapi import APIRouter, Cookie, Form, Response
from fastapi.responses import HTMLResponse, JSONResponse

router = APIRouter()


def page(body: str) -> str:
    """A whole page around a body."""
    return f"<!doctype html><title>pipeboard</title><main>{body}</main>"


@router.get("/not-built", response_class=HTMLResponse)
async def not_built(project: str = "") -> HTMLResponse:
    """Say that a project was never built."""
    return HTMLResponse(page(f"<p>{project} has no runs yet.</p>"), status_code=404)  # seeded: flaw xss helper


@router.get("/never-ran", response_class=HTMLResponse)
async def never_ran(project: str = "") -> HTMLResponse:
    """Say that a project never ran."""
    return HTMLResponse(page(f"<p>{html.escape(project)} never ran.</p>"), status_code=404)  # seeded: twin xss sanitised


@router.get("/echo")
async def echo(project: str = "") -> JSONResponse:
    """What the browser's form would send."""
    return JSONResponse({"html": f"<p>{project}</p>"})  # seeded: twin xss api


@router.get("/banner")
async def banner(colour: Annotated[str, Cookie()] = "red") -> Response:
    """The banner that everyone sees on the day of a release."""
    colour = colour if colour in ("red", "green", "blue") else "red"
    return Response(f"<div style='color: {colour}'>Release day</div>", media_type="text/html")  # seeded: twin xss allow-list


@router.post("/login")
async def login(response: Response, user: Annotated[str, Form()]) -> dict[str, str]:
    """Begin a session; the proxy has checked the password."""
    response.set_cookie("session", secrets.token_hex(), path="/", samesite="none")  # seeded: flaw insecure-cookie direct
    return {"user": user}


@router.post("/prolong")
async def prolong(response: Response) -> None:
    """Begin the session anew."""
    response.set_cookie("session", secrets.token_hex(), path="/", secure=True, httponly=True, samesite="strict")  # seeded: twin insecure-cookie constant
