"""Clones of one's own: what a class says, and what is told where it says it wrongly."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FunctionType
from typing import Any, ClassVar, cast

import msgspec
import pytest

from bus.task import Done, Task, TaskError
from clones.base import BUILT_IN, Clone, InvalidClone, definition_of, load, serves
from clones.engine_handler import Workshop
from clones.routing import DEFAULT_TABLE
from schemas import Route

ROUTE = Route(clone="translator", timeout_s=10, retries=1)


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    times: int = 1


class Translator(Clone):
    name = "translator"
    routes: ClassVar = {"translate": ROUTE}

    async def start(self) -> None:
        self.words = {"hello": "salve"}

    async def stop(self) -> None:
        self.words.clear()

    @serves("translate")
    async def translate(self, task: Task, params: Params) -> Done:
        return Done(output=" ".join([self.words[params.text]] * params.times))


def make(name: object = "translator", routes: object = None, **methods: object) -> type[Clone]:
    body = {"routes": {"translate": ROUTE} if routes is None else routes, **methods}
    return type("Made", (Clone,), {**body, **({} if name is None else {"name": name})})


async def good(self: Clone, task: Task, params: Params) -> Done:
    return Done()


def serving(function: Callable[..., Any], task_type: str = "translate") -> Callable[..., Any]:
    """A function of its own each time: marking is lasting."""
    assert isinstance(function, FunctionType)
    copy = FunctionType(function.__code__, globals(), function.__name__, closure=function.__closure__)
    copy.__annotations__ = function.__annotations__
    return serves(task_type)(copy)


def task(**params: Any) -> Task:
    now = datetime.now(UTC)
    return Task(
        id="t",
        task_type="translate",
        params=params,
        attempt=1,
        timeout_s=10,
        instance="translator-1",
        sequence=1,
        stored_at=now,
        started_at=now,
        labels={},
        parent_id=None,
        traceparent=None,
        report=lambda fraction, message: None,
    )


WORKSHOP = cast(Workshop, object())
"""Handed through untouched."""


class TestServing:
    async def test_a_handler_gets_its_parameters_checked_and_converted(self) -> None:
        definition = definition_of(Translator)
        assert (definition.name, definition.routes) == ("translator", {"translate": ROUTE})
        async with definition.serving(WORKSHOP) as handlers:
            assert list(handlers) == ["translate"]
            assert (await handlers["translate"](task(text="hello", times=2))).output == "salve salve"

    @pytest.mark.parametrize(
        ("params", "says"),
        [
            ({}, "Object missing required field `text`"),
            ({"text": 3}, "Expected `str`, got `int` - at `$.params.text`"),
            ({"text": "hello", "tmies": 2}, "Object contains unknown field `tmies`"),
        ],
    )
    async def test_parameters_that_do_not_fit_are_told(self, params: dict[str, Any], says: str) -> None:
        async with definition_of(Translator).serving(WORKSHOP) as handlers:
            with pytest.raises(TaskError) as refused:
                await handlers["translate"](task(**params))
        assert refused.value.code == "incompatible_task"
        assert says in refused.value.message
        assert refused.value.message.endswith("It takes: text, times")

    async def test_resources_live_as_long_as_it_serves(self) -> None:
        seen: list[str] = []

        async def start(self: Clone) -> None:
            seen.append("start")

        async def stop(self: Clone) -> None:
            seen.append("stop")

        kind = make(translate=serving(good), start=start, stop=stop)
        with pytest.raises(RuntimeError):
            async with definition_of(kind).serving(WORKSHOP):
                assert seen == ["start"]
                raise RuntimeError
        assert seen == ["start", "stop"]

    async def test_a_handler_that_returns_something_else_is_a_defect(self) -> None:
        async def bad(self: Clone, task: Task, params: Params) -> str:
            return "salve"

        async with definition_of(make(translate=serving(bad))).serving(WORKSHOP) as handlers:
            with pytest.raises(TypeError, match="the handler of translate returned str, and should return a Done"):
                await handlers["translate"](task(text="hello"))

    def test_a_fallback_names_the_primary_and_itself(self) -> None:
        route = Route(clone="other", fallback=("translator",))
        definition = definition_of(make(routes={"translate": route}, translate=serving(good)))
        assert definition.routes == {"translate": route}

    def test_what_a_class_inherits_counts(self) -> None:
        class Latin(Translator):
            name = "latin"
            routes: ClassVar = {"translate": Route(clone="latin")}

        assert list(definition_of(Latin).routes) == ["translate"]


def _not_async(self: Clone, task: Task, params: Params) -> Done:
    return Done()


async def _plain_dict(self: Clone, task: Task, params: dict[str, str]) -> Done:
    return Done()


async def _unknown(self: Clone, task: Task, params: "Nowhere") -> Done:  # type: ignore[name-defined]  # noqa: F821  what is told
    return Done()


async def _bare(self, task, params):  # type: ignore[no-untyped-def]  # what is told
    return Done()


async def _short(self: Clone, task: Task) -> Done:
    return Done()


class TestMistakes:
    @pytest.mark.parametrize(
        ("kind", "says"),
        [
            (lambda: make(name=None, translate=serving(good)), 'it has no name: write name = "…" in the class'),
            (lambda: make(name=7, translate=serving(good)), "it has no name"),
            (lambda: make(name="My Clone", translate=serving(good)), "the name 'My Clone' cannot stand in a subject"),
            (lambda: make(name="beta", translate=serving(good)), "the name 'beta' is taken by Sanctuary itself"),
            (lambda: make(name="operator", translate=serving(good)), "the name 'operator' is taken"),
            (make, 'it serves nothing: mark an async method with @serves("…")'),
            (lambda: make(translate=good), "it serves nothing"),
            (lambda: make(f=serving(_not_async)), "f, which serves 'translate', is not async: write async def f"),
            (
                lambda: make(f=serving(_plain_dict)),
                "params of f is annotated with dict[str, str]: annotate params of f with a msgspec.Struct",
            ),
            (lambda: make(f=serving(_unknown)), "the annotations of f cannot be read (name 'Nowhere' is not defined)"),
            (lambda: make(f=serving(_bare)), "params of f has no annotation: annotate params of f with"),
            (lambda: make(f=serving(_short)), "f takes (self, task), and should take (self, task, params)"),
            (lambda: make(f=serving(good), g=serving(good)), "f and g both serve 'translate'"),
            (lambda: make(f=serving(good, "workflow")), "f serves 'workflow', which is no task type"),
            (lambda: make(f=serving(good, "a b")), "f serves 'a b', which is no task type"),
            (lambda: make(routes=[ROUTE], f=serving(good)), "serves 'translate', and has no route for it"),
            (
                lambda: make(routes={}, f=serving(good)),
                'serves \'translate\', and has no route for it: write routes = {"translate": Route(clone="translator")}',
            ),
            (
                lambda: make(routes={"translate": Route(clone="other")}, f=serving(good)),
                "its route of 'translate' leads to other, and not to translator",
            ),
            (
                lambda: make(routes={"translate": Route(clone="translator", timeout_s=-1)}, f=serving(good)),
                "its route of 'translate' cannot be used: Expected `float` > 0.0 - at `$.timeout_s`",
            ),
            (
                lambda: make(routes={"translate": ROUTE, "say": ROUTE}, f=serving(good)),
                "routes has say, which no method serves",
            ),
        ],
    )
    def test_it_is_told_what_to_change(self, kind: Callable[[], type[Clone]], says: str) -> None:
        with pytest.raises(InvalidClone) as told:
            definition_of(kind())
        assert told.value.message.startswith("tests.clones.test_base:Made cannot be run: ")
        assert says in told.value.message


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current directory to import from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


PACKAGE = """
import msgspec
from bus.task import Done, Task
from clones.base import Clone, serves
from schemas import Route

class Params(msgspec.Struct):
    text: str

class Own(Clone):
    name = "own"
    routes = {"echo": Route(clone="own")}

    @serves("echo")
    async def echo(self, task: Task, params: Params) -> Done:
        return Done(output=params.text)

nothing = 3
"""


class TestLoad:
    def test_one_s_own_comes_from_the_current_directory(self, here: Path) -> None:
        (here / "ownpkg").mkdir()
        (here / "ownpkg" / "__init__.py").write_text(PACKAGE)
        assert load("ownpkg:Own").name == "own"

    async def test_built_in_ones_ask_for_no_routes_and_can_do_each_other_s_work(self) -> None:
        for name in BUILT_IN:
            definition = load(name)
            assert (definition.name, definition.routes) == (name, {})
            async with definition.serving(WORKSHOP) as handlers:
                assert set(handlers) == set(DEFAULT_TABLE.routes)

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            (
                "nobody",
                "there is no clone 'nobody'; built in: beta, delta, gamma, sigma. One's own is named module:Class",
            ),
            ("ownmod:", "there is no clone 'ownmod:'"),
            ("nowhere:Own", "there is no module nowhere, neither in .* nor installed"),
            ("ownmod.sub:Own", "there is no module ownmod.sub|ownmod.sub cannot be imported"),
            ("ownmod:Other", "ownmod has nothing called Other"),
            ("ownmod:nothing", "ownmod:nothing is no class that derives from clones.base.Clone"),
            ("ownmod:Params", "ownmod:Params is no class that derives"),
            (
                "needy:Own",
                r"needy cannot be imported: ModuleNotFoundError: No module named 'absent' \(.*needy.py, line 1\)",
            ),
            ("broken:Own", r"broken cannot be imported: ZeroDivisionError: division by zero \(.*broken.py, line 2\)"),
            ("typo:Own", r"typo cannot be imported: SyntaxError: .*typo.py, line 1"),
        ],
    )
    def test_what_cannot_be_loaded_is_told(self, here: Path, name: str, says: str) -> None:
        (here / "ownmod.py").write_text(PACKAGE)
        (here / "needy.py").write_text("import absent\n")
        (here / "broken.py").write_text("x = 0\n1 / x\n")
        (here / "typo.py").write_text("class :\n")
        with pytest.raises(InvalidClone, match=says):
            load(name)
