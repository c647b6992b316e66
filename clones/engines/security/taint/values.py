"""What a variable may hold, as the analysis sees it: data from outside, constants, types, objects, functions; their lattice.

A `Value` is the union of its parts. Nothing here is changed after it is made, but for caches.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from clones.engines.security.taint.taints import NO_TAINTS, Step, Taints, cleanse, merge

if TYPE_CHECKING:
    from clones.engines.security.taint.project import ClassInfo, FunctionInfo, Module

MAX_CONSTANTS = 12
MAX_NAMES = 6
MAX_REFS = 6

Constant = str | bytes | int | float | complex | bool | None
NORMAL_PATH = "~normal"
"""A name that marks a path without `..` parts and links."""


class Function(NamedTuple):
    """A function or method of the project as a value."""

    info: "FunctionInfo"
    closure: int | None = None
    receiver: "Value | None" = None


class Class(NamedTuple):
    """A class of the project as a value."""

    info: "ClassInfo"


class ModuleRef(NamedTuple):
    """A module of the project as a value."""

    module: "Module"


class Method(NamedTuple):
    """A method of a container or text, or of what is not known, with its receiver."""

    receiver: "Value"
    name: str


class Partial(NamedTuple):
    """What `functools.partial` makes."""

    function: "Value"
    positional: "tuple[Value, ...]"
    keywords: "tuple[tuple[str, Value], ...]"


Callable_ = Function | Class | ModuleRef | Method | Partial


class Value:
    """What an expression may be."""

    __slots__ = ("consts", "funcs", "key", "names", "other", "prefix", "refs", "taints")

    def __init__(
        self,
        *,
        taints: Taints = NO_TAINTS,
        consts: tuple[Constant, ...] = (),
        names: frozenset[str] = frozenset(),
        refs: frozenset[int] = frozenset(),
        funcs: tuple[Callable_, ...] = (),
        prefix: str = "",
        other: bool = False,
    ) -> None:
        self.taints = taints
        self.consts = consts
        self.names = names
        """Of things outside the project: canonical names of what it is, or of the class that it is an instance of."""
        self.refs = refs
        """Objects of the heap."""
        self.funcs = funcs
        self.prefix = prefix
        """What a text that is not constant begins with."""
        self.other = other
        """It may be something that no other part tells."""
        self.key: object = None
        """What `summaries` compares it by; kept for values that refer to no object."""

    @property
    def is_constant(self) -> bool:
        """Whether it is one of `consts` and nothing else."""
        return bool(self.consts) and not (self.other or self.names or self.refs or self.funcs or self.taints)

    @property
    def constant(self) -> Constant:
        """The only constant that it may be; None too where there is none (ask `is_single`)."""
        return self.consts[0] if self.is_single else None

    @property
    def is_single(self) -> bool:
        """Whether it is one known constant."""
        return len(self.consts) == 1 and self.is_constant

    @property
    def is_nothing(self) -> bool:
        """Whether no way through the program gives it a value."""
        return not (self.consts or self.other or self.names or self.refs or self.funcs or self.taints)

    def changed(
        self,
        *,
        taints: Taints | None = None,
        consts: tuple[Constant, ...] | None = None,
        names: frozenset[str] | None = None,
        refs: frozenset[int] | None = None,
        funcs: tuple[Callable_, ...] | None = None,
        prefix: str | None = None,
        other: bool | None = None,
    ) -> "Value":
        """Return it with some parts replaced."""
        return Value(
            taints=self.taints if taints is None else taints,
            consts=self.consts if consts is None else consts,
            names=self.names if names is None else names,
            refs=self.refs if refs is None else refs,
            funcs=self.funcs if funcs is None else funcs,
            prefix=self.prefix if prefix is None else prefix,
            other=self.other if other is None else other,
        )

    def with_taints(self, taints: Taints) -> "Value":
        """Return it with other taints."""
        return self.changed(taints=taints) if taints or self.taints else self

    def stepped(self, step: Step) -> "Value":
        """Return it with one step more on the way of its taints."""
        if not self.taints:
            return self
        return self.with_taints({source: taint.stepped(step) for source, taint in self.taints.items()})

    def cleansed(self, categories: Iterable[str]) -> "Value":
        """Return it made harmless for some categories, or for `*`."""
        return self.with_taints(cleanse(self.taints, frozenset(categories))) if self.taints else self


NOTHING = Value()
UNKNOWN = Value(other=True)


def const(value: Constant) -> Value:
    """Return a known constant."""
    return Value(consts=(value,))


def named(*names: str, taints: Taints = NO_TAINTS) -> Value:
    """Return something outside the project."""
    return Value(names=frozenset(names), taints=taints)


def ref(identity: int) -> Value:
    """Return an object of the heap."""
    return Value(refs=frozenset((identity,)))


def tainted(taints: Taints) -> Value:
    """Return something unknown that is made of `taints`."""
    return Value(taints=taints, other=True) if taints else UNKNOWN


def _same(first: Constant, second: Constant) -> bool:
    return type(first) is type(second) and (first == second or first is second)


def _common(texts: list[str]) -> str:
    """Return the longest text that all begin with."""
    if not texts:
        return ""
    first, last = min(texts), max(texts)
    if not first or first == last:
        return first
    length = next((place for place, char in enumerate(first) if char != last[place]), len(first))
    return first[:length]


def beginning(value: Value) -> str:
    """Return the text with which it begins for sure."""
    if value.is_constant:
        texts = [each for each in value.consts if isinstance(each, str)]
        return _common(texts)
    return value.prefix


def join(first: Value, second: Value) -> Value:
    """Return what is the one or the other."""
    if first is second or second.is_nothing:
        return first
    if first.is_nothing:
        return second
    consts, other = first.consts, first.other or second.other
    for each in second.consts:
        if not any(_same(each, known) for known in consts):
            consts = (*consts, each)
    if len(consts) > MAX_CONSTANTS:
        consts, other = (), True
    names = first.names | second.names
    if len(names) > MAX_NAMES:
        names, other = frozenset(sorted(names)[:MAX_NAMES]), True
    funcs = (
        first.funcs + tuple(each for each in second.funcs if each not in first.funcs) if second.funcs else first.funcs
    )
    if len(funcs) > MAX_CONSTANTS:
        funcs, other = funcs[:MAX_CONSTANTS], True
    refs = first.refs | second.refs if second.refs else first.refs
    if len(refs) > MAX_REFS:
        refs, other = frozenset(sorted(refs)[:MAX_REFS]), True
    # a missing text says nothing of how the text begins
    starts = []
    if first.prefix or first.consts or second.prefix or second.consts:
        starts = [beginning(each) for each in (first, second) if each.consts != (None,) or not each.is_constant]
    return Value(
        taints=merge(first.taints, second.taints),
        consts=consts,
        names=names,
        refs=refs,
        funcs=funcs,
        prefix=_common(starts),
        other=other,
    )


def join_all(values: Iterable[Value]) -> Value:
    """Return what is any of `values`."""
    result = NOTHING
    for value in values:
        result = join(result, value)
    return result


def same(first: Value, second: Value) -> bool:
    """Whether two values differ in their ways alone."""
    return first is second or (
        len(first.consts) == len(second.consts)
        and all(_same(*pair) for pair in zip(first.consts, second.consts, strict=True))
        and first.names == second.names
        and first.refs == second.refs
        and first.funcs == second.funcs
        and first.other == second.other
        and first.prefix == second.prefix
        and first.taints.keys() == second.taints.keys()
        and all(taint.cleansed == second.taints[source].cleansed for source, taint in first.taints.items())
    )
