"""The public surface: what a project offers to those who import it, by the underscore convention and `__all__`."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from clones.engines.architecture.definitions import Code
from clones.engines.architecture.discovery import Unit
from clones.engines.statements import Statement, quoted

MAX_MODULES = 80
_MAX_NAMES = 40
_COUNT = (
    "import ast, sys; w = ast.walk; t = ast.parse(open(sys.argv[1], 'rb').read()); "
    "d = [n for n in w(t) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]; "
    "i = {id(m) for n in d for m in w(n) if m is not n}; "
    "print(len({n.name for n in d if id(n) not in i and n.name[0] != '_'}))"
)
"""Counts what is defined in no other definition, also below `if` and `try`."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What one public module offers."""

    module: str
    file: str
    names: tuple[str, ...]
    """Public functions and classes that it defines, sorted."""
    functions: int
    classes: int
    methods: int
    """Public methods of its public classes."""
    declared: int | None
    """Names in its `__all__`; None where it has none that is written out."""


def find(code: Mapping[str, Code], files: Mapping[str, str]) -> list[Offer]:
    """Return the public modules, by name; `files` is module to file."""
    return [
        _offer(module, file, code[file])
        for module, file in sorted(files.items())
        if file in code and not any(_is_private(part) for part in module.rpartition(":")[2].split("."))
    ]


def data(offers: Sequence[Offer], units: Sequence[Unit]) -> dict[str, Any]:
    """Return them as JSON values: totals, totals by package, and the modules with the most names first."""
    ranked = sorted(offers, key=lambda offer: (-len(offer.names), offer.module))
    return {
        **_totals(offers),
        "packages": [
            {"name": unit.name, **_totals([offer for offer in offers if offer.file in set(unit.files)])}
            for unit in units
            if unit.is_package
        ],
        "modules_listed": [_row(offer) for offer in ranked[:MAX_MODULES]],
    }


def _offer(module: str, file: str, code: Code) -> Offer:
    public = [each for each in code.definitions if not _is_private(each.name)]
    classes = {each.name for each in public if each.kind == "class"}
    functions = {each.name for each in public if each.kind == "function"}
    methods = {each.qualified for each in public if each.kind == "method" and each.owner in classes}
    return Offer(
        module=module,
        file=file,
        names=tuple(sorted(functions | classes)),
        functions=len(functions),
        classes=len(classes),
        methods=len(methods),
        declared=None if code.exported is None else len(code.exported),
    )


def _is_private(name: str) -> bool:
    return name.startswith("_") and name not in {"__init__", "__main__"}


def _totals(offers: Sequence[Offer]) -> dict[str, int]:
    return {
        "modules": len(offers),
        "functions": sum(offer.functions for offer in offers),
        "classes": sum(offer.classes for offer in offers),
        "methods": sum(offer.methods for offer in offers),
    }


def _row(offer: Offer) -> dict[str, Any]:
    count = len(offer.names)
    return {
        "module": offer.module,
        "file": offer.file,
        "names": list(offer.names[:_MAX_NAMES]),
        "count": count,
        "functions": offer.functions,
        "classes": offer.classes,
        "methods": offer.methods,
        "declared": offer.declared,
        **Statement(
            text=f"`{offer.module}` ({offer.file}) defines {count} public functions and classes",
            how_to_check=f'python3 -c "{_COUNT}" {quoted(offer.file)}',
            expected=str(count),
        ).plain(),
    }
