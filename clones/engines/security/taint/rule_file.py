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
                 `element`: of a list or tuple argument only this element counts (texts count whole); a key: of a
                 dictionary only what stands there. `texts`: what is in a list or dictionary does not count.
                 `leading`: only where the argument is a list that begins with one of these lists of constants.
                 `safe_prefix`: a regular expression; a text whose constant beginning matches it is harmless.
                 `kinds`: as in the category.
                 `format`: position of a text with `%`, which writes the arguments after it: `%r` escapes line breaks.

`[[check]]`      `category`, `match`, `when`, `unless`, `default`: a call that is a flaw by itself. Only a known value
                 fulfils `when`; an unknown one fulfils `unless`, so that what is not known is not reported. `message`.
                 `lacks`: a text that stands nowhere in the argument `text`, of which the code writes a part at least; without
                 `text`, nowhere in the function, which holds the text `beside`. Both in small letters.

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
`[[calls]]`      `match`: what calls a function that it is handed: `function` (its argument; default `[0]`), with the elements
                 of the argument `args` and those of the dictionary `keywords`, or with all positional arguments from
                 `rest` on and all by name. `gives`: its result is the function's.
`[[constructor]]` `match`: methods of classes that give an instance of the class that they are called on.
`[[restricts]]`  `match`: classes of which a subclass does no harm that defines all of `methods`, and refuses in them.
`[[fields]]`     `match`: attributes that hold a dictionary with a value for each field that the class's body defines;
                 those of the classes `harmless` can carry no text of somebody else's choice.
`[[stop]]`       `match`: a call that does not return (`flask.abort`).
"""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

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
    element: int | str | None = None
    texts: bool = False
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
    text: int | None = None
    lacks: str = ""
    beside: str = ""
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


class Calls(_Table, frozen=True, kw_only=True):
    """A call that calls a function which it is handed."""

    match: tuple[str, ...]
    function: tuple[Argument, ...] = (0,)
    args: tuple[Argument, ...] = ()
    keywords: str = ""
    rest: int | None = None
    gives: bool = False


class Constructor(_Table, frozen=True, kw_only=True):
    """Methods of a class that give an instance of it."""

    match: tuple[str, ...]


class Restricts(_Table, frozen=True, kw_only=True):
    """Classes that a subclass can make harmless."""

    match: tuple[str, ...]
    methods: tuple[str, ...]


class Fields(_Table, frozen=True, kw_only=True):
    """Attributes that hold the values of a form's fields."""

    match: tuple[str, ...]
    harmless: tuple[str, ...]


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
    calls: tuple[Calls, ...] = ()
    constructor: tuple[Constructor, ...] = ()
    restricts: tuple[Restricts, ...] = ()
    fields: tuple[Fields, ...] = ()


def read(directory: Traversable | None = None) -> list[RuleFile]:
    """Read the rule files of `directory` (absent: those of this package), in the order of their names.

    Raises:
        RuleError: a file is no TOML, has unknown fields, or names a category that no file describes.
    """
    place = files(__package__) / "rules" if directory is None else directory
    found: dict[str, RuleFile] = {}
    for file in sorted(place.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".toml"):
            try:
                found[file.name] = msgspec.toml.decode(file.read_bytes(), type=RuleFile)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise RuleError(f"{file.name}: {error}") from error
    known = {each.id for rules in found.values() for each in rules.category}
    for name, rules in found.items():
        _verify(name, rules, known)
    return list(found.values())


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
