"""Expressions (JMESPath) and texts that hold them: what they refer to, and their values. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from clones.workflows.sizes import TooMuch, check_size, joined

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

FEW = 16
"""So many values of a message's size at most can be written, whatever they are."""
Names = Mapping[str, Any]
"""What expressions see: `input`, `steps`, `workflow`, and in a fan-out `item` and `index`."""
Ref = tuple[str, ...]
"""What an expression reads, as far as fields lead to it: `("steps", "scan", "output", "findings")`. Lists on the way do not
show; `()` is everything."""


class BadExpression(Exception):
    """An expression cannot be read, or its value cannot be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression, ready to be looked at."""

    text: str
    refs: frozenset[Ref]
    search: Callable[[Any], Any]

    def value(self, names: Names) -> Any:
        """Return its value.

        Raises:
            BadExpression: a function in it cannot take what it is given, or it takes too much work, or its value is too large.
        """
        try:
            return self.search(names)
        except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
            raise BadExpression(f"`{self.text}` has no value here: {_first_line(error)}") from None

    def holds(self, names: Names) -> bool:
        """Tell whether it is true as JMESPath has it: false, null and whatever is empty are not.

        Raises:
            BadExpression: as `value`.
        """
        value = self.value(names)
        return not (value is None or value is False or value in ("", [], {}))


def expression(text: str) -> Expression:
    """Return an expression.

    Raises:
        BadExpression: it is none, or calls what JMESPath does not have.
    """
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        compiled = jmespath.compile(text)
    except JMESPathError as error:
        hint = ' (a name with - is written in quotes: steps."my-step")' if "'-'" in str(error) else ""
        raise BadExpression(f"`{text}` is no JMESPath: {_first_line(error)}{hint}") from None
    except RecursionError:
        raise BadExpression("the expression is nested too deeply") from None
    refs: set[Ref] = set()
    refs |= _walk(compiled.parsed, frozenset({()}), refs)
    path = _path(compiled.parsed)
    search = partial(_search, compiled) if path is None else partial(_follow, path)
    return Expression(text, frozenset(refs), search)


def _search(compiled: "ParsedResult", value: Any) -> Any:
    """Return what JMESPath finds, within bounds."""
    from clones.workflows.bounds import search

    try:
        return search(compiled, value)
    except TooMuch as error:
        raise BadExpression(f"`{_short(compiled.expression)}` asks for too much: {error}") from None


def _path(node: Mapping[str, Any]) -> Ref | None:
    """Return the fields that an expression follows one after the other; None: it does more than that."""
    if node["type"] == "field":
        return (node["value"],)
    if node["type"] != "subexpression":
        return None
    path: Ref = ()
    for child in node["children"]:
        further = _path(child)
        if further is None:
            return None
        path += further
    return path


def _follow(path: Ref, value: Any) -> Any:
    """Return what JMESPath finds by following fields, without its visitor: most expressions in parameters do nothing else."""
    for name in path:
        try:
            value = value.get(name)
        except AttributeError:
            return None
    return value


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].removeprefix("Bad jmespath expression: ").rstrip(":")


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


def _walk(node: Mapping[str, Any], at: frozenset[Ref], refs: set[Ref]) -> frozenset[Ref]:
    """Return what a node's value may be of what the expression is given, none where it is made anew; note what is read on the way.

    `at` is the same of the node's own current value.
    """
    children = node["children"]
    match node["type"]:
        case "field":
            at = frozenset((*ref, node["value"]) for ref in at)
        case "current" | "identity" | "index" | "slice":
            pass
        case "subexpression" if children[0]["type"] == "not_expression":
            # The library's `!` binds closer than `.`, which the specification has the other way round; a field of true or
            # false there never is.
            raise BadExpression("`!` is taken for the first name alone: write !(a.b), and not !a.b")
        case "subexpression" | "index_expression" | "pipe" | "projection" | "flatten":
            for child in children:
                at = _walk(child, at, refs)
        case "multi_select_list":
            at = frozenset[Ref]().union(*(_walk(child, at, refs) for child in children))
        case "filter_projection":
            elements = _walk(children[0], at, refs)
            refs |= _walk(children[2], elements, refs)
            at = _walk(children[1], elements, refs)
        case "value_projection":
            refs |= _walk(children[0], at, refs)
            at = _nothing_known(children[1], refs)
        case "expref":
            at = _nothing_known(children[0], refs)
        case kind:
            if kind == "function_expression":
                _check_call(node["value"], len(children))
            for child in children:
                refs |= _walk(child, at, refs)
            at = frozenset()
    return at


def _nothing_known(node: Mapping[str, Any], refs: set[Ref]) -> frozenset[Ref]:
    """Look at a node whose current value is made anew."""
    return _walk(node, frozenset(), refs)


def _check_call(name: str, given: int) -> None:
    from jmespath.functions import Functions

    known: Mapping[str, Mapping[str, Any]] = Functions.FUNCTION_TABLE
    if name not in known:
        raise BadExpression(f"there is no function {name}(); JMESPath has {', '.join(sorted(known))}")
    signature = known[name]["signature"]
    open_ended = bool(signature) and bool(signature[-1].get("variadic"))
    if given < len(signature) or (given > len(signature) and not open_ended):
        raise BadExpression(f"{name}() takes {len(signature)}{' or more' if open_ended else ''} arguments, not {given}")


@dataclass(frozen=True, slots=True)
class Template:
    """A value with texts that hold `${expression}`, at any depth."""

    source: Any
    expressions: tuple[Expression, ...]
    _pieces: Mapping[str, tuple[str | Expression, ...]]
    """By text, for those that hold any."""
    _places: int
    """How many expressions there are, the same one in another place again."""

    @property
    def refs(self) -> frozenset[Ref]:
        """All that its expressions read."""
        return frozenset().union(*(each.refs for each in self.expressions))

    def value(self, names: Names) -> Any:
        """Return the value with the expressions' values in their places.

        Text that is one expression becomes its value; within other text, text stands as it is and all else as JSON.

        Raises:
            BadExpression: as `Expression.value`.
        """
        if not self._pieces:
            return self.source
        try:
            value = self._filled(self.source, names)
            if self._places > FEW:
                check_size(value)
        except TooMuch as error:
            raise BadExpression(f"what {self._places} expressions give together is too much: {error}") from None
        return value

    def _filled(self, value: Any, names: Names) -> Any:
        if isinstance(value, str):
            pieces = self._pieces.get(value)
            if pieces is None:
                return value
            if len(pieces) == 1 and isinstance(pieces[0], Expression):
                return pieces[0].value(names)
            return joined(piece if isinstance(piece, str) else _as_text(piece.value(names)) for piece in pieces)
        if isinstance(value, Mapping):
            return {key: self._filled(part, names) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._filled(part, names) for part in value]
        return value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def template(source: Any) -> Template:
    """Return a value ready to be filled.

    Raises:
        BadExpression: one of its expressions cannot be read.
    """
    pieces: dict[str, tuple[str | Expression, ...]] = {}
    for _, text in texts(source):
        if "${" in text and text not in pieces:
            pieces[text] = tuple(_pieces(text))
    found = tuple(piece for parts in pieces.values() for piece in parts if isinstance(piece, Expression))
    places = sum(sum(isinstance(piece, Expression) for piece in pieces.get(text, ())) for _, text in texts(source))
    return Template(source, found, pieces, places)


def texts(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield all texts in a value with where they stand; the keys of objects are none."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from texts(part, (*path, key))
    elif isinstance(value, (list, tuple)):
        for place, part in enumerate(value):
            yield from texts(part, (*path, place))


def _pieces(text: str) -> Iterator[str | Expression]:
    """Yield the text's parts in order; `$${` is the text `${`."""
    place, plain = 0, ""
    while (found := text.find("${", place)) != -1:
        plain += text[place:found]
        if plain.endswith("$"):
            plain, place = f"{plain[:-1]}${{", found + 2
            continue
        end = _closing(text, found + 2)
        if plain:
            yield plain
            plain = ""
        yield expression(text[found + 2 : end].strip())
        place = end + 1
    plain += text[place:]
    if plain:
        yield plain


def _closing(text: str, start: int) -> int:
    """Return where the brace is that ends an expression; those in its own objects and quotes are not."""
    depth, quote, place = 1, "", start
    while place < len(text):
        char = text[place]
        if quote:
            if char == "\\":
                place += 1
            elif char == quote:
                quote = ""
        elif char in "'\"`":
            quote = char
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if not depth:
                return place
        place += 1
    begin = f"${{{' '.join(text[start : start + 30].split())}"
    raise BadExpression(
        f"the expression that begins with `{begin}` has no end; write }} after it, or $${{ for the text"
    )
