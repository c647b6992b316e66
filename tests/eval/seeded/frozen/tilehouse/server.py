"""Tilehouse: map tiles, layers and routes over HTTP."""

import argparse

import aiohttp_jinja2
import asyncpg
import jinja2
from aiohttp import ClientSession, web

import layers
import pages
import proxy
import render
import uploads


async def start(app: web.Application):
    """Open what lives as long as the server does."""
    app["pool"] = await asyncpg.create_pool(app["dsn"])
    app["client"] = ClientSession()
    yield
    await app["client"].close()
    await app["pool"].close()


def build(dsn: str) -> web.Application:
    """The application with its routes."""
    app = web.Application(client_max_size=64 * 2**20)
    app["dsn"] = dsn
    app.cleanup_ctx.append(start)
    aiohttp_jinja2.setup(app, loader=jinja2.PackageLoader("tilehouse"))
    for module in (layers, pages, proxy, render, uploads):
        app.router.add_routes(module.routes)
    return app


def main() -> None:
    """Serve on a port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", default="postgresql:///tiles")
    parser.add_argument("--port", type=int, default=8600)
    given = parser.parse_args()
    web.run_app(build(given.dsn), port=given.port)


if __name__ == "__main__":
    main()
