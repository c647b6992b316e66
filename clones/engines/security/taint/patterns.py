"""Regular expressions as guards: what a text is harmless for once it matches."""

import re
from functools import lru_cache
from typing import Any

_parser: Any = re._parser  # type: ignore[attr-defined]  # noqa: SLF001 - the only parser of what `re` understands
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_HARMS: dict[str, frozenset[str]] = {
    "path-traversal": frozenset("/\\"),
    "sql-injection": frozenset("'\"`;()\\\t\n"),
    "command-injection": frozenset("'\"`;&|$()<>\\ \t\n*?{}~!#"),
    "xss": frozenset("<>\"'&"),
    "log-injection": frozenset("\n\r"),
    "header-injection": frozenset("\n\r"),
    "email-injection": frozenset("\n\r"),
    "ldap-injection": frozenset("()*\\&|=\0"),
    "xpath-injection": frozenset("'\"[]/()@=|"),
    "open-redirect": frozenset("/\\:"),
    "ssrf": frozenset("/:@.?#"),
    "code-injection": frozenset("()[]{}.'\"=:\n ;,"),
    "template-injection": frozenset("{}%"),
}
"""Characters without which a text cannot do the harm."""
_MAX_RANGE = 400


@lru_cache(1024)
def harmless_for(pattern: str, function: str) -> frozenset[str]:
    """Return the categories for which a text is harmless that `re.<function>(pattern, text)` matches; `*`: for all."""
    try:
        parsed = _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError, ValueError):
        return frozenset()
    operations = list(parsed)
    ends = bool(operations) and str(operations[-1][0]) == "AT" and str(operations[-1][1]) in {"AT_END", "AT_END_STRING"}
    begins = bool(operations) and str(operations[0][0]) == "AT" and "BEGINNING" in str(operations[0][1])
    if not (function == "fullmatch" or (ends and (function == "match" or begins))):
        return frozenset()
    return _harmless(_characters(parsed))


@lru_cache(1024)
def groups(pattern: str) -> dict[int | str, frozenset[str]] | None:
    """Return the categories that what a pattern matches is harmless for: of the whole (0), and of each group.

    None where the text is no pattern.
    """
    try:
        parsed = _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError, ValueError):
        return None
    found: dict[int | str, frozenset[str]] = {0: _harmless(_characters(parsed))}
    names = {number: name for name, number in parsed.state.groupdict.items()}
    waiting = [parsed]
    while waiting:
        for operation, argument in waiting.pop():
            if str(operation) == "SUBPATTERN":
                number, inner = argument[0], argument[-1]
                if number is not None:
                    found[number] = _harmless(_characters(inner))
                    if number in names:
                        found[names[number]] = found[number]
                waiting.append(inner)
            elif str(operation) in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
                waiting.append(argument[2])
            elif str(operation) == "BRANCH":
                waiting.extend(argument[1])
            elif str(operation) in {"ATOMIC_GROUP", "ASSERT"}:
                waiting.append(argument if str(operation) == "ATOMIC_GROUP" else argument[1])
    return found


def _harmless(characters: frozenset[str] | None) -> frozenset[str]:
    """Return the categories that a text of these characters is harmless for; `*`: for all."""
    if characters is None:
        return frozenset()
    if characters <= _SAFE:
        return frozenset(("*",))
    return frozenset(name for name, harmful in _HARMS.items() if not characters & harmful)


def _characters(parsed: Any) -> frozenset[str] | None:
    """Return the characters that a match may hold; None where they are too many to tell."""
    found: set[str] = set()
    for operation, argument in parsed:
        one = _of(str(operation), argument)
        if one is None:
            return None
        found |= one
    return frozenset(found)


def _of(operation: str, argument: Any) -> frozenset[str] | set[str] | None:  # noqa: PLR0911 - one case for each operation
    if operation == "LITERAL":
        return {chr(argument)}
    if operation == "RANGE":
        low, high = argument
        return {chr(each) for each in range(low, high + 1)} if high - low < _MAX_RANGE else None
    if operation == "IN":
        return None if str(argument[0][0]) == "NEGATE" else _characters(argument)
    if operation == "CATEGORY":
        return {"CATEGORY_DIGIT": frozenset("0123456789"), "CATEGORY_WORD": _SAFE - {"-"}}.get(str(argument))
    if operation in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        return _characters(argument[2])
    if operation == "SUBPATTERN":
        return _characters(argument[-1])
    if operation == "ATOMIC_GROUP":
        return _characters(argument)
    if operation == "BRANCH":
        branches = [_characters(each) for each in argument[1]]
        return None if None in branches else frozenset().union(*(each for each in branches if each is not None))
    return set() if operation in {"AT", "ASSERT", "ASSERT_NOT"} else None


def left_by(pattern: object, replacement: object) -> frozenset[str]:
    """Return the categories that `re.sub(pattern, replacement, text)` makes any text harmless for."""
    if not isinstance(pattern, str) or not isinstance(replacement, str):
        return frozenset()
    try:
        operations = list(_parser.parse(pattern))
    except (re.error, RecursionError, OverflowError, ValueError):
        return frozenset()
    if len(operations) != 1:
        return frozenset()
    operation, argument = operations[0]
    if str(operation) in {"MAX_REPEAT", "MIN_REPEAT"} and argument[0] <= 1 and len(argument[2]) == 1:
        operation, argument = argument[2][0]
    if str(operation) == "CATEGORY" or str(operation) != "IN":
        argument = [(operation, argument)]
    if str(argument[0][0]) == "NEGATE":
        kept = _characters(argument[1:])
    elif [str(each[1]) for each in argument] == ["CATEGORY_NOT_WORD"]:
        kept = _SAFE - {"-"}
    else:
        removed = _characters(argument)
        if removed is None or removed & set(replacement):
            return frozenset()
        return frozenset(name for name, harmful in _HARMS.items() if harmful <= removed)
    return _harmless(None if kept is None else kept | set(replacement))
