"""What the parts of the interpreter share: one execution of a function's, class's or module's body."""

import ast
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from clones.engines.security.taint.findings import Hit, Place
from clones.engines.security.taint.heap import Obj, State
from clones.engines.security.taint.project import ClassInfo, FunctionInfo, Module
from clones.engines.security.taint.taints import Step, Taints
from clones.engines.security.taint.values import NOTHING, Callable_, Value, ref

if TYPE_CHECKING:
    from clones.engines.security.taint.analysis import Analysis


class OutOfStepsError(Exception):
    """The budget of steps is used up."""


class Arguments:
    """What a call passes."""

    __slots__ = ("keywords", "nodes", "positional", "rest", "rest_keywords")

    def __init__(
        self,
        positional: list[Value],
        keywords: dict[str, Value] | None = None,
        *,
        rest: Value | None = None,
        rest_keywords: Value | None = None,
        nodes: Mapping[int | str, ast.expr] | None = None,
    ) -> None:
        self.positional = positional
        self.keywords: dict[str, Value] = keywords or {}
        self.rest = rest
        """Elements of a starred argument of unknown length."""
        self.rest_keywords = rest_keywords
        """Values of a double-starred argument of unknown keys."""
        self.nodes: Mapping[int | str, ast.expr] = nodes or {}

    def all(self) -> list[Value]:
        """Return all values."""
        more = [each for each in (self.rest, self.rest_keywords) if each is not None]
        return [*self.positional, *self.keywords.values(), *more]

    def get(self, position: int, name: str = "") -> Value | None:
        """Return an argument by position or name."""
        if position < len(self.positional):
            return self.positional[position]
        if name in self.keywords:
            return self.keywords[name]
        return self.rest if self.rest is not None else self.rest_keywords

    @property
    def first(self) -> Value:
        """The first argument; nothing where there is none."""
        return self.get(0) or NOTHING


class Return:
    """One way out of a function."""

    __slots__ = ("falsy", "state", "truthy", "value")

    def __init__(self, value: Value, state: State, truthy: State | None, falsy: State | None) -> None:
        self.value = value
        self.state = state
        self.truthy = truthy
        """What holds where the value counts as true; None where it cannot."""
        self.falsy = falsy


class Loop:
    """Where `break` and `continue` lead."""

    __slots__ = ("breaks", "continues", "turns")

    def __init__(self) -> None:
        self.breaks: list[State] = []
        self.continues: list[State] = []
        self.turns: list[State] = []
        """The states at the ends of its turns."""


Raised = dict[ClassInfo | str, Value]
"""Errors by their class, of the project or by its name outside: what they say."""


class Attempt:
    """Where a `try` statement's handlers take over."""

    __slots__ = ("raised", "states")

    def __init__(self, begin: State) -> None:
        self.states = [begin]
        self.raised: Raised = {}
        """The errors that its statements raise, and what these call."""


class Base(ABC):
    """One execution of a body; the mixins add what it can do."""

    def __init__(
        self,
        analysis: "Analysis",
        module: Module,
        state: State,
        *,
        info: FunctionInfo | None = None,
        cls: ClassInfo | None = None,
        closure: int | None = None,
        depth: int = 0,
        cold: int = 0,
        stack: tuple[FunctionInfo, ...] = (),
    ) -> None:
        self.analysis = analysis
        self.book = analysis.book
        self.module = module
        self.info = info
        self.cls = cls
        """The class of a class body."""
        self.closure = closure
        self.depth = depth
        self.cold = cold
        """Calls on the way here, from the last that was given or may have found outside data."""
        self.stack = stack
        self.state: State | None = state
        self.returns: list[Return] = []
        self.yields: list[Value] = []
        self.loops: list[Loop] = []
        self.attempts: list[Attempt] = []
        self.raised: Raised = {}
        """The errors that leave the function."""
        self.left: list[State] = []
        """The states in which they leave it."""
        self.handled: list[Raised] = []
        """The errors that the handlers around have taken."""
        self.hits: list[Hit] = []
        """Data from outside that reached a sink here or in what was called."""
        self.identity = analysis.fresh()
        self._allocated: dict[object, int] = {}
        self.nested: list[tuple[FunctionInfo, Callable_]] = []
        self.conditions: dict[ast.AST, tuple[State | None, State | None]] = {}
        """Of calls that tell something of their arguments: the states where the result is true, and false."""

    # states

    @property
    def now(self) -> State:
        """The state, where there is one; expressions are evaluated where there is."""
        if self.state is None:
            raise DeadError
        return self.state

    # objects

    def allocate(self, at: object, obj: Obj) -> Value:
        """Put an object into the heap; the same place in the code makes the same object again."""
        identity = self._allocated.get(at)
        if identity is None:
            identity = self._allocated[at] = self.analysis.fresh()
        self.now.heap[identity] = obj
        return ref(identity)

    def container(self, kind: str, at: object, elements: list[Value], rest: Value | None = None) -> Value:
        """Put a sequence into the heap."""
        return self.allocate(at, Obj(kind, items=dict(enumerate(elements)), rest=rest or Value()))

    def store(self, identity: int, obj: Obj) -> None:
        """Replace an object."""
        self.now.heap[identity] = obj

    # ways of values

    def step(self, node: ast.AST, message: str) -> Step:
        """Return a place on a value's way."""
        return Step(self.module.path, getattr(node, "lineno", 0), message)

    def place(self, node: ast.AST) -> Place:
        """Return where something stands."""
        line = getattr(node, "lineno", 0)
        return Place(
            self.module.path,
            line,
            getattr(node, "end_lineno", None) or line,
            getattr(node, "col_offset", 0),
            self.info.qualname if self.info else "",
            self.info.lines if self.info else (0, 0),
        )

    def record(self, hit: Hit) -> None:
        """Tell of data from outside that reached a sink."""
        self.hits.append(hit)
        self.analysis.findings.hit(hit)

    # what the mixins do

    @abstractmethod
    def evaluate(self, node: ast.expr) -> Value:
        """Return what an expression may be; its effects are in the state afterwards."""

    @abstractmethod
    def execute(self, body: list[ast.stmt]) -> None:
        """Execute statements."""

    @abstractmethod
    def branch(self, test: ast.expr) -> tuple[State | None, State | None]:
        """Return the states after a condition that held, and after one that did not; None where it cannot be so."""

    @abstractmethod
    def call(self, callee: Value, arguments: Arguments, node: ast.AST, receiver: Value | None = None) -> Value:
        """Call what a value may be."""

    @abstractmethod
    def call_method(self, receiver: Value, name: str, arguments: Arguments, node: ast.AST) -> Value:
        """Call a method of a container, text, or what is not known."""

    @abstractmethod
    def attribute(self, value: Value, name: str, node: ast.AST) -> Value:
        """Return `value.name`."""

    @abstractmethod
    def item(self, container: Value, key: Value, node: ast.AST) -> Value:
        """Return `container[key]`."""

    @abstractmethod
    def elements(self, value: Value, node: ast.AST) -> Value:
        """Return what iterating over a value gives."""

    @abstractmethod
    def set_item(self, container: Value, key: Value, value: Value, node: ast.AST) -> None:
        """Do `container[key] = value`."""

    @abstractmethod
    def set_attribute(self, value: Value, name: str, new: Value, node: ast.AST) -> None:
        """Do `value.name = new`."""

    @abstractmethod
    def remove_item(self, identity: int, obj: Obj, key: Value) -> None:
        """Do `del container[key]`."""

    @abstractmethod
    def capture(self) -> int | None:
        """Put the variables where functions that are defined here find them."""

    @abstractmethod
    def lookup(self, name: str) -> Value:
        """Return what a variable may be."""

    @abstractmethod
    def outside(self, name: str, node: ast.AST, taints: Taints) -> Value:
        """Return what a name outside the project is, with the taints of what it was reached by."""

    @abstractmethod
    def source(self, name: str, kind: str, node: ast.AST, message: str = "") -> Taints:
        """Return the taint of data that comes in here."""

    @abstractmethod
    def call_outside(self, name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> Value:
        """Call something outside the project."""

    @abstractmethod
    def instance(self, cls: ClassInfo, at: object) -> Value:
        """Return an instance of which nothing but the class is known."""

    @abstractmethod
    def instantiate(self, cls: ClassInfo, arguments: Arguments, node: ast.AST) -> Value:
        """Return a new instance."""

    @abstractmethod
    def inherited(self, name: str, node: ast.AST) -> Value:
        """Return `super().name`."""

    @abstractmethod
    def annotated(self, annotation: ast.expr | None, node: ast.AST) -> Value:
        """Return an instance of what an annotation names; unknown where it names nothing that is known."""

    @abstractmethod
    def hand_over(self, value: Value, node: ast.Return) -> None:
        """Give what a view returns to its framework."""


class DeadError(Exception):
    """The statement is not reached to its end: what it calls does not return."""
