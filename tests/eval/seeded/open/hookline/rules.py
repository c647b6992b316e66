"""What happens to an event: conditions, transformations, plug-ins."""

import importlib
import json
import re
from collections.abc import Callable

import jsonpickle
import yaml

COMPARE = ("<", ">", "==")
PLUGINS = {"slack": "plugins.slack", "mail": "plugins.mail"}
_WORD = re.compile(r"[a-z_]{1,30}")


class Refused(Exception):
    """A rule that cannot be taken."""


def load(text: str) -> list[dict]:
    """Return the rules of a file."""
    return yaml.safe_load(text) or []  # seeded: twin deserialization api


def load_with_tags(text: str) -> list[dict]:
    """Return the rules of a file that uses the tags of the editor."""
    loaded = []
    for document in yaml.load_all(text, Loader=yaml.Loader):  # seeded: flaw deserialization loop
        loaded.extend(document or [])
    return loaded


def restore_event(text: str):
    """Return an event as it was when it was put aside."""
    return jsonpickle.decode(text)  # seeded: flaw deserialization cross-module


def read_event(text: str) -> dict:
    """Return an event; its words may be anything, its form may not.

    Raises:
        Refused: it is no event.
    """
    event = json.loads(text)  # seeded: twin deserialization api
    if not isinstance(event, dict):
        raise Refused("an event is an object")
    return event


def condition(source: str) -> Callable[[dict], bool]:
    """Return a condition that is written as an expression."""
    code = compile(source, "<condition>", "eval")

    def holds(event: dict) -> bool:
        return bool(eval(code, {"event": event}))  # seeded: flaw code-injection closure

    return holds


def comparison(field: str, sign: str, value: str) -> Callable[[dict], bool]:
    """Return a condition that compares a field with a number."""
    if sign not in COMPARE:
        raise Refused(sign)
    source = f"event.get({str(field)!r}, 0) {sign} number"
    number = float(value)
    return lambda event: eval(source, {"event": event, "number": number})  # seeded: twin code-injection allow-list


def plugin(name: str):
    """Return the plug-in of a name."""
    if name not in PLUGINS:
        raise Refused(name)
    return importlib.import_module(PLUGINS[name])  # seeded: twin code-injection allow-list


def handler(dotted: str):
    """Return the function of a dotted name, for example `plugins.mail:send`."""
    module, _, function = dotted.partition(":")
    return getattr(importlib.import_module(module), function)  # seeded: flaw code-injection helper


def getter(path: str):
    """Return a function that reads a field; fields are words.

    Raises:
        Refused: it is no word.
    """
    if not _WORD.fullmatch(path):
        raise Refused(path)
    return eval(f"lambda event: event.get('{path}')")  # seeded: twin code-injection allow-list


class Transformation:
    """A few lines that change an event before it is passed on."""

    def __init__(self, lines: list[str]) -> None:
        self.source = "\n".join(lines)

    def apply(self, event: dict) -> dict:
        """Return the changed event."""
        scope = {"event": dict(event)}
        exec(self.source, scope)  # seeded: flaw code-injection class
        return scope["event"]

    def check(self) -> bool:
        """Say whether Python can be made to run at all, by a line of our own."""
        scope: dict = {}
        source = "ready = 1 + 1 == 2"
        exec(source, scope)  # seeded: twin code-injection constant
        return scope["ready"]
