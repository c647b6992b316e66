"""Properties that a function should have by its name, its annotations and what it says that it raises. Pure."""

import ast

import msgspec

from clones.engines.properties.drafts import Draft, Property, call
from clones.engines.properties.inputs import inputs
from clones.engines.properties.methods import of_method, undone
from clones.engines.properties.names import named, round_trips, undone_by
from clones.engines.properties.own_types import own_types
from clones.engines.properties.said import said

_CACHES = frozenset({"cache", "lru_cache", "functools.cache", "functools.lru_cache"})
_OF_THE_TEST = frozenset({"subject", "result", "st", "given", "assume", "reject"})


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """A module whose functions are looked at."""

    name: str
    """As it is imported."""
    file: str
    tree: ast.Module

    def functions(self) -> dict[str, ast.FunctionDef]:
        """Return the plain functions at the top, by name; of one that is defined twice, the last."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.FunctionDef) and _is_plain(node)}

    def classes(self) -> dict[str, ast.ClassDef]:
        """Return the classes at the top, by name."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    def origins(self) -> dict[str, str]:
        """Return where the names at the top come from: full names of imported ones, nothing for the module's own."""
        found: dict[str, str] = {}
        for node in self.tree.body:
            match node:
                case ast.Import(names=names):
                    for alias in names:
                        top = alias.name if alias.asname else alias.name.partition(".")[0]
                        found[alias.asname or top] = top
                case ast.ImportFrom(module=str(source), names=names, level=0):
                    found |= {alias.asname or alias.name: f"{source}.{alias.name}" for alias in names}
                case ast.ImportFrom(names=names):
                    found |= {alias.asname or alias.name: "" for alias in names}
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    found[name] = ""
                case ast.Assign(targets=targets):
                    found |= {target.id: "" for target in targets if isinstance(target, ast.Name)}
        return found


def draft(module: Module, name: str) -> Draft | None:
    """Return the properties of one function of a module, or of a method (`Order.total`); None where none could be tried."""
    function, found = _of_method(module, name) if "." in name else _of_function(module, name)
    if function is None or not found or any(each.name in _OF_THE_TEST for item in found for each in item.inputs):
        return None
    return Draft(
        module=module.name,
        function=name,
        file=module.file,
        line=function.lineno,
        properties=tuple(found),
        own=tuple(own_types(module.tree, module.origins())),
    )


def pairs(module: Module) -> list[str]:
    """Return the functions of a module that another one undoes, and the methods."""
    functions = module.functions()
    return [
        *(name for name in functions if any(back in functions for back in undone_by(name))),
        *(
            f"{holder.name}.{method.name}"
            for holder in module.classes().values()
            for method in _methods(holder).values()
            if undone(holder, method)
        ),
    ]


def _of_function(module: Module, name: str) -> tuple[ast.FunctionDef | None, list[Property]]:
    functions, origins = module.functions(), module.origins()
    function = functions.get(name)
    taken = inputs(function, origins, own_types(module.tree, origins)) if function is not None else None
    if function is None or not taken:
        return None, []
    told = said(function, taken, origins, name=name, given=call(name, taken))
    return function, [*round_trips(functions, function, taken), *named(function, taken), *told]


def _of_method(module: Module, name: str) -> tuple[ast.FunctionDef | None, list[Property]]:
    origins = module.origins()
    own = own_types(module.tree, origins)
    class_name, _, last = name.partition(".")
    holder = module.classes().get(class_name)
    method = _methods(holder).get(last) if holder is not None else None
    if holder is None or method is None or class_name not in own:
        return None, []
    return method, of_method(holder, method, origins, own)


def _methods(holder: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in holder.body if isinstance(node, ast.FunctionDef) and _is_plain(node)}


def _is_plain(function: ast.FunctionDef) -> bool:
    """Say whether calling it by its name runs its body, and gives what that returns."""
    decorators = (each.func if isinstance(each, ast.Call) else each for each in function.decorator_list)
    generates = any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(function))
    return (
        all(ast.unparse(each) in _CACHES for each in decorators)
        and not generates
        and not function.name.startswith("__")
    )
