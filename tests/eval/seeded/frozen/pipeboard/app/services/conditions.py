"""When a step runs: small expressions over a run's variables."""

import ast
import operator
from collections.abc import Mapping
from typing import Any

import yaml
from jinja2 import Environment

COMPARE = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt}
_TITLES = Environment(autoescape=True)
DEFAULT_TITLE = "{{ project }} on {{ branch }}"


class Condition:
    """An expression that a pipeline's file gives in `when`."""

    def __init__(self, text: str) -> None:
        self._code = compile(text, "<when>", "eval")

    def holds(self, variables: Mapping[str, Any]) -> bool:
        """Whether the step runs."""
        return bool(eval(self._code, {}, dict(variables)))  # seeded: flaw code-injection class


def compare(text: str, variables: Mapping[str, Any]) -> bool:
    """Whether `name operator literal` holds."""
    name, sign, literal = text.split(maxsplit=2)
    return bool(COMPARE[sign](variables[name], ast.literal_eval(literal)))  # seeded: twin code-injection api


def parse(text: str) -> dict[str, Any]:
    """A pipeline's file."""
    return yaml.load(text, Loader=yaml.UnsafeLoader)  # seeded: flaw deserialization cross-module


def variables(text: str) -> dict[str, Any]:
    """The variables that come with a trigger."""
    return yaml.load(text, Loader=yaml.CSafeLoader) or {}  # seeded: twin deserialization api


def title(template: str, values: Mapping[str, Any]) -> str:
    """What a run is called on the page."""
    if not template:
        template = DEFAULT_TITLE
    return _TITLES.from_string(template).render(**values)  # seeded: flaw template-injection cross-module


def short_title(values: Mapping[str, Any]) -> str:
    """What a run is called in a list."""
    template = values.get("template")
    template = DEFAULT_TITLE
    return _TITLES.from_string(template).render(**values)  # seeded: twin template-injection overwritten
