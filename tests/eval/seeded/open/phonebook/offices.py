"""The offices and their rooms: an XML file of the house's administration."""

import io
import re
import xml.sax
import xml.sax.handler
from pathlib import Path

import defusedxml.ElementTree
from lxml import etree

PLAN = Path(__file__).with_name("offices.xml")
FLOORS = ("ground", "first", "second")
BY_FLOOR = etree.XPath("//room[@floor = $floor]/@number")


def plan():
    """Return the plan of the house."""
    return etree.parse(PLAN)


def room_of(person: str):
    """Return the rooms in which a person sits."""
    return plan().xpath("//room[occupant='" + person + "']/@number")  # seeded: flaw xpath-injection cross-module


def rooms_named(name: str):
    """Return the rooms that bear a name."""
    return plan().xpath("//room[@name=$wanted]/@number", wanted=name)  # seeded: twin xpath-injection api


def rooms_with(seats: str):
    """Return the rooms that seat so many or more."""
    return plan().xpath(f"//room[@seats >= {int(seats)}]/@number")  # seeded: twin xpath-injection typed


def rooms_on(floor: str):
    """Return the rooms of a floor."""
    if floor not in FLOORS:
        return []
    return plan().xpath(f"//room[@floor='{floor}']/@number")  # seeded: twin xpath-injection allow-list


def rooms_by_floor(floor: str):
    """Return the rooms of a floor, by an expression that is compiled once."""
    return BY_FLOOR(plan(), floor=floor)  # seeded: twin xpath-injection api


def key_holder(room: str, code: str):
    """Return who may open a room with a code."""
    expression = '//room[@number="{}"]/key[@code="{}"]/@holder'.format(room, code)
    tree = plan()
    finder = etree.XPathEvaluator(tree)
    return finder(expression)  # seeded: flaw xpath-injection cross-module


def equipment(room: str, kind: str):
    """Return what stands in a room; kinds are words."""
    kind = re.sub(r"[^a-z]", "", kind.lower())
    room = re.sub(r"[^0-9]", "", room)
    return plan().findall(f".//room[@number='{room}']/{kind or 'desk'}")  # seeded: twin xpath-injection sanitised


class Seats(xml.sax.handler.ContentHandler):
    """Counts the seats in a plan, and keeps its remarks."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.remarks: list[str] = []

    def startElement(self, name, attrs):
        """Count a seat."""
        self.count += name == "seat"

    def characters(self, content):
        """Keep a remark."""
        self.remarks.append(content)


def count_seats(body: bytes) -> Seats:
    """Read a plan that an office sends, with the entities it is made of."""
    seats = Seats()
    reader = xml.sax.make_parser()
    reader.setFeature(xml.sax.handler.feature_external_ges, True)
    reader.setContentHandler(seats)
    reader.parse(io.BytesIO(body))  # seeded: flaw xxe helper
    return seats


def count_desks(body: bytes) -> Seats:
    """Read a plan that a tenant sends, which is in one piece."""
    seats = Seats()
    reader = xml.sax.make_parser()
    reader.setFeature(xml.sax.handler.feature_external_ges, False)
    reader.setFeature(xml.sax.handler.feature_external_pes, False)
    reader.setContentHandler(seats)
    reader.parse(io.BytesIO(body))  # seeded: twin xxe api
    return seats


def merge(body: bytes) -> int:
    """Return how many rooms a sent plan has."""
    parser = etree.XMLParser(resolve_entities=True, load_dtd=True, no_network=False)
    tree = etree.fromstring(body, parser)  # seeded: flaw xxe cross-module
    return len(tree.findall("room"))


def furniture(body: bytes):
    """Return the furniture in a sent list."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    tree = etree.fromstring(body, parser)  # seeded: twin xxe api
    return [item.text for item in tree.iter("item")]


def visitors(text: str):
    """Return the visitors that the reception announces."""
    return [each.get("name") for each in defusedxml.ElementTree.fromstring(text)]  # seeded: twin xxe api


class PlanReader:
    """Reads plans in the dialect of the planners' program."""

    options = {"resolve_entities": False}

    def parser(self) -> etree.XMLParser:
        """Return the parser."""
        return etree.XMLParser(**self.options)

    def titles(self, stream) -> list[str]:
        """Return the titles in a plan."""
        root = etree.parse(stream, self.parser()).getroot()  # seeded: twin xxe sanitised
        return [each.text or "" for each in root.iter("title")]


class OldPlanReader(PlanReader):
    """Reads the plans of before, which name their furniture by entities."""

    options = {"resolve_entities": True, "dtd_validation": False, "load_dtd": True, "no_network": False}

    def names(self, stream) -> list[str]:
        """Return what the rooms are called."""
        root = etree.parse(stream, self.parser()).getroot()  # seeded: flaw xxe inheritance
        return [each.text or "" for each in root.iter("name")]
