"""YAML as a tree with line numbers, read without building anything that the text names, in bounded depth and size."""

from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

from clones.engines.security.config.hit import FileError

_MAX_DEPTH = 60
_MAX_EVENTS = 200_000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Node(msgspec.Struct):
    """A scalar's text, a list of nodes, or a mapping of them."""

    line: int
    value: "str | list[Node] | dict[str, Node]"

    def get(self, *keys: str) -> "Node | None":
        """Return what stands below a path of keys."""
        node: Node | None = self
        for key in keys:
            node = node.value.get(key) if node is not None and isinstance(node.value, dict) else None
        return node

    def items(self, *keys: str) -> "list[tuple[str, Node]]":
        """Return the entries of the mapping below a path of keys."""
        node = self.get(*keys)
        return list(node.value.items()) if node is not None and isinstance(node.value, dict) else []

    def each(self, *keys: str) -> "list[Node]":
        """Return the entries of the list below a path of keys."""
        node = self.get(*keys)
        return node.value if node is not None and isinstance(node.value, list) else []

    def text(self, *keys: str) -> str:
        """Return the scalar below a path of keys; empty where there is none."""
        node = self.get(*keys)
        return node.value if node is not None and isinstance(node.value, str) else ""

    def is_true(self, *keys: str) -> bool:
        """Whether the scalar below a path of keys means true."""
        return self.text(*keys).lower() in {"true", "yes", "on"}


def documents(text: str) -> list[Node]:
    """Read all documents of a file.

    Raises:
        FileError: it is no YAML, or nested or long beyond what people write.
    """
    try:
        return list(_documents(_events(text)))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FileError(f"no YAML that is understood: {str(error).partition(chr(10))[0][:200]}") from None


def _events(text: str) -> Iterator[Any]:
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH or count > _MAX_EVENTS:
            raise ValueError("nested too deeply" if depth > _MAX_DEPTH else "too long")
        yield event


def _documents(events: Iterator[Any]) -> Iterator[Node]:
    anchors: dict[str, Node] = {}
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            anchors.clear()
            node = _node(next(events), events, anchors)
            if node is not None:
                yield node


def _node(event: Any, events: Iterator[Any], anchors: dict[str, Node]) -> Node | None:
    """Build the node that begins with an event; an alias is the node that it names, which is not copied."""
    if isinstance(event, yaml.AliasEvent):
        return anchors.get(event.anchor or "")
    line, anchor = event.start_mark.line + 1, event.anchor
    if isinstance(event, yaml.ScalarEvent):
        node = Node(line, event.value)
    elif isinstance(event, yaml.SequenceStartEvent):
        node = Node(line, [])
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            entry = _node(event, events, anchors)
            if entry is not None and isinstance(node.value, list):
                node.value.append(entry)
    elif isinstance(event, yaml.MappingStartEvent):
        node = _mapping(line, events, anchors)
    else:
        return None
    if anchor:
        anchors[anchor] = node
    return node


def _mapping(line: int, events: Iterator[Any], anchors: dict[str, Node]) -> Node:
    entries: dict[str, Node] = {}
    merged: list[Node] = []
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _node(event, events, anchors)
        value = _node(next(events), events, anchors)
        if key is None or value is None or not isinstance(key.value, str):
            continue
        if key.value == "<<":
            merged += value.value if isinstance(value.value, list) else [value]
        else:
            # the place of a scalar's key: a value may begin a line below
            entries[key.value] = Node(key.line, value.value) if isinstance(value.value, str) else value
    for other in merged:
        if isinstance(other.value, dict):
            entries = {**other.value, **entries}
    return Node(line, entries)
