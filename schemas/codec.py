"""Messages to bytes and back, as JSON or MessagePack, with one encoder and one decoder a type for the process's life."""

from functools import cache
from typing import Any, TypeVar

import msgspec

from schemas.identifiers import PATTERNS
from schemas.misfits import with_allowed

JSON = "application/json"
MSGPACK = "application/msgpack"

_T = TypeVar("_T")
_json_encode = msgspec.json.Encoder().encode
_msgpack_encode = msgspec.msgpack.Encoder().encode


class SchemaError(Exception):
    """The bytes are not the message they should be; `message` says what and where (`$.params.target`)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@cache
def _json_decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


@cache
def _msgpack_decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


def encode(message: Any, content_type: str = JSON) -> bytes:
    """Return `message` as bytes of `content_type`."""
    return _msgpack_encode(message) if content_type == MSGPACK else _json_encode(message)


def decode(kind: type[_T] | Any, data: bytes, content_type: str | None = JSON) -> _T:
    """Return the message in `data`; `kind` is a struct or a union of tagged structs.

    Raises:
        SchemaError: the bytes are no such message.
    """
    wanted: Any = kind
    decoder: Any = _msgpack_decoder(wanted) if content_type == MSGPACK else _json_decoder(wanted)
    try:
        result: _T = decoder.decode(data)
    except msgspec.ValidationError as error:
        raise SchemaError(_in_words(kind, str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        name = "MessagePack" if content_type == MSGPACK else "JSON"
        raise SchemaError(f"the body is not {name}: {error}") from None
    except RecursionError:
        raise SchemaError("the body is nested too deeply") from None
    return result


def decode_grown(kind: type[_T], data: bytes) -> _T:
    """Return the message in JSON `data`, without what a later version has added to it, also to its strict parts.

    Raises:
        SchemaError: the bytes are no such message.
    """
    try:
        # As it is nearly always, and many times as quick.
        return decode(kind, data)
    except SchemaError:
        return convert(kind, _known_part(msgspec.inspect.type_info(kind), decode(Any, data)))


def encode_grown(message: Any, before: bytes) -> bytes:
    """Return `message` as JSON, with what `before`, the JSON that it was made of, has beyond what is known here.

    So who writes a record again takes nothing away that a later version has put there. Within lists, maps and objects of several
    kinds nothing is kept.
    """
    return encode(_with_unknown(msgspec.inspect.type_info(type(message)), to_plain(message), decode(Any, before)))


def _with_unknown(known: msgspec.inspect.Type, value: Any, before: Any) -> Any:
    match known, value, before:
        case msgspec.inspect.StructType(fields=fields, tag_field=tag), dict(), dict():
            types = {field.encode_name: field.type for field in fields}
            own = {
                name: _with_unknown(types[name], part, before.get(name)) if name in types else part
                for name, part in value.items()
            }
            return {**{name: part for name, part in before.items() if name not in types and name != tag}, **own}
    return value


def _known_part(known: msgspec.inspect.Type, value: Any) -> Any:
    """Return a decoded value without the fields that `known` does not have."""
    match known, value:
        case msgspec.inspect.StructType(fields=fields, tag_field=tag), dict():
            types = {field.encode_name: field.type for field in fields}
            return {
                name: _known_part(types[name], part) if name in types else part
                for name, part in value.items()
                if name in types or name == tag
            }
        case msgspec.inspect.DictType(value_type=of), dict():
            return {name: _known_part(of, part) for name, part in value.items()}
        case msgspec.inspect.UnionType(types=types), dict():
            objects = [one for one in types if isinstance(one, msgspec.inspect.StructType)]
            return _known_part(objects[0], value) if len(objects) == 1 else value
    return value


def convert(kind: type[_T], value: Any) -> _T:
    """Return plain values (a decoded `params`) as the struct `kind`.

    Raises:
        SchemaError: they do not fit it.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise SchemaError(_in_words(kind, str(error))) from None


def _in_words(kind: Any, problem: str) -> str:
    """Return what msgspec says with patterns as a person would say them, and with the values that a field takes."""
    problem = with_allowed(kind, problem)
    for pattern, words in PATTERNS.items():
        problem = problem.replace(f"`str` matching regex {pattern!r}", words)
    return problem


def to_plain(value: Any) -> Any:
    """Return `value` as JSON-able dicts, lists and scalars.

    Raises:
        SchemaError: it holds what JSON has no form for, such as an extension of MessagePack.
    """
    try:
        return msgspec.to_builtins(value)
    except TypeError as error:
        raise SchemaError(f"the body cannot be written as JSON: {error}") from None
