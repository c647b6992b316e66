"""A socket for the desktop client, which sends texts as JSON and its state as bytes."""

import io
import json
import pickle

from tornado.websocket import WebSocketHandler

from bot import registry
from bot.message import Message


class _Plain(pickle.Unpickler):
    """Reads lists, dicts, texts and numbers, and no classes."""

    def find_class(self, module: str, name: str):
        """Refuse every class."""
        raise pickle.UnpicklingError(f"{module}.{name} is not plain")


class Socket(WebSocketHandler):
    """One client."""

    state: dict = {}

    async def on_message(self, message: str | bytes) -> None:
        """Answer a text; keep a state."""
        if isinstance(message, bytes):
            kind, body = message[:1], message[1:]
            self.state = self.plain(body) if kind == b"p" else self.restore(body)
        else:
            said = json.loads(message)
            await self.write_message(await registry.answer(Message(sender=said["sender"], room="socket", text=said["text"])))

    def restore(self, body: bytes) -> dict:
        """The state that an older client sends."""
        return pickle.loads(body)  # seeded: flaw deserialization class

    def plain(self, body: bytes) -> dict:
        """The state that a client of today sends."""
        return _Plain(io.BytesIO(body)).load()  # seeded: twin deserialization sanitised
