"""Layers in PostGIS."""

import json
from typing import Any

from aiohttp import web

import geo

routes = web.RouteTableDef()
SIMPLIFY = {"low": 0.1, "high": 0.001}


class Layer:
    """One table of features."""

    def __init__(self, pool, name: str) -> None:
        self.pool = pool
        self.name = name
        self.conditions: list[str] = []

    def where(self, condition: str) -> "Layer":
        """Only the features of which the condition holds."""
        self.conditions.append(condition)
        return self

    async def features(self) -> list[dict[str, Any]]:
        """The features as GeoJSON."""
        query = f'SELECT id, ST_AsGeoJSON(shape) AS shape FROM "{self.name}"'
        if self.conditions:
            query += " WHERE " + " AND ".join(self.conditions)
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(query)  # seeded: flaw sql-injection class
        return [{"id": row["id"], "geometry": json.loads(row["shape"])} for row in rows]


async def inside(pool, layer: str, box: tuple[float, float, float, float], detail: float):
    """The features of a layer within a box."""
    query = f'SELECT id, ST_AsGeoJSON(ST_Simplify(shape, {detail})) FROM "{layer}" WHERE shape && ST_MakeEnvelope($1, $2, $3, $4)'
    return await pool.fetch(query, *box)  # seeded: twin sql-injection sanitised


@routes.get("/layer/{name}")
async def features(request: web.Request) -> web.Response:
    """The features that a filter leaves."""
    layer = Layer(request.app["pool"], geo.layer_name(request.match_info["name"]))
    if kind := request.query.get("kind"):
        layer.where(f"kind = '{kind}'")
    return web.json_response(await layer.features())


@routes.get("/layer/{name}/{z}/{x}/{y}.json")
async def vector_tile(request: web.Request) -> web.Response:
    """The features of a tile."""
    name = geo.layer_name(request.match_info["name"])
    detail = SIMPLIFY.get(request.query.get("detail", "low"), 0.1)
    rows = await inside(request.app["pool"], name, geo.bounds(geo.tile(request.match_info)), detail)
    return web.json_response([dict(row) for row in rows])


@routes.get("/nearest")
async def nearest(request: web.Request) -> web.Response:
    """The places next to a point."""
    lat, lon, limit = float(request.query["lat"]), float(request.query["lon"]), int(request.query.get("n", 5))
    query = "SELECT name FROM places ORDER BY shape <-> ST_Point(%r, %r) LIMIT %d" % (lon, lat, limit)
    rows = await request.app["pool"].fetch(query)  # seeded: twin sql-injection typed
    return web.json_response([row["name"] for row in rows])


@routes.get("/places")
async def places(request: web.Request) -> web.Response:
    """Places by the beginning of their name, in a language."""
    language = request.query.get("lang", "en")
    begin = request.query.get("q", "")
    rows = await request.app["pool"].fetch(  # seeded: flaw sql-injection async
        "SELECT name->>'" + language + "' AS name FROM places WHERE name->>'en' ILIKE $1 LIMIT 20", begin + "%"
    )
    return web.json_response([row["name"] for row in rows])


@routes.get("/regions")
async def regions(request: web.Request) -> web.Response:
    """Regions of a country."""
    country = request.query.get("country", "")
    columns = {"name": "name", "asked": country}
    rows = await request.app["pool"].fetch(f"SELECT {columns['name']} FROM regions WHERE country = $1", country)  # seeded: twin sql-injection safe-element
    return web.json_response([row["name"] for row in rows])
