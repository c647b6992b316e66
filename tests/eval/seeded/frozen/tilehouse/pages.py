"""The few pages for people."""

import json

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import escape

routes = web.RouteTableDef()
VIEWER = "<!doctype html><div id=map></div><script>show({options})</script>"
HOME = jinja2.Template("<h1>{{ title }}</h1>", autoescape=True)


def html(text: str, status: int = 200) -> web.Response:
    """A page."""
    return web.Response(text=text, status=status, content_type="text/html")  # seeded: flaw xss helper


@routes.get("/viewer")
async def viewer(request: web.Request) -> web.Response:
    """The map with what the address asks for."""
    options = json.dumps({"layer": request.query.get("layer", "osm"), "zoom": int(request.query.get("zoom", 3))})
    return html(VIEWER.format(options=options))


@routes.get("/legend")
async def legend(request: web.Request) -> web.Response:
    """The legend with a title."""
    title = escape(request.query.get("title", "Legend"))
    return web.Response(text=f"<h1>{title}</h1><ul id=legend></ul>", content_type="text/html")  # seeded: twin xss sanitised


@routes.get("/home")
async def home(request: web.Request) -> web.Response:
    """The first page."""
    return web.Response(text=HOME.render(title=request.query.get("title", "Maps")), content_type="text/html")  # seeded: twin xss api


@routes.get("/about")
@aiohttp_jinja2.template("about.html")
async def about(request: web.Request) -> dict[str, str]:
    """Who makes the maps."""
    return {"visitor": request.query.get("visitor", "")}


@routes.post("/popup")
async def popup(request: web.Request) -> web.Response:
    """What the map's pop-up would show for a feature."""
    body = await request.json()
    template = jinja2.Template(body["popup"], autoescape=True)  # seeded: flaw template-injection async
    return web.json_response({"html": template.render(**body["properties"])})


@routes.get("/goto")
async def goto(request: web.Request) -> web.Response:
    """Go on to the page where the map is embedded."""
    place = request.query.get("embed")
    if place and place.endswith(".maps.example"):
        raise web.HTTPFound(place)  # seeded: flaw open-redirect branch
    raise web.HTTPFound("/home")


@routes.get("/zoom/{level}")
async def zoom(request: web.Request) -> web.Response:
    """The viewer at a level."""
    raise web.HTTPFound(f"/viewer?zoom={int(request.match_info['level'])}")  # seeded: twin open-redirect typed


@routes.post("/units")
async def units(request: web.Request) -> web.Response:
    """Remember the units of lengths."""
    form = await request.post()
    response = web.HTTPSeeOther("/viewer")
    response.set_cookie("units", "mi" if form.get("units") == "mi" else "km", secure=True, httponly=True, samesite="Lax")  # seeded: twin insecure-cookie constant
    return response


@routes.post("/signin")
async def signin(request: web.Request) -> web.Response:
    """Begin a session with a key of the interface."""
    form = await request.post()
    row = await request.app["pool"].fetchrow("SELECT owner FROM keys WHERE value = $1", form["key"])
    if row is None:
        raise web.HTTPForbidden
    response = web.HTTPSeeOther("/viewer")
    response.cookies["key"] = form["key"]  # seeded: flaw insecure-cookie container
    return response
