"""Clones of one's own: a class in a package of one's own, whose methods serve task types.

    class TranslateParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        text: str

    class Translator(Clone):
        name = "translator"
        routes = {"translate": Route(clone="translator", timeout_s=10, retries=1)}

        @serves("translate")
        async def translate(self, task: Task, params: TranslateParams) -> Done:
            return Done(output=params.text[::-1])

`sanctuary clone mypkg:Translator` runs it; `clones.harness` tests it. Nothing is registered anywhere: what a class serves is
read from the class.
"""

import importlib
import inspect
import sys
import traceback
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec

from bus.errors import SanctuaryError
from bus.server_config import FIXED_USERS
from bus.subjects import RESERVED_TYPES
from bus.task import Done, Handler, Task
from clones.engine_handler import Handlers, Workshop, read_params
from clones.routing import DEFAULT_TABLE, clones_of, types_by_clone
from schemas import Route, SchemaError, convert, is_token, to_plain

BUILT_IN = tuple(sorted(types_by_clone(DEFAULT_TABLE)))
"""The names of the clones that Sanctuary comes with."""

_MARK = "_sanctuary_serves"
_ALLOWED = "1 to 64 of a-z, 0-9, _ and -"
_F = TypeVar("_F", bound=Callable[..., Any])


class InvalidClone(SanctuaryError):
    """A class is no usable clone, or a name leads to none; the message says what to change."""


class Clone:
    """What a clone of one's own derives from. One instance serves all tasks of one process, several at once."""

    name: ClassVar[str]
    """Its name in subjects, in status and in routes; a user of that name is made for it."""
    routes: ClassVar[Mapping[str, Route]]
    """By task type, the route that is asked for where the routing table has none; one that is there stays as it is.
    A clone that falls back for another one's type names that clone in the route, and itself as the fallback."""

    def __init__(self, workshop: Workshop) -> None:
        """Take the network, its artifacts, and the places where targets may lie, as `self.workshop`."""
        self.workshop = workshop

    async def start(self) -> None:
        """Open what the tasks need; called once, before the first, and before the network is asked for routes.

        What it raises ends the command, with nothing changed in the network. Where the embedded server does not know the
        clone yet, the workshop has the operator's connection until this is done, and then the clone's own.
        """

    async def stop(self) -> None:
        """Close it; called once, when the last task has ended or was handed back."""


def serves(task_type: str) -> Callable[[_F], _F]:
    """Mark the method that does the tasks of this type: `async def method(self, task: Task, params: Params) -> Done`.

    `Params` is a msgspec struct. Before the method is called the task's parameters are checked and converted; a task whose
    parameters do not fit fails as `incompatible_task`, in words. The method raises TaskError for a task that it cannot do.
    """

    def mark(method: _F) -> _F:
        setattr(method, _MARK, task_type)
        return method

    return mark


@dataclass(frozen=True, slots=True)
class Definition:
    """A clone, built in or one's own, as a daemon runs it."""

    name: str
    routes: Mapping[str, Route]
    """Those that it asks for where the table in force has none."""
    serving: Callable[[Workshop], AbstractAsyncContextManager[Handlers]]
    """Its handlers, as long as it is started."""
    source: str
    """The class as `module:Class`; the name, where it is built in."""


def load(name: str) -> Definition:
    """Return the clone that is built in under this name, or that `module:Class` names, looked for in the current directory first.

    Raises:
        InvalidClone: there is none, the module cannot be imported, or the class is no clone.
    """
    if name in BUILT_IN:
        return Definition(name, {}, _built_in, name)
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        known = ", ".join(BUILT_IN)
        raise InvalidClone(f"there is no clone {name!r}; built in: {known}. One's own is named module:Class")
    kind = getattr(_imported(module), attribute, None)
    if kind is None:
        raise InvalidClone(f"{module} has nothing called {attribute}")
    if not (isinstance(kind, type) and issubclass(kind, Clone)):
        raise InvalidClone(f"{name} is no class that derives from clones.base.Clone")
    return definition_of(kind)


def definition_of(kind: type[Clone]) -> Definition:
    """Return a class of one's own as a daemon runs it.

    Raises:
        InvalidClone: something is missing in the class, or wrong.
    """
    source = f"{kind.__module__}:{kind.__qualname__}"
    try:
        name = _name(kind)
        served = _served(kind)
        routes = {task_type: _route(kind, name, task_type) for task_type in served}
        if superfluous := set(kind.routes) - set(served):
            raise InvalidClone(f"routes has {', '.join(sorted(superfluous))}, which no method serves")
    except InvalidClone as error:
        raise InvalidClone(f"{source} cannot be run: {error.message}") from None

    @asynccontextmanager
    async def serving(workshop: Workshop) -> AsyncIterator[Handlers]:
        clone = kind(workshop)
        await clone.start()
        try:
            yield {
                task_type: _handler(getattr(clone, method), params) for task_type, (method, params) in served.items()
            }
        finally:
            await clone.stop()

    return Definition(name, routes, serving, source)


@asynccontextmanager
async def _built_in(workshop: Workshop) -> AsyncIterator[Handlers]:
    """Yield what the four clones do for all task types: any of them can take over from any other."""
    from clones import beta, delta, gamma, sigma

    modules = (beta, gamma, delta, sigma)
    yield {task_type: handler for module in modules for task_type, handler in module.handlers(workshop).items()}


def _handler(method: Callable[[Task, Any], Awaitable[Done]], params: type[msgspec.Struct]) -> Handler:
    async def handle(task: Task) -> Done:
        done = await method(task, read_params(task, params))
        if not isinstance(done, Done):
            raise TypeError(f"the handler of {task.task_type} returned {type(done).__name__}, and should return a Done")
        return done

    return handle


def _name(kind: type[Clone]) -> str:
    name = getattr(kind, "name", None)
    if not isinstance(name, str):
        raise InvalidClone('it has no name: write name = "…" in the class')
    if not is_token(name):
        raise InvalidClone(f"the name {name!r} cannot stand in a subject: use {_ALLOWED}")
    if name in (*BUILT_IN, *FIXED_USERS):
        raise InvalidClone(f"the name {name!r} is taken by Sanctuary itself: choose another one")
    return name


def _served(kind: type[Clone]) -> dict[str, tuple[str, type[msgspec.Struct]]]:
    """Return by task type the name of the method that serves it, and the struct of its parameters."""
    served: dict[str, tuple[str, type[msgspec.Struct]]] = {}
    for method, function in inspect.getmembers(kind, inspect.isfunction):
        task_type = getattr(function, _MARK, None)
        if task_type is None:
            continue
        if not is_token(task_type) or task_type in RESERVED_TYPES:
            raise InvalidClone(
                f"{method} serves {task_type!r}, which is no task type: use {_ALLOWED}, and no reserved word"
            )
        if task_type in served:
            raise InvalidClone(f"{served[task_type][0]} and {method} both serve {task_type!r}")
        if not inspect.iscoroutinefunction(function):
            raise InvalidClone(f"{method}, which serves {task_type!r}, is not async: write async def {method}")
        served[task_type] = (method, _params(method, function))
    if not served:
        raise InvalidClone('it serves nothing: mark an async method with @serves("…")')
    return served


def _params(method: str, function: Callable[..., Any]) -> type[msgspec.Struct]:
    names = list(inspect.signature(function).parameters)
    if len(names) != 3:
        raise InvalidClone(f"{method} takes ({', '.join(names)}), and should take (self, task, params)")
    wanted = f"annotate {names[2]} of {method} with a msgspec.Struct"
    try:
        params = typing.get_type_hints(function).get(names[2])
    except Exception as error:  # noqa: BLE001  an annotation is any expression
        raise InvalidClone(f"the annotations of {method} cannot be read ({error}): {wanted}") from None
    if not (isinstance(params, type) and issubclass(params, msgspec.Struct)):
        told = "has no annotation" if params is None else f"is annotated with {params!r}"
        raise InvalidClone(f"{names[2]} of {method} {told}: {wanted}")
    return params


def _route(kind: type[Clone], name: str, task_type: str) -> Route:
    routes = getattr(kind, "routes", {})
    route = routes.get(task_type) if isinstance(routes, Mapping) else None
    if not isinstance(route, Route):
        example = f'routes = {{"{task_type}": Route(clone="{name}")}}'
        raise InvalidClone(f"it serves {task_type!r}, and has no route for it: write {example}")
    try:
        checked = convert(Route, to_plain(route))  # a struct that Python makes is not
    except SchemaError as error:
        raise InvalidClone(f"its route of {task_type!r} cannot be used: {error.message}") from None
    if name not in clones_of(checked):
        raise InvalidClone(f"its route of {task_type!r} leads to {', '.join(clones_of(checked))}, and not to {name}")
    return checked


def _imported(module: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path[:1]:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise InvalidClone(f"there is no module {error.name}, neither in {here} nor installed") from None
        raise InvalidClone(_import_error(module, error)) from None
    except Exception as error:  # noqa: BLE001  a module may raise anything while it is imported
        raise InvalidClone(_import_error(module, error)) from None


def _import_error(module: str, error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{module} cannot be imported: {type(error).__name__}: {error} ({frame.filename}, line {frame.lineno})"
