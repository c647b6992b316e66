"""The rules of the taint analysis: what brings data in, what makes it harmless, and where it must not get.

`taint/rules/*.toml`, one file a framework; the files are read together. Each holds any of these tables.

Names (`match`) are canonical dotted names, as if everything were imported by its full name. An instance has the name of
its class: `sqlite3.Cursor.execute` is the method of a cursor. What a call gives, where no rule names its type, is
`requests.get()`; the result of calling a name that begins with a capital is an instance of it. A value of unknown type
is named for the variable, parameter or attribute that holds it: `?cursor.execute`; `?.execute` matches any such value.
An instance that is set up in a way that matters has this behind the name: `jinja2.Template(autoescape)`.
`*` stands for one part of a name, `**` for any number of parts. Item assignment `a[k] = v` is a call of `a.__setitem__`
with the arguments `k` and `v`; attribute assignment `a.b = v` is a call of `a.b=` with the argument `v`; `a + b`, `a % b`
and `a | b` on an object of a known type are calls of `a.__add__`, `a.__mod__`, `a.__or__`. What a view returns is given
to `flask.Flask.route.return`: the decorator's name, or that of the class it is a method of (`flask.views.View.return`).

Arguments (`args`) are positions (the receiver of a method not counted) or keyword names, `"self"` (the receiver) or
`"*"` (all but the receiver). A function of known signature is matched by either: write both, `[0, "sql"]`.

`[[category]]`   `id`, `cwe`, `severity` (critical, high, medium, low), `title`, `check` (how a person verifies it);
                 `kinds`: the kinds of sources that matter (absent: all but `random`). A category without `kinds` that
                 only `[[check]]` uses is fine. `at = "source"`: it is reported where the data comes in.

`[[source]]`     `kind` (http, cli, env, file, network, database, random), and one of
                 `match`: names whose reading (`flask.request.args`) or whose call (`input()`) gives outside data
                 `decorated`: decorators whose functions get outside data as parameters; URL converters (`<int:x>`) and
                 the annotations in `except_types` carry none, those in `except_classes` are instances of these classes
                 `methods_of`: classes whose subclasses' methods named in `names` get outside data as parameters
                 `first_parameter_of = "django-view"`: the first parameter of views is `type`; the others come from the
                 URL where the project's `urlpatterns` say so

`[[sink]]`       `category`, `match`, `args` (default `[0]`): what must not hold outside data.
                 `when`: keyword or position (`"0"`) to the constant or list of constants it must have; `unless`: which
                 it must not have; `default`: what absent ones are. An unknown value fulfils `when` and not `unless`.
                 `element`: of a list or tuple argument only this element counts (texts count whole).
                 `leading`: only where the argument is a list that begins with one of these lists of constants.
                 `safe_prefix`: a regular expression; a text whose constant beginning matches it is harmless.
                 `kinds`: as in the category.
                 `format`: position of a text with `%`, which writes the arguments after it: `%r` escapes line breaks.

`[[check]]`      `category`, `match`, `when`, `unless`, `default`: a call that is a flaw by itself. Only a known value
                 fulfils `when`; an unknown one fulfils `unless`, so that what is not known is not reported. `message`.

`[[sanitizer]]`  `match`, `for` (categories, or `["*"]`), `when`: the result of the call, or what is read by the name,
                 is harmless for these.

`[[guard]]`      `match`, `for`, `args` (default `[0]`), `holds` (default true): where the call gives a true value (false:
                 a false one, `raises`: where it returns at all), the argument is harmless for these categories.

`[[propagator]]` `match`, `args`: what the result takes its data from (the default of unknown calls: all and the receiver).
`[[returns]]`    `match`, `type`, `when`, `default`: calling it gives an instance of `type`.
`[[becomes]]`    `match`, `type`, `when`: after this call of a method its receiver is an instance of `type`.
`[[attribute]]`  `match`, `type`: reading it gives an instance of `type`.
`[[keeps]]`      `match`: an object whose attributes hold what is assigned to them anywhere (`flask.g`).
`[[alias]]`      `name`, `of`: `name` (and what is below it) is another name of `of`.
`[[stop]]`       `match`: a call that does not return (`flask.abort`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Generic, Literal, TypeVar

import msgspec

Constant = str | int | float | bool | None
Conditions = dict[str, Constant | list[Constant]]
Argument = int | str
Kind = Literal["http", "cli", "env", "file", "network", "database", "random"]
ALL = "*"
"""In `for`: every category; in `args`: every argument."""


class RuleError(ValueError):
    """A rule file is wrong; the message says which and what."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Category(_Table, frozen=True, kw_only=True):
    """A kind of flaw."""

    id: str
    cwe: int
    severity: Literal["critical", "high", "medium", "low"]
    title: str
    check: str
    kinds: tuple[Kind, ...] = ("http", "cli", "env", "file", "network", "database")
    at: Literal["sink", "source"] = "sink"


class SourceRule(_Table, frozen=True, kw_only=True):
    """Where data comes in from outside."""

    kind: Kind
    match: tuple[str, ...] = ()
    decorated: tuple[str, ...] = ()
    methods_of: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    first_parameter_of: Literal["", "django-view"] = ""
    type: str = ""
    except_types: tuple[str, ...] = ()
    except_classes: tuple[str, ...] = ()


class Sink(_Table, frozen=True, kw_only=True):
    """Where data from outside does harm."""

    category: str
    match: tuple[str, ...]
    args: tuple[Argument, ...] = (0,)
    when: Conditions = {}
    unless: Conditions = {}
    default: Conditions = {}
    element: int | None = None
    leading: tuple[tuple[str, ...], ...] = ()
    safe_prefix: str = ""
    kinds: tuple[Kind, ...] = ()
    format: int | None = None


class Check(_Table, frozen=True, kw_only=True):
    """A call that is a flaw whatever flows into it."""

    category: str
    match: tuple[str, ...]
    when: Conditions = {}
    unless: Conditions = {}
    default: Conditions = {}
    message: str = ""


class Sanitizer(_Table, frozen=True, kw_only=True):
    """A call whose result is harmless for some categories."""

    match: tuple[str, ...]
    categories: tuple[str, ...] = msgspec.field(name="for")
    when: Conditions = {}


class Guard(_Table, frozen=True, kw_only=True):
    """A call that tells whether its argument is harmless."""

    match: tuple[str, ...]
    categories: tuple[str, ...] = msgspec.field(name="for")
    args: tuple[Argument, ...] = (0,)
    holds: bool | Literal["raises"] = True


class Propagator(_Table, frozen=True, kw_only=True):
    """A call of which it is known what the result is made from."""

    match: tuple[str, ...]
    args: tuple[Argument, ...] = (0, "self")


class Typed(_Table, frozen=True, kw_only=True):
    """A call or attribute whose type is known."""

    match: tuple[str, ...]
    type: str
    when: Conditions = {}
    default: Conditions = {}


class Keeps(_Table, frozen=True, kw_only=True):
    """Objects outside the project whose attributes keep what the project assigns to them."""

    match: tuple[str, ...]


class Becomes(_Table, frozen=True, kw_only=True):
    """A method that makes its receiver behave as another type."""

    match: tuple[str, ...]
    type: str
    when: Conditions = {}


class Alias(_Table, frozen=True, kw_only=True):
    """Another name of the same thing."""

    name: str
    of: str


class Stop(_Table, frozen=True, kw_only=True):
    """Calls that do not return."""

    match: tuple[str, ...]


class RuleFile(_Table, frozen=True, kw_only=True):
    """One file of rules."""

    category: tuple[Category, ...] = ()
    source: tuple[SourceRule, ...] = ()
    sink: tuple[Sink, ...] = ()
    check: tuple[Check, ...] = ()
    sanitizer: tuple[Sanitizer, ...] = ()
    guard: tuple[Guard, ...] = ()
    propagator: tuple[Propagator, ...] = ()
    returns: tuple[Typed, ...] = ()
    attribute: tuple[Typed, ...] = ()
    becomes: tuple[Becomes, ...] = ()
    keeps: tuple[Keeps, ...] = ()
    alias: tuple[Alias, ...] = ()
    stop: tuple[Stop, ...] = ()


Rule = TypeVar("Rule")


class Index(Generic[Rule]):
    """Rules by the names that they match."""

    def __init__(self, rules: Iterable[tuple[str, Rule]]) -> None:
        self._exact: dict[str, list[Rule]] = {}
        self._patterns: dict[str, list[tuple[int, re.Pattern[str], Rule]]] = {}
        self._known: dict[str, tuple[Rule, ...]] = {}
        self.names: list[str] = []
        for name, rule in rules:
            self.names.append(name)
            if "*" in name or name.startswith("?."):
                # by its last part, so that few are tried for a name
                last = name.rpartition(".")[2]
                waiting = self._patterns.setdefault("*" if "*" in last else last, [])
                waiting.append((len(self.names), _pattern(name), rule))
            else:
                self._exact.setdefault(name, []).append(rule)

    def of(self, name: str) -> tuple[Rule, ...]:
        """Return the rules for a canonical name, those that name it exactly first."""
        known = self._known.get(name)
        if known is None:
            last = name.rpartition(".")[2].lstrip("?")
            near = [*self._patterns.get("*", ()), *self._patterns.get(last, ())]
            matched = sorted((at, rule) for at, pattern, rule in near if pattern.fullmatch(name))
            known = self._known[name] = (*self._exact.get(name, ()), *(rule for _, rule in matched))
        return known


def _pattern(name: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*|^\?\.)", name)
    kinds = {"**": ".*", "*": "[^.]*", "?.": r"\?(?:.*\.)?"}
    return re.compile("".join(kinds.get(part, re.escape(part)) for part in parts))


class Rulebook:
    """All rules, ready for looking up."""

    def __init__(self, read: Sequence[RuleFile]) -> None:
        self.categories = {each.id: each for file in read for each in file.category}
        self.source_rules = tuple(each for file in read for each in file.source)
        self.sources = Index((name, each) for each in self.source_rules for name in each.match)
        self.decorated = Index((name, each) for each in self.source_rules for name in each.decorated)
        self.methods_of = Index((name, each) for each in self.source_rules for name in each.methods_of)
        self.first_parameter = next((each for each in self.source_rules if each.first_parameter_of), None)
        self.sinks = Index((name, each) for file in read for each in file.sink for name in each.match)
        self.checks = Index((name, each) for file in read for each in file.check for name in each.match)
        self.sanitizers = Index((name, each) for file in read for each in file.sanitizer for name in each.match)
        self.guards = Index((name, each) for file in read for each in file.guard for name in each.match)
        self.propagators = Index((name, each) for file in read for each in file.propagator for name in each.match)
        self.returns = Index((name, each) for file in read for each in file.returns for name in each.match)
        self.attributes = Index((name, each) for file in read for each in file.attribute for name in each.match)
        self.becomes = Index((name, each) for file in read for each in file.becomes for name in each.match)
        self.keeps = Index((name, each) for file in read for each in file.keeps for name in each.match)
        self.stops = Index((name, each) for file in read for each in file.stop for name in each.match)
        self._aliases = {each.name: each.of for file in read for each in file.alias}
        self._canonical: dict[str, str] = {}

    def canonical(self, name: str) -> str:
        """Return the name that the rules use for a name."""
        if not self._aliases:
            return name
        known = self._canonical.get(name)
        if known is None:
            known = self._canonical[name] = self._resolve(name)
        return known

    def _resolve(self, name: str) -> str:
        for _ in range(4):
            parts = name.split(".")
            for end in range(len(parts), 0, -1):
                of = self._aliases.get(".".join(parts[:end]))
                if of is not None:
                    name = ".".join([of, *parts[end:]])
                    break
            else:
                return name
        return name

    @cached_property
    def source_words(self) -> frozenset[str]:
        """Identifiers of which one at least stands wherever a source is read by name."""
        return frozenset(word for word, _ in _words(self.sources.names))

    @cached_property
    def check_words(self) -> frozenset[str]:
        """Identifiers of which one at least stands wherever a call is checked by itself."""
        return frozenset(word for word, _ in _words(self.checks.names))

    @cached_property
    def owners(self) -> dict[str, frozenset[str]]:
        """By these identifiers: the packages that they belong to; none where they may belong to anything."""
        found: dict[str, set[str]] = {}
        for word, owner in _words([*self.sources.names, *self.checks.names]):
            found.setdefault(word, set()).add(owner)
        return {word: frozenset() if "" in owners else frozenset(owners) for word, owners in found.items()}


def _words(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        parts = [part for part in re.split(r"\W+", name) if part and not part.startswith("__")]
        if name[0] in "?*" and "request" in parts[:-1]:
            yield "request", ""
        elif parts:
            yield parts[-1], parts[0] if len(parts) > 1 and name[0] not in "?*" else ""


def load(directory: Traversable | None = None) -> Rulebook:
    """Read the rule files of `directory` (absent: those of this package), in the order of their names.

    Raises:
        RuleError: a file is no TOML, has unknown fields, or names a category that no file describes.
    """
    place = files(__package__) / "rules" if directory is None else directory
    read: dict[str, RuleFile] = {}
    for file in sorted(place.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".toml"):
            try:
                read[file.name] = msgspec.toml.decode(file.read_bytes(), type=RuleFile)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise RuleError(f"{file.name}: {error}") from error
    known = {each.id for file in read.values() for each in file.category}
    for name, rules in read.items():
        _verify(name, rules, known)
    return Rulebook(list(read.values()))


def _verify(name: str, file: RuleFile, known: set[str]) -> None:
    used: list[tuple[tuple[str, ...], tuple[str, ...]]] = [(each.match, (each.category,)) for each in file.sink]
    used += [(each.match, (each.category,)) for each in file.check]
    used += [(each.match, each.categories) for each in file.sanitizer]
    used += [(each.match, each.categories) for each in file.guard]
    for match, categories in used:
        for category in categories:
            if category not in known and category != ALL:
                raise RuleError(f"{name}: {', '.join(match)}: no [[category]] has the id {category!r}")
    for sink in file.sink:
        try:
            re.compile(sink.safe_prefix)
        except re.error as error:
            raise RuleError(f"{name}: {', '.join(sink.match)}: safe_prefix: {error}") from error
    for source in file.source:
        if not (source.match or source.decorated or source.methods_of or source.first_parameter_of):
            raise RuleError(f"{name}: a source needs match, decorated, methods_of or first_parameter_of")
