"""Documents: mails, layouts, downloads."""

import secrets
from pathlib import Path
from typing import Annotated

import httpx
from fastapi import APIRouter, File, Form, HTTPException, Response
from fastapi.responses import FileResponse, HTMLResponse

from reporting import render, stored

router = APIRouter(prefix="/documents")
SENT = Path("/var/lib/reports/sent")
LOGOS = {"main": "https://cdn.example.com/main.svg", "dark": "https://cdn.example.com/dark.svg"}
FORMATS = {"pdf": render.pdf, "odt": render.odt, "epub": render.epub}


@router.post("/subject")
def subject(pattern: Annotated[str, Form()], month: Annotated[str, Form()]):
    """Show the subject that a report's mails will have."""
    return {"subject": render.subject(pattern, {"month": month})}


@router.post("/layout")
def layout(source: Annotated[str, Form()]):
    """Show a layout with an example in it."""
    return {"page": render.Layout(source).fill(example=stored.example())}


@router.post("/custom", response_class=HTMLResponse)
def custom(source: Annotated[str, Form()], name: Annotated[str, Form()]):
    """Show a customer's layout as text."""
    page = render.custom(source, {"name": name})
    return Response(page, media_type="text/plain")


@router.get("/heading", response_class=HTMLResponse)
def heading(title: str, total: int):
    """Show a heading; the environment escapes."""
    return render.heading(title, total)


@router.post("/as/{kind}")
def document(kind: str, title: Annotated[str, Form()], page: Annotated[str, Form()]):
    """Return a page as a document."""
    if kind not in FORMATS:
        raise HTTPException(404)
    return Response(FORMATS[kind](title, page), media_type="application/octet-stream")


@router.post("/state")
def state(sealed: Annotated[str, Form()]):
    """Say what is in a sealed report."""
    return {"report": repr(stored.unpack(sealed))}


@router.post("/definition")
def definition(text: Annotated[str, Form()], version: Annotated[int, Form()]):
    """Read a definition of version 1 or 2."""
    if version == 1:
        return stored.definition_of_old(text)
    return stored.definition(text)


@router.post("/forecast")
def forecast(model: Annotated[bytes, File()]):
    """Load a model that a customer sends, and say what it is."""
    path = SENT / secrets.token_hex(8)
    path.write_bytes(model)
    return {"model": type(stored.Forecast(path).load().model).__name__}


@router.post("/series")
def series(numbers: Annotated[bytes, File()]):
    """Return the mean of a series that a customer sends."""
    path = SENT / f"{secrets.token_hex(8)}.npy"
    path.write_bytes(numbers)  # seeded: twin path-traversal api
    return {"mean": float(stored.series(path).mean())}


@router.get("/shared/{name:path}")
def shared(name: str):
    """Return a shared report."""
    return Response(stored.shared(name), media_type="text/plain")


@router.get("/saved")
def saved(name: str):
    """Return a saved report."""
    return stored.saved(name)


@router.get("/sent/{number}")
def sent(number: int):
    """Return a file that was sent."""
    return FileResponse(SENT / f"{number}.pdf")  # seeded: twin path-traversal typed


@router.get("/logo")
def logo(which: str):
    """Return a logo."""
    return Response(httpx.get(LOGOS.get(which, LOGOS["main"])).content)  # seeded: twin ssrf allow-list


@router.post("/logo")
def take_logo(settings: dict):
    """Take a customer's logo from where the customer has it."""
    sources = {"default": LOGOS["main"], "own": settings.get("url")}
    answer = httpx.get(sources["own"], follow_redirects=True)  # seeded: flaw ssrf container
    return Response(answer.content, media_type="image/svg+xml")


@router.post("/logo/reset")
def reset_logo(settings: dict):
    """Take the default logo again."""
    sources = {"default": LOGOS["main"], "own": settings.get("url")}
    answer = httpx.get(sources["default"])  # seeded: twin ssrf safe-element
    return Response(answer.content, media_type="image/svg+xml")


@router.post("/session")
def session(response: Response):
    """Begin a session."""
    response.set_cookie("report_session", secrets.token_urlsafe(), httponly=True, secure=False)  # seeded: flaw insecure-cookie direct
    return {"ok": True}
