"""Figures: totals, filters, visits."""

import logging
import re
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Cookie, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from reporting import database, render, stored

router = APIRouter(prefix="/figures")
log = logging.getLogger("reporting.figures")
KNOWN = {"short": r"\w{1,3}", "long": r"\w{10,}"}


@router.get("/totals")
def totals(group: str, region: str):
    """Return totals."""
    return database.totals_by(group, region)


@router.get("/orders")
def orders(region: str, where: str | None = None):
    """Return a region's orders, or those that meet a condition."""
    return database.run_filter(where) if where else database.orders_of(region)


@router.get("/monthly")
async def monthly(year: str, product: str):
    """Return a product's months, or its years."""
    if year == "all":
        return await database.yearly(product)
    return [dict(row) for row in await database.monthly(year, product)]


@router.get("/cached/{kind}")
def cached(kind: str, key: str):
    """Return a report that was made before."""
    return database.cached(kind, key)


@router.post("/visits")
async def visits(request: Request):
    """Return visits by what the body asks for."""
    return database.visits_of(await request.json())


@router.post("/signin")
async def signin(request: Request):
    """Say whether a user with this name and key is known."""
    body = await request.json()
    found = database.users.find_one({"name": body["name"], "key": body["key"]})  # seeded: flaw nosql-injection direct
    return {"known": found is not None}


@router.get("/visits/long")
def long_visits(seconds: str = "60"):
    """Count the visits that took long."""
    return {"count": database.visits_longer(seconds)}


@router.post("/visits/country")
def by_country(country: Annotated[object, Body()]):
    """Return the visits from a country, and how often its page was seen."""
    return {"visits": database.visits_from(country), "seen": database.visits_at(country)}


@router.get("/visits/{ident}")
def one_visit(ident: str):
    """Return one visit's page."""
    found = database.visit(ident)
    return {"page": found["page"] if found else None}


@router.post("/computed")
def computed(expression: Annotated[str, Form()], rows: Annotated[str, Form()]):
    """Return a computed column of rows."""
    table = render.constant(rows)
    return list(map(lambda row: render.column(expression, row), table))


@router.get("/aggregate/{name}")
def aggregate(name: str, values: Annotated[list[int], Query()]):
    """Return an aggregate."""
    return {"value": render.aggregate(name, values)}


@router.get("/words")
def words(kind: Literal["short", "long"], text: str):
    """Return a text's short or long words."""
    return re.findall(KNOWN[kind], text)  # seeded: twin regex-injection allow-list


@router.post("/words")
def own_words(kind: Annotated[str, Form()], text: Annotated[str, Form()], rules: Annotated[list[str], Form()]):
    """Return the parts of a text that are like any of some expressions."""
    found = {}
    for number, rule in enumerate(rules):
        found[number] = re.findall(f"(?:{rule})", text)  # seeded: flaw regex-injection loop
    return {"kind": kind, "found": found}


@router.get("/note", response_class=HTMLResponse)
def note(text: str, colour: str = "black"):
    """Show a note in a colour."""
    if not re.fullmatch(r"[a-z]{3,12}", colour):
        colour = "black"
    log.info("note in %s", colour)  # seeded: twin log-injection allow-list
    return f"<p style='color: {colour}'>Your note has {len(text)} letters.</p>"  # seeded: twin xss allow-list


@router.get("/headline", response_class=HTMLResponse)
def headline(title: str):
    """Show a headline, in the page's template or, where that is missing, by itself."""
    try:
        return render.plain.get_template("headline.html").render(title="", size=len(title))
    except LookupError:
        return HTMLResponse("<h1>" + title.strip() + "</h1>")  # seeded: flaw xss exception


@router.get("/continue")
def go_on(state: Annotated[str, Cookie()], to: str):
    """Resume a report and go to one of its pages."""
    report = stored.resume(state)
    log.info("resumed %s, next is %s", type(report).__name__, to)  # seeded: flaw log-injection direct
    return RedirectResponse(to)  # seeded: flaw open-redirect direct


@router.get("/page/{number}")
def page(number: str):
    """Go to a page of the report."""
    return RedirectResponse(f"/figures/pages/{int(number)}")  # seeded: twin open-redirect typed
