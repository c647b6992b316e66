"""Conditions of rules: whether a call's arguments are what a rule asks for."""

from collections.abc import Iterator, Sequence

from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.rule_file import ALL, Argument, Conditions
from clones.engines.security.taint.values import Class, Value


def chosen(args: Sequence[Argument], arguments: Arguments, receiver: Value | None) -> Iterator[Value]:
    """Yield the arguments that a rule names."""
    for each in args:
        if each == "self":
            if receiver is not None:
                yield receiver
        elif each == ALL:
            yield from arguments.all()
        elif isinstance(each, int):
            if each < len(arguments.positional):
                yield arguments.positional[each]
            elif arguments.rest is not None:
                yield arguments.rest
        elif each in arguments.keywords:
            yield arguments.keywords[each]
        elif arguments.rest_keywords is not None:
            yield arguments.rest_keywords


def fulfils(frame: Base, when: Conditions, default: Conditions, arguments: Arguments, *, unknown: bool) -> bool:
    """Whether the arguments are the constants of `when`; `unknown` is the answer where it is not known."""
    for name, wanted in when.items():
        found = equals(frame, name, wanted, default, arguments)
        if found is False or (found is None and not unknown):
            return False
    return True


def equals(frame: Base, name: str, wanted: object, default: Conditions, arguments: Arguments) -> bool | None:
    """Whether an argument is a constant, or one of several; None where it may be or not."""
    value: Value | None
    if name.isdigit():
        value = arguments.positional[int(name)] if int(name) < len(arguments.positional) else None
    else:
        value = arguments.keywords.get(name)
    if value is None:
        if arguments.rest is not None or arguments.rest_keywords is not None:
            return None
        if name not in default:
            return False
        found: tuple[object, ...] = (default[name],)
    elif value.is_constant:
        found = value.consts
    elif len(value.names) == 1 and not value.refs and not value.funcs:
        found = (next(iter(value.names)),)
        if found[0].startswith("?") or value.other:
            return None
    elif (of_class := _class_of(frame, value)) is not None:
        found = (of_class,)
    elif len(value.funcs) == 1 and isinstance(value.funcs[0], Class) and not value.other and not value.names:
        return any(_alike(base, choice) for base in value.funcs[0].info.outside_bases() for choice in _choices(wanted))
    else:
        return None
    matches = {any(_alike(one, choice) for choice in _choices(wanted)) for one in found}
    return matches.pop() if len(matches) == 1 else None


def _choices(wanted: object) -> list[object]:
    return wanted if isinstance(wanted, list) else [wanted]


def _class_of(frame: Base, value: Value) -> str | None:
    """Return the name of the class outside the project that a value is an instance of for sure."""
    names = {name for _, obj in frame.now.objects(value) for name in (obj.names if obj.kind == "instance" else ("",))}
    if len(names) != 1 or value.consts or value.names or value.funcs or value.other:
        return None
    return names.pop() or None


def refused(frame: Base, unless: Conditions, default: Conditions, arguments: Arguments) -> bool:
    """Whether any condition of `unless` is fulfilled for sure."""
    return any(equals(frame, name, wanted, default, arguments) is True for name, wanted in unless.items())


def _alike(found: object, wanted: object) -> bool:
    if isinstance(found, str) and isinstance(wanted, str):
        return found.casefold() == wanted.casefold()
    return type(found) is type(wanted) and found == wanted
