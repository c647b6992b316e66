"""Imports, functions and classes as they are defined."""

import ast

from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.heap import State
from clones.engines.security.taint.project import FunctionInfo
from clones.engines.security.taint.values import UNKNOWN, Class, Function, ModuleRef, Value, join, named

_FLAGS = {
    "staticmethod": "staticmethod",
    "classmethod": "classmethod",
    "property": "property",
    "functools.cached_property": "property",
    "django.utils.functional.cached_property": "property",
    "contextlib.contextmanager": "contextmanager",
    "contextlib.asynccontextmanager": "contextmanager",
}


class Definitions(Base):
    """Statements that bind names to modules, functions and classes."""

    def import_(self, node: ast.Import) -> None:
        """`import a.b`, `import a.b as c`."""
        for alias in node.names:
            if alias.asname:
                self.now.vars[alias.asname] = self._module(alias.name)
            else:
                first = alias.name.partition(".")[0]
                self.now.vars[first] = self._module(first)

    def _module(self, name: str, level: int = 0) -> Value:
        found = self.analysis.project.find(self.module, name, level)
        return Value(funcs=(ModuleRef(found),)) if found else named(name)

    def import_from(self, node: ast.ImportFrom) -> None:
        """`from a import b`, `from . import b`, `from a import *`."""
        name = node.module or ""
        found = self.analysis.project.find(self.module, name, node.level)
        for alias in node.names:
            if alias.name == "*":
                if found is not None:
                    exported = self.analysis.environment(found)
                    self.now.vars.update({key: each for key, each in exported.items() if not key.startswith("_")})
                continue
            self.now.vars[alias.asname or alias.name] = self._imported(name, node.level, alias.name)

    def _imported(self, module_name: str, level: int, name: str) -> Value:
        project = self.analysis.project
        found = project.find(self.module, module_name, level)
        if found is not None:
            value = self.analysis.global_value(found, name)
            if value is not None:
                return value
        below = project.find(self.module, f"{module_name}.{name}" if module_name else name, level)
        if below is not None:
            return Value(funcs=(ModuleRef(below),))
        if level or found is not None:
            return UNKNOWN
        return named(self.book.canonical(f"{module_name}.{name}"))

    def define_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """`def f(): …`."""
        info = self.module.functions.get(node)
        if info is None:
            return
        closure = self.capture() if self.cls is None else self.closure
        plain = Value(funcs=(Function(info, closure),))
        if self.info is not None:
            self.nested.append((info, Function(info, closure)))
        for default in (*node.args.defaults, *(each for each in node.args.kw_defaults if each)):
            self.evaluate(default)
        self.now.vars[node.name] = self._decorated(info, plain, node)

    def _decorated(self, info: FunctionInfo, plain: Value, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Value:
        value = plain
        names: list[tuple[str, str]] = []
        flags = set()
        for decorator in reversed(node.decorator_list):
            callee = self.evaluate(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if isinstance(decorator, ast.Attribute) and decorator.attr in {"setter", "getter", "deleter"}:
                return self.now.vars.get(node.name, plain)
            text = _first_text(decorator)
            for name in sorted(callee.names):
                canonical = self.book.canonical(name)
                names.append((canonical, text))
                names += [(f"{canonical}({kind})", text) for kind in self._sent_as(decorator)]
                if canonical in _FLAGS:
                    flags.add(_FLAGS[canonical])
            if value is not plain and any(self.book.decorated.of(self.book.canonical(name)) for name in callee.names):
                info.wrapped = value
            value = self._wrapped(decorator, callee, value)
        info.decorators = names
        info.flags = frozenset(flags)
        return value

    def _sent_as(self, decorator: ast.expr) -> list[str]:
        """Return as what a route's decorator says that the result is sent: `HTMLResponse`."""
        keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
        asked = (each.value for each in keywords if each.arg == "response_class")
        return [name.rpartition(".")[2] for each in asked for name in sorted(self.evaluate(each).names)]

    def _wrapped(self, decorator: ast.expr, callee: Value, value: Value) -> Value:
        """Return what a decorator makes; one from outside the project is taken to change nothing."""
        if not any(isinstance(each, Function | Class) for each in callee.funcs):
            return value
        function = self.evaluate(decorator) if isinstance(decorator, ast.Call) else callee
        made = self.call(function, Arguments([value]), decorator)
        return made if made.funcs or made.refs else value

    def define_class(self, node: ast.ClassDef) -> None:
        """`class C: …`."""
        info = self.module.classes.get(node)
        if info is None:
            return
        info.bases, info.outside = [], []
        for base in node.bases:
            value = self.evaluate(base.value if isinstance(base, ast.Subscript) else base)
            info.bases += [each.info for each in value.funcs if isinstance(each, Class) and each.info is not info]
            info.outside += [self.book.canonical(name) for name in sorted(value.names) if not name.startswith("?")]
        info.decorators = [
            self.book.canonical(name)
            for decorator in node.decorator_list
            for name in self.evaluate(decorator.func if isinstance(decorator, ast.Call) else decorator).names
        ]
        state = self.now
        inner = type(self)(
            self.analysis,
            self.module,
            State(dict(state.vars) if self.info is None and self.cls is None else {}, state.heap, state.globals),
            cls=info,
            closure=self.capture(),
            depth=self.depth + 1,
            stack=self.stack,
        )
        before = dict(inner.now.vars)
        inner.execute(node.body)
        after = inner.state
        if after is not None:
            state.heap.update(after.heap)
            members = {name: each for name, each in after.vars.items() if before.get(name) is not each}
            self.analysis.members[info] = members
        self.hits += inner.hits
        state.vars[node.name] = Value(funcs=(Class(info),))

    def annotated(self, annotation: ast.expr | None, node: ast.AST) -> Value:
        """Return an instance of what an annotation names; unknown where it names nothing that is known."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                annotation = ast.parse(annotation.value, mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return UNKNOWN
        if isinstance(annotation, ast.BinOp):
            return join(self.annotated(annotation.left, node), self.annotated(annotation.right, node))
        if isinstance(annotation, ast.Subscript):
            outer = ast.unparse(annotation.value).rpartition(".")[2]
            inner = annotation.slice
            if outer in {"Optional", "Annotated", "Union"}:
                first = inner.elts[0] if isinstance(inner, ast.Tuple) and inner.elts else inner
                return self.annotated(first, node)
            return UNKNOWN
        if not isinstance(annotation, ast.Name | ast.Attribute):
            return UNKNOWN
        value = self.evaluate(annotation)
        result = UNKNOWN
        for each in value.funcs:
            if isinstance(each, Class):
                result = join(result, self.instance(each.info, (node, each.info)))
        known = [self.book.canonical(name) for name in sorted(value.names) if not name.startswith("?")]
        return join(result, named(*known)) if known else result


def _first_text(decorator: ast.expr) -> str:
    if isinstance(decorator, ast.Call) and decorator.args and isinstance(decorator.args[0], ast.Constant):
        value = decorator.args[0].value
        return value if isinstance(value, str) else ""
    return ""
