"""One Markdown page for one module of the API reference."""

from collections.abc import Iterable, Iterator
from urllib.parse import quote

import griffe
import msgspec

from clones.engines import markdown
from clones.engines.documentation import docstrings

_MAX_VALUE_CHARS = 60
"""A longer value of an attribute is cut, with an ellipsis."""
_ONE_LINE_CHARS = 100
"""A longer signature takes one line a parameter."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A public module and what it re-exports; `files` maps every module's name to its path in the target."""

    module: griffe.Module
    exports: tuple[tuple[str, griffe.Object], ...]
    files: dict[str, str]

    @property
    def name(self) -> str:
        """The module's dotted name."""
        return self.module.path

    def render(self, to_root: str, pages: frozenset[str]) -> str:
        """Write the page; `to_root` leads to the target's root (`../` or empty), `pages` are the modules with one."""
        return "\n\n".join(filter(None, self._parts(to_root, pages))) + "\n"

    def summary(self) -> str:
        """Return the first line of the module's docstring, fit for a table cell."""
        return docstrings.first_line(self.module.docstring)

    def _parts(self, to_root: str, pages: frozenset[str]) -> Iterator[str]:
        yield f"# {markdown.code(self.name)}"
        yield self._source(self.module, to_root)
        yield docstrings.sections(self.module.docstring)
        public = [
            member for member in self.module.members.values() if isinstance(member, griffe.Object) and _shown(member)
        ]
        elsewhere = [(name, final) for name, final in self.exports if final.module.path in pages]
        here = [(name, final) for name, final in self.exports if final.module.path not in pages]
        if elsewhere:
            yield "## Re-exported"
            yield "\n".join(
                f"- {markdown.code(name)} from {markdown.code(final.module.path)}"
                for name, final in sorted(elsewhere, key=_first)
            )
        yield from self._attributes((member for member in public if isinstance(member, griffe.Attribute)), "##")
        objects = [(member.name, member) for member in public if not isinstance(member, griffe.Attribute)] + here
        classes = [(name, each) for name, each in objects if isinstance(each, griffe.Class)]
        functions = [(name, each) for name, each in objects if isinstance(each, griffe.Function)]
        if classes:
            yield "## Classes"
        for name, each in classes:
            yield from self._class(name, each, to_root, "###")
        if functions:
            yield "## Functions"
        for name, function in functions:
            yield from self._function(name, function, to_root, "###")

    def _class(self, name: str, value: griffe.Class, to_root: str, heading: str) -> Iterator[str]:
        yield f"{heading} class {markdown.code(name)}"
        yield markdown.fence(_signature(f"class {name}", _constructor(value), None), "python")
        bases = ", ".join(markdown.code(str(base)) for base in value.bases)
        yield f"Bases: {bases}  \n{self._source(value, to_root)}" if bases else self._source(value, to_root)
        yield docstrings.sections(value.docstring)
        members = [member for member in value.members.values() if isinstance(member, griffe.Object) and _shown(member)]
        inner = min(len(heading) + 1, 6) * "#"
        yield from self._attributes((member for member in members if isinstance(member, griffe.Attribute)), None)
        for member in members:
            if isinstance(member, griffe.Class):
                yield from self._class(f"{name}.{member.name}", member, to_root, inner)
            elif isinstance(member, griffe.Function):
                yield from self._function(f"{name}.{member.name}", member, to_root, inner)

    def _function(self, name: str, value: griffe.Function, to_root: str, heading: str) -> Iterator[str]:
        yield f"{heading} {markdown.code(name)}"
        prefix = "async def" if "async" in value.labels else "def"
        each = [*(value.overloads or ()), value]
        code = "\n".join(_signature(f"{prefix} {one.name}", _without_self(one), one.annotation) for one in each)
        decorators = "".join(f"@{label}\n" for label in ("classmethod", "staticmethod") if label in value.labels)
        yield markdown.fence(decorators + code, "python")
        yield self._source(value, to_root)
        yield docstrings.sections(value.docstring)

    def _attributes(self, attributes: Iterable[griffe.Attribute], heading: str | None) -> Iterator[str]:
        rows = [
            f"| {markdown.cell_code(each.name)} | {markdown.cell_code(str(each.annotation or ''))} "
            f"| {markdown.cell_code(_value(each))} | {docstrings.first_line(each.docstring)} |"
            for each in attributes
        ]
        if rows:
            if heading:
                yield f"{heading} Attributes"
            yield "\n".join(["| attribute | type | value | |", "| --- | --- | --- | --- |", *rows])

    def _source(self, value: griffe.Object, to_root: str) -> str:
        file = self.files[value.module.path]
        line = value.lineno or 1
        return f"Source: [{markdown.line(file)}:{line}]({to_root}{quote(file)}#L{line})"


def _signature(head: str, parameters: Iterable[griffe.Parameter], returns: object) -> str:
    written = list(_parameters(parameters))
    tail = f" -> {returns}" if returns is not None else ""
    short = f"{head}({', '.join(written)}){tail}"
    if len(short) <= _ONE_LINE_CHARS or not written:
        return short
    return "\n".join([f"{head}(", *(f"    {parameter}," for parameter in written), f"){tail}"])


def _parameters(parameters: Iterable[griffe.Parameter]) -> Iterator[str]:
    """Each parameter as in the source, with the `/` and `*` that stand between kinds (language reference, 8.7)."""
    kinds = griffe.ParameterKind
    previous: griffe.ParameterKind | None = None
    for parameter in parameters:
        if previous is kinds.positional_only and parameter.kind is not kinds.positional_only:
            yield "/"
        if parameter.kind is kinds.keyword_only and previous not in {kinds.keyword_only, kinds.var_positional}:
            yield "*"
        previous = parameter.kind
        stars = {kinds.var_positional: "*", kinds.var_keyword: "**"}.get(previous, "") if previous is not None else ""
        annotation = f": {parameter.annotation}" if parameter.annotation is not None else ""
        default = "" if stars or parameter.default is None else f"{' = ' if annotation else '='}{parameter.default}"
        yield f"{stars}{parameter.name}{annotation}{default}"
    if previous is kinds.positional_only:
        yield "/"


def _without_self(function: griffe.Function) -> list[griffe.Parameter]:
    """Its parameters as a caller sees them: a bound method's first one is given by the call itself."""
    parameters = list(function.parameters)
    bound = function.parent is not None and function.parent.is_class and "staticmethod" not in function.labels
    return parameters[1:] if bound else parameters


def _constructor(value: griffe.Class) -> list[griffe.Parameter]:
    parameters = list(value.parameters)
    return parameters[1:] if parameters and parameters[0].name == "self" else parameters


def _shown(member: griffe.Object) -> bool:
    """Whether a member belongs on the page: public ones, special ones only where their author described them."""
    return member.is_public and (not member.is_special or member.has_docstring)


def _value(attribute: griffe.Attribute) -> str:
    if "instance-attribute" in attribute.labels and "class-attribute" not in attribute.labels:
        return ""  # what a constructor assigns is an expression over its parameters, no value
    value = " ".join(str(attribute.value or "").split())
    return value if len(value) <= _MAX_VALUE_CHARS else f"{value[: _MAX_VALUE_CHARS - 1]}…"


def _first(pair: tuple[str, griffe.Object]) -> str:
    return pair[0]
