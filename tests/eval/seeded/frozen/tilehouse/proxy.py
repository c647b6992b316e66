"""Tiles and features from other servers."""

import ipaddress
import random
import string
from urllib.parse import urlsplit

from aiohttp import web

import geo

routes = web.RouteTableDef()
UPSTREAM = {"osm": "https://tile.osm.example", "relief": "https://relief.example/v2"}


async def fetch(app: web.Application, url: str, **params: str) -> bytes:
    """What another server answers."""
    async with app["client"].get(url, params=params) as answer:  # seeded: flaw ssrf helper
        return await answer.read()


async def fetch_upstream(app: web.Application, url: str) -> bytes:
    """What one of our upstream servers answers."""
    if urlsplit(url).hostname not in {"tile.osm.example", "relief.example"}:
        raise web.HTTPForbidden
    async with app["client"].get(url, allow_redirects=False) as answer:  # seeded: twin ssrf allow-list
        return await answer.read()


@routes.get("/wms")
async def wms(request: web.Request) -> web.Response:
    """Pass a WMS request on, for browsers that may not ask themselves."""
    params = dict(request.query)
    server = params.pop("server")
    return web.Response(body=await fetch(request.app, server, **params), content_type="image/png")


@routes.get("/upstream")
async def upstream(request: web.Request) -> web.Response:
    """A tile by its whole address."""
    return web.Response(body=await fetch_upstream(request.app, request.query["url"]), content_type="image/png")


@routes.get("/basemap/{source}/{z}/{x}/{y}.png")
async def basemap(request: web.Request) -> web.Response:
    """A tile of a base map."""
    source = UPSTREAM.get(request.match_info["source"])
    if source is None:
        raise web.HTTPNotFound
    tile = geo.tile(request.match_info)
    async with request.app["client"].get(f"{source}/{tile.z}/{tile.x}/{tile.y}.png") as answer:  # seeded: twin ssrf typed
        return web.Response(body=await answer.read(), content_type="image/png")


@routes.post("/sensor")
async def sensor(request: web.Request) -> web.Response:
    """Ask a weather station for its measurements."""
    body = await request.json()
    address = ipaddress.ip_address(body["address"])
    if address.is_private:
        raise web.HTTPForbidden
    path = body.get("path", "/")
    async with request.app["client"].get(f"http://{body['host']}{path}") as answer:  # seeded: flaw ssrf async
        return web.json_response(await answer.json())


@routes.post("/key")
async def key(request: web.Request) -> web.Response:
    """A new key for the interface."""
    owner = (await request.json())["owner"]
    value = "".join(random.SystemRandom().choices(string.hexdigits, k=40))  # seeded: twin weak-random api
    await request.app["pool"].execute("INSERT INTO keys (owner, value) VALUES ($1, $2)", owner, value)
    return web.json_response({"key": value})


@routes.post("/share")
async def share(request: web.Request) -> web.Response:
    """A link by which a private map can be seen by those who know it."""
    number = int((await request.json())["map"])
    value = "%032x" % random.getrandbits(128)  # seeded: flaw weak-random async
    await request.app["pool"].execute("INSERT INTO shares (map, value) VALUES ($1, $2)", number, value)
    return web.json_response({"link": f"/shared/{value}"})
