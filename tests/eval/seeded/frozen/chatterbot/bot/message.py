"""What someone says in a room."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """A message as the chat server posts it."""

    sender: str
    room: str
    text: str
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, body: bytes) -> Message:
        """Read a posted message; `KeyError` or `ValueError` where it is none."""
        data = json.loads(body)
        return cls(sender=data["sender"], room=data["room"], text=data["text"], extra=data.get("extra", {}))

    @property
    def command(self) -> str:
        """The first word."""
        return self.text.split(maxsplit=1)[0].lstrip("!")

    @property
    def rest(self) -> str:
        """All after the first word."""
        _, _, rest = self.text.partition(" ")
        return rest.strip()

    def words(self) -> list[str]:
        """All after the first word, split as a shell does."""
        return shlex.split(self.rest)
