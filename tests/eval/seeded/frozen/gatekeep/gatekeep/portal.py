"""The portal: logging in, the person's own page, themes."""

from pathlib import Path

from lxml import etree
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from gatekeep import audit, directory, secretstuff, templates
from gatekeep.config import CONFIG

_accounts = etree.parse("/etc/gatekeep/local-accounts.xml")
FLAGS = {"secure": True, "httponly": True, "samesite": "strict"}


def local(name: str, password: str) -> bool:
    """Whether a local account has this password."""
    return bool(_accounts.xpath(f"/accounts/account[@name='{name}' and @password='{password}']"))  # seeded: flaw xpath-injection helper


def seat(number: int) -> str | None:
    """Who sits at a numbered place."""
    found = _accounts.xpath("/accounts/account[@seat='%d']/@name" % number)  # seeded: twin xpath-injection typed
    return str(found[0]) if found else None


async def login(request: Request) -> Response:
    """Log in with a local account or the directory's."""
    form = await request.form()
    name, password = str(form["name"]), str(form["password"])
    if not local(name, password) and not directory.bind(name, password):
        audit.event("login.refused", name)
        return templates.problem(f"{name} is not known, or the password is wrong.", 403)
    request.session["name"] = name
    request.session["groups"] = form.getlist("group") or ["people"]  # seeded: flaw trust-boundary async
    response = RedirectResponse("/", status_code=303)
    response.set_cookie("sso", secretstuff.sign("sso", name), domain=".example", secure=False)  # seeded: flaw insecure-cookie direct
    return response


async def claims(request: Request) -> JSONResponse:
    """Keep what the person's own client says of the person."""
    said = await request.json()
    request.session.update(said)  # seeded: flaw trust-boundary async
    return JSONResponse({"kept": sorted(said)})


async def choice(request: Request) -> Response:
    """Keep the person's choice of a layout and the number of rows."""
    form = await request.form()
    layouts = {"wide": "wide", "narrow": "narrow"}
    request.session["layout"] = layouts.get(str(form.get("layout")), "wide")  # seeded: twin trust-boundary allow-list
    request.session["trace"] = secretstuff.correlation()

    rows = int(str(form.get("rows", "20")))
    request.session["rows"] = max(1, min(rows, 200))  # seeded: twin trust-boundary typed
    response = Response(status_code=204)
    response.set_cookie("layout", request.session["layout"], **FLAGS)  # seeded: twin insecure-cookie constant
    return response


async def again(request: Request) -> Response:
    """Renew the cookie that carries the session over to the other services."""
    name = secretstuff.opened("sso", request.cookies.get("sso", ""))
    if name is None:
        return templates.problem_plain(f"{request.query_params.get('name', 'You')}: log in again.", 403)
    response = PlainTextResponse("renewed")
    response.set_cookie(  # seeded: twin insecure-cookie api
        "sso",
        secretstuff.sign("sso", name),
        secure=True,
        httponly=True,
        samesite="lax",
    )
    return response


async def link(request: Request) -> Response:
    """Send a link with which one logs in, or a notice."""
    form = await request.form()
    address, name = str(form["address"]), str(form.get("name", ""))
    if "notice" in form:
        templates.notice(address, name)
    else:
        templates.magic_link(address, f"https://portal.example/in/{secretstuff.refresh_token()}", name)
    return templates.page("Sent", f"We have written to {address}.")


async def theme(request: Request) -> FileResponse:
    """A file of a theme."""
    name, file = request.path_params["name"], request.path_params["file"]
    return FileResponse(CONFIG.themes / name / file)  # seeded: flaw path-traversal direct


async def favicon(request: Request) -> Response:
    """The icon of a theme."""
    for path in CONFIG.themes.iterdir():
        if path.name == request.path_params["name"]:
            return FileResponse(path / "favicon.ico")  # seeded: twin path-traversal allow-list
    return Response(status_code=404)


async def style(request: Request) -> Response:
    """The style of a theme, by the theme's name alone."""
    path = CONFIG.themes / Path(request.query_params.get("theme", "plain")).stem / "style.css"
    if path.resolve().parent.parent != CONFIG.themes.resolve():
        return Response(status_code=404)
    return FileResponse(path)  # seeded: twin path-traversal sanitised


async def place(request: Request) -> PlainTextResponse:
    """Who sits at a place."""
    return PlainTextResponse(seat(request.path_params["number"]) or "nobody")


async def words(request: Request) -> Response:
    """A client's words, shown as a remark."""
    return Response(templates.consent_plain(request.query_params.get("words", ""), client="A client", person="you"), media_type="text/html")  # seeded: twin xss api


routes = [
    Route("/login", login, methods=["POST"]),
    Route("/claims", claims, methods=["POST"]),
    Route("/choice", choice, methods=["POST"]),
    Route("/again", again, methods=["POST"]),
    Route("/link", link, methods=["POST"]),
    Route("/theme/{name}/{file:path}", theme),
    Route("/favicon/{name}", favicon),
    Route("/style", style),
    Route("/place/{number:int}", place),
    Route("/words", words),
]
