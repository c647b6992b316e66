"""What a function's name promises: that another undoes it, that twice is as once, that what it returns is within bounds. Pure."""

import ast
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from clones.engines.properties.drafts import Property, call
from clones.engines.properties.inputs import Input, required, unquoted

_BACK = {
    "encode": ("decode",),
    "dumps": ("loads",),
    "serialize": ("deserialize",),
    "serialise": ("deserialise",),
    "pack": ("unpack",),
    "escape": ("unescape",),
    "quote": ("unquote",),
    "compress": ("decompress",),
    "encrypt": ("decrypt",),
    "marshal": ("unmarshal",),
    "format": ("parse",),
    "render": ("parse",),
    "unparse": ("parse",),
    "stringify": ("parse",),
    "hexlify": ("unhexlify",),
    "mangle": ("demangle", "unmangle"),
    "flatten": ("unflatten",),
    "to": ("from",),
}
"""Words of a name, and those that undo what they say."""
_ONCE = frozenset(
    {
        *("normalize", "normalise", "normalized", "canonicalize", "canonicalise", "canonical", "clean", "cleanup"),
        *("sanitize", "sanitise", "collapse", "simplify", "unique", "dedupe", "deduplicate", "slugify", "dedent"),
    }
)
"""What is done twice is as if it were done once."""
_CUT = frozenset({"truncate", "truncated", "shorten", "shortened", "abbreviate", "ellipsize", "ellipsis"})
_MOST = frozenset(
    {
        *("length", "max_length", "maxlen", "max_len", "limit", "width", "max_width", "max_size", "size", "max_chars"),
        *("maximum", "most", "chars", "n"),
    }
)
_CLAMP = frozenset({"clamp", "clamped", "clip"})


def round_trips(
    functions: Mapping[str, ast.FunctionDef], function: ast.FunctionDef, taken: Sequence[Input]
) -> Iterator[Property]:
    """Yield that another of the module's functions gives back what this one was given."""
    first = taken[0]
    if not first.is_exact or first.by_keyword:
        return
    for name in undone_by(function.name):
        back = functions.get(name)
        if back is None or not required(back):
            continue
        further = [each.arg for each in (*back.args.args[1:], *back.args.kwonlyargs)]
        shared = [each for each in taken[1:] if each.name in further]
        if set(required(back)[1:]) - {each.name for each in shared}:
            continue
        used = (first, *(each for each in taken[1:] if each in shared or each.name in required(function)))
        passed = "".join(f", {each.name}={each.name}" for each in shared)
        yield Property(
            kind="round trip",
            says=f"`{name}` gives back what `{function.name}` was given",
            inputs=used,
            given=call(function.name, used),
            holds=f"subject.{name}(result{passed}) == {first.name}",
        )


def undone_by(name: str) -> list[str]:
    """Return the names that a function which undoes this one may have."""
    words = name.split("_")
    return [
        "_".join([*words[:at], back, *words[at + 1 :]]) for at, word in enumerate(words) for back in _BACK.get(word, ())
    ]


def named(function: ast.FunctionDef, taken: Sequence[Input]) -> Iterator[Property]:
    """Yield what a function's name promises of its result."""
    words = set(function.name.strip("_").split("_"))
    given, first = call(function.name, taken), taken[0]
    again = call(function.name, taken, result=True)
    if words & _ONCE and len(required(function)) == 1 and not first.by_keyword and _keeps_its_type(function):
        says = f"`{function.name}` changes nothing in what it has returned"
        yield Property(kind="idempotent", says=says, inputs=tuple(taken), given=given, holds=f"{again} == result")
    most = next((each for each in taken if each.name in _MOST and "integers" in each.values), None)
    if words & _CUT and most is not None and most is not first:
        bounded = [
            msgspec.structs.replace(each, values="st.integers(0, 50)") if each is most else each for each in taken
        ]
        says = f"`{function.name}` returns no more than `{most.name}` of it"
        yield Property(
            kind="bounds", says=says, inputs=tuple(bounded), given=given, holds=f"len(result) <= {most.name}"
        )
    if (
        words & _CLAMP
        and len(taken) == 3
        and all("integers" in each.values or "floats" in each.values for each in taken)
    ):
        low, high = taken[1].name, taken[2].name
        yield Property(
            kind="bounds",
            says=f"`{function.name}` returns what is between `{low}` and `{high}`",
            inputs=tuple(taken),
            given=given,
            holds=f"{low} <= result <= {high}",
            assumed=f"{low} <= {high}",
        )


def _keeps_its_type(function: ast.FunctionDef) -> bool:
    first = [*function.args.posonlyargs, *function.args.args][0].annotation
    if first is None or function.returns is None:
        return True
    return ast.unparse(unquoted(first)) == ast.unparse(unquoted(function.returns))
