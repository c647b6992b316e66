"""How classes of each kind are written and read where nobody registered a serializer of their own."""

import contextlib
import dataclasses
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from autogen_core import JSON_DATA_CONTENT_TYPE, PROTOBUF_DATA_CONTENT_TYPE
from google.protobuf.message import Message
from pydantic import BaseModel, TypeAdapter

from bus.agents import models
from bus.agents.models import Marks

BINARY_CONTENT_TYPE = "application/octet-stream"

StructT = TypeVar("StructT", bound=msgspec.Struct)


class StructSerializer(Generic[StructT]):
    """A serializer for a msgspec Struct, for `@handles(S, serializer=StructSerializer(S))` and `add_message_serializer`."""

    def __init__(self, cls: type[StructT]) -> None:
        self.cls = cls
        self._decoder = msgspec.json.Decoder(cls)

    @property
    def data_content_type(self) -> str:
        """JSON."""
        return JSON_DATA_CONTENT_TYPE

    @property
    def type_name(self) -> str:
        """The class's name."""
        return self.cls.__name__

    def serialize(self, message: StructT) -> bytes:
        """Return the struct's JSON."""
        return msgspec.json.encode(message)

    def deserialize(self, payload: bytes) -> StructT:
        """Return the struct of this JSON; msgspec.ValidationError where it is none."""
        return self._decoder.decode(payload)


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """How one class travels."""

    content_type: str
    write: Callable[[Any], tuple[bytes, Marks]]
    read: Callable[[bytes, Marks], Any]


def way_of(cls: type) -> Way | None:
    """Return how instances of a class travel; None where there is no way."""
    if issubclass(cls, BaseModel):
        return Way(JSON_DATA_CONTENT_TYPE, models.dump, lambda payload, marks: models.load(cls, payload, marks))
    if dataclasses.is_dataclass(cls):
        return _dataclass_way(cls)
    if issubclass(cls, Message):
        return _protobuf_way(cls)
    if issubclass(cls, msgspec.Struct):
        decoder = msgspec.json.Decoder(cls)
        return Way(JSON_DATA_CONTENT_TYPE, plainly(msgspec.json.encode), lambda payload, _: decoder.decode(payload))
    return _BUILT_IN.get(cls)


def plainly(write: Callable[[Any], bytes]) -> Callable[[Any], tuple[bytes, Marks]]:
    """Return a writer of messages whose bytes say everything."""
    return lambda message: (write(message), ())


def _protobuf_way(cls: type[Message]) -> Way:
    # As autogen-core's serializer writes it, a google.protobuf.Any, which names its type itself.
    from autogen_core import try_get_known_serializers_for_type

    (serializer,) = try_get_known_serializers_for_type(cls)
    return Way(
        PROTOBUF_DATA_CONTENT_TYPE, plainly(serializer.serialize), lambda payload, _: serializer.deserialize(payload)
    )


def _dataclass_way(cls: Any) -> Way:
    hints = _hints(cls)
    if hints is not None and not all(_is_json_type(hints.get(field.name)) for field in dataclasses.fields(cls)):
        # Bytes, dates, tuples, enumerations, and dataclasses and models inside.
        adapter = TypeAdapter(cls)
        return Way(
            JSON_DATA_CONTENT_TYPE,
            plainly(adapter.dump_json),
            lambda payload, _: adapter.validate_json(payload),
        )
    # What AutoGen users write as `count: int = None` stays as lenient as it is in one process.
    flat = all(hint in (str, int, float, bool) for hint in (hints or {"": object}).values())
    late = [field.name for field in dataclasses.fields(cls) if not field.init]

    def write(message: Any) -> tuple[bytes, Marks]:
        fields = {name: getattr(message, name) for name in names} if flat else dataclasses.asdict(message)
        return _lenient_json(fields), ()

    def read(payload: bytes, _: Marks) -> Any:
        values = _from_lenient_json(payload)
        if not late:
            return cls(**values)
        made = cls(**{name: value for name, value in values.items() if name not in late})
        for name in late:
            object.__setattr__(made, name, values[name])
        return made

    names = [field.name for field in dataclasses.fields(cls)]
    return Way(JSON_DATA_CONTENT_TYPE, write, read)


def _lenient_json(fields: dict[str, Any]) -> bytes:
    """Write what the standard library's JSON says of it; where msgspec says the same, in a twentieth of the time."""
    if all(type(value) in _SAME_IN_BOTH for value in fields.values()):
        # Half of a surrogate pair is for the standard library alone.
        with contextlib.suppress(UnicodeEncodeError):
            return msgspec.json.encode(fields)
    return json.dumps(fields).encode()


def _from_lenient_json(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return json.loads(payload)


# Not float: msgspec writes what is no number as null.
_SAME_IN_BOTH = (str, int, bool, type(None))


def _hints(cls: type) -> dict[str, Any] | None:
    """Return the types of a class's fields; None where names in them cannot be resolved, as of classes made in functions."""
    try:
        return get_type_hints(cls)
    except (NameError, TypeError, AttributeError):
        return None


@lru_cache(maxsize=1024)
def _is_json_type(hint: Any) -> bool:
    """Tell whether JSON gives values of this type back as they were, or nothing is known of what they are."""
    if hint in (str, int, float, bool, list, dict, type(None), Any, object, None):
        return True
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is list or (origin is dict and arguments[:1] == (str,)):
        return all(map(_is_json_type, arguments))
    # X | None
    return bool(arguments) and type(None) in arguments and all(map(_is_json_type, arguments))


def _json(value: Any) -> bytes:
    _check_json(value)
    return msgspec.json.encode(value)


def _check_json(value: Any) -> None:
    if type(value) is list or type(value) is tuple:
        for item in value:
            _check_json(item)
    elif type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise TypeError(f"a dict with a key of type {type(key).__name__}")
            _check_json(item)
    elif type(value) not in (str, int, float, bool, type(None)):
        raise TypeError(f"a {type(value).__name__} within a plain list or dict")


_JSON_WAY = Way(JSON_DATA_CONTENT_TYPE, plainly(_json), lambda payload, _: msgspec.json.decode(payload))
_BUILT_IN: dict[type, Way] = {
    **dict.fromkeys((str, int, bool, list, dict), _JSON_WAY),
    float: Way(JSON_DATA_CONTENT_TYPE, plainly(_json), lambda payload, _: float(msgspec.json.decode(payload))),
    tuple: Way(JSON_DATA_CONTENT_TYPE, plainly(_json), lambda payload, _: tuple(msgspec.json.decode(payload))),
    bytes: Way(BINARY_CONTENT_TYPE, plainly(bytes), lambda payload, _: payload),
}
