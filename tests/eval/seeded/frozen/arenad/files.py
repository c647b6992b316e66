"""Files that players send and fetch: replays, skins, saved games."""

import http.client
import ipaddress
import json
import os
import pickle
import socket
import tarfile
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path
from urllib.parse import quote, urlsplit

from accounts import checksum
from calls import Call

ROOT = Path("/var/lib/arenad")
REPLAYS = ROOT / "replays"
SKINS = ROOT / "skins"
MANY_BYTES = 64 * 2**20


def _read(*parts: str) -> bytes:
    with open(os.path.join(REPLAYS, *parts), "rb") as file:  # seeded: flaw path-traversal helper
        return file.read()


def replay(call: Call) -> None:
    """A match's replay, for download under a name of one's choice."""
    name = call.value("match")
    call.reply(_read(name[:2], name), Content_Disposition=f'attachment; filename="{call.value("as", "replay.bin")}"')


def thumbnail(call: Call) -> None:
    """A replay's picture, for download under the name that it has."""
    name = quote(call.value("match"), safe="")
    path = (REPLAYS / "pictures" / name).resolve()
    if REPLAYS.resolve() not in path.parents:
        raise ValueError("no picture")
    body = path.read_bytes()  # seeded: twin path-traversal sanitised
    handler = call._handler
    handler.send_response(200)
    handler.send_header("Content-Disposition", "attachment; filename*=UTF-8''" + name)  # seeded: twin header-injection sanitised
    handler.end_headers()
    handler.wfile.write(body)


def tournament(call: Call) -> None:
    """The replays of a tournament's round."""
    rounds = {"final": "final.bin", "semifinal": "semi.bin"}
    body = (REPLAYS / rounds[call.value("round", "final")]).read_bytes()  # seeded: twin path-traversal allow-list
    call.reply(body, X_Checksum=checksum(body))


def save(call: Call) -> None:
    """Restore a saved game."""
    form = call.value("form", "binary")
    state = _load(call.body) if form == "binary" else _parse(call.body)
    call.data({"level": state["level"]})


def _load(data: bytes) -> dict:
    unpickler = pickle.Unpickler(BytesIO(data))
    return unpickler.load()  # seeded: flaw deserialization helper


def _parse(data: bytes) -> dict:
    return json.loads(data)  # seeded: twin deserialization api


def scenery() -> dict:
    """The scenery that comes with the server."""
    path = Path(__file__).with_name("scenery.pickle")
    with path.open("rb") as file:
        return pickle.load(file)  # seeded: twin deserialization constant


def skin(call: Call) -> None:
    """Take a skin: an archive of pictures."""
    packed = BytesIO(call.body)
    if zipfile.is_zipfile(packed):
        _zipped(packed)
    else:
        with tarfile.open(fileobj=packed, mode="r:*") as archive:
            for member in (each for each in archive if each.isfile()):
                archive.extract(member, path=SKINS, set_attrs=False)  # seeded: flaw archive-extraction generator
    call.data({"ok": True})


def _zipped(packed: BytesIO) -> None:
    with zipfile.ZipFile(packed) as archive:
        if sum(info.file_size for info in archive.filelist) > MANY_BYTES or len(archive.filelist) > 200:
            raise ValueError("too large a skin")
        for info in archive.filelist:
            target = os.path.realpath(os.path.join(SKINS, info.filename))
            if not target.startswith(os.path.realpath(SKINS) + os.sep) or info.is_dir():
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as out:  # seeded: twin archive-extraction sanitised
                out.write(archive.read(info))


def music(call: Call) -> None:
    """Take a sound pack: all its files go by their numbers."""
    with tarfile.open(fileobj=BytesIO(call.body)) as archive, tempfile.TemporaryDirectory(dir=ROOT) as scratch:
        for number, member in enumerate(archive.getmembers()[:100]):
            content = archive.extractfile(member) if member.isreg() and member.size < 2**20 else None
            if content is not None:
                Path(scratch, f"{number}.ogg").write_bytes(content.read())  # seeded: twin archive-extraction safe-element
        call.data({"files": len(os.listdir(scratch))})


def avatar(call: Call) -> None:
    """Fetch a player's picture from where it is."""
    parts = urlsplit(call.value("url"))
    connection = http.client.HTTPSConnection(parts.netloc, timeout=5)  # seeded: flaw ssrf direct
    connection.request("GET", parts.path or "/")
    call.reply(connection.getresponse().read(MANY_BYTES), "image/png")


def banner(call: Call) -> None:
    """Fetch a clan's banner from a public server."""
    parts = urlsplit(call.value("url"))
    address = socket.gethostbyname(parts.hostname or "")
    if not ipaddress.ip_address(address).is_global:
        raise ValueError("no public server")
    connection = http.client.HTTPConnection(address, 80, timeout=5)  # seeded: twin ssrf sanitised
    connection.request("GET", quote(parts.path), headers={"Host": parts.hostname or ""})
    call.reply(connection.getresponse().read(MANY_BYTES), "image/png")


def news(call: Call) -> None:
    """The studio's news, of a page."""
    connection = http.client.HTTPSConnection("news.studio.example", timeout=5)
    connection.request("GET", f"/page/{int(call.value('page', '1'))}")  # seeded: twin ssrf typed
    call.reply(connection.getresponse().read(MANY_BYTES), "application/json")


ROUTES = {
    "GET replay": replay,
    "GET thumbnail": thumbnail,
    "GET tournament": tournament,
    "POST save": save,
    "POST skin": skin,
    "POST music": music,
    "GET avatar": avatar,
    "GET banner": banner,
    "GET news": news,
    "GET scenery": lambda call: call.data(scenery()),
}
