"""Settings of Django and Flask, as far as they are constants in Python code; what the environment decides is not judged."""

import ast
import re
import warnings
from collections.abc import Iterator
from typing import Any

from clones.engines.security.config.hit import FileError, Hit, is_credential

_DJANGO_MARKS = frozenset({"INSTALLED_APPS", "MIDDLEWARE", "ROOT_URLCONF", "WSGI_APPLICATION", "DATABASES"})
_NOT_PRODUCTION = frozenset(
    {
        *("test", "tests", "testing", "local", "dev", "develop", "development", "debug", "ci", "t"),
        *("example", "examples", "sample", "samples", "demo", "demos", "docs", "tutorial"),
    }
)
_WORD = re.compile(r"[^\W_]+")
_COOKIES = {
    "SESSION_COOKIE_SECURE": "settings/cookie-not-secure",
    "CSRF_COOKIE_SECURE": "settings/cookie-not-secure",
    "SESSION_COOKIE_HTTPONLY": "settings/cookie-not-httponly",
}
_UPDATES = frozenset({"update", "from_mapping"})
_OPEN_CORS = frozenset({"CORS_ALLOW_ALL_ORIGINS", "CORS_ORIGIN_ALLOW_ALL"})


def may_be_settings(name: str, text: str) -> bool:
    """Whether a Python file may hold settings of a web application, told before it is parsed."""
    if not _NOT_PRODUCTION.isdisjoint(_WORD.findall(name.lower().replace("_", " "))):
        return False
    return any(mark in text for mark in ("ROOT_URLCONF", "INSTALLED_APPS", "SECRET_KEY", "secret_key"))


def check(text: str) -> list[Hit]:
    """Return what is unsafe in a file of settings.

    Raises:
        FileError: it is no Python.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            module = ast.parse(text)
        assigned = dict(_module_level(module.body))
        hits = [*_django(assigned)] if len(_DJANGO_MARKS & assigned.keys()) >= 2 else [*_flask(module)]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FileError(f"no Python that is understood: {type(error).__name__}") from None
    return sorted(hits, key=lambda hit: (hit.line, hit.rule))


def _module_level(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Yield what is assigned whatever happens; the last assignment counts, and one under a condition may undo it."""
    for statement in body:
        for name, value in _targets(statement):
            yield name, value
        for inner in ast.walk(statement) if isinstance(statement, ast.If | ast.Try | ast.With) else ():
            if isinstance(inner, ast.stmt):
                for name, _ in _targets(inner):
                    yield name, ast.Name("decided elsewhere", lineno=inner.lineno, col_offset=0)


def _targets(statement: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target.id, statement.value
    elif (
        isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value is not None
    ):
        yield statement.target.id, statement.value


def _django(assigned: dict[str, ast.expr]) -> Iterator[Hit]:
    for name, node in assigned.items():
        value = _constant(node)
        if name == "DEBUG" and value is True:
            yield Hit(
                rule="settings/debug",
                line=node.lineno,
                message="DEBUG shows code, settings and data to whoever causes an error",
            )
        elif name == "ALLOWED_HOSTS" and isinstance(value, list | tuple) and "*" in value:
            yield Hit(
                rule="settings/all-hosts",
                line=node.lineno,
                message="any Host header is believed, also in links that are mailed",
            )
        elif name == "SECRET_KEY":
            yield from _secret_key(name, node)
        else:
            yield from _setting(name, value, node.lineno)


def _flask(module: ast.Module) -> Iterator[Hit]:
    nodes = list(ast.walk(module))
    if any(_imports_flask(each) for each in nodes):
        for name, value in (setting for node in nodes for setting in _configured(node)):
            if name.upper() == "SECRET_KEY":
                yield from _secret_key(name, value)
            else:
                yield from _setting(name, _constant(value), value.lineno)


def _configured(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the settings that a statement gives to an application, or a call of `app.config.update`."""
    if isinstance(node, ast.Assign):
        yield from ((name, node.value) for target in node.targets if (name := _config_name(target)))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _UPDATES:
        config = node.func.value
        if isinstance(config, ast.Attribute) and config.attr == "config":
            yield from ((keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg)


def _config_name(target: ast.expr) -> str:
    """Return the setting that `app.config["NAME"]` or `app.secret_key` names; empty for other targets."""
    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Attribute) and target.value.attr == "config":
        value = _constant(target.slice)
        return value if isinstance(value, str) else ""
    return "secret_key" if isinstance(target, ast.Attribute) and target.attr == "secret_key" else ""


def _setting(name: str, value: Any, line: int) -> Iterator[Hit]:
    if name in _COOKIES and value is False:
        yield Hit(rule=_COOKIES[name], line=line, message=f"{name} is switched off")
    elif name in _OPEN_CORS and value is True:
        yield Hit(rule="settings/open-cors", line=line, message=f"{name} lets pages of every site read the answers")


def _secret_key(name: str, node: ast.expr) -> Iterator[Hit]:
    """Judge a key: a constant, or one that stands in for a variable of the environment that is not set."""
    given = _constant(node)
    message = f"{name} is a constant: who reads the code can sign sessions and tokens"
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        given = _constant(node.values[-1])
        message = f"{name} is a constant where the environment has none"
    elif isinstance(node, ast.Call) and len(node.args) == 2:
        given = _constant(node.args[1])
        message = f"{name} is a constant where the environment has none"
    if isinstance(given, bytes):
        given = given.decode(errors="replace")
    if isinstance(given, str) and (is_credential("SECRET_KEY", given) or "change" in given.lower()):
        yield Hit(rule="settings/secret-key", line=node.lineno, message=message, secret=given)


def _imports_flask(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").partition(".")[0] == "flask"
    return isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == "flask" for alias in node.names)


def _constant(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
