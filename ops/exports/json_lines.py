"""Ledger entries as JSON objects, a line each, as `sanctuary audit query --json` prints them. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import msgspec

from ops.entries import Entry


class JsonLines:
    """As `ops.exports.outputs.LineFormat`: an entry a line."""

    follows = False

    def __init__(self, plain: Callable[[Entry], dict[str, Any]]) -> None:
        """Take what makes plain values of an entry."""
        self._plain = plain

    def take(self, entry: Entry) -> Iterable[bytes]:
        """Return the entry's line."""
        try:
            yield msgspec.json.encode(self._plain(entry))
        except (TypeError, ValueError, RecursionError):  # MessagePack has values that JSON has not
            yield msgspec.json.encode(self._plain(replace(entry, body=None)))
