"""Readers of feeds: each yields rows of texts."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from xml.dom import pulldom
from xml.sax import handler, make_parser

from defusedxml import pulldom as defused_pulldom
from lxml import etree, html

Rows = Iterator[dict[str, str]]
CATALOGUE = etree.parse("/etc/feedmill/catalogue.xml")


def table(path: Path) -> Rows:
    """A table with a header."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        yield from csv.DictReader(file)


def lines(path: Path) -> Rows:
    """One JSON object a line."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def document(path: Path) -> Rows:
    """An XML document of `product` elements; each refers to its category by a code."""
    parser = etree.XMLParser(load_dtd=True, resolve_entities=True, attribute_defaults=True)
    tree = etree.parse(str(path), parser)  # seeded: flaw xxe cross-module
    for product in tree.iterfind("//product"):
        row = {child.tag: child.text or "" for child in product}
        row["category"] = category(row.get("code", ""))
        row["brand"] = brand(row.get("maker", ""))
        row["shelf"] = shelf(row.get("shelf", "0"))
        yield row


def category(code: str) -> str:
    """The name of a category, from the catalogue, which has our purchase prices too."""
    found = CATALOGUE.xpath("string(//category[@code='" + code + "']/@name)")  # seeded: flaw xpath-injection helper
    return str(found)


def brand(maker: str) -> str:
    """The name of a brand."""
    evaluate = etree.XPathEvaluator(CATALOGUE)
    return str(evaluate("string(//maker[@id=$maker])", maker=maker))  # seeded: twin xpath-injection api


def shelf(number: str) -> str:
    """The name of a shelf."""
    return str(CATALOGUE.xpath("string(//shelf[%d])" % int(number)))  # seeded: twin xpath-injection typed


def syndication(path: Path) -> Rows:
    """The items of an RSS feed, read piece by piece."""
    parser = make_parser()
    parser.setFeature(handler.feature_external_ges, 1)
    events = pulldom.parse(str(path), parser=parser)  # seeded: flaw xxe cross-module
    for event, node in events:
        if event == pulldom.START_ELEMENT and node.tagName == "item":
            events.expandNode(node)
            yield {child.nodeName: child.firstChild.data for child in node.childNodes if child.firstChild}


def podcast(path: Path) -> Rows:
    """The items of a podcast's feed, whose partners we do not know."""
    events = defused_pulldom.parse(str(path))  # seeded: twin xxe api
    for event, node in events:
        if event == pulldom.START_ELEMENT and node.tagName == "item":
            events.expandNode(node)
            yield {"title": node.getAttribute("title")}


def page(path: Path) -> Rows:
    """The rows of an HTML page's first table."""
    tree = html.fromstring(path.read_bytes(), parser=html.HTMLParser(no_network=True))  # seeded: twin xxe api
    for row in tree.iterfind(".//tr"):
        yield {str(number): cell.text_content() for number, cell in enumerate(row)}
