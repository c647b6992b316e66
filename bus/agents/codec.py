"""Messages to bytes and back, by the serializers of one runtime."""

from collections.abc import Sequence
from typing import Any

from autogen_core import MessageSerializer
from autogen_core._serialization import (
    DataclassJsonMessageSerializer,
    ProtobufMessageSerializer,
    PydanticJsonMessageSerializer,
)
from google.protobuf.message import Message

from bus.agents.class_refs import class_ref, find_class
from bus.agents.errors import CannotRead, CannotTravel
from bus.agents.kinds import StructSerializer, Way, plainly, way_of
from bus.agents.wire import Body

_NOTHING = Body("", "", "", b"")
_OURS = (DataclassJsonMessageSerializer, PydanticJsonMessageSerializer, ProtobufMessageSerializer, StructSerializer)
"""Serializers that only say which class there is; it travels in the way of its kind, which loses less than the first two."""


class Codec:
    """Writes what has a way to travel; reads what is registered, was sent from here before, or is loaded under its name."""

    def __init__(self) -> None:
        self._own: dict[tuple[str, str], MessageSerializer[Any]] = {}
        """Users' own serializers, by type name and content type."""
        self._classes: dict[tuple[str, str], type] = {}
        """Classes by type name and content type."""
        self._by_ref: dict[tuple[str, str], type] = {}
        self._writers: dict[type, tuple[str, str, str, Any]] = {}
        self._ways: dict[type, Way | None] = {}

    def add(self, serializer: MessageSerializer[Any] | Sequence[MessageSerializer[Any]]) -> None:
        """Take serializers; the last one of a type name and content type counts."""
        if isinstance(serializer, Sequence):
            for one in serializer:
                self.add(one)
            return
        key = (serializer.type_name, serializer.data_content_type)
        cls = getattr(serializer, "cls", None)
        if isinstance(serializer, _OURS) and isinstance(cls, type) and self._way(cls) is not None:
            self._own.pop(key, None)
            self._learn(cls, key)
        else:
            self._own[key] = serializer
        self._writers.clear()

    def learn(self, cls: type) -> None:
        """Take a class that answers are of; one that has no way to travel is told when it is to."""
        way = self._way(cls)
        if way is not None:
            self._learn(cls, (type_name(cls), way.content_type), keep=True)

    def encode(self, message: Any) -> Body:
        """Return a message as it travels.

        Raises:
            CannotTravel: there is no serializer for it, or it holds what its serializer cannot write.
        """
        if message is None:
            return _NOTHING
        cls = type(message)
        writer = self._writers.get(cls)
        if writer is None:
            writer = self._writers[cls] = self._writer(cls)
        name, content_type, ref, write = writer
        try:
            payload, marks = write(message)
        except Exception as error:
            raise CannotTravel(f"a {ref} cannot be written: {error}") from error
        return Body(name, content_type, ref, payload, marks)

    def decode(self, body: Body) -> Any:
        """Return the message.

        Raises:
            CannotRead: no class of this name is known here, or the payload does not fit the one that is.
        """
        name, content_type = body.type_name, body.content_type
        if not name:
            return None
        own = self._own.get((name, content_type))
        cls = None if own is not None else self._class(body)
        try:
            if own is not None:
                return own.deserialize(body.payload)
            way = None if cls is None else self._way(cls)
            if way is not None:
                return way.read(body.payload, body.marks)
        except CannotRead:
            raise
        except Exception as error:
            raise CannotRead(
                f"the message of type {name} ({body.ref}, {content_type}) does not fit {name} as it is known here: {error}"
            ) from error
        raise CannotRead(
            f"messages of type {name} ({body.ref}, {content_type}) cannot be read here: add_message_serializer was not "
            f"called for it, and no class of that name is loaded"
        )

    def _learn(self, cls: type, key: tuple[str, str], *, keep: bool = False) -> None:
        self._by_ref[class_ref(cls), key[1]] = cls
        if not keep or key not in self._classes:
            self._classes[key] = cls

    def _way(self, cls: type) -> Way | None:
        if cls not in self._ways:
            self._ways[cls] = way_of(cls)
        return self._ways[cls]

    def _writer(self, cls: type) -> tuple[str, str, str, Any]:
        name, ref = type_name(cls), class_ref(cls)
        for (known, content_type), serializer in self._own.items():
            if known == name and getattr(serializer, "cls", cls) is cls:
                return name, content_type, ref, plainly(serializer.serialize)
        way = self._way(cls)
        if way is None:
            raise CannotTravel(
                f"a {ref} cannot be sent: it is no dataclass, pydantic model, protobuf message, msgspec struct or plain "
                "value, and add_message_serializer was not called for it"
            )
        self.learn(cls)
        return name, way.content_type, ref, way.write

    def _class(self, body: Body) -> type | None:
        known = self._by_ref.get((body.ref, body.content_type))
        if known is None:
            known = self._classes.get((body.type_name, body.content_type))
            loaded = find_class(body.ref, object)
            # The class that was meant comes before one that only has the same short name.
            if loaded is not None and type_name(loaded) == body.type_name and self._way(loaded) is not None:
                known = loaded
            if known is not None and "<locals>" not in body.ref:
                self._by_ref[body.ref, body.content_type] = known
        return known


def type_name(cls: type) -> str:
    """Return the name under which autogen-core's serializers know a class."""
    descriptor = getattr(cls, "DESCRIPTOR", None)
    return str(descriptor.full_name) if issubclass(cls, Message) and descriptor is not None else cls.__name__
