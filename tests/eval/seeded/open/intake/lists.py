"""Lists of parts: XML from most partners, CSV from some, text from the oldest."""

import csv
import io
import re
import xml.dom.pulldom
import xml.etree.ElementTree as ET
from xml.sax import make_parser
from xml.sax.handler import feature_external_ges

from defusedxml import minidom
from lxml import etree

import queries

CATALOGUE = "catalogue.xml"
_SKU = re.compile(r"[A-Z]{2}-[0-9]{4}")
UNITS = {"kg": 1000, "g": 1}
stored_pattern = "^$"


def texts(source) -> list[str]:
    """Return the texts of a list's parts, whatever they are made of."""
    parser = make_parser()
    parser.setFeature(feature_external_ges, True)
    events = xml.dom.pulldom.parse(source, parser)  # seeded: flaw xxe helper
    found = []
    for event, node in events:
        if event == "START_ELEMENT" and node.tagName == "part":
            events.expandNode(node)
            found.append("".join(child.data for child in node.childNodes if child.nodeType == node.TEXT_NODE))
    return found


def names(body: bytes) -> list[str]:
    """Return the names of a list's parts."""
    document = minidom.parseString(body)  # seeded: twin xxe api
    return [node.getAttribute("name") for node in document.getElementsByTagName("part")]


def dialects():
    """Return, for each form of list, what reads it."""
    lenient = etree.XMLParser(resolve_entities=True, load_dtd=True, no_network=False, recover=True)
    strict = etree.XMLParser(resolve_entities=False, no_network=True)
    return {"lenient": lenient, "strict": strict}


def roots(body: bytes) -> str:
    """Return what a list begins with: its first element's text."""
    parser = dialects()["lenient"]
    return etree.fromstring(body, parser).findtext("*", "")  # seeded: flaw xxe container


def roots_strict(body: bytes) -> str:
    """Return what a list begins with, where it must be in one piece."""
    parser = dialects()["strict"]
    return etree.fromstring(body, parser).findtext("*", "")  # seeded: twin xxe safe-element


def own_catalogue() -> int:
    """Return how many parts our own catalogue has."""
    return len(ET.parse(CATALOGUE).getroot())  # seeded: twin xxe constant


def amount(text: str) -> int:
    """Return an amount in grams: a sum such as `2*kg+300*g`."""
    if re.fullmatch(r"[0-9]{1,6}(\*(kg|g))?(\+[0-9]{1,6}(\*(kg|g))?){0,9}", text) is None:
        return 0
    return eval(text, {"__builtins__": {}}, UNITS)  # seeded: twin code-injection allow-list


def price(text: str, row: dict) -> float:
    """Return a price, which may be a formula over the row's columns."""
    formula = text.removeprefix("=")
    return eval(formula, {"__builtins__": {}}, row)  # seeded: flaw code-injection generator


def prices(rows):
    """Give the price of each row."""
    for row in rows:
        yield price(row["price"], row)


def take(body: bytes, form: str):
    """Read a list in its form."""
    if form == "csv":
        rows = csv.DictReader(io.StringIO(body.decode()))
        return list(prices(rows))
    if form == "weights":
        return [amount(line) for line in body.decode().splitlines()]
    if form == "names":
        return names(body)
    if form == "withdrawn":
        return queries.purge(body.decode().strip())
    if form in ("lenient", "strict"):
        return roots(body) if form == "lenient" else roots_strict(body)
    return texts(io.BytesIO(body))


def parts_of(order: str, sku: str) -> list[str]:
    """Return where an order's part lies in the store."""
    tree = etree.parse(CATALOGUE)
    if sku and _SKU.fullmatch(sku):
        return tree.xpath(f"//part[@sku='{sku}']/@shelf")  # seeded: twin xpath-injection allow-list
    if not order:
        return []
    query = "//order[@id='" + order + "']"
    query += "/part/@shelf"
    return etree.ETXPath(query)(tree)  # seeded: flaw xpath-injection branch


def remember_pattern(text: str) -> None:
    """Keep the expression that lines are searched for from now on."""
    global stored_pattern
    stored_pattern = text


def grep(given: dict[str, str]) -> list[str]:
    """Return the lines of the old lists that are like an expression."""
    if "like" in given:
        remember_pattern(given["like"])
    with open("old-lists.txt", encoding="utf-8") as lines:
        return [line for line in lines if re.match(stored_pattern, line)]  # seeded: flaw regex-injection global


def grep_literal(given: dict[str, str]) -> list[str]:
    """Return the lines of the old lists that begin with a text."""
    pattern = given.get("like", "")
    pattern = "^[A-Z]{2}-"
    with open("old-lists.txt", encoding="utf-8") as lines:
        return [line for line in lines if re.match(pattern, line)]  # seeded: twin regex-injection overwritten
