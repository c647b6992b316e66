"""Ledger entries as JSON objects, a line each, as `sanctuary audit query --json` prints them. Pure."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ops.entries import Entry


class JsonLines:
    """As `ops.exports.outputs.LineFormat`: an entry a line."""

    follows = False

    def __init__(self, plain: Callable[[Entry], dict[str, Any]]) -> None:
        """Take what makes of an entry plain values, those that JSON has."""
        self._plain = plain

    def take(self, entry: Entry) -> Iterable[bytes]:
        """Return the entry's line."""
        yield msgspec.json.encode(self._plain(entry))
