"""The box's web interface (aiohttp)."""

import functools
import io
import json
import logging
from html import escape
from pathlib import Path

import aiohttp
from aiohttp import web

import links
import previews
import remote
import storage

log = logging.getLogger("filebox")
routes = web.RouteTableDef()


def audited(handler):
    """Write who asks for what, before it is done."""

    @functools.wraps(handler)
    async def wrapped(request: web.Request) -> web.StreamResponse:
        log.info("%s by %s" % (handler.__name__, request.query.get("user", "nobody")))  # seeded: flaw log-injection decorator
        return await handler(request)

    return wrapped


@routes.get("/public/{name:.+}")
@audited
async def public(request: web.Request) -> web.Response:
    """Send a public file."""
    try:
        return web.Response(body=storage.read_public(request.match_info["name"]))
    except storage.Refused as refused:
        return web.Response(text=f"<p>No file {refused}</p>", content_type="text/html", status=404)  # seeded: flaw xss exception


@routes.get("/files/{owner}")
async def download(request: web.Request) -> web.StreamResponse:
    """Stream a file of somebody's folder."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    for piece in storage.chunks(request.match_info["owner"], request.query["name"]):
        await answer.write(piece)
    return answer


@routes.post("/files/{owner}")
async def upload(request: web.Request) -> web.Response:
    """Keep a file under a name of ours."""
    body = await request.read()
    storage.Folder("uploads").store(links.upload_name(), body)
    log.info("kept %d bytes of %r", len(body), request.query.get("name"))  # seeded: twin log-injection sanitised
    return web.json_response({"bytes": len(body)})


@routes.delete("/drawer")
async def discard(request: web.Request) -> web.Response:
    """Remove a file of the asker's drawer."""
    data = await request.json()
    storage.Drawer("shared").discard(data["name"])
    return web.Response(status=204)


@routes.post("/unpack")
async def unpack(request: web.Request) -> web.Response:
    """Unpack an archive."""
    body = io.BytesIO(await request.read())
    kind = request.query.get("kind")
    if kind == "tar":
        return web.json_response({"files": storage.unpack_tar(body)})
    if kind == "small":
        return web.json_response(storage.unpack_checked(body))
    return web.json_response(storage.unpack_zip(body, "zip"))


@routes.post("/restore")
async def restore(request: web.Request) -> web.Response:
    """Take a backup and bring it back."""
    form = await request.post()
    kept = Path("/var/tmp") / links.upload_name()
    kept.write_bytes(form["backup"].file.read())
    storage.restore(kept)
    return web.Response(status=204)


@routes.post("/import")
async def import_url(request: web.Request) -> web.Response:
    """Fetch a file of another place."""
    data = await request.post()
    async with aiohttp.ClientSession() as session:
        body = await remote.fetch(session, data["url"])
        clean = await remote.scan(session, body, data.get("name", ""))
    return web.json_response({"bytes": len(body), "clean": clean})


@routes.get("/mirror")
async def mirror(request: web.Request) -> web.Response:
    """Fetch a file of a mirror."""
    async with aiohttp.ClientSession() as session:
        return web.Response(body=await remote.fetch_mirrored(session, request.query["url"]))


@routes.get("/release/{number}")
async def release(request: web.Request) -> web.Response:
    """Say what is in a release."""
    async with aiohttp.ClientSession() as session:
        return web.json_response(await remote.release(session, request.match_info["number"]))


@routes.get("/reachable")
async def reachable(request: web.Request) -> web.Response:
    """Say whether a host can be reached."""
    return web.json_response(await remote.reachable(request.query["host"], request.query["port"]))


@routes.get("/thumb")
async def thumb(request: web.Request) -> web.Response:
    """Return a small picture."""
    size = previews.size_of(request.query)
    return web.Response(body=await previews.thumbnail(request.query["name"], size), content_type="image/png")


@routes.get("/words")
async def words(request: web.Request) -> web.Response:
    """Say how many words a text has."""
    name = request.query["name"]
    count = previews.word_count(name)
    return web.Response(text=f"<p>{escape(name)}: {count} words</p>", content_type="text/html")  # seeded: twin xss sanitised


@routes.post("/rotate")
async def rotate(request: web.Request) -> web.Response:
    """Turn or convert the current picture."""
    previews.rotate("current", request.query["degrees"])
    previews.convert("current", request.query.get("format", "png"))
    return web.Response(text="turned by " + request.query["degrees"], content_type="text/plain")  # seeded: twin xss api


@routes.post("/comment")
async def comment(request: web.Request) -> web.Response:
    """Write a comment into a picture, when there is time."""
    job = json.loads(await request.text())
    previews.enqueue(job)
    if len(previews.JOBS) >= 5:
        previews.work()
    raise web.HTTPFound("/pending")  # seeded: twin open-redirect constant


@routes.get("/share")
async def share(request: web.Request) -> web.Response:
    """Share a file and go back to where the asker was."""
    link = links.Share(request.query["path"])
    answer = web.HTTPSeeOther(request.query.get("back", link.url()))  # seeded: flaw open-redirect direct
    links.remember_guest(answer, link.key)
    raise answer


def main() -> None:
    """Serve."""
    app = web.Application()
    app.add_routes(routes)
    web.run_app(app, port=8080)


if __name__ == "__main__":
    main()
