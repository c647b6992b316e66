"""The world: items, their places, the chat."""

import html
import re
import string
import xml.etree.ElementTree as ET
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from defusedxml.ElementTree import fromstring
from lxml import etree

from calls import Call

_items = ET.parse(Path(__file__).with_name("items.xml"))
_quests = etree.parse("/var/lib/arenad/quests.xml")
_chat: list[tuple[str, str]] = []
CARD = string.Template("<figure><img src=$image alt=$name></figure>")


def item(call: Call) -> None:
    """What an item does."""
    found = _items.find(f".//item[@public='yes'][@name='{call.value('name')}']")  # seeded: flaw xpath-injection direct
    call.data(None if found is None else found.attrib)


def numbered(call: Call) -> None:
    """An item by its number."""
    number = int(call.value("number"))
    found = _items.find(f".//item[@number='{number}']")  # seeded: twin xpath-injection typed
    call.data(None if found is None else found.attrib)


def quest(call: Call) -> None:
    """The steps of a quest that a player has been given."""
    steps = _quests.xpath("//quest[@id = $id and @player = $player]/step/text()", id=call.value("id"), player=call.value("player"))  # seeded: twin xpath-injection api
    call.data(steps)


def hints(call: Call) -> None:
    """The hints for a step of a quest."""
    path = "/quests/quest[@id='%s']/hint[@step='%d']" % (call.value("id"), int(call.value("step", "1")))
    call.data([each.text for each in etree.XPath(path)(_quests)])  # seeded: flaw xpath-injection direct


def level(call: Call) -> None:
    """Check a level that a player has built."""
    root = fromstring(call.body, forbid_dtd=True)  # seeded: twin xxe api
    call.data({"rooms": len(root.findall("room"))})


def scene(call: Call) -> None:
    """Check a scene, in the format of the studio's editor."""
    parser = etree.XMLParser(resolve_entities=True, dtd_validation=False, load_dtd=True, no_network=False)
    root = etree.fromstring(call.body, parser)  # seeded: flaw xxe direct
    call.data({"title": root.findtext("title")})


def say(call: Call) -> None:
    """Say something to all."""
    asked = call.json
    _chat.append((asked["name"], asked["text"]))
    call.data({"ok": True})


def chat(call: Call) -> None:
    """What was said lately, as a page."""
    lines = [f"<li><b>{html.escape(name)}</b> {html.escape(text)}" for name, text in _chat[-50:]]
    handler = call._handler
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.end_headers()
    handler.wfile.write("".join(lines).encode())  # seeded: twin xss sanitised


def card(call: Call) -> None:
    """A card with a picture of an item."""
    text = CARD.substitute(image=quoteattr("/image/" + call.value("item")), name=quoteattr(call.value("name")))
    handler = call._handler
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.end_headers()
    handler.wfile.write(text.encode())  # seeded: twin xss sanitised


def label(call: Call) -> None:
    """A label as a picture."""
    size = call.value("size", "12")
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' onclick='zoom({size})'><text>{escape(call.value('text'))}</text></svg>"
    handler = call._handler
    handler.send_response(200)
    handler.send_header("Content-Type", "image/svg+xml")
    handler.end_headers()
    handler.wfile.write(svg.encode())  # seeded: flaw xss direct


def mentions(call: Call) -> None:
    """What was said that matches."""
    wanted = call.value("pattern")
    matching = filter(re.compile(wanted).search, (text for _, text in _chat))  # seeded: flaw regex-injection callback
    call.data(list(matching))


def whispers(call: Call) -> None:
    """What was said to a name."""
    start = re.compile("@" + re.escape(call.value("name")) + r"\b")  # seeded: twin regex-injection sanitised
    call.data([text for _, text in _chat if start.match(text)])


ROUTES = {
    "GET item": item,
    "GET numbered": numbered,
    "GET quest": quest,
    "GET hints": hints,
    "POST level": level,
    "POST scene": scene,
    "POST say": say,
    "GET chat": chat,
    "GET card": card,
    "GET label": label,
    "GET mentions": mentions,
    "GET whispers": whispers,
}
