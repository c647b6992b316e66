"""Expressions in a job's definition: when it runs, and how often."""

import ast
from collections.abc import Callable

from simpleeval import simple_eval

NAMES = {"weekday": 0, "hour": 0}
STEPS: dict[str, Callable] = {}


def step(function: Callable) -> Callable:
    """Make a function known as a step."""
    STEPS[function.__name__] = function
    return function


@step
def repeat(times: str) -> list[int]:
    """Return the numbers of the runs."""
    return list(range(int(times)))


@step
def matrix(source: str) -> list:
    """Return the combinations for which a job runs."""
    made: list = []
    exec("made.extend(" + source + ")", {"made": made})  # seeded: flaw code-injection decorator
    return made


@step
def table(source: str) -> list:
    """Return the combinations for which a job runs, all written out."""
    return list(ast.literal_eval(source))  # seeded: twin code-injection api


def call(name: str, argument: str) -> object:
    """Do a step."""
    return STEPS[name](argument)


def due(source: str) -> bool:
    """Say whether a job is due; the expression may hold numbers, names of ours and comparisons only."""
    return bool(simple_eval(source, names=NAMES, functions={}))  # seeded: twin code-injection api


def due_checked(source: str) -> bool:
    """Say the same by Python itself, after a look at what the expression is made of."""
    allowed = (ast.Expression, ast.Compare, ast.Name, ast.Load, ast.Constant, ast.Lt, ast.Gt, ast.Eq)
    tree = ast.parse(source[:200], mode="eval")
    if not all(isinstance(node, allowed) for node in ast.walk(tree)):
        raise ValueError("numbers, names and comparisons only")
    return bool(eval(compile(tree, "<due>", "eval"), {"__builtins__": {}}, NAMES))  # seeded: twin code-injection sanitised


class Schedule:
    """When a job runs: each entry is an expression."""

    def __init__(self, entries: dict[str, str]) -> None:
        self.entries = entries

    def __getitem__(self, day: str) -> object:
        return eval(self.entries[day], dict(NAMES))  # seeded: flaw code-injection class
