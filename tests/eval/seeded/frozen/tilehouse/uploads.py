"""Tracks, places and shapes that clients send."""

import io
import tarfile
import zipfile
from pathlib import Path
from xml.sax import handler, make_parser

from aiohttp import web
from defusedxml import ElementTree as DefusedTree
from lxml import etree

routes = web.RouteTableDef()
SHAPES = Path("/srv/shapes")
KML = {"k": "http://www.opengis.net/kml/2.2"}
GAZETTEER = etree.parse("/srv/tilehouse/gazetteer.kml")


class Track(handler.ContentHandler):
    """Collects the names in a GPX track."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self._text: list[str] | None = None

    def startElement(self, name, attrs):
        """A name begins."""
        if name == "name":
            self._text = []

    def characters(self, content):
        """More of a name."""
        if self._text is not None:
            self._text.append(content)

    def endElement(self, name):
        """A name ends."""
        if name == "name" and self._text is not None:
            self.names.append("".join(self._text))
            self._text = None


def track_names(source) -> list[str]:
    """The names in a GPX track."""
    parser = make_parser()
    parser.setFeature(handler.feature_external_ges, True)
    track = Track()
    parser.setContentHandler(track)
    parser.parse(source)  # seeded: flaw xxe helper
    return track.names


def plain_names(source) -> list[str]:
    """The names in a GPX track that has no entities."""
    parser = make_parser()
    parser.setFeature(handler.feature_external_ges, False)
    parser.setFeature(handler.feature_external_pes, False)
    track = Track()
    parser.setContentHandler(track)
    parser.parse(source)  # seeded: twin xxe api
    return track.names


@routes.post("/track")
async def track(request: web.Request) -> web.Response:
    """The names in a track."""
    data = io.BytesIO(await request.read())
    names = plain_names(data) if request.query.get("plain") else track_names(data)
    return web.json_response(names)


@routes.post("/kml")
async def kml(request: web.Request) -> web.Response:
    """Where the first place of a KML file is, or the place of that name in our gazetteer."""
    root = etree.fromstring(await request.read(), etree.XMLParser(resolve_entities=False))  # seeded: twin xxe api
    name = root.findtext(".//k:name", namespaces=KML)
    if request.query.get("described"):
        return web.json_response(described(request.query["described"]))
    return web.json_response(coordinates(name))


def coordinates(name: str) -> list[str]:
    """The coordinates of the gazetteer's places of a name, as far as they are public."""
    return GAZETTEER.xpath(f"//k:Placemark[@public='1'][k:name='{name}']//k:coordinates/text()", namespaces=KML)  # seeded: flaw xpath-injection helper


def described(text: str) -> list[str]:
    """The coordinates of the places whose description has a text."""
    find = etree.XPath('//k:Placemark[@public="1" and contains(k:description, $text)]//k:coordinates/text()', namespaces=KML)
    return find(GAZETTEER, text=text)  # seeded: twin xpath-injection api


@routes.post("/gml/{number}")
async def gml(request: web.Request) -> web.Response:
    """A member of a GML collection, by its number."""
    root = DefusedTree.fromstring(await request.text())  # seeded: twin xxe api
    number = int(request.match_info["number"])
    found = root.find(f"./member[{number}]")  # seeded: twin xpath-injection typed
    return web.json_response(None if found is None else found.attrib)


@routes.post("/shapes")
async def shapes(request: web.Request) -> web.Response:
    """Unpack a shape file with its neighbours."""
    form = await request.post()
    upload = form["archive"]
    if tarfile.is_tarfile(upload.file):
        upload.file.seek(0)
        names = unpack(upload.file)
    else:
        names = [str(path) for path in unpacked(zipfile.ZipFile(upload.file))]
    return web.json_response(names)


def unpack(file) -> list[str]:
    """Unpack a tar archive; return its members' names."""
    names = []
    with tarfile.open(fileobj=file) as archive:
        for member in archive:
            archive.extract(member, SHAPES)  # seeded: flaw archive-extraction loop
            names.append(member.name)
    return names


def unpacked(archive: zipfile.ZipFile):
    """Unpack the files that make up a shape, by their last names; yield their paths."""
    for suffix in (".shp", ".shx", ".dbf"):
        for info in archive.infolist():
            if info.filename.endswith(suffix) and info.file_size < 2**26:
                path = SHAPES / Path(info.filename).name
                path.write_bytes(archive.read(info))  # seeded: twin archive-extraction sanitised
                yield path
