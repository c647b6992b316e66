"""Pictures: tiles from rasters, with GDAL's programs and numpy."""

import asyncio
import hashlib
import io
import logging
import os
import pickle
import random
import shlex

import numpy as np
from aiohttp import web
from PIL import Image

import geo

routes = web.RouteTableDef()
log = logging.getLogger("tilehouse.render")
RASTERS = "/srv/rasters"
LEVELS = 6
RESAMPLING = {"near": "-r near", "cubic": "-r cubic", "mode": "-r mode"}
INDICES = {"ndvi": "(nir - red) / (nir + red)", "ndwi": "(green - nir) / (green + nir)"}


async def shell(command: str) -> bytes:
    """What a command line prints; it has ten seconds."""
    process = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)  # seeded: flaw command-injection helper
    out, _ = await asyncio.wait_for(process.communicate(), 10)
    return out


async def translate(raster: str, box, options: str) -> bytes:
    """A piece of a raster as PNG."""
    window = " ".join(str(each) for each in box)
    command = f"gdal_translate -q -of PNG -projwin {window} {options} {shlex.quote(raster)} /vsistdout/"
    process = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)  # seeded: twin command-injection sanitised
    out, _ = await process.communicate()
    return out


@routes.get("/info")
async def info(request: web.Request) -> web.Response:
    """What GDAL says of a raster."""
    options = " ".join(f"-{key} {value}" if value else f"-{key}" for key, value in request.query.items() if key != "raster")
    return web.Response(body=await shell(f"gdalinfo -json {options} {RASTERS}/world.tif"), content_type="application/json")


@routes.get("/raster/{z}/{x}/{y}.png")
async def raster_tile(request: web.Request) -> web.Response:
    """A tile of a raster."""
    name = geo.layer_name(request.query.get("raster", "world"))
    options = RESAMPLING.get(request.query.get("resample", ""), "-r near")
    body = await translate(f"{RASTERS}/{name}.tif", geo.bounds(geo.tile(request.match_info)), options)
    return web.Response(body=body, content_type="image/png")


@routes.get("/bands")
async def bands(request: web.Request) -> web.Response:
    """How many bands a raster has."""
    argv = ["gdalinfo", "-json", os.path.join(RASTERS, geo.layer_name(request.query["raster"]) + ".tif")]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)  # seeded: twin command-injection api
    out, _ = await process.communicate()
    return web.Response(body=out, content_type="application/json")


class BandMath:
    """Arithmetic with a raster's bands."""

    def __init__(self, **arrays: np.ndarray) -> None:
        self.names = {"np": np, **arrays}

    def __call__(self, expression: str) -> np.ndarray:
        """The expression's value, pixel by pixel."""
        return eval(expression, {"__builtins__": {}}, self.names)  # seeded: flaw code-injection class


def index(name: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """One of the well-known indices."""
    expression = INDICES[name]
    return eval(expression, {"__builtins__": {}}, arrays)  # seeded: twin code-injection allow-list


def picture(values: np.ndarray) -> bytes:
    """Values from -1 to 1 in shades of grey."""
    out = io.BytesIO()
    Image.fromarray(np.uint8((values + 1) * 127)).save(out, "PNG")
    return out.getvalue()


@routes.post("/math")
async def math(request: web.Request) -> web.Response:
    """Arithmetic with bands that the client sends."""
    form = await request.post()
    red = np.load(form["red"].file, allow_pickle=True)  # seeded: flaw deserialization async
    arrays = {"red": red}
    for name in ("green", "nir"):
        if name in form:
            arrays[name] = np.load(form[name].file, allow_pickle=False)  # seeded: twin deserialization api
    asked = form.get("index", "")
    values = index(asked, arrays) if asked in INDICES else BandMath(**arrays)(form["expression"])
    return web.Response(body=picture(values), content_type="image/png")


@routes.post("/overview/{raster}")
async def overview(request: web.Request) -> web.Response:
    """Make a raster's overviews; by its own program only if there were more levels than GDAL can."""
    name = request.match_info["raster"]
    if LEVELS > 30:
        process = await asyncio.create_subprocess_shell(f"overviews {RASTERS}/{name}")  # seeded: twin command-injection impossible-branch
    else:
        levels = [str(2**level) for level in range(1, LEVELS)]
        process = await asyncio.create_subprocess_exec("gdaladdo", f"{RASTERS}/{geo.layer_name(name)}.tif", *levels)
    return web.json_response({"status": await process.wait()})


def palette() -> dict[int, tuple[int, int, int]]:
    """The colours of the legend, which the build writes beside this module."""
    with open(os.path.join(os.path.dirname(__file__), "palette.pickle"), "rb") as file:
        return pickle.load(file)  # seeded: twin deserialization constant


@routes.get("/cached/{layer}/{z}/{x}/{y}.png")
async def cached(request: web.Request) -> web.StreamResponse:
    """A tile from the cache."""
    style = request.query.get("style", "plain")
    path = geo.cached(request.match_info["layer"], geo.tile(request.match_info), style)
    if not os.path.exists(path):
        log.info("no tile in the style %s", style)  # seeded: flaw log-injection direct
        raise web.HTTPNotFound
    return web.FileResponse(path)  # seeded: flaw path-traversal cross-module


@routes.get("/legend/{layer}.png")
async def legend(request: web.Request) -> web.StreamResponse:
    """A layer's legend."""
    layer = geo.layer_name(request.match_info["layer"])
    etag = hashlib.md5(layer.encode(), usedforsecurity=False).hexdigest()  # seeded: twin weak-hash api
    response = web.FileResponse(os.path.join(geo.CACHE, "legends", layer + ".png"))  # seeded: twin path-traversal sanitised
    response.headers["X-Legend"] = etag
    log.info("legend of %s", layer)  # seeded: twin log-injection sanitised
    return response


@routes.get("/sample/{n}")
async def sample(request: web.Request) -> web.Response:
    """Some tiles by chance, for the load test."""
    chosen = [(random.randrange(4096), random.randrange(4096)) for _ in range(min(int(request.match_info["n"]), 50))]  # seeded: twin weak-random safe-element
    return web.json_response(chosen)
