"""Fetches for the browsers of the house, on aiohttp."""

import logging
from functools import partial

import aiohttp
import aiosqlite
import asyncpg
from aiohttp import web

routes = web.RouteTableDef()
logger = logging.getLogger(__name__)
UPSTREAM = "http://upstream.internal"


@routes.get("/fetch")
async def fetch(request):
    async with aiohttp.ClientSession() as session:
        async with session.get(request.query["url"]) as answer:  # seeded: flaw ssrf direct
            text = await answer.text()
    return web.Response(text=text, content_type="text/plain")


@routes.get("/upstream/{tail:.*}")
async def upstream(request: web.Request):
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{UPSTREAM}/{request.match_info['tail']}") as answer:  # seeded: twin ssrf constant
            return web.Response(body=await answer.read())


@routes.get("/hello/{name}")
async def hello(request: web.Request):
    name = request.match_info["name"]
    return web.Response(text=f"<h1>Hello {name}</h1>", content_type="text/html")  # seeded: flaw xss direct


@routes.get("/hello-plain/{name}")
async def hello_plain(request: web.Request):
    name = request.match_info["name"]
    return web.Response(text=f"Hello {name}")  # seeded: twin xss api


@routes.get("/file/{name}")
async def file(request: web.Request) -> web.FileResponse:
    chosen = {"manual": "manual.pdf", "price": "prices.pdf"}.get(request.match_info["name"])
    if chosen is None:
        raise web.HTTPNotFound
    return web.FileResponse("/srv/files/" + chosen)  # seeded: twin path-traversal allow-list


@routes.get("/raw")
async def raw(request: web.Request):
    return web.FileResponse("/srv/files/" + request.query.get("name", "index"))  # seeded: flaw path-traversal direct


@routes.get("/go")
async def go(request: web.Request):
    raise web.HTTPFound(location=request.query.get("to", "/"))  # seeded: flaw open-redirect direct


@routes.get("/go-home")
async def go_home(request: web.Request):
    logger.info("home, asked by %r", request.query.get("who"))  # seeded: twin log-injection sanitised
    raise web.HTTPFound(location="/?" + request.query_string)  # seeded: twin open-redirect constant


class Orders(web.View):
    async def connection(self):
        return await asyncpg.connect("postgresql://orders")

    async def get(self):
        connection = await self.connection()
        customer = self.request.query["customer"]
        rows = await connection.fetch("SELECT * FROM orders WHERE customer = '" + customer + "'")  # seeded: flaw sql-injection class
        return web.json_response([dict(row) for row in rows])

    async def post(self):
        connection = await self.connection()
        data = await self.request.post()
        await connection.execute("INSERT INTO orders (customer) VALUES ($1)", data["customer"])  # seeded: twin sql-injection api
        return web.Response(status=201)


async def count(table, condition):
    async with aiosqlite.connect("visits.db") as database:
        async with database.execute(f"SELECT count(*) FROM {table} WHERE {condition}") as cursor:  # seeded: flaw sql-injection closure
            return await cursor.fetchone()


visits = partial(count, "visits")


@routes.post("/visits")
async def show_visits(request: web.Request):
    data = await request.json()
    return web.json_response(await visits("page = '" + data["page"] + "'"))


app = web.Application()
app.add_routes(routes)
app.router.add_view("/orders", Orders)
